"""The statistics of batches at batch norm layers, averaged over images: what their moving statistics should be."""

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from tfxfer.core.errors import InputError

Moments = tuple[np.ndarray, np.ndarray]  # means and variances, float64 (channels,)


class BatchStatistics:
    """Means and variances of what batch norm layers get, by passes in which they normalise each batch by its own.

    That is what these layers do in training, and what `torch.optim.swa_utils.update_bn` averages (Izmailov et al. 2018,
    arXiv:1803.05407). All other layers are in inference mode: other batch norm keeps its moving statistics, and nothing
    is dropped out, for inference will not drop anything either, and the variance without dropout is another (Li et al.
    2019, arXiv:1801.05134). No variable changes.

    Args:
        net: a functional model, such as a network from `model.build`, or the tail of one.
        norms: batch norm layers of it, or within its layers.

    Raises:
        InputError: a layer uses batch renormalization, whose statistics depend on those before.
    """

    def __init__(self, net: keras.Model, norms: Sequence[keras.layers.BatchNormalization]):
        if renormalized := [norm.name for norm in norms if getattr(norm, "renorm", False)]:
            raise InputError(
                f"{net.name}: {renormalized[0]} uses batch renormalization, whose statistics cannot be recomputed: "
                "build the network with renorm=False"
            )
        self.net, self.norms = net, list(norms)
        self._step: Callable | None = None

    def over(self, batches: Iterable) -> list[Moments]:
        """Averages over batches of the model's inputs, each counted by its number of examples.

        Args:
            batches: tensors (batch, ...), or tuples of them for a model of several inputs.

        Returns:
            For each layer the mean of the batches' means, and that of their variances, float64 (channels,).

        Raises:
            InputError: there are no examples.
        """
        sums: list[list[np.ndarray]] = []
        examples = 0
        for batch in batches:
            inputs = tf.nest.map_structure(tf.convert_to_tensor, batch)
            if self._step is None:
                specs = tf.nest.map_structure(lambda x: tf.TensorSpec((None, *x.shape[1:]), x.dtype), inputs)
                self._step = tf.function(self._moments, input_signature=[specs], autograph=False)
            size = len(tf.nest.flatten(inputs)[0])
            parts = [[size * array.numpy().astype(np.float64) for array in pair] for pair in self._step(inputs)]
            sums = [[a + b for a, b in zip(*pairs)] for pairs in zip(sums, parts)] if examples else parts
            examples += size
        if not examples:
            raise InputError("batch statistics of no images: expected at least one")
        return [(mean / examples, variance / examples) for mean, variance in sums]

    def assign(self, moments: Sequence[Moments]) -> None:
        """Makes what `over` returned the layers' moving statistics."""
        assign(self.norms, moments)

    def _moments(self, inputs) -> list[tuple[tf.Tensor, tf.Tensor]]:
        found: list[list[tuple[tf.Tensor, tf.Tensor]]] = [[] for _ in self.norms]
        with by_batch(self.norms, lambda number, moments: found[number].append(moments)):
            self.net(inputs, training=False)
        # a layer that is called more than once averages over its calls, as moving statistics do
        return [tuple(tf.add_n(parts) / len(parts) for parts in zip(*calls)) for calls in found]


def assign(norms: Iterable[keras.layers.BatchNormalization], moments: Iterable[Moments]) -> None:
    """Gives batch norm layers means and variances as their moving statistics."""
    for norm, (mean, variance) in zip(norms, moments, strict=True):
        norm.moving_mean.assign(mean)
        norm.moving_variance.assign(variance)


@contextlib.contextmanager
def by_batch(
    norms: Sequence[keras.layers.BatchNormalization],
    note: Callable[[int, tuple[tf.Tensor, tf.Tensor]], None],
    weight: tf.Tensor | None = None,
) -> Iterator[None]:
    """Within the block, batch norm layers normalise by the statistics of what they get, in whatever mode.

    Args:
        norms: the layers.
        note: called with a layer's number and the mean and variance that it normalises by.
        weight: of the inputs' statistics, where they are mixed with the layers' own; None for theirs alone.
    """
    for number, norm in enumerate(norms):
        norm.call = functools.partial(_call, norm, functools.partial(note, number), weight)
    try:
        yield
    finally:
        for norm in norms:
            del norm.call


def _call(
    norm: keras.layers.BatchNormalization,
    note: Callable[[tuple[tf.Tensor, tf.Tensor]], None],
    weight: tf.Tensor | None,
    inputs: tf.Tensor,
    **_,
) -> tf.Tensor:
    kind = tf.float64 if inputs.dtype == tf.float64 else tf.float32

    def values(variable: keras.Variable | None) -> tf.Tensor | None:
        return None if variable is None else tf.cast(tf.convert_to_tensor(variable), kind)

    x = tf.cast(inputs, kind)
    axis = norm.axis % len(inputs.shape)
    moments = tf.nn.moments(x, [other for other in range(len(inputs.shape)) if other != axis])
    if weight is not None:
        own = values(norm.moving_mean), values(norm.moving_variance)
        moments = tuple(old + tf.cast(weight, kind) * (new - old) for old, new in zip(own, moments))
    note(moments)
    outputs = keras.ops.batch_normalization(x, *moments, axis, values(norm.beta), values(norm.gamma), norm.epsilon)
    return tf.cast(outputs, inputs.dtype)
