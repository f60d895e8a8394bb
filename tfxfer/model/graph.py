"""One flat Keras graph from raw pixels to logits, and which of its layers may change.

    image (uint8) -> to_float -> [resize] -> [augment] -> [to_rgb] -> scale -> scaled
          -> the backbone's own layers -> embedding -> [head_dropout] -> logits

The layers named here are the landmarks by which every other module finds its way.
"""

import hashlib
from collections.abc import Callable, Sequence
from numbers import Integral
from pathlib import Path

import keras
import numpy as np
from keras import layers

from tfxfer.core.errors import InputError, shown
from tfxfer.data import Splits, channel_stats
from tfxfer.model import adapters, backbones


def build(
    backbone: str | keras.Model | Callable[..., keras.Model],
    splits: Splits,
    image_size: int | None = None,
    weights: str = "imagenet",
    *,
    scaling: adapters.Scaling | None = None,
    augment: bool | Sequence[layers.Layer] = False,
) -> keras.Model:
    """Builds the graph; only the head (`logits`) is trainable afterwards.

    Args:
        backbone: a name of `backbones.TABLE`, a function of keras.applications, or a Keras model of one image input
            and one output (a feature map, or a vector). A model's weights are copied; it is not changed.
        splits: gives image shape and classes.
        image_size: pixels a side that the backbone sees; by default its native size.
        weights: "imagenet", "none" or a file's path. A Keras model brings its own.
        scaling: what becomes of pixels 0-255: "tf" [-1, 1], "caffe" (BGR, mean subtracted), "torch" (ImageNet's mean
            and standard deviation), "unit" [0, 1], "dataset" (mean 0 and deviation 1 in each channel of the training
            images, which one pass finds out), or what `channels.mean_and_std` gave, "none". By default as the backbone
            was trained; a Keras model does not say, so it has to be given.
        augment: True for small random shifts, rotations and zooms, or Keras layers of one's own that take float
            pixels 0-255. Active in training only.

    Returns:
        A functional model, uint8 (batch, *splits.image_shape) -> float32 logits (batch, classes), with the layers
        named in this module's docstring and the attribute `classes`.

    Raises:
        InputError: unknown names, weights that cannot be had or do not fit, images too small, or an argument that is
            something else.
    """
    _check(splits, image_size, weights, scaling, augment)
    if isinstance(scaling, str) and scaling == "dataset":
        scaling = channel_stats.mean_and_std(splits)
    source = adapters.describe(backbone, image_size, weights, scaling)
    name, size, depth = source.name, source.size, source.channels or splits.image_shape[-1]
    if splits.image_shape[-1] not in (1, depth):
        raise InputError(f"{name} takes {depth} channels, the data has {splits.image_shape[-1]}")

    image = keras.Input(splits.image_shape, dtype="uint8", name="image")
    x = layers.Rescaling(1.0, name="to_float")(image)
    shape = (*(splits.image_shape[:2] if size is None else (size, size)), depth)
    if splits.image_shape[:2] != shape[:2]:
        shrinks = max(splits.image_shape[:2]) > size
        x = layers.Resizing(size, size, antialias=shrinks, name="resize")(x)
    for layer in adapters.augmentation() if augment is True else augment or ():
        x = layer(x)
    if splits.image_shape[-1] < depth:
        x = layers.Concatenate(name="to_rgb")([x] * depth)
    x = source.scale(x)
    x = layers.Activation("linear", name="scaled")(x)
    x = adapters.inline(source.create(shape), x)
    if len(x.shape) not in (2, 4):
        raise InputError(f"{name} gives {tuple(x.shape)}: expected a feature map (4 dimensions) or a vector (2)")
    pool = layers.GlobalAveragePooling2D if len(x.shape) == 4 else lambda name: layers.Activation("linear", name=name)
    x = pool(name="embedding")(x)
    x = layers.Dropout(source.dropout, name="head_dropout")(x) if source.dropout else x
    logits = layers.Dense(len(splits.classes), dtype="float32", name="logits")(x)
    net = keras.Model(image, logits, name=name)
    net.classes = list(splits.classes)
    unfreeze_last(net, 0)
    return net


def _check(splits, image_size, weights, scaling, augment) -> None:
    """Raises InputError for arguments of `build` that are wrong whatever the backbone is."""
    if not isinstance(splits, Splits):
        raise InputError(f"splits {shown(splits)}: expected what data.load gives, such as data.load('digits')")
    if image_size is not None and not (isinstance(image_size, Integral) and image_size >= 1):
        raise InputError(f"image_size {shown(image_size)}: expected pixels a side, a whole number, at least 1")
    if not isinstance(weights, str | Path):
        raise InputError(f"weights {shown(weights)}: expected 'imagenet', 'none' or the path of a weights file")
    named = isinstance(scaling, str) and scaling in adapters.SCALINGS
    if not (scaling is None or named or (isinstance(scaling, tuple) and len(scaling) == 2)):
        raise InputError(
            f"scaling {scaling!r}: expected one of {', '.join(adapters.SCALINGS)}, or a mean and a standard deviation"
        )
    own = augment if isinstance(augment, Sequence) and not isinstance(augment, str) else (augment,)
    if not isinstance(augment, bool | None) and not all(isinstance(layer, layers.Layer) for layer in own):
        raise InputError(f"augment {shown(augment)}: expected True, False or a list of Keras layers")


def backbone_layers(net: keras.Model) -> list[layers.Layer]:
    """The backbone's layers as Keras lists them; scaling, pooling, embedding and head are not among them."""
    names = [layer.name for layer in net.layers]
    return net.layers[names.index("scaled") + 1 : names.index("embedding")]


def stages(net: keras.Model) -> dict[str, list[layers.Layer]]:
    """The backbone's layers by stage, in order, each in exactly one; which stages there are is the table's.

    Raises:
        InputError: the backbone is none of the table.
    """
    if net.name not in backbones.TABLE:
        known = ", ".join(backbones.TABLE)
        raise InputError(f"stages are known for {known}, not for {net.name}; give a number of layers, or layers' names")
    body, rows = backbone_layers(net), backbones.TABLE[net.name].stages
    starts = [next(i for i, layer in enumerate(body) if layer.name.startswith(prefix)) for _, prefix in rows]
    return {name: body[a:b] for (name, _), a, b in zip(rows, starts, [*starts[1:], len(body)])}


def unfreeze_last(
    net: keras.Model, n: int | str, train_batch_norm: bool = False, batch_norm_momentum: float = 0.9
) -> list[layers.Layer]:
    """Makes the head and the last n layers of the backbone trainable, and nothing else. `train.fit` recompiles.

    Dropout, which has nothing to train, stays active in training wherever it stands.

    Args:
        net: from `build`.
        n: how many layers, counting every layer Keras lists (activations too), or "all", or the name of a stage:
            that stage and all behind it. "last" is the table's `last_stage`.
        train_batch_norm: whether the batch norm among them trains. If not it stays in inference mode: fixed
            statistics, fixed scale and offset.
        batch_norm_momentum: the most that batch norm which trains may have. Keras's default of 0.99, and the 0.999
            of its MobileNetV2, look back 100 and 1,000 steps: after a short fine-tuning the moving statistics would
            still be in part the old ones.

    Returns:
        The backbone layers that are now trainable.
    """
    body = backbone_layers(net)
    return _train_only(net, body[len(body) - depth(net, n) :], train_batch_norm, batch_norm_momentum, train_head=True)


def depth(net: keras.Model, n: int | str) -> int:
    """How many layers `unfreeze_last` makes trainable.

    Raises:
        InputError: the backbone has not so many, or no such stage.
    """
    body = backbone_layers(net)
    if n == "last":
        stages(net)  # or an error
        n = backbones.TABLE[net.name].last_stage
    if isinstance(n, str) and n != "all":
        n = len(body) - body.index(_stage(net, n)[0])
    count = len(body) if n == "all" else n
    if not isinstance(count, int) or not 0 <= count <= len(body):
        raise InputError(f"cannot unfreeze {n!r} layers: {net.name} has {len(body)}; expected 0 to {len(body)}, or all")
    return count


def unfreeze_stage(
    net: keras.Model,
    stage: str,
    train_batch_norm: bool = False,
    batch_norm_momentum: float = 0.9,
    train_head: bool = False,
) -> list[layers.Layer]:
    """Makes one stage of the backbone trainable, and nothing before or behind it but, if asked, the head.

    Surgical fine-tuning (Lee et al. 2023, arXiv:2210.11466). The other arguments and the result are `unfreeze_last`'s.
    """
    return _train_only(net, _stage(net, stage), train_batch_norm, batch_norm_momentum, train_head)


def _stage(net: keras.Model, name: str) -> list[layers.Layer]:
    found = stages(net)
    if name not in found:
        raise InputError(f"unknown stage {name!r}: expected one of {net.name}'s, {', '.join(found)}")
    return found[name]


def _train_only(net, some, train_batch_norm, batch_norm_momentum, train_head) -> list[layers.Layer]:
    for layer in backbone_layers(net):
        layer.trainable = False
    net.get_layer("logits").trainable = train_head
    chosen = [layer for layer in some if train_batch_norm or not isinstance(layer, layers.BatchNormalization)]
    for layer in chosen:
        layer.trainable = True
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = min(layer.momentum, batch_norm_momentum)
    return chosen


def _digest(weights: Sequence[np.ndarray]) -> str:
    return hashlib.sha256(b"".join(w.tobytes() for w in weights)).hexdigest()


def describe(net: keras.Model) -> dict:
    """What a run records of its model: `extent`, and the sha256 of the backbone's weights."""
    weights = [w for layer in backbone_layers(net) for w in layer.get_weights()]
    return extent(net) | {"backbone_sha256": _digest(weights)}


def extent(net: keras.Model) -> dict:
    """Name, layers of the backbone and how many of them train, parameters."""
    body = backbone_layers(net)
    unfrozen = sum(layer.trainable for layer in body)
    return {"name": net.name, "layers": len(body), "unfrozen": unfrozen, "parameters": net.count_params()}


def frozen_digests(net: keras.Model) -> dict[str, str]:
    """sha256 of the weights of every layer that must not change, moving statistics included, by layer name."""
    return {layer.name: _digest(layer.get_weights()) for layer in net.layers if layer.weights and not layer.trainable}


def save_backbone(net: keras.Model, path: str | Path) -> None:
    """Saves the backbone's weights alone, in Keras's `.weights.h5`: a file for `weights=PATH`, whatever the head."""
    backbone = keras.Model(net.get_layer("scaled").output, net.get_layer("embedding").input)
    backbone.save_weights(path)


def values(net: keras.Model) -> list[np.ndarray]:
    """Copies of all that a network holds: weights, moving statistics, random states."""
    return [keras.ops.convert_to_numpy(variable) for variable in net.variables]


def assign_values(net: keras.Model, arrays: Sequence[np.ndarray]) -> None:
    """Puts back what `values` gave."""
    for variable, array in zip(net.variables, arrays, strict=True):
        variable.assign(array)
