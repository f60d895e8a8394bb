"""The stages of any network as a table: what `--unfreeze STAGE` trains, and how many layers that is."""

import math
from dataclasses import dataclass

import keras
import numpy as np

from tfxfer import data
from tfxfer.model import backbone_paths, backbones, freezing, graph

_SIDE = 28  # of the data, where the backbone takes any size


@dataclass(frozen=True)
class Stage:
    """One stage of a backbone.

    Attributes:
        name: as `model.unfreeze_last` and `model.unfreeze_stage` take it.
        layers: how many layers there are from its first one to the backbone's last: the number that
            `model.unfreeze_last` takes for the same.
        maps: (height, width) of what its last layer that learns gives, or None for a vector.
        channels: of these maps, or the length of the vector.
        parameters: of this stage alone.
    """

    name: str
    layers: int
    maps: tuple[int, int] | None
    channels: int
    parameters: int


def of(net: keras.Model) -> list[Stage]:
    """The stages of a network from `model.build`, in order.

    Example:
        >>> from tfxfer import data, model
        >>> from tfxfer.model import stage_table
        >>> net = model.build("cnn", data.load("digits", limit=40), weights="none")
        >>> [(stage.name, stage.layers, stage.maps, stage.channels) for stage in stage_table.of(net)]
        [('conv1', 7, (26, 26), 32), ('conv2', 5, (11, 11), 64), ('conv3', 3, (3, 3), 128), ('dense', 1, None, 128)]
    """
    by_name = freezing.stages(net)
    left, found = sum(map(len, by_name.values())), []
    for name, members in by_name.items():
        last = ([layer for layer in members if freezing.learns(layer)] or members)[-1]
        end = keras.tree.flatten(last.output)[0].shape
        maps = (end[1], end[2]) if len(end) == 4 else None
        parameters = sum(math.prod(weight.shape) for layer in members for weight in layer.weights)
        found.append(Stage(name, left, maps, end[-1], parameters))
        left -= len(members)
    return found


def build(backbone: str, image_size: int | None = None) -> keras.Model:
    """Builds a network on a backbone, to look at its layers: for two classes, with the weights that need no download.

    Args:
        backbone, image_size: as `model.build` takes them.

    Raises:
        InputError: as `model.build` raises it.
    """
    images = np.random.default_rng(0).integers(0, 256, (24, _SIDE, _SIDE, 1), np.uint8)
    labels = np.arange(len(images)) % 2
    splits = data.from_arrays((images[:20], labels[:20]), (images[20:], labels[20:]))
    made = backbones.known(backbone) or backbone_paths.preset(backbone)
    return graph.build(backbone, splits, image_size, "none" if made else "imagenet", scaling="none")
