"""What can be folded into which layer of a network: the batch norm behind it, and the zero padding before it."""

from collections import Counter
from dataclasses import dataclass

import keras
from keras import layers

from tfxfer.core import private_names

CONVOLUTIONS = {
    layers.Conv2D: keras.ops.conv,
    layers.DepthwiseConv2D: keras.ops.depthwise_conv,
    layers.SeparableConv2D: keras.ops.separable_conv,
}


@dataclass
class Fold:
    """What goes into a layer: the padding before it and the batch norm behind it."""

    padding: layers.ZeroPadding2D | None = None
    norm: layers.BatchNormalization | None = None

    def padding_of(self, layer: keras.Layer) -> str:
        return "same" if self.padding is not None else getattr(layer, "padding", "")


def folds(net: keras.Model, training: bool) -> dict[keras.Layer, Fold]:
    """The layers that are computed anew, with what goes into them.

    Something stays as it is where a third layer reads what is between the two, or where one is called more than once.
    """
    nodes = private_names.calls(net)
    calls = Counter(node.operation for node in nodes)
    readers = Counter(id(tensor) for node in nodes for tensor in node.input_tensors)
    readers.update(map(id, net.outputs))
    makers = {id(tensor): node for node in nodes for tensor in node.output_tensors}
    found = {layer: Fold() for layer in calls if _foldable(layer)}
    for node in nodes:
        layer, maker = node.operation, makers.get(id(node.input_tensors[0])) if node.input_tensors else None
        if maker is None:
            continue
        between, source = node.input_tensors[0], maker.operation
        if not readers[id(between)] == calls[layer] == calls[source] == 1:
            continue
        if type(layer) is layers.BatchNormalization and not (training and layer.trainable):
            if source in found and linear(source) and layer.axis in (-1, len(between.shape) - 1):
                found[source].norm = layer
        elif layer in found and _pads_as_same(layer, source, between.shape[1:3]):
            found[layer].padding = source
    return found


def _pads_as_same(layer: keras.Layer, before: keras.Operation, padded: tuple[int | None, ...]) -> bool:
    """Whether a foldable layer behind zero padding is the same convolution with TensorFlow's own padding, SAME.

    That holds where Keras's applications halve feature maps. (TensorFlow 2.21 takes any other padding, too, but its
    fused depthwise convolution then aborts the process.)

    Args:
        before: the layer before it.
        padded: height and width of the feature map between them.
    """
    if type(before) is not layers.ZeroPadding2D or type(layer) not in (layers.Conv2D, layers.DepthwiseConv2D):
        return False
    plain = layer.padding == "valid" and layer.dilation_rate == (1, 1) and getattr(layer, "groups", 1) == 1
    if not plain or None in padded:
        return False
    needed = []
    for size, ends, kernel, stride in zip(padded, before.padding, layer.kernel_size, layer.strides):
        own = size - sum(ends)
        total = max((-(-own // stride) - 1) * stride + kernel - own, 0)
        needed.append((total // 2, total - total // 2))
    return needed == [tuple(ends) for ends in before.padding]


def _foldable(layer: keras.Layer) -> bool:
    plain = type(layer) in (*CONVOLUTIONS, layers.Dense) and layer.quantization_mode is None
    return plain and getattr(layer, "data_format", "channels_last") == "channels_last"


def linear(layer: keras.Layer) -> bool:
    return layer.activation is keras.activations.linear
