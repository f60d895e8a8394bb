"""Groups of layers that train at rates of their own: the backbone, its stages, single layers, and the head."""

import math
from collections.abc import Mapping
from typing import TypeAlias

import keras

from tfxfer import model
from tfxfer.core.errors import InputError

Rates: TypeAlias = float | Mapping[str, float] | None
HEAD = "logits"  # the group of all layers that no rate of the backbone's is for


def groups(
    net: keras.Model, learning_rate: float, backbone_learning_rate: Rates = None, stage_decay: float | None = None
) -> dict[str, tuple[float, list[str]]]:
    """Groups the layers that train by their learning rate.

    Args:
        net: from `model.build`.
        learning_rate: the rate of the head, and of every layer that has no other.
        backbone_learning_rate: one rate for the backbone, or rates by the names of stages or layers; a layer's own name
            takes precedence over its stage's.
        stage_decay: in (0, 1]: the last stage has `backbone_learning_rate` (or else `learning_rate`), and each earlier
            stage this many times the rate of the next (layer-wise decay: Howard and Ruder 2018, arXiv:1801.06146; Bao
            et al. 2022, arXiv:2106.08254).

    Returns:
        The rate and the names of the layers of each group: "backbone" or the names of stages and layers, and last
        "logits".

    Raises:
        InputError: rates out of range, for names that are not in the network, or for layers that do not train.
    """
    rate_of: dict[str, tuple[str, float]] = {}  # group and rate by layer
    if stage_decay is not None and (isinstance(backbone_learning_rate, Mapping) or not 0 < stage_decay <= 1):
        raise InputError(
            f"stage_decay {stage_decay}: expected a number above 0 and at most 1, and no rates by name with it"
        )
    if isinstance(backbone_learning_rate, Mapping):
        rate_of = _named(net, backbone_learning_rate)
    elif stage_decay is not None:
        rate = learning_rate if backbone_learning_rate is None else backbone_learning_rate
        for name, layers in reversed(model.stages(net).items()):
            rate_of |= dict.fromkeys([layer.name for layer in layers], (name, rate))
            rate *= stage_decay
    elif backbone_learning_rate is not None:
        rate_of = {layer.name: ("backbone", backbone_learning_rate) for layer in model.backbone_layers(net)}
    trained = [layer.name for layer in net.layers if layer.trainable_variables]
    if not trained or (rate_of and not rate_of.keys() & trained):
        raise InputError(
            "none of the layers that a rate was given for are trained: unfreeze some, or leave the rate out"
        )
    layers_by_rate: dict[str, tuple[float, list[str]]] = {}
    for layer in sorted(trained, key=lambda layer: layer not in rate_of):  # the head last
        name, rate = rate_of.get(layer, (HEAD, learning_rate))
        if not 0 < rate < math.inf:
            raise InputError(
                f"learning rate {rate} of {name}: expected finite, above zero; to train nothing there, freeze it"
            )
        layers_by_rate.setdefault(name, (rate, []))[1].append(layer)
    return layers_by_rate


def _named(net: keras.Model, rates: Mapping[str, float]) -> dict[str, tuple[str, float]]:
    """Group and rate of each layer that the names of stages and layers in `rates` cover."""
    known = model.stages(net)
    stages = {name: [layer.name for layer in part if layer.trainable_variables] for name, part in known.items()}
    layers = {layer.name: [layer.name] for layer in model.backbone_layers(net) if layer.trainable_variables}
    rate_of: dict[str, tuple[str, float]] = {}
    for name in sorted(rates, key=lambda name: name not in stages):  # layers after their stages, which they override
        if not (members := stages.get(name) or layers.get(name)):
            trainable = [name for name, part in (stages | layers).items() if part]
            raise InputError(
                f"a rate was given for {name!r}, where nothing trains; before {net.name}'s head these train: "
                f"{', '.join(trainable[:20]) or 'nothing'}"
            )
        rate_of |= dict.fromkeys(members, (name, rates[name]))
    return rate_of
