"""What is shown while training: on a terminal a bar of the epoch with images/s and the time that all epochs still take,
elsewhere one line per epoch."""

import time
from collections.abc import Iterable
from typing import Any

import keras

from tfxfer.core import live_lines


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
        self.bar: live_lines.Line | None = None
        self.first, self.began = -1, 0.0  # the epoch that training began or went on with, and when

    def close(self) -> None:
        if self.bar:
            self.bar.close()
            self.bar = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.started = self.trained = time.perf_counter()
        self.epoch = epoch
        if self.first < 0:
            self.first, self.began = epoch, self.started
        self.close()
        if not self.quiet and live_lines.possible():
            self.bar = live_lines.Line(f"epoch {epoch + 1}/{self.params['epochs']}", self.images)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        now = time.perf_counter()
        self.trained = now - self.started
        if self.bar:
            done = min((batch + 1) * self.batch_size, self.images)
            text = f"{done / self.trained:,.0f} images/s, loss {logs['loss']:.4f}"
            passed = self.epoch - self.first + done / self.images  # epochs; early stopping may leave some out
            left = (now - self.began) / passed * (self.params["epochs"] - self.first - passed)
            self.bar.update(done, text, left)

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
