"""Any kind of backbone, a name, a Keras application or a model, as plain layers in one graph.

What it is and which pixels it takes, and its layers copied in one by one. `model.build` puts the pieces together.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

from tfxfer.core import private_names
from tfxfer.core.errors import InputError, shown
from tfxfer.model import backbones

CAFFE_MEAN = (103.939, 116.779, 123.68)  # B, G, R; keras.applications.imagenet_utils
TORCH_MEAN, TORCH_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SCALINGS = ("tf", "caffe", "torch", "unit", "dataset", "none")
Scaling = str | tuple[np.ndarray, np.ndarray]  # "dataset" as mean and standard deviation of pixels 0-255


@dataclass(frozen=True)
class Source:
    """Where a backbone comes from, whatever it was given as."""

    name: str
    create: Callable[[tuple[int, int, int]], keras.Model]
    size: int | None  # None: the data's own
    scale: Callable
    channels: int | None = 3  # None: the data's
    dropout: float = 0.0


def describe(backbone, image_size: int | None, weights: str, scaling: Scaling | None) -> Source:
    """Finds out what `model.build` needs to know of its backbone; arguments and errors are `build`'s."""

    def scale(x):
        return _scale(x, scaling)

    if isinstance(backbone, str):
        row = backbones.get(backbone)

        def create(shape):
            return backbones.create(backbone, shape, weights)

        scaling, channels = scaling or row.scaling, 3 if row.rgb else None
        return Source(backbone, create, image_size or row.native_size, scale, channels, row.dropout)
    if isinstance(backbone, keras.Model):
        own = _functional(backbone)
        if scaling is None:
            raise InputError(f"model {own.name} does not say what pixels it takes: give scaling, one of {SCALINGS}")
        height, width, channels = own.input.shape[1:]
        size = image_size or height
        if size is None or {height, width} - {None, size}:
            raise InputError(f"model {own.name} takes {own.input.shape[1:]}: image_size {image_size} won't do")
        return Source(f"{own.name}_transfer", lambda shape: own, size, scale, channels)
    if weights not in ("imagenet", "none"):
        raise InputError("weights from a file need a named backbone: load them into a Keras model and pass that")
    preprocess = getattr(sys.modules.get(getattr(backbone, "__module__", "")), "preprocess_input", None)
    if preprocess is None:
        raise InputError(
            f"backbone {shown(backbone)}: expected a name, a Keras model or a function of keras.applications"
        )

    def build_application(shape):
        return backbones.application(backbone, shape, weights)

    return Source(backbone.__name__, build_application, image_size or 224, scale if scaling else preprocess)


def _functional(own: keras.Model) -> keras.Model:
    """A user's model as one functional graph of plain layers, or the reason why it cannot be one."""
    reserved = {"image", "to_float", "resize", "to_rgb", "scale", "scaled", "embedding", "head_dropout", "logits"}
    if not private_names.is_functional(own) and not (isinstance(own, keras.Sequential) and own.built):
        raise InputError(
            f"model {own.name} is no functional graph: build it with keras.Input, or as a built Sequential"
        )
    if len(own.inputs) != 1 or len(own.outputs) != 1 or len(own.inputs[0].shape) != 4:
        raise InputError(f"model {own.name} must have one image input and one output to be a backbone")
    if nested := [layer.name for layer in own.layers if isinstance(layer, keras.Model)]:
        raise InputError(f"model {own.name} holds the model {nested[0]}, which freezing cannot look into: flatten it")
    if taken := reserved & {layer.name for layer in own.layers if not isinstance(layer, layers.InputLayer)}:
        raise InputError(f"model {own.name} has a layer named {min(taken)}, which tfxfer uses itself: rename it")
    return keras.Model(own.inputs[0], own.outputs[0], name=own.name)


def _scale(x, scaling: Scaling):
    if isinstance(scaling, tuple):
        mean, std = (np.broadcast_to(figure, x.shape[-1]) for figure in scaling)
        variance = np.where(std > 0, std, 1) ** 2  # a channel that is always the same becomes 0
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


def scaling_of(net: keras.Model) -> Scaling:
    """The scaling that a network of `model.build` was built with, by its layer "scale"."""
    layer = next((layer for layer in net.layers if layer.name == "scale"), None)
    if layer is None:
        return "none"
    if isinstance(layer, layers.Rescaling):
        return "tf" if layer.offset else "unit"
    config = layer.get_config()
    mean, variance = np.ravel(config["mean"]), np.ravel(config["variance"])
    return "caffe" if tuple(mean) == CAFFE_MEAN else (mean, np.sqrt(variance))


def augmentation() -> list[layers.Layer]:
    """Shifts and zooms up to 10 %, rotations up to 18 degrees; no flips, which digits and letters do not survive."""
    return [
        layers.RandomTranslation(0.1, 0.1, fill_mode="nearest", name="augment_shift"),
        layers.RandomRotation(0.05, fill_mode="nearest", name="augment_rotate"),
        layers.RandomZoom(0.1, fill_mode="nearest", name="augment_zoom"),
    ]


def inline(backbone: keras.Model, x):
    """Applies copies of a model's layers to x one by one: a nested model cannot be cut, tapped or explained."""
    made = {}

    def call(layer, *args, **kwargs):
        made[layer.name] = layer(*args, **kwargs)
        return made[layer.name]

    copies = {}

    def copy(layer):
        return copies.setdefault(layer.name, layer.__class__.from_config(layer.get_config()))

    keras.models.clone_model(backbone, input_tensors=x, clone_function=copy, call_function=call)
    for layer in backbone.layers:
        if layer.weights:
            copies[layer.name].set_weights(layer.get_weights())
    return made[backbone.output_names[0]]
