"""One flat Keras graph from raw pixels to logits.

    image (uint8) -> to_float -> [resize] -> [augment] -> [to_rgb] -> scale -> scaled
          -> the backbone's own layers -> embedding -> [head_dropout] -> logits

The layers named here are the landmarks by which every other module finds its way.
"""

from collections.abc import Callable, Sequence
from numbers import Integral
from pathlib import Path

import keras
from keras import layers

from tfxfer.core.errors import InputError, shown
from tfxfer.data import Splits, channel_stats
from tfxfer.model import adapters, flattening
from tfxfer.model.freezing import random_states, unfreeze_last


def build(
    backbone: str | keras.Model | Callable[..., keras.Model],
    splits: Splits,
    image_size: int | None = None,
    weights: str = "imagenet",
    *,
    scaling: adapters.Scaling | None = None,
    augment: bool | Sequence[layers.Layer] = False,
    head: str = "new",
) -> keras.Model:
    """Builds a network on a backbone; only its head (`logits`) is trainable afterwards.

    Args:
        backbone: a name from `backbones.TABLE` or of keras.applications, one of its functions, or a Keras model with
            one image input and one output (a feature map, or a vector), whose weights are copied. Models within it are
            opened; what scales or augments its images in front stands before `scaled`; global average pooling at its
            end becomes `embedding`. A model of a class with a `call` of its own is one layer: nothing in it can be
            frozen alone, cut, or explained.
        splits: the data set, which decides the image shape and the classes.
        image_size: the size, in pixels per side, at which the backbone sees images; by default its native size.
        weights: "imagenet", "none" or the path of a weights file. A Keras model brings its own weights.
        scaling: how pixels 0-255 are scaled: "tf" to [-1, 1], "caffe" (BGR, mean subtracted), "torch" (ImageNet's mean
            and standard deviation), "unit" to [0, 1], "dataset" (mean 0 and standard deviation 1 in each channel of the
            training images, computed in one pass), the result of `data.channel_stats.mean_and_std`, or "none". By
            default as the backbone was trained; for a Keras model it is required, unless layers in it scale pixels.
        augment: True for small random shifts, rotations and zooms, or a list of Keras layers that take float pixels
            0-255. They are active in training only.
        head: "new", or "keep" for the dense layer at a Keras model's end, which has to have a unit for each class, or
            one unit for two classes. Its softmax or sigmoid is left out: the network gives logits. A new head takes
            that layer's place, and stands behind a last layer that is no head: a dense layer without softmax or
            sigmoid whose units do not fit the classes.

    Returns:
        A functional model, uint8 (batch, *splits.image_shape) -> float32 logits (batch, classes), with the layers
        named in this module's docstring and the attributes `classes`, a list of names, and `aspect`, how pictures that
        are not square are read for it (`data.load` explains it), which `model.save` keeps, and `weights_file`, the name
        of the file that Keras's ImageNet weights were read from, or None.

    Raises:
        InputError: a name is unknown, the weights are not available or do not fit, the images are too small, or an
            argument is of another kind.

    Example:
        >>> from tfxfer import data, model
        >>> net = model.build("cnn", data.load("digits", limit=40), weights="none")
        >>> net.input_shape, net.output_shape
        ((None, 8, 8, 1), (None, 10))
        >>> [layer.name for layer in net.layers if layer.trainable and layer.weights]
        ['logits']
    """
    _check(splits, image_size, weights, scaling, augment)
    if isinstance(scaling, str) and scaling == "dataset":
        scaling = channel_stats.mean_and_std(splits)
    source = adapters.describe(backbone, image_size, weights, scaling, head, len(splits.classes))
    name, size, depth = source.name, source.size, source.channels or splits.image_shape[-1]
    if splits.image_shape[-1] not in (1, depth):
        raise InputError(f"{name} takes {depth} channels, the data has {splits.image_shape[-1]}")

    image = keras.Input(splits.image_shape, dtype="uint8", name="image")
    x = layers.Rescaling(1.0, name="to_float")(image)
    shape = (*(splits.image_shape[:2] if size is None else (size, size)), depth)
    if size is not None and splits.image_shape[:2] != shape[:2]:
        shrinks = max(splits.image_shape[:2]) > size
        x = layers.Resizing(size, size, antialias=shrinks, name="resize")(x)
    for layer in adapters.augmentation() if augment is True else augment or ():
        x = layer(x)
    if splits.image_shape[-1] < depth:
        x = layers.Concatenate(name="to_rgb")([x] * depth)
    x = source.scale(x)
    x = layers.Activation("linear", name="scaled")(x)
    body = source.create(shape)
    try:
        x = flattening.inline(body, x, adapters.RESERVED)
    except ValueError as error:  # of Keras: a dense layer behind all places, or maps that shrink to nothing
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{name} cannot take images of {shape[0]} x {shape[1]} ({reason}): leave image_size and explain_size out"
        ) from None
    if len(x.shape) not in (2, 4):
        raise InputError(f"{name} gives {tuple(x.shape)}: expected a feature map (4 dimensions) or a vector (2)")
    pool = layers.GlobalAveragePooling2D if len(x.shape) == 4 else lambda name: layers.Activation("linear", name=name)
    x = pool(name="embedding")(x)
    x = layers.Dropout(source.dropout, name="head_dropout")(x) if source.dropout else x
    logits = (source.head or layers.Dense(len(splits.classes), dtype="float32", name="logits"))(x)
    net = keras.Model(image, logits, name=name)
    net.classes, net.aspect = list(splits.classes), splits.aspect
    net.weights_file = getattr(body, "weights_file", None)
    for layer in net.layers[: net.layers.index(net.get_layer("scaled"))]:
        layer.trainable = layer.trainable or bool(random_states(layer))  # augmentation within a model that was frozen
    unfreeze_last(net, 0)
    return net


def _check(splits: object, image_size: object, weights: object, scaling: object, augment: object) -> None:
    """Raises InputError for arguments of `build` that are wrong for any backbone."""
    if not isinstance(splits, Splits):
        raise InputError(f"splits {shown(splits)}: expected the result of data.load, such as data.load('digits')")
    if image_size is not None and not (isinstance(image_size, Integral) and int(image_size) >= 1):
        raise InputError(f"image_size {shown(image_size)}: expected pixels per side, a whole number of at least 1")
    if not isinstance(weights, str | Path):
        raise InputError(f"weights {shown(weights)}: expected 'imagenet', 'none' or the path of a weights file")
    named = isinstance(scaling, str) and scaling in adapters.SCALINGS
    if not (scaling is None or named or (isinstance(scaling, tuple) and len(scaling) == 2)):
        raise InputError(
            f"scaling {scaling!r}: expected one of {', '.join(adapters.SCALINGS)}, or a mean and a standard deviation"
        )
    members = augment if isinstance(augment, Sequence) and not isinstance(augment, str) else (augment,)
    if not isinstance(augment, bool | None) and not all(isinstance(layer, layers.Layer) for layer in members):
        raise InputError(f"augment {shown(augment)}: expected True, False or a list of Keras layers")
