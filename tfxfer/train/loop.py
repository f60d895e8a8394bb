"""The training loop: whole steps on the device, several a call, on any strategy, driving Keras's callbacks."""

import functools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf

from tfxfer.core import distribute
from tfxfer.core.errors import InputError
from tfxfer.train import fast_convolution

CALL_SECONDS = 0.25  # how long a call may take before progress is shown and a checkpoint can be made
MOST_STEPS = 64  # a call
TOGETHER = 16  # steps a call with several workers, which have to call alike


class Steps:
    """Training and evaluation steps of one model. Both methods take an iterator and a number of steps, and return
    float64 sums over the examples: (loss, correct, examples)."""

    def __init__(
        self,
        net: keras.Model,
        optimizer,
        strategy: tf.distribute.Strategy | None,
        label_smoothing: float,
        class_weights: np.ndarray | None = None,
    ):
        self.net, self.optimizer, self.label_smoothing = net, optimizer, label_smoothing
        self.class_weights = class_weights  # of training alone
        self.strategy = distribute.default(strategy)
        self.several_workers = distribute.workers(strategy) > 1
        self.traced: dict[Callable, Callable] = {}

    def train(self, iterator: Iterator, steps: int) -> np.ndarray:
        """Takes so many training steps."""
        return self._run(self._train_step, iterator, steps)

    def evaluate(self, iterator: Iterator, steps: int) -> np.ndarray:
        """Evaluates so many batches."""
        return self._run(self._evaluation_step, iterator, steps)

    def _run(self, step: Callable, iterator: Iterator, steps: int) -> np.ndarray:
        """Traced once, and here: replicas are traced in threads of their own, which share what layers do."""
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

    def _train_step(self, element) -> tf.Tensor:
        (inputs, labels), weights = element
        with tf.GradientTape() as tape:
            logits = self.net(inputs, training=True)
            losses = self._losses(labels, logits)
            losses *= 1.0 if self.class_weights is None else tf.gather(self.class_weights, labels)
            penalty = self._penalty()
            loss = tf.reduce_sum(weights * losses) + penalty / self.strategy.num_replicas_in_sync
        variables = self.net.trainable_variables
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        self.optimizer.apply(gradients, variables)  # sums the replicas' gradients
        return _sums(losses + penalty, labels, logits, weights)

    def _evaluation_step(self, element) -> tf.Tensor:
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


def _sums(losses, labels, logits, weights) -> tf.Tensor:
    real = tf.cast(weights > 0, tf.float64)
    correct = tf.cast(tf.argmax(logits, -1) == labels, tf.float64)
    return tf.stack(
        [tf.reduce_sum(real * tf.cast(losses, tf.float64)), tf.reduce_sum(real * correct), tf.reduce_sum(real)]
    )


@dataclass
class Position:
    """Where a training stands between two calls: all that a checkpoint needs beside variables and callbacks."""

    epoch: int = 0
    step: int = 0
    sums: list[float] = field(default_factory=lambda: [0.0] * 3)
    seconds: float = 0.0  # of the epoch so far
    spent: float = 0.0  # by the processes before this one
    history: dict[str, list[float]] = field(default_factory=dict)
    stopped: bool = False  # by a callback
    finished: bool = False
    weights_of: int = 0  # the epoch, counted from 0, whose weights the finished network has


@dataclass
class Loop:
    """Epochs over one model: trains, validates, calls back.

    Args:
        steps: what a step does.
        stream: from a position to the training elements from there on, to the last epoch's last.
        validation: the validation elements, forever.
        sizes: training and validation steps an epoch.
        callbacks: Keras's list, whose model is the whole network.
        pull: brings the whole network up to date, before its epoch's callbacks.
        push: gives what these changed in it to the model that trains.
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
    count: dict[Callable, int] = field(default_factory=dict)  # steps of the next call

    def run(self, position: Position, epochs: int) -> None:
        """Trains from the position to the end, or to where a callback stops it; the position moves along."""
        net, several = self.callbacks.model, self.steps.several_workers
        iterator = self.stream((position.epoch, position.step))
        while position.epoch < epochs and (position.step or not net.stop_training):
            started = time.perf_counter() - position.seconds
            if position.step == 0:
                self.callbacks.on_epoch_begin(position.epoch)
            # of several workers none may leave an epoch alone: it stops behind it
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
        """Runs some of the remaining steps, twice as many as last time while that was quick."""
        count = min(TOGETHER if self.steps.several_workers else self.count.get(function, 1), remaining)
        started = time.perf_counter()
        sums = function(iterator, count)
        if time.perf_counter() - started < CALL_SECONDS / 2:
            self.count[function] = min(2 * count, MOST_STEPS)
        return count, sums


def _check(loss: float) -> None:
    if not np.isfinite(loss):
        raise InputError("training diverged, the loss is no number any more: lower learning_rate")


def _means(sums) -> dict[str, float]:
    return {"loss": float(sums[0] / sums[2]), "accuracy": float(sums[1] / sums[2])}
