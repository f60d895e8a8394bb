"""Never compute a frozen layer twice: the graph is cut at the frontier between what is fixed and what trains.

The prefix is the part of the graph that is deterministic and that no trainable variable reaches; its outputs are
computed once (`activation_cache`). The tail shares the network's own variables: training the tail trains the network.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import keras

from tfxfer import model
from tfxfer.core import private_names
from tfxfer.model import freezing


@dataclass(frozen=True)
class Frontier:
    """Where a network can be cut.

    Attributes:
        tensors: by layer name, the tensors that the frozen prefix hands to the rest.
        frozen: the number of backbone layers before the cut.
        first: the first layer behind it.
        why: why that layer is not before it.
    """

    tensors: dict[str, keras.KerasTensor]
    frozen: int
    first: str
    why: str


def frontier(net: keras.Model, views: int = 0, moved: Collection[str] | None = None) -> Frontier:
    """Finds the frontier of a network from `model.build`; where branches cross it, it has several tensors.

    Args:
        net: the network, as it is frozen now.
        views: if above 0, random layers before `scaled` (augmentation) count as deterministic.
        moved: names of the layers that count as those that train, however the network is frozen now; at least one.
    """
    names = [layer.name for layer in net.layers]
    augmentation = set(names[: names.index("scaled")]) if views else set()
    body = {layer.name for layer in model.backbone_layers(net)}
    changing: set[int] = set()
    tensors: dict[str, keras.KerasTensor] = {}
    reasons: list[tuple[str, str]] = []
    frozen = 0
    nodes = private_names.calls(net)
    for node in nodes:
        operation = node.operation
        why = _moves(operation, operation.name in augmentation, moved)
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


def _moves(operation, allowed_random: bool, moved: Collection[str] | None) -> str:
    """Why an operation's output for one image may differ from epoch to epoch; "" if it does not."""
    if not isinstance(operation, keras.Layer):
        return ""
    if operation.trainable_variables if moved is None else operation.name in moved:
        return "trains"
    if operation.trainable and freezing.random_states(operation) and not allowed_random:
        return "is random in training"
    if moved is not None:
        return ""
    constant = isinstance(operation, keras.layers.Normalization)  # has constants among its weights
    return "keeps moving statistics" if operation.trainable and operation.weights and not constant else ""


def _name(tensor: keras.KerasTensor) -> str:
    operation, index = private_names.origin(tensor)
    return f"{operation.name}:{index}" if index else operation.name


def tail(net: keras.Model, cut: Frontier) -> keras.Model:
    """The layers behind the frontier as a model, with the network's own variables: the cut's tensors -> logits."""
    tensors = list(cut.tensors.values())
    return keras.Model(tensors if len(tensors) > 1 else tensors[0], net.output, name=f"{net.name}_tail")


def parts(net: keras.Model, always: bool = False) -> tuple[keras.Model | None, keras.Model]:
    """A whole network as two models that share its layers: what is frozen before all that trains, augmentation
    included, and what comes behind it. For a tail, None and the model itself; without frozen layers too, unless
    `always` is set: then the first part ends with `scaled` at the earliest."""
    names = {layer.name for layer in net.layers}
    cut = frontier(net, views=1) if {"scaled", "embedding"} <= names else None
    if cut is None or not (cut.frozen or (always and cut.tensors)):
        return None, net
    tensors = list(cut.tensors.values())
    return keras.Model(net.input, tensors if len(tensors) > 1 else tensors[0]), tail(net, cut)


def identity(net: keras.Model, tensor: keras.KerasTensor) -> str:
    """sha256 of everything that leads from the image to a tensor: layers, settings, weights and precision."""
    part = keras.Model(net.input, tensor, name="prefix")
    digest = hashlib.sha256(json.dumps(_settings(part.get_config()), sort_keys=True, default=str).encode())
    for weight in part.weights:
        digest.update(keras.ops.convert_to_numpy(weight).tobytes())
    return digest.hexdigest()


def _settings(config):
    """A model's configuration without the entries that do not change its output in inference mode."""
    if isinstance(config, dict):
        return {k: _settings(v) for k, v in config.items() if k not in ("trainable", "momentum")}
    return [_settings(item) for item in config] if isinstance(config, list | tuple) else config
