"""What one training step and one evaluation step do, on one device or on the replicas of a strategy."""

import contextlib
import functools
import math
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from tfxfer.core import distribute
from tfxfer.features import frozen_prefix
from tfxfer.model import folding, freezing
from tfxfer.train import compilation, fast_convolution
from tfxfer.train.epoch_metrics import EpochMetrics
from tfxfer.train.losses import TrainingLoss
from tfxfer.train.mixup import MixUp


class Steps:
    """Training and evaluation steps of one model.

    Both methods take an iterator of elements ((inputs, labels), weights) and a number of steps, and return sums over
    the examples, float64 (3,): loss, correct predictions, examples.

    Args:
        net: the model; its outputs are logits. In a whole network, what is frozen before all that trains is computed
            on folded weights, outside of the gradients.
        optimizer: built for its trainable variables.
        strategy: runs each step on its replicas; None for one device.
        label_smoothing: share of the target that is spread evenly over all classes, in [0, 1).
        class_weights: float32 (classes,), a factor for each class in the training loss.
        compiled: whether XLA compiles the steps, see `compilation.choose`.
        loss: what trains in place of the cross-entropy.
        metrics: updated by each step; whoever calls the steps reads them and sets them back.
        mixup: mixes the examples of a batch in training, where the trained part of the network begins.
    """

    def __init__(
        self,
        net: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        strategy: tf.distribute.Strategy | None = None,
        label_smoothing: float = 0.0,
        class_weights: np.ndarray | None = None,
        compiled: bool = False,
        loss: TrainingLoss | None = None,
        metrics: EpochMetrics | None = None,
        mixup: MixUp | None = None,
    ):
        self.net, self.optimizer, self.label_smoothing = net, optimizer, label_smoothing
        self.prefix, self.tail = frozen_prefix.parts(net, always=mixup is not None)
        self.mixup = mixup
        self.class_weights, self.compiled = class_weights, compiled
        self.loss, self.metrics = loss, metrics or EpochMetrics(strategy=strategy)
        self.scales_loss = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
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
            frozen = folding.folded(self.prefix, step == self._train_step) if self.prefix else contextlib.nullcontext()
            with freezing.still(self.net), fast_convolution.trained_fast(self.tail), frozen:
                # AutoGraph is for the loop over batches alone: as in Keras's own fit, it rewrites nothing of a step
                one = tf.autograph.experimental.do_not_convert(step)
                one = compilation.function(one, self.compiled, self.strategy)
                several = tf.function(functools.partial(self._several, one))
                self.traced[step] = several.get_concrete_function(iterator, count)
        with compilation.explained(self.compiled):
            return self.traced[step](iterator, count).numpy()

    def _several(self, step: Callable, iterator: Iterator, steps: tf.Tensor) -> tf.Tensor:
        totals = tf.zeros(3, tf.float64)
        for _ in tf.range(steps):
            parts = self.strategy.run(step, (next(iterator),))
            totals += self.strategy.reduce(tf.distribute.ReduceOp.SUM, parts, axis=None)
        return totals

    def _train_step(self, element: tuple) -> tf.Tensor:
        (inputs, labels), weights = element
        inputs = self.prefix(inputs, training=True) if self.prefix else inputs
        mixture = self.mixup.draw(self.optimizer.iterations, weights) if self.mixup else None
        inputs = mixture.inputs(inputs) if mixture else inputs
        with tf.GradientTape() as tape:
            logits = self.tail(inputs, training=True)
            losses = self._weighted_losses(labels, logits, weights)
            if mixture:
                losses = mixture.mean(losses, self._weighted_losses(mixture.others(labels), logits, weights))
            penalty = self._penalty()
            loss = tf.reduce_sum(weights * losses) + penalty / self.strategy.num_replicas_in_sync
            scaled = self.optimizer.scale_loss(loss)
        variables = self.net.trainable_variables
        gradients = tape.gradient(scaled, [variable.value for variable in variables])
        if self.scales_loss and self.strategy.num_replicas_in_sync > 1:
            gradients = _overflowing_together(gradients)
        self.optimizer.apply(gradients, variables)  # adds up the gradients of all replicas
        self.metrics.update(labels, logits, weights)
        return _sums(losses + penalty, labels, logits, weights)

    def _evaluation_step(self, element: tuple) -> tf.Tensor:
        (inputs, labels), weights = element
        inputs = self.prefix(inputs, training=False) if self.prefix else inputs
        logits = self.tail(inputs, training=False)
        self.metrics.update(labels, logits, weights)
        return _sums(self._losses(labels, logits, weights) + self._penalty(), labels, logits, weights)

    def _weighted_losses(self, labels: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        factors = 1.0 if self.class_weights is None else tf.gather(self.class_weights, labels)
        return self._losses(labels, logits, weights) * factors

    def _penalty(self) -> tf.Tensor:
        return tf.add_n(self.net.losses) if self.net.losses else tf.constant(0.0)

    def _losses(self, labels: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        if self.loss is not None:
            return self.loss(labels, logits, weights)
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


def _overflowing_together(gradients: list[tf.Tensor]) -> list[tf.Tensor]:
    """Gradients that overflow on all replicas if they do on one.

    Keras's loss scaling asks the first replica alone whether to skip a step, before gradients are added up.
    """
    finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(gradient)) for gradient in gradients])
    replica = tf.distribute.get_replica_context()
    overflows = replica.all_reduce(tf.distribute.ReduceOp.SUM, tf.where(finite, 0.0, 1.0))
    return [tf.where(overflows > 0, math.nan, gradient) for gradient in gradients]
