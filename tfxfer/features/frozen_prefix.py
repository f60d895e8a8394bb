"""Never compute a frozen layer twice: the graph cut at the frontier of what trains.

The prefix is what no trainable variable reaches and what is deterministic; its outputs are computed once
(`activations`). The tail shares the network's own variables: training the tail is training the network.
"""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass

import keras

from tfxfer import model
from tfxfer.core import private_names


@dataclass(frozen=True)
class Frontier:
    """Where a network can be cut: `tensors` (by layer name) are what the frozen prefix hands to the rest. `frozen` is
    the number of backbone layers before it, `first` the first layer behind it and `why` it is not before."""

    tensors: dict[str, keras.KerasTensor]
    frozen: int
    first: str
    why: str


def frontier(net: keras.Model, views: int = 0) -> Frontier:
    """Finds the frontier of a network from `model.build`, for any graph; several tensors where branches cross it.

    Args:
        views: if above 0, random layers before `scaled` (augmentation) count as deterministic.
    """
    names = [layer.name for layer in net.layers]
    augmentation = set(names[: names.index("scaled")]) if views else set()
    body = {layer.name for layer in model.backbone_layers(net)}
    changing: set[int] = set()
    tensors, frozen, reasons = {}, 0, []
    nodes = private_names.calls(net)
    for node in nodes:
        operation = node.operation
        why = _moves(operation, operation.name in augmentation)
        if why:
            reasons.append((operation.name, why))
        if why or any(id(tensor) in changing for tensor in node.input_tensors):
            changing.update(map(id, node.output_tensors))
            crossing = [tensor for tensor in node.input_tensors if id(tensor) not in changing]
            tensors |= {_name(tensor): tensor for tensor in crossing}
        else:
            frozen += operation.name in body
    calls = Counter(node.operation.name for node in nodes)
    for tensor in tensors.values():
        if calls[name := private_names.origin(tensor)[0].name] > 1:  # Keras cuts at layers, not at their calls
            return Frontier({}, 0, name, "is called more than once")
    return Frontier(tensors, frozen, *reasons[0])


def _moves(operation, allowed_random: bool) -> str:
    """Why an operation's output for one image may differ from epoch to epoch, if so."""
    if not isinstance(operation, keras.Layer):
        return ""
    if operation.trainable_variables:
        return "trains"
    if random_states(operation) and not allowed_random:
        return "is random in training"
    given = isinstance(operation, keras.layers.Normalization)  # has constants among its weights
    return "keeps moving statistics" if operation.trainable and operation.weights and not given else ""


def random_states(layer: keras.Layer) -> list[keras.Variable]:
    """The variables from which a layer draws random numbers: those that are not among its weights."""
    return [variable for variable in layer.variables if all(variable is not weight for weight in layer.weights)]


def _name(tensor: keras.KerasTensor) -> str:
    operation, index = private_names.origin(tensor)
    return f"{operation.name}:{index}" if index else operation.name


def tail(net: keras.Model, cut: Frontier) -> keras.Model:
    """The layers behind the frontier, with the network's own variables: its tensors, in their order -> logits."""
    tensors = list(cut.tensors.values())
    return keras.Model(tensors if len(tensors) > 1 else tensors[0], net.output, name=f"{net.name}_tail")


def identity(net: keras.Model, tensor: keras.KerasTensor) -> str:
    """sha256 of all that leads from the image to a tensor: layers, their settings, weights and precision."""
    part = keras.Model(net.input, tensor, name="prefix")
    digest = hashlib.sha256(json.dumps(_settings(part.get_config()), sort_keys=True, default=str).encode())
    for weight in part.weights:
        digest.update(keras.ops.convert_to_numpy(weight).tobytes())
    return digest.hexdigest()


def _settings(config):
    """A model's configuration without what does not change its output."""
    if isinstance(config, dict):
        return {k: _settings(v) for k, v in config.items() if k not in ("trainable", "momentum")}
    return [_settings(item) for item in config] if isinstance(config, list | tuple) else config
