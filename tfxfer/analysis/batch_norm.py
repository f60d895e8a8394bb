"""Batch-norm adaptation: a network's statistics, mixed with those of images that it is to see, without their labels."""

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from numbers import Real

import keras
import numpy as np
import tensorflow as tf

from tfxfer.core import memory, private_names
from tfxfer.core.errors import InputError, shown
from tfxfer.features import batch_statistics, inference

PRIOR = 16.0
Statistics = Sequence[tuple[np.ndarray, np.ndarray]]
"""Mean and variance, float32 (channels,) each, of one batch-norm layer after another."""


def adapt_batch_norm(net: keras.Model, images: np.ndarray | tf.data.Dataset, prior: float = PRIOR) -> keras.Model:
    """Copies a network and adapts the copy's batch norm to images, whose labels are not needed.

    Each layer's moving mean and variance become a weighted mean of what they were, which counts as `prior` images, and
    of the statistics of its inputs for the n given images: (prior source + n target) / (prior + n), as in Schneider et
    al. 2020, arXiv:2006.16971. Nothing else changes, and nothing is trained.

    All images are one batch, however many there are: the statistics of a layer are those of all of them, after the
    layers before it have been adapted. With prior 0 this is what Keras computes in training mode. Images divided into
    several batches, each normalised by itself, would give other statistics.

    Args:
        net: a functional network with batch norm; it stays as it is.
        images: uint8 (n, height, width, channels), as the network takes them; or a data set of single images, or of
            dicts with "image", such as `splits.test`, of which nothing else is read.
        prior: the number of images that the network's own statistics count as, 0 or more: with 0 they are replaced, and
            with infinity nothing changes. 16 steadies the statistics of a few images, and hardly shows beside those of
            hundreds.

    Returns:
        The copy, with the attributes `classes` and `aspect` of the network.

    Raises:
        InputError: no batch norm (that of exported or folded networks is multiplied into other layers), images of
            another dtype or shape, no images, a prior that is not a number of 0 or more, a layer that is called more
            than once, or not enough memory for so many images.

    Example:
        >>> from tfxfer import analysis, data, model
        >>> splits = data.load("digits", limit=40)
        >>> net = model.build("small_resnet", splits, weights="none")
        >>> adapted = analysis.adapt_batch_norm(net, splits.test.take(8), prior=0)
        >>> changed = [new.name for old, new in zip(net.weights, adapted.weights) if (abs(new - old) > 0).numpy().any()]
        >>> sorted(set(changed))
        ['moving_mean', 'moving_variance']
    """
    statistics = Adapter(net)(images, prior)
    copy = keras.models.clone_model(net)
    copy.set_weights(net.get_weights())
    for name in ("classes", "aspect"):
        if hasattr(net, name):
            setattr(copy, name, getattr(net, name))
    batch_statistics.assign(_batch_norms(copy), statistics)
    return copy


class Adapter:
    """A network prepared once to be adapted to one set of images after another; see `adapt_batch_norm`.

    Args:
        net: a functional network; it stays as it is.

    Raises:
        InputError: the network is not functional, has no batch norm, or calls a layer of it more than once.
    """

    def __init__(self, net: keras.Model):
        if not private_names.is_functional(net) or len(net.inputs) != 1:
            raise InputError(f"{net.name} is not a functional network of one input: give one from model.build")
        self.net, self.layers = net, _batch_norms(net)
        if not self.layers:
            raise InputError(
                f"{net.name} has no batch norm to adapt: choose a backbone that has some, such as resnet50 or "
                "efficientnet_lite0 (in folded and exported networks it is multiplied into other layers)"
            )
        calls = Counter(node.operation for node in private_names.calls(net))
        if again := [layer.name for layer in self.layers if calls[layer] > 1]:
            raise InputError(f"{again[0]} is called more than once: its statistics cannot be those of two inputs")
        specs = [tf.TensorSpec(net.inputs[0].shape, tf.uint8), tf.TensorSpec((), tf.float32)]
        self._traced = tf.function(self._forward, specs, autograph=False)

    def __call__(self, images: np.ndarray | tf.data.Dataset, prior: float = PRIOR) -> Statistics:
        """The statistics that the layers would have, adapted from those that they have now to these images."""
        if not isinstance(prior, Real) or isinstance(prior, bool) or not prior >= 0:
            raise InputError(f"prior {shown(prior)}: expected a number of images, 0 or more")
        images = _images(images, tuple(self.net.input_shape[1:]))
        memory.need(
            4 * 4 * inference.largest_output(self.net) * len(images),
            f"batch norm of {len(images):,} images in one batch",
        )
        weight = 1 / (1 + float(prior) / len(images))  # of the images' own statistics
        found = self._traced(tf.constant(images), tf.constant(weight, tf.float32))
        return [(mean.numpy(), variance.numpy()) for mean, variance in found]

    def _forward(self, images: tf.Tensor, weight: tf.Tensor) -> list[tuple[tf.Tensor, tf.Tensor]]:
        found: dict[int, tuple[tf.Tensor, tf.Tensor]] = {}
        with batch_statistics.by_batch(self.layers, found.__setitem__, weight):
            self.net(images, training=False)
        return [found[number] for number in range(len(self.layers))]


@contextlib.contextmanager
def adapted(net: keras.Model, statistics: Statistics) -> Iterator[None]:
    """Within the block, the network's batch norm has these statistics of an `Adapter`; afterwards its own again."""
    norms = _batch_norms(net)
    own = [
        tuple(keras.ops.convert_to_numpy(variable) for variable in (norm.moving_mean, norm.moving_variance))
        for norm in norms
    ]
    batch_statistics.assign(norms, statistics)
    try:
        yield
    finally:
        batch_statistics.assign(norms, own)


def _batch_norms(net: keras.Model) -> list[keras.layers.BatchNormalization]:
    """The network's batch norm, with that of models within it."""
    found = []
    for layer in net.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            found.append(layer)
        elif isinstance(layer, keras.Model):
            found += _batch_norms(layer)
    return found


def _images(given: np.ndarray | tf.data.Dataset, shape: tuple[int, ...]) -> np.ndarray:
    """The images as an array; of a data set nothing but them is read."""
    expected = f"expected uint8 ({', '.join(map(str, shape))})"
    if isinstance(given, tf.data.Dataset):
        spec = given.element_spec
        of_dicts = isinstance(spec, dict)
        spec = spec.get("image") if of_dicts else spec
        if not isinstance(spec, tf.TensorSpec) or spec.dtype != tf.uint8 or not spec.shape.is_compatible_with(shape):
            raise InputError(f"data set of {given.element_spec}: {expected}, or dicts with such an image, not batched")
        pictures = given.map(lambda example: example["image"]) if of_dicts else given
        given = np.array([image.numpy() for image in pictures], np.uint8).reshape(-1, *shape)
    images = np.asarray(given)
    if images.dtype != np.uint8 or images.shape[1:] != shape or not len(images):
        raise InputError(f"images {images.dtype} {images.shape}: {expected} for each of at least one image")
    return images
