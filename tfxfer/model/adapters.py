"""Adapts any kind of backbone (a name, a Keras application or a model) to plain layers in one graph.

It finds out what the backbone is and how its pixels are scaled. `model.build` puts the pieces together.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

from tfxfer.core.errors import InputError, shown
from tfxfer.model import backbone_paths, backbones, flattening, own_networks, presets, user_models

CAFFE_MEAN = (103.939, 116.779, 123.68)  # B, G, R; keras.applications.imagenet_utils
TORCH_MEAN, TORCH_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RESERVED = {"image", "to_float", "resize", "to_rgb", "scale", "scaled", "embedding", "head_dropout", "logits"}
SCALINGS = ("tf", "caffe", "torch", "unit", "dataset", "none")
Scaling = str | tuple[np.ndarray, np.ndarray]  # "dataset" as mean and standard deviation of pixels 0-255


@dataclass(frozen=True)
class Source:
    """What `model.build` needs to know of a backbone, in whichever form it was given."""

    name: str
    create: Callable[[tuple[int, int, int]], keras.Model]
    size: int | None  # None: the data's own
    scale: Callable
    channels: int | None = 3  # None: the data's
    dropout: float = 0.0
    head: Callable[[keras.KerasTensor], keras.KerasTensor] | None = None  # embedding -> logits; None for a new one


def describe(
    backbone: Any, image_size: int | None, weights: str, scaling: Scaling | None, head: str = "new", classes: int = 0
) -> Source:
    """Finds out what `model.build` needs to know of its backbone; arguments and errors are those of `build`."""
    user_models.check_head(head)
    if (parts := _parts(backbone, image_size, weights, classes)) is not None:
        return _describe_parts(parts, image_size, scaling, head, classes)
    if head == "keep":
        raise InputError(
            f"head='keep': backbone {shown(backbone)} comes without a head; it is for Keras models and .keras files"
        )

    def scale_by(scaling: Scaling) -> Callable:
        return lambda x: _scale(x, scaling)

    if isinstance(backbone, str):
        name, row = backbones.full_name(backbone), backbones.get(backbone)

        def create(shape: tuple[int, int, int]) -> keras.Model:
            return backbones.create(name, shape, weights)

        scale, channels = scale_by(scaling or row.scaling), 3 if row.rgb else None
        return Source(name, create, image_size or row.native_size, scale, channels, row.dropout)
    if weights not in ("imagenet", "none"):
        raise InputError("weights from a file need a named backbone: load them into a Keras model and pass that")
    preprocess = getattr(sys.modules.get(getattr(backbone, "__module__", "")), "preprocess_input", None)
    if preprocess is None:
        raise InputError(
            f"backbone {shown(backbone)}: expected a name, a Keras model or a function of keras.applications"
        )

    def build_application(shape: tuple[int, int, int]) -> keras.Model:
        return backbones.application(backbone, shape, weights)

    scale = preprocess if scaling is None else scale_by(scaling)
    return Source(backbone.__name__, build_application, image_size or 224, scale)


def _parts(backbone: Any, image_size: int | None, weights: str, classes: int) -> user_models.Parts | None:
    """The parts of a Keras model, of a saved network, or of a preset; None for any other backbone."""
    if isinstance(backbone, keras.Model):
        ours = own_networks.is_ours(backbone)
        return own_networks.take_apart(backbone) if ours else user_models.take_apart(backbone, image_size, classes)
    if not isinstance(backbone, str | os.PathLike) or backbones.known(str(backbone)):
        return None
    if preset := backbone_paths.preset(backbone):
        return presets.take_apart(preset, image_size, weights)
    if (path := backbone_paths.model_file(backbone)) is None:
        return None
    if weights not in ("imagenet", "none"):
        raise InputError(f"backbone {backbone} brings its weights: leave weights {weights} out")
    return _parts(own_networks.load(path), image_size, weights, classes)


def _describe_parts(
    own: user_models.Parts, image_size: int | None, scaling: Scaling | None, head: str, classes: int
) -> Source:
    """What `model.build` needs to know of a user's model, or of a saved network."""
    if scaling is None and not own.scales:
        raise InputError(
            f"model {own.name} does not say which pixel values it expects: give scaling, one of {SCALINGS}"
        )
    height, width, channels = own.shape
    size = image_size or own.size or height
    if size is None or {height, width} - {None, size}:
        raise InputError(f"model {own.name} takes {own.shape}: image_size {image_size} is not supported")

    def scale(x: keras.KerasTensor) -> keras.KerasTensor:
        x = _scale(x, scaling or "none")
        if own.lead is None or (own.ours and scaling is not None):
            return x
        return flattening.inline(own.lead, x, RESERVED - {"scale"})

    kept = user_models.kept_head(own, head, classes)
    name = own.name if own.ours else f"{own.name}_transfer"
    return Source(name, lambda shape: own.body, size, scale, channels, own.dropout, kept)


def _scale(x: keras.KerasTensor, scaling: Scaling) -> keras.KerasTensor:
    if isinstance(scaling, tuple):
        mean, std = (np.broadcast_to(figure, x.shape[-1]) for figure in scaling)
        variance = np.where(std > 0, std, 1) ** 2  # a channel with one value only becomes 0
        return layers.Normalization(mean=mean.tolist(), variance=variance.tolist(), name="scale")(x)
    if scaling == "tf":
        return layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(x)
    if scaling == "unit":
        return layers.Rescaling(1 / 255, name="scale")(x)
    if scaling == "none":
        return x
    if x.shape[-1] != 3:
        raise InputError(f"scaling {scaling!r} is for three channels, this backbone takes {x.shape[-1]}")
    if scaling == "caffe":
        return layers.Normalization(mean=CAFFE_MEAN, variance=(1.0,) * 3, name="scale")(keras.ops.flip(x, axis=-1))
    mean, variance = np.multiply(TORCH_MEAN, 255), np.square(np.multiply(TORCH_STD, 255))
    return layers.Normalization(mean=mean.tolist(), variance=variance.tolist(), name="scale")(x)


def augmentation() -> list[layers.Layer]:
    """Shifts and zooms up to 10%, rotations up to 18 degrees; no flips, which would make other digits and letters."""
    return [
        layers.RandomTranslation(0.1, 0.1, fill_mode="nearest", name="augment_shift"),
        layers.RandomRotation(0.05, fill_mode="nearest", name="augment_rotate"),
        layers.RandomZoom(0.1, fill_mode="nearest", name="augment_zoom"),
    ]
