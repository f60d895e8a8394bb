"""What is shown while training: a bar with images/s and time left on a terminal, a line an epoch elsewhere."""

import sys
import time

import keras
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar


class Progress(keras.callbacks.Callback):
    """Shows each epoch; its duration covers training and validation, images/s the training alone.

    Args:
        images: training images an epoch.
        batch_size: images a step.
        quiet: show nothing.
    """

    def __init__(self, images: int, batch_size: int, quiet: bool = False):
        super().__init__()
        self.images, self.batch_size, self.quiet = images, batch_size, quiet
        self.bar = None

    def close(self):
        if self.bar:
            self.bar.stop()

    def on_epoch_begin(self, epoch, logs=None):
        self.started = self.trained = time.perf_counter()
        if not self.quiet and sys.stdout.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            self.bar = Bar(*columns, TextColumn("{task.fields[speed]}"), TimeRemainingColumn(), transient=True)
            title = f"epoch {epoch + 1}/{self.params['epochs']}"
            self.task = self.bar.add_task(title, total=self.images, speed="")
            self.bar.start()

    def on_train_batch_end(self, batch, logs=None):
        self.trained = time.perf_counter() - self.started
        if self.bar:
            done = min((batch + 1) * self.batch_size, self.images)
            speed = f"{done / self.trained:,.0f} images/s, loss {logs['loss']:.4f}"
            self.bar.update(self.task, completed=done, speed=speed)

    def on_epoch_end(self, epoch, logs=None):
        self.close()
        if self.quiet:
            return
        figures = ", ".join(f"{name} {logs[name]:.4f}" for name in ("loss", "accuracy", "val_loss", "val_accuracy"))
        print(
            f"epoch {epoch + 1}/{self.params['epochs']}: {figures}, {logs['seconds']:.1f} s, "
            f"{self.images / self.trained:,.0f} images/s",
            flush=True,
        )
