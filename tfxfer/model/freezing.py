"""Which layers of a network may change: its backbone's, counted from the end or named by stage, and the head's."""

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import layers

from tfxfer.core.errors import InputError
from tfxfer.model import backbones


def backbone_layers(net: keras.Model) -> list[layers.Layer]:
    """The backbone's layers as Keras lists them; scaling, pooling, embedding and head are not among them."""
    names = [layer.name for layer in net.layers]
    return net.layers[names.index("scaled") + 1 : names.index("embedding")]


def stages(net: keras.Model) -> dict[str, list[layers.Layer]]:
    """The backbone's layers by stage, in order, each in exactly one stage.

    The table of backbones has stages for the backbones in it. Those of any other network are `stage1`, `stage2` and so
    on: a stage ends where feature maps have shrunk by a third or more, for good; dense layers behind the last maps are
    one, too.
    """
    body = backbone_layers(net)
    if net.name not in backbones.TABLE:
        return _by_size(body)
    rows = backbones.TABLE[net.name].stages
    starts = [next(i for i, layer in enumerate(body) if layer.name.startswith(prefix)) for _, prefix in rows]
    return {name: body[a:b] for (name, _), a, b in zip(rows, starts, [*starts[1:], len(body)])}


def _by_size(body: list[layers.Layer]) -> dict[str, list[layers.Layer]]:
    """Layers divided where the largest feature map that is still to come shrinks by a third or more.

    Each stage learns: padding, pooling and normalization of pixels, in front of all that learns or between two places
    where maps shrink, belong to the stage behind them, and pooling at the end to the one before it.
    """
    to_come = list(itertools.accumulate(reversed([_side(layer) for layer in body]), max))[::-1]
    found: list[list[layers.Layer]] = []
    began = 0.0
    for layer, side in zip(body, to_come):
        if not found or (side < began and 3 * side <= 2 * began):
            began = side
            if not found or any(map(learns, found[-1])):
                found.append([])
        found[-1].append(layer)
    if len(found) > 1 and not any(map(learns, found[-1])):
        found[-2].extend(found.pop())
    return {f"stage{number}": members for number, members in enumerate(found, start=1)}


def learns(layer: layers.Layer) -> bool:
    """Whether a layer has weights that training can change; those of a normalization of pixels are none."""
    return bool(layer.weights) and not isinstance(layer, layers.Normalization)


def output_shape(layer: layers.Layer) -> tuple[Any, ...]:
    """The shape of a layer's output, the batch included; () if there are several, or it is called several times."""
    return tuple(getattr(getattr(layer, "output", None), "shape", ()))


def _side(layer: layers.Layer) -> int:
    """The shorter side of a layer's feature maps; 0 if it has none, or is called several times."""
    shape = output_shape(layer)
    return min(shape[1:3]) if len(shape) == 4 and None not in shape[1:3] else 0


def unfreeze_last(
    net: keras.Model, n: int | str, train_batch_norm: bool = False, batch_norm_momentum: float = 0.9
) -> list[layers.Layer]:
    """Makes the head and the last n layers of the backbone trainable, and nothing else. `train.fit` recompiles.

    Dropout has nothing to train, and counts as a layer: among the layers that train it is active in training, and in
    front of the head; among frozen ones it is not (`still`).

    Args:
        net: a network from `build`.
        n: the number of layers, where every layer counts that Keras lists (activations too); or "all"; or the name of
            a stage (see `stages`), for that stage and all behind it. "last" stands for the last stage that looks at
            neighbouring pixels: the table's `last_stage`, or the last one that has feature maps.
        train_batch_norm: whether the batch norm among these layers trains. If not, it stays in inference mode: fixed
            statistics, fixed scale and offset.
        batch_norm_momentum: an upper limit for the momentum of batch norm that trains. Keras's default of 0.99, and
            the 0.999 of its MobileNetV2, average over 100 and 1,000 steps: after a short fine-tuning the moving
            statistics would still be partly the old ones.

    Returns:
        The backbone layers that are now trainable.

    Raises:
        InputError: the backbone has fewer layers, or no such stage.

    Example:
        >>> from tfxfer import data, model
        >>> net = model.build("cnn", data.load("digits", limit=40), weights="none")
        >>> [layer.name for layer in model.unfreeze_last(net, 2)]
        ['flatten', 'dense']
        >>> [layer.name for layer in net.layers if layer.trainable and layer.weights]
        ['dense', 'logits']
    """
    body = backbone_layers(net)
    return _train_only(net, body[len(body) - depth(net, n) :], train_batch_norm, batch_norm_momentum, train_head=True)


def depth(net: keras.Model, n: int | str) -> int:
    """How many layers `unfreeze_last` makes trainable for its argument n.

    Raises:
        InputError: the backbone has fewer layers, or no such stage.
    """
    body = backbone_layers(net)
    if n == "last":
        known = backbones.TABLE.get(net.name)
        n = known.last_stage if known else _last_with_maps(net)
    if isinstance(n, str) and n != "all":
        n = len(body) - body.index(_stage(net, n)[0])
    count = len(body) if n == "all" else n
    if not isinstance(count, int) or not 0 <= count <= len(body):
        raise InputError(f"cannot unfreeze {n!r} layers: {net.name} has {len(body)}; expected 0 to {len(body)}, or all")
    return count


def _last_with_maps(net: keras.Model) -> str:
    by_name = stages(net)
    maps = [name for name, members in by_name.items() if any(map(_side, members))]
    return (maps or list(by_name))[-1]


def unfreeze_stage(
    net: keras.Model,
    stage: str,
    train_batch_norm: bool = False,
    batch_norm_momentum: float = 0.9,
    train_head: bool = False,
) -> list[layers.Layer]:
    """Makes one stage of the backbone trainable, and nothing before or behind it except, if asked for, the head.

    Surgical fine-tuning (Lee et al. 2023, arXiv:2210.11466). The other arguments and the result are `unfreeze_last`'s.
    """
    return _train_only(net, _stage(net, stage), train_batch_norm, batch_norm_momentum, train_head)


def _stage(net: keras.Model, name: str) -> list[layers.Layer]:
    by_name = stages(net)
    if name not in by_name:
        raise InputError(f"unknown stage {name!r}: expected one of {net.name}'s, {', '.join(by_name)}")
    return by_name[name]


def random_states(layer: layers.Layer) -> list[keras.Variable]:
    """The variables from which a layer draws random numbers: those that are not among its weights."""
    return [variable for variable in layer.variables if all(variable is not weight for weight in layer.weights)]


@contextlib.contextmanager
def still(net: keras.Model) -> Iterator[None]:
    """Within the block, frozen layers that draw random numbers, such as dropout, do what they do in inference.

    What is frozen gives the same output in every epoch. Keras's `trainable` does not reach dropout, and `fit` overrides
    the `training=False` of a frozen model's call.
    """
    frozen = [layer for layer in net.layers if not layer.trainable and random_states(layer)]
    for layer in frozen:
        layer.call = functools.partial(_call_in_inference, layer.call)
    try:
        yield
    finally:
        for layer in frozen:
            del layer.call


def _call_in_inference(call: Callable, *args, **kwargs):
    return call(*args, **kwargs | {"training": False})


def _train_only(
    net: keras.Model,
    candidates: list[layers.Layer],
    train_batch_norm: bool,
    batch_norm_momentum: float,
    train_head: bool,
) -> list[layers.Layer]:
    for layer in backbone_layers(net):
        layer.trainable = False
    net.get_layer("logits").trainable = train_head
    chosen = [layer for layer in candidates if train_batch_norm or not isinstance(layer, layers.BatchNormalization)]
    for layer in chosen:
        layer.trainable = True
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = min(layer.momentum, batch_norm_momentum)
    return chosen
