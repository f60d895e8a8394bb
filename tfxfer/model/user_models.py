"""A user's own Keras model taken apart: what scales its pixels or varies its images, the backbone, and the head."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from tfxfer.core import private_names
from tfxfer.core.errors import InputError, shown
from tfxfer.model import flattening

HEADS = ("new", "keep")


@keras.saving.register_keras_serializable("tfxfer")
class BinaryLogits(layers.Dense):
    """A dense layer of one unit, z, as logits of two classes, (0, z).

    Their softmax is (1 - sigmoid(z), sigmoid(z)), and their cross-entropy the binary one: the layer trains as it would
    with Keras's BinaryCrossentropy.
    """

    def call(self, inputs):
        z = super().call(inputs)
        return keras.ops.concatenate([keras.ops.zeros_like(z), z], -1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 2)


@dataclass(frozen=True)
class Parts:
    """A model's parts, each a model of plain layers; those that it does not have are None.

    Attributes:
        name: of the model.
        shape: (height, width, channels) of its images; height and width are None where it takes any.
        lead: rescaling, normalization and augmentation in front, float pixels -> float pixels of the same shape.
        scales: whether `lead` changes the pixels' range.
        body: the backbone, without global average pooling at its end -> feature map or vector.
        dropout: between embedding and head.
        dense: the dense layer at its end, which gives a number for each class.
        end: the last layer: `dense`, or the activation behind it.
        size: the height and width at which it sees images unless told otherwise.
        ours: whether a network keeps the name, because it was made from one of ours or from a known one.
    """

    name: str
    shape: tuple[int | None, int | None, int]
    lead: keras.Model | None
    scales: bool
    body: keras.Model
    dropout: float = 0.0
    dense: layers.Dense | None = None
    end: keras.Layer | None = None
    size: int | None = None
    ours: bool = False


def take_apart(own: keras.Model, image_size: int | None, classes: int) -> Parts:
    """Takes a model apart, without changing it.

    A dense layer at its end is a head if a softmax or sigmoid follows, or if it has a unit for each class, or one unit
    for two classes. Any other belongs to the backbone.

    Args:
        own: a model with one image input and one output, nested or not, with or without pooling and a head. One of a
            class with its own `call` stays one layer.
        image_size: the height and width for which such a one is called.
        classes: of the data set.

    Raises:
        InputError: it has other inputs or outputs, or its size cannot be known.
    """
    if not flattening.is_graph(own):
        own = flattening.opaque(own, _opaque_shape(own, image_size))
    if len(own.inputs) != 1 or len(own.outputs) != 1 or len(own.inputs[0].shape) != 4:
        raise InputError(f"model {own.name} must have one image input and one output to be a backbone")
    shape = tuple(own.inputs[0].shape[1:])
    flat = flattening.flatten(own)
    for closed in (layer for layer in flat.layers if isinstance(layer, keras.Model)):
        warnings.warn(
            f"{closed.name} is of the class {type(closed).__name__}, whose layers cannot be seen: it is frozen or "
            "trained as one layer, and class activation maps within it are not possible",
            stacklevel=4,
        )
    image, end = flat.inputs[0], flat.outputs[0]
    start, scales = _lead(flat)
    lead = None if start is image else keras.Model(image, start)
    last, (end, dropout, dense) = _layer(end), _head(end, classes)
    if end is start:
        raise InputError(f"model {own.name} has no layer between its pixels and its end: expected a backbone")
    return Parts(own.name, shape, lead, scales, keras.Model(start, end, name=own.name), dropout, dense, last)


def _opaque_shape(own: keras.Model, image_size: int | None) -> tuple[int, int, int]:
    known = getattr(own, "input_shape", None) if own.built else None
    height, width, channels = known[1:] if isinstance(known, tuple) and len(known) == 4 else (None, None, 3)
    height, width = image_size or height, image_size or width
    if height is None or width is None:
        raise InputError(
            f"model {own.name} is of the class {type(own).__name__}, which does not say for which images: "
            "give image_size, such as model.build(net, splits, image_size=96)"
        )
    return height, width, channels or 3


def _lead(flat: keras.Model) -> tuple[keras.KerasTensor, bool]:
    """Where a model's layers for pixels end, and whether they change the pixels' range.

    They stand one after another from the input on, learn nothing, and leave the shape as it is.
    """
    calls, tensor, scales = private_names.calls(flat), flat.inputs[0], False
    while True:
        readers = [call for call in calls if any(given is tensor for given in call.input_tensors)]
        if len(readers) != 1 or len(readers[0].input_tensors) != 1 or len(readers[0].output_tensors) != 1:
            return tensor, scales
        operation, after = readers[0].operation, readers[0].output_tensors[0]
        arithmetic = not isinstance(operation, keras.Layer) or isinstance(
            operation, layers.Rescaling | layers.Normalization
        )
        if not (arithmetic or augments(operation)) or tuple(after.shape) != tuple(tensor.shape):
            return tensor, scales
        tensor, scales = after, scales or arithmetic


def augments(layer: keras.Layer) -> bool:
    """Whether a layer varies images in training: it draws random numbers, has no weights, and is not dropout."""
    drops = isinstance(layer, layers.Dropout | layers.GaussianNoise | layers.SpatialDropout2D)
    return bool(getattr(layer, "variables", ())) and not layer.weights and not drops


def _head(end: keras.KerasTensor, classes: int) -> tuple[keras.KerasTensor, float, layers.Dense | None]:
    """Splits a model's end: what the backbone gives, the rate of the dropout behind it, and the dense layer.

    Without a head, only global average pooling is split off.
    """
    tensor, dropout, activation = end, 0.0, _layer(end)
    names = ("softmax", "sigmoid")
    apart = isinstance(activation, layers.Softmax) or _activation(activation) in names
    if apart and not isinstance(activation, layers.Dense):
        (tensor,) = private_names.inputs_of(tensor)
    dense = _layer(tensor)
    fits = tensor.shape[-1] == classes or (tensor.shape[-1], classes) == (1, 2)
    plain = isinstance(dense, layers.Dense) and len(tensor.shape) == 2
    if plain and (_activation(dense) in names or (_activation(dense) == "linear" and (apart or fits))):
        (tensor,) = private_names.inputs_of(tensor)
        if type(_layer(tensor)) is layers.Dropout:
            dropout, (tensor,) = _layer(tensor).rate, private_names.inputs_of(tensor)
    else:
        tensor, dense = end, None
    pooling = _layer(tensor)
    if type(pooling) is layers.GlobalAveragePooling2D and not pooling.keepdims:
        (tensor,) = private_names.inputs_of(tensor)
    return tensor, dropout, dense


def _layer(tensor: keras.KerasTensor) -> Any:
    return private_names.origin(tensor)[0]


def _activation(layer: Any) -> str:
    return getattr(getattr(layer, "activation", None), "__name__", "")


def check_head(head: object) -> None:
    """Raises InputError for a head that is neither new nor kept."""
    if head not in HEADS:
        raise InputError(f"head {shown(head)}: expected one of {', '.join(HEADS)}")


def kept_head(parts: Parts, head: str, classes: int) -> Callable[[keras.KerasTensor], keras.KerasTensor] | None:
    """What makes logits of the embedding: a copy of the model's own dense layer, or None for a new one.

    Args:
        head: "new" or "keep".
        classes: of the data set. One unit is enough for two.

    Raises:
        InputError: the model's head is to be kept, and it has none, or one for other classes.
    """
    if head == "new":
        return None
    if parts.dense is None:
        raise InputError(f"model {parts.name} ends without a dense layer for {classes} classes: leave head='keep' out")
    dense, units = parts.dense, parts.dense.units
    if units != classes and not (units == 1 and classes == 2):
        raise InputError(
            f"model {parts.name} ends with {units} units, the data has {classes} classes: leave head='keep' out, "
            "which puts a new head in its place"
        )
    if units > 1 and _activation(parts.end) == "sigmoid":
        raise InputError(
            f"model {parts.name} ends with a sigmoid for each of {units} classes, of which several can be true: "
            "tfxfer's classes exclude each other; leave head='keep' out"
        )
    settings = dense.get_config() | {"name": "logits", "activation": None, "dtype": "float32"}
    logits = (BinaryLogits if units == 1 else layers.Dense).from_config(settings)

    def apply(embedding: keras.KerasTensor) -> keras.KerasTensor:
        output = logits(embedding)
        logits.set_weights(dense.get_weights())
        return output

    return apply
