"""What is shown while training: on a terminal a bar with images/s and time left, elsewhere one line per epoch."""

import sys
import time
from collections.abc import Iterable
from typing import Any

import keras
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar


class Progress(keras.callbacks.Callback):
    """Shows each epoch. Its duration covers training and validation; images/s count the training alone.

    Args:
        images: number of training images.
        batch_size: images per step.
        quiet: shows nothing.
        metrics: names of further figures of training and validation.
    """

    def __init__(self, images: int, batch_size: int, quiet: bool = False, metrics: Iterable[str] = ()):
        super().__init__()
        self.images, self.batch_size, self.quiet = images, batch_size, quiet
        self.names = ["loss", "accuracy", *metrics]
        self.bar: Bar | None = None

    def close(self) -> None:
        if self.bar:
            self.bar.stop()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.started = self.trained = time.perf_counter()
        if not self.quiet and sys.stdout.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            self.bar = Bar(*columns, TextColumn("{task.fields[speed]}"), TimeRemainingColumn(), transient=True)
            title = f"epoch {epoch + 1}/{self.params['epochs']}"
            self.task = self.bar.add_task(title, total=self.images, speed="")
            self.bar.start()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.trained = time.perf_counter() - self.started
        if self.bar:
            done = min((batch + 1) * self.batch_size, self.images)
            speed = f"{done / self.trained:,.0f} images/s, loss {logs['loss']:.4f}"
            self.bar.update(self.task, completed=done, speed=speed)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.close()
        if self.quiet:
            return
        names = [*self.names, *(f"val_{name}" for name in self.names)]
        figures = ", ".join(f"{name} {logs[name]:.4f}" for name in names)
        print(
            f"epoch {epoch + 1}/{self.params['epochs']}: {figures}, {logs['seconds']:.1f} s, "
            f"{self.images / self.trained:,.0f} images/s",
            flush=True,
        )
