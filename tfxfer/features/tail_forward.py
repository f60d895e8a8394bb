"""Features of later layers, computed from features of the layers before them."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tfxfer.features import frozen_prefix, inference
from tfxfer.features.bank import Bank
from tfxfer.model import folding


class TailForward:
    """The forward pass of a network's tail alone, from features at its frontier to those of later layers.

    It runs in inference mode, with the weights that the network has when it is called.

    Args:
        net: a network from `model.build`; its frontier (`frozen_prefix.frontier`) is that of now.
        layers: names of the layers whose outputs are wanted: behind the frontier, or at it.
    """

    def __init__(self, net: keras.Model, layers: Sequence[str]):
        tensors = frozen_prefix.frontier(net).tensors
        self.inputs = list(tensors)
        self.layers, self.later = list(layers), [name for name in layers if name not in tensors]
        self.tail = keras.Model(list(tensors.values()), {name: net.get_layer(name).output for name in self.later})
        self._forward = folding.Forward(self.tail)

    def __call__(self, bank: Bank) -> Bank:
        """Computes features of `layers` from a bank that has those of the frontier, batch by batch."""
        size = inference.images_per_batch(self.tail)
        batches = [slice(first, first + size) for first in range(0, len(bank), size)]
        forward = self._forward.current()
        values = ([tf.constant(bank[name][rows]) for name in self.inputs] for rows in batches)
        parts = [forward(batch if len(batch) > 1 else batch[0]) for batch in values]
        found = {name: np.concatenate([part[name] for part in parts]) for name in self.later}
        return Bank(found | {name: bank[name] for name in self.layers if name in self.inputs}, bank.labels, bank.ids)
