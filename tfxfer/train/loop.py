"""The training loop: steps run on the device, several per call, under any strategy, and drive Keras's callbacks."""

import functools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf

from tfxfer.core import distribute
from tfxfer.core.errors import InputError
from tfxfer.train import fast_convolution

CALL_SECONDS = 0.25  # how long a call should take at most: progress and checkpoints come between calls
MOST_STEPS = 64  # per call
TOGETHER = 16  # steps per call with several workers, which must all make the same calls


class Steps:
    """Training and evaluation steps of one model.

    Both methods take an iterator of elements ((inputs, labels), weights) and a number of steps, and return sums over
    the examples, float64 (3,): loss, correct predictions, examples.

    Args:
        net: the model; its outputs are logits.
        optimizer: built for its trainable variables.
        strategy: runs each step on its replicas; None for one device.
        label_smoothing: share of the target that is spread evenly over all classes, in [0, 1).
        class_weights: float32 (classes,), a factor for each class in the training loss.
    """

    def __init__(
        self,
        net: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        strategy: tf.distribute.Strategy | None = None,
        label_smoothing: float = 0.0,
        class_weights: np.ndarray | None = None,
    ):
        self.net, self.optimizer, self.label_smoothing = net, optimizer, label_smoothing
        self.class_weights = class_weights
        self.strategy = distribute.default(strategy)
        self.several_workers = distribute.workers(strategy) > 1
        self.traced: dict[Callable, Callable] = {}

    def train(self, iterator: Iterator, steps: int) -> np.ndarray:
        """Takes this many training steps."""
        return self._run(self._train_step, iterator, steps)

    def evaluate(self, iterator: Iterator, steps: int) -> np.ndarray:
        """Evaluates this many batches."""
        return self._run(self._evaluation_step, iterator, steps)

    def _run(self, step: Callable, iterator: Iterator, steps: int) -> np.ndarray:
        """Runs the steps in one call, which is traced the first time.

        It is traced here because replicas are traced in threads of their own, all of which use the same layers.
        """
        count = tf.constant(steps)
        if step not in self.traced:
            with fast_convolution.trained_fast(self.net):
                several = tf.function(functools.partial(self._several, step))
                self.traced[step] = several.get_concrete_function(iterator, count)
        return self.traced[step](iterator, count).numpy()

    def _several(self, step: Callable, iterator: Iterator, steps: tf.Tensor) -> tf.Tensor:
        totals = tf.zeros(3, tf.float64)
        for _ in tf.range(steps):
            parts = self.strategy.run(step, (next(iterator),))
            totals += self.strategy.reduce(tf.distribute.ReduceOp.SUM, parts, axis=None)
        return totals

    def _train_step(self, element: tuple) -> tf.Tensor:
        (inputs, labels), weights = element
        with tf.GradientTape() as tape:
            logits = self.net(inputs, training=True)
            losses = self._losses(labels, logits)
            losses *= 1.0 if self.class_weights is None else tf.gather(self.class_weights, labels)
            penalty = self._penalty()
            loss = tf.reduce_sum(weights * losses) + penalty / self.strategy.num_replicas_in_sync
        variables = self.net.trainable_variables
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        self.optimizer.apply(gradients, variables)  # adds up the gradients of all replicas
        return _sums(losses + penalty, labels, logits, weights)

    def _evaluation_step(self, element: tuple) -> tf.Tensor:
        (inputs, labels), weights = element
        logits = self.net(inputs, training=False)
        return _sums(self._losses(labels, logits) + self._penalty(), labels, logits, weights)

    def _penalty(self) -> tf.Tensor:
        return tf.add_n(self.net.losses) if self.net.losses else tf.constant(0.0)

    def _losses(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        if not self.label_smoothing:
            return keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        targets = tf.one_hot(labels, logits.shape[-1])
        return keras.losses.categorical_crossentropy(
            targets, logits, from_logits=True, label_smoothing=self.label_smoothing
        )


def _sums(losses: tf.Tensor, labels: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    real = tf.cast(weights > 0, tf.float64)
    correct = tf.cast(tf.argmax(logits, -1) == labels, tf.float64)
    return tf.stack(
        [tf.reduce_sum(real * tf.cast(losses, tf.float64)), tf.reduce_sum(real * correct), tf.reduce_sum(real)]
    )


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
                self.callbacks.on_epoch_begin(position.epoch)
            # of several workers none may leave an epoch by itself: they all stop after it
            while position.step < self.sizes[0] and (several or not position.step or not position.stopped):
                self.callbacks.on_train_batch_begin(position.step)
                count, sums = self._call(self.steps.train, iterator, self.sizes[0] - position.step)
                position.step, position.sums = position.step + count, (np.asarray(position.sums) + sums).tolist()
                position.seconds = time.perf_counter() - started
                logs = _means(position.sums)
                _check(logs["loss"])
                self.callbacks.on_train_batch_end(position.step - 1, logs)
                position.stopped = bool(net.stop_training)
                if position.step < self.sizes[0]:
                    self.between(position)
            self.pull()
            logs = _means(position.sums)
            self.callbacks.on_test_begin()
            totals, remaining = np.zeros(3), self.sizes[1]
            while remaining:
                count, sums = self._call(self.steps.evaluate, self.validation, remaining)
                totals, remaining = totals + sums, remaining - count
            logs |= {f"val_{name}": value for name, value in _means(totals).items()}
            _check(logs["val_loss"])
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


def _check(loss: float) -> None:
    if not np.isfinite(loss):
        raise InputError("training diverged, the loss is not a finite number: lower learning_rate")


def _means(sums: Sequence[float] | np.ndarray) -> dict[str, float]:
    return {"loss": float(sums[0] / sums[2]), "accuracy": float(sums[1] / sums[2])}
