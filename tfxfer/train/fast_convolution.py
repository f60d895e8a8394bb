"""Convolutions whose gradients on CPUs cost about as much as their forward pass.

TensorFlow's CPU kernels for the gradients of a convolution multiply image by image. At stride 1 both gradients are
plain convolutions themselves, equal to rounding. The gradient of the inputs is the upstream gradient convolved with the
flipped kernel, 1.0 to 2.1 times as fast as TensorFlow's kernel at twelve sizes from VGG, ResNet and small networks. The
gradient of the kernel is the inputs convolved with the upstream gradient, as a kernel the size of the image, with batch
and channels exchanged; that is 0.9 to 2.9 times as fast.

A 1 x 1 convolution is one matrix product over all pixels of a batch. This matters where feature maps are small, as in
the last layers of a backbone: the gradient of its inputs took 87 of 107 ms in a training step (the last 40 layers of
EfficientNet-Lite0 at 48 x 48, batches of 32).

The gradient of a depthwise kernel, where a feature map has fewer places than the kernel, is a product of all places
with all places for each channel. With oneDNN that is 2.5 to 5 times as fast as TensorFlow's kernel, which took 30 of 53
ms in the same step (5 x 5 on 2 x 2, 3 x 3 and 4 x 4, 3 x 3 on 2 x 2); without oneDNN 0.8 to 1.6 times.
"""

import contextlib
import functools
import math
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from tfxfer.model import freezing


@contextlib.contextmanager
def trained_fast(net: keras.Model) -> Iterator[None]:
    """Gives a network's convolutions the cheaper gradients wherever it is traced within the block.

    Their outputs stay the same.
    """
    plain = {layer: operation for layer in net.layers if (operation := _replacement(layer))}
    depthwise = [layer for layer in net.layers if _is_small_depthwise(layer)]
    for layer, operation in plain.items():
        layer.convolution_op = operation
    for layer in depthwise:
        layer.call = functools.partial(_call_depthwise, layer)
    try:
        yield
    finally:
        for layer in plain:
            del layer.convolution_op
        for layer in depthwise:
            del layer.call


def _replacement(layer: keras.Layer) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None:
    """The operation, from inputs and kernel to outputs, with cheaper gradients; None if there is none for the layer."""
    if type(layer) is not keras.layers.Conv2D or layer.groups > 1 or layer.data_format != "channels_last":
        return None
    if layer.kernel_size == (1, 1):
        return functools.partial(_product, layer.strides)
    plain = layer.strides == layer.dilation_rate == (1, 1) and layer.padding in ("same", "valid")
    if plain and {device.device_type for device in tf.config.list_logical_devices()} == {"CPU"}:
        return functools.partial(_convolution, layer.padding.upper())
    return None


def _product(strides: tuple[int, int], inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """(batch, height, width, channels) x (1, 1, channels, filters) -> (batch, height, width, filters)."""
    inputs = inputs if strides == (1, 1) else inputs[:, :: strides[0], :: strides[1]]
    *places, channels = tf.unstack(tf.shape(inputs))
    products = tf.reshape(inputs, (-1, channels)) @ tf.reshape(kernel, kernel.shape[2:])
    products = tf.reshape(products, (*places, kernel.shape[-1]))
    return tf.ensure_shape(products, (*inputs.shape[:-1], kernel.shape[-1]))


def _convolution(padding: str, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """(batch, height, width, channels) x (rows, columns, channels, filters), stride 1, padding SAME or VALID."""
    own = [((size - 1) // 2, size // 2) if padding == "SAME" else (0, 0) for size in kernel.shape[:2]]
    rest = [tuple(size - 1 - p for p in pair) for size, pair in zip(kernel.shape[:2], own)]

    @tf.custom_gradient
    def convolve(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            turned = tf.transpose(kernel[::-1, ::-1], (0, 1, 3, 2))
            by_inputs = tf.nn.conv2d(upstream, turned, 1, [(0, 0), *rest, (0, 0)])
            images, ups = tf.transpose(inputs, (3, 1, 2, 0)), tf.transpose(upstream, (1, 2, 0, 3))
            by_kernel = tf.transpose(tf.nn.conv2d(images, ups, 1, [(0, 0), *own, (0, 0)]), (1, 2, 0, 3))
            return by_inputs, tf.ensure_shape(by_kernel, kernel.shape)

        return tf.nn.conv2d(inputs, kernel, 1, padding), gradients

    return convolve(inputs, tf.convert_to_tensor(kernel))


def _is_small_depthwise(layer: keras.Layer) -> bool:
    """Whether a layer is a depthwise convolution of stride 1 whose feature map has fewer places than its kernel."""
    if type(layer) is not keras.layers.DepthwiseConv2D or layer.depth_multiplier > 1 or layer.padding != "same":
        return False
    plain = layer.strides == layer.dilation_rate == (1, 1) and layer.data_format == "channels_last"
    places = freezing.output_shape(layer)[1:3] or (None,)
    return plain and None not in places and math.prod(places) < math.prod(layer.kernel_size)


def _call_depthwise(layer: keras.layers.DepthwiseConv2D, inputs: tf.Tensor, **_) -> tf.Tensor:
    """What the layer's own `call` does, with the cheaper gradient of its kernel."""
    outputs = _depthwise(inputs, tf.cast(layer.kernel, inputs.dtype))
    outputs = tf.nn.bias_add(outputs, tf.cast(layer.bias, inputs.dtype)) if layer.use_bias else outputs
    return layer.activation(outputs)


@tf.custom_gradient
def _depthwise(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """(batch, height, width, channels) x (rows, columns, channels, 1), stride 1, padding SAME."""
    height, width, channels = inputs.shape[1:]

    def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        options = {"strides": [1, 1, 1, 1], "padding": "SAME"}
        by_inputs = tf.nn.depthwise_conv2d_backprop_input(tf.shape(inputs), kernel, upstream, **options)
        before, after = (tf.reshape(x, (-1, height * width, channels)) for x in (inputs, upstream))
        products = tf.transpose(before, (2, 1, 0)) @ tf.transpose(after, (2, 0, 1))  # channels, from place, to place
        products = tf.reshape(tf.transpose(products, (1, 2, 0)), (-1, channels))
        taps = math.prod(kernel.shape[:2])
        sums = tf.math.unsorted_segment_sum(products, _taps(height, width, *kernel.shape[:2]), taps + 1)
        return by_inputs, tf.reshape(sums[:taps], kernel.shape)

    return tf.nn.depthwise_conv2d(inputs, kernel, [1, 1, 1, 1], "SAME"), gradients


def _taps(height: int, width: int, rows: int, columns: int) -> np.ndarray:
    """Which place of a kernel leads from each place of a feature map to each, row by row: int64; the number of places
    of the kernel for none."""
    y, x = (axis.ravel() for axis in np.mgrid[:height, :width])
    row, column = y[:, None] - y + (rows - 1) // 2, x[:, None] - x + (columns - 1) // 2
    reached = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    return np.where(reached, row * columns + column, rows * columns).ravel()
