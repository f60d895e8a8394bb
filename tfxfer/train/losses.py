"""The loss that trains: any of Keras's, or a function, as one number for each image."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from tfxfer.core import distribute
from tfxfer.core.errors import InputError, shown
from tfxfer.train import loss_inputs
from tfxfer.train.loss_inputs import Inputs

Loss: TypeAlias = str | Callable[..., Any] | keras.losses.Loss
_MEANS = ("sum_over_batch_size", "mean", "mean_with_sample_weight")


@dataclass(frozen=True)
class TrainingLoss:
    """A loss of labels and logits.

    Attributes:
        name: of its class or function.
        inputs: what it is computed from.
        function: Keras's `call(y_true, y_pred)`, or the function itself.
        dtype: of both arguments, as Keras casts them.
        summed: whether a batch counts with its sum, not with its mean.
        identity: what makes it the same loss in another process.
    """

    name: str
    inputs: Inputs
    function: Callable[[tf.Tensor, tf.Tensor], Any]
    dtype: str
    summed: bool
    identity: tuple

    def __call__(self, labels: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """The losses of some images, of which `sum(weights * losses)` is Keras's loss of the batch.

        Args:
            labels: int64 (n,).
            logits: float32 (n, classes).
            weights: float32 (n,), 1 / the images in the batch on all devices, or 0 for what only fills it up.

        Returns:
            float32 (n,). One number for the whole batch is repeated for each image, and that of a summed loss is
            multiplied by their number: Keras's loss of an epoch is the mean of its batches' losses, weighted so.
        """
        losses = self.values(labels, logits)
        if losses.shape.rank == 0:
            return tf.fill(tf.shape(labels), losses)
        if losses.shape.rank > 1:
            reduce = tf.reduce_sum if self.summed else tf.reduce_mean
            losses = reduce(losses, axis=range(1, losses.shape.rank))
        return losses * tf.math.divide_no_nan(1.0, tf.reduce_max(weights)) if self.summed else losses

    @tf.autograph.experimental.do_not_convert  # as in Keras's own fit
    def values(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """What the loss itself returns, float32."""
        targets, outputs = self.inputs.of(labels, logits)
        return tf.cast(self.function(tf.cast(targets, self.dtype), tf.cast(outputs, self.dtype)), tf.float32)

    def __str__(self) -> str:
        return f"{self.name} of {self.inputs}"


def create(
    loss: Loss | None,
    classes: int,
    label_smoothing: float = 0.0,
    class_weights: np.ndarray | None = None,
    strategy: tf.distribute.Strategy | None = None,
) -> TrainingLoss | None:
    """Creates the loss of a training, and tries it on the shapes it will get.

    Args:
        loss: as `fit` takes it; None for the cross-entropy that needs nothing of this.
        classes: the number of the network's outputs.
        label_smoothing: must be 0 unless `loss` is None.
        class_weights: factors of the classes, if there are any.
        strategy: divides batches among its replicas.

    Raises:
        InputError: an unknown name, a loss that does not fit labels and logits, or what it cannot be combined with.
    """
    if loss is None:
        return None
    if label_smoothing:
        raise InputError(
            f"label_smoothing {label_smoothing} belongs to the loss that trains unless another is given: give it to "
            "yours, such as keras.losses.CategoricalCrossentropy(label_smoothing=0.1)"
        )
    try:
        given = keras.losses.get(loss)
    except (ValueError, TypeError):  # unknown, or a class that needs arguments
        raise InputError(
            f"loss: {shown(loss)} is not a name that Keras knows, such as 'categorical_crossentropy', nor a class that "
            "needs no arguments"
        ) from None
    name = getattr(getattr(given, "func", given), "__name__", type(given).__name__)
    reduction, call, dtype = "sum_over_batch_size", given, keras.config.floatx()
    if isinstance(given, keras.losses.Loss):
        reduction, call, dtype = given.reduction, given.call, given.dtype
    if reduction not in (*_MEANS, "sum"):
        raise InputError(f"loss: {name} has reduction {reduction!r}, expected 'sum_over_batch_size' or 'sum'")
    if class_weights is not None and reduction == "mean_with_sample_weight":
        raise InputError(
            f"loss: {name} divides by the class_weights (reduction {reduction!r}): use 'sum_over_batch_size'"
        )
    inputs = loss_inputs.inputs_of(given, "loss")
    result = TrainingLoss(name, inputs, call, dtype, reduction == "sum", loss_inputs.identity(given))

    def trial(labels: tf.Tensor, logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | None]:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            values = result.values(labels, logits)
        return values, tape.gradient(values, logits)

    values, gradient = loss_inputs.traced(trial, classes, f"loss: {name}")
    if gradient is None:
        raise InputError(f"loss: {name} has no gradient with respect to y_pred: compute it without argmax or rounding")
    shape = values.shape
    divided = distribute.default(strategy).num_replicas_in_sync > 1 or isinstance(strategy, tf.distribute.TPUStrategy)
    if shape.rank == 0 and (divided or class_weights is not None):
        need = "several devices need" if divided else "class_weights need"
        raise InputError(f"loss: {name} gives one number for a batch, {need} one for each image: do not average")
    if shape.rank is None or (shape.rank and shape[0] != classes + 1):
        raise InputError(
            f"loss: {name} gives numbers of shape {shape} for {classes + 1} images, expected one for each image, or "
            "one for the batch"
        )
    return result
