"""The training loop: epochs of steps, several steps per call to the device, which drive Keras's callbacks."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import keras
import numpy as np

from tfxfer.core import distribute
from tfxfer.core.errors import InputError
from tfxfer.train.steps import Steps

CALL_SECONDS = 0.25  # how long a call should take at most: progress and checkpoints come between calls
MOST_STEPS = 64  # per call
TOGETHER = 16  # steps per call with several workers, which must all make the same calls


@dataclass
class Position:
    """Where a training is between two calls: all that a checkpoint needs besides variables and callbacks."""

    epoch: int = 0
    step: int = 0
    sums: list[float] = field(default_factory=lambda: [0.0] * 3)  # of the epoch so far, as `Steps` returns them
    seconds: float = 0.0  # spent on the epoch so far
    spent: float = 0.0  # seconds spent by earlier processes
    history: dict[str, list[float]] = field(default_factory=dict)
    stopped: bool = False  # a callback has ended training
    finished: bool = False
    weights_of: int = 0  # the epoch, counted from 0, whose weights the finished network has


@dataclass
class Loop:
    """The epochs of one training: trains, validates, and calls the callbacks.

    Args:
        steps: what one step does.
        stream: given an epoch and a step, returns the training elements from there to the end of the last epoch.
        validation: the validation elements of every epoch, one after another.
        sizes: numbers of training and validation steps per epoch.
        callbacks: Keras's list, whose model is the whole network.
        pull: copies the trained weights into the whole network, before the callbacks at the end of an epoch.
        push: copies what these callbacks changed back into the model that trains.
        between: called with the position after every call to the device and after every epoch.
    """

    steps: Steps
    stream: Callable[[tuple[int, int]], Iterator]
    validation: Iterator
    sizes: tuple[int, int]
    callbacks: keras.callbacks.CallbackList
    pull: Callable[[], None]
    push: Callable[[], None]
    between: Callable[[Position], None] = lambda position: None
    counts: dict[Callable, int] = field(default_factory=dict)  # steps of the next call of each function

    def run(self, position: Position, epochs: int) -> None:
        """Trains from the position to the end, or until a callback ends training; the position is updated."""
        net, several = self.callbacks.model, self.steps.several_workers
        iterator = self.stream((position.epoch, position.step))
        while position.epoch < epochs and (position.step or not net.stop_training):
            started = time.perf_counter() - position.seconds
            if position.step == 0:
                self.steps.metrics.reset()
                self.callbacks.on_epoch_begin(position.epoch)
            # of several workers none may leave an epoch by itself: they all stop after it
            while position.step < self.sizes[0] and (several or not position.step or not position.stopped):
                self.callbacks.on_train_batch_begin(position.step)
                count, sums = self._call(self.steps.train, iterator, self.sizes[0] - position.step)
                position.step, position.sums = position.step + count, (np.asarray(position.sums) + sums).tolist()
                position.seconds = time.perf_counter() - started
                logs = self._figures(position.sums)
                self._check(logs["loss"])
                self.callbacks.on_train_batch_end(position.step - 1, logs)
                position.stopped = bool(net.stop_training)
                if position.step < self.sizes[0]:
                    self.between(position)
            self.pull()
            logs = self._figures(position.sums)
            self.steps.metrics.reset()
            self.callbacks.on_test_begin()
            totals, remaining = np.zeros(3), self.sizes[1]
            while remaining:
                count, sums = self._call(self.steps.evaluate, self.validation, remaining)
                totals, remaining = totals + sums, remaining - count
            logs |= {f"val_{name}": value for name, value in self._figures(totals).items()}
            self._check(logs["val_loss"])
            self.callbacks.on_test_end(dict(logs))
            logs["seconds"] = time.perf_counter() - started
            self.callbacks.on_epoch_end(position.epoch, logs)
            self.push()
            for name in {**position.history, **logs}:  # a callback may log in some epochs only
                position.history.setdefault(name, [math.nan] * position.epoch).append(float(logs.get(name, math.nan)))
            net.stop_training = not distribute.agree(self.steps.strategy, not net.stop_training)
            position.stopped = bool(net.stop_training)
            position.epoch, position.step, position.sums, position.seconds = position.epoch + 1, 0, [0.0] * 3, 0.0
            self.between(position)

    def _call(self, function: Callable, iterator: Iterator, remaining: int) -> tuple[int, np.ndarray]:
        """Runs some of the remaining steps, twice as many as the last time if that was quick."""
        count = min(TOGETHER if self.steps.several_workers else self.counts.get(function, 1), remaining)
        started = time.perf_counter()
        sums = function(iterator, count)
        if time.perf_counter() - started < CALL_SECONDS / 2:
            self.counts[function] = min(2 * count, MOST_STEPS)
        return count, sums

    def _figures(self, sums: Sequence[float] | np.ndarray) -> dict[str, float]:
        means = {"loss": float(sums[0] / sums[2]), "accuracy": float(sums[1] / sums[2])}
        return means | self.steps.metrics.results()

    def _check(self, loss: float) -> None:
        if not np.isfinite(loss):
            way_out = ", or set precision to float32: float16 ends at 65,504" if self.steps.scales_loss else ""
            raise InputError(f"training diverged, the loss is not a finite number: lower learning_rate{way_out}")
