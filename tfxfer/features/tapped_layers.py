"""Taps: the layers of a network whose outputs say what each of its stages has made of an image."""

import keras

from tfxfer import model
from tfxfer.model import freezing


def taps(net: keras.Model) -> list[str]:
    """Names of the last layer of each stage that gives feature maps, in order, and last the embedding.

    They are layers for `features.extract`, whose bank `analysis.head2toe` takes.

    Args:
        net: from `model.build`.

    Example:
        >>> from tfxfer import data, features, model
        >>> net = model.build("cnn", data.load("digits", limit=40), weights="none")
        >>> features.taps(net)
        ['pool1', 'pool2', 'conv3', 'embedding']
    """
    maps = [[layer.name for layer in members if _gives_maps(layer)] for members in model.stages(net).values()]
    return [*(names[-1] for names in maps if names), "embedding"]


def _gives_maps(layer: keras.Layer) -> bool:
    shape = freezing.output_shape(layer)
    return len(shape) == 4 and None not in shape[1:]
