"""A network for inference alone: batch norm multiplied into the layers before it, weights as constants of the graph.

In inference mode batch norm is a fixed factor and offset for each channel, which Keras computes by operations of their
own. With its moving mean m and variance v, scale g, offset o and epsilon e, it goes into the kernel and the bias of the
convolution or dense layer before it: k' = k g / sqrt(v + e) and b' = (b - m) g / sqrt(v + e) + o (Jacob et al. 2018,
arXiv:1712.05877, section 3.2). TensorFlow then computes convolution, bias and ReLU as one operation, and prepares
constant kernels once where it would prepare variables in every call. Layers that pad with zeros become the padding of
the convolution behind them: TensorFlow would copy the whole feature map, which takes longer than the convolution.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tfxfer.model import fold_plan, freezing, state

LARGEST = 5e6  # bytes of a weight that becomes a constant: a graph holds several copies of each, and 2 GB at most


@contextlib.contextmanager
def folded(net: keras.Model, training: bool = False, largest: float = LARGEST) -> Iterator[None]:
    """Within the block, a function that is traced computes the network on folded weights, those that it has now.

    Outputs differ from the network's own by float32 rounding. The network itself does not change. What was traced stays
    as it is when weights change later; `Forward` traces it again.

    Args:
        net: a functional network, such as those from `model.build` and any part of them.
        training: whether the network will be called in training mode. Then batch norm that trains is not folded, and
            the weights of layers that are not folded stay variables, for random layers change theirs.
        largest: bytes of a weight that becomes a constant; larger ones become inputs of the graph.

    Example:
        >>> import numpy as np, tensorflow as tf
        >>> from tfxfer import data, model
        >>> net = model.build("small_resnet", data.load("digits", limit=40), weights="none")
        >>> forward = tf.function(lambda images: net(images, training=False))
        >>> images = np.zeros((2, 8, 8, 1), np.uint8)
        >>> with model.folding.folded(net):
        ...     fast = forward(images)
        >>> float(np.abs(fast - net(images, training=False)).max()) < 1e-5
        True
    """
    folds, constant = fold_plan.folds(net, training), functools.partial(_constant, largest)
    calls = {
        layer: functools.partial(_call, constant, layer, fold.padding_of(layer), *_weights(layer, fold.norm))
        for layer, fold in folds.items()
    }
    calls |= {other: _unchanged for fold in folds.values() for other in (fold.padding, fold.norm) if other is not None}
    if not training:
        others = [layer for layer in net.layers if layer.weights and layer not in calls]
        calls |= {
            layer: functools.partial(_call_on_constants, constant, layer.call, _values(layer)) for layer in others
        }
    for layer, call in calls.items():
        layer.call = call
    try:
        yield
    finally:
        for layer in calls:
            del layer.call


class Forward:
    """A function of a network, traced on folded weights; traced again when it is asked for after the weights changed.

    Args:
        net: as `folded` takes it.
        activation: applied to the network's outputs.
        training: the mode in which the network is called.
    """

    def __init__(
        self,
        net: keras.Model,
        activation: Callable = lambda outputs: outputs,
        training: bool = False,
    ):
        self.net, self.activation, self.training = net, activation, training
        self._traced: Callable | None = None
        self._weights = ""

    def current(self) -> Callable:
        """The function, of the weights that the network has now."""
        weights = state.digest(self.net.get_weights())
        if self._traced is None or weights != self._weights:
            forward = tf.function(
                lambda inputs: self.activation(self.net(inputs, training=self.training)), autograph=False
            )
            specs = [tf.TensorSpec((None, *x.shape[1:]), x.dtype) for x in self.net.inputs]
            with freezing.still(self.net), folded(self.net, self.training, LARGEST):
                self._traced = forward.get_concrete_function(specs if len(specs) > 1 else specs[0])
            self._weights = weights
        return self._traced


def _weights(
    layer: keras.Layer, follower: keras.layers.BatchNormalization | None
) -> tuple[list[np.ndarray], np.ndarray | None]:
    """The kernels of a layer, the last one folded, and its bias; in float64."""
    separable = isinstance(layer, layers.SeparableConv2D)
    variables = [layer.depthwise_kernel, layer.pointwise_kernel] if separable else [layer.kernel]
    kernels = [keras.ops.convert_to_numpy(variable) for variable in variables]
    bias = keras.ops.convert_to_numpy(layer.bias) if layer.use_bias else None
    if follower is None:
        return kernels, bias
    mean, variance = (
        np.float64(keras.ops.convert_to_numpy(x)) for x in (follower.moving_mean, follower.moving_variance)
    )
    factor = 1 / np.sqrt(variance + follower.epsilon)
    factor *= keras.ops.convert_to_numpy(follower.gamma) if follower.scale else 1
    offset = keras.ops.convert_to_numpy(follower.beta) if follower.center else 0
    per_channel = factor.reshape(kernels[-1].shape[-2:]) if isinstance(layer, layers.DepthwiseConv2D) else factor
    bias = (0 if bias is None else bias) - mean
    return [*kernels[:-1], kernels[-1] * per_channel], bias * factor + offset


def _call(
    constant: Callable[[np.ndarray, str], tf.Tensor],
    layer: keras.Layer,
    padding: str,
    kernels: list[np.ndarray],
    bias: np.ndarray | None,
    inputs: tf.Tensor,
    **_,
) -> tf.Tensor:
    """What the layer's own `call` does, on other weights and with another padding."""
    kernels = [constant(kernel, layer.compute_dtype) for kernel in kernels]
    if isinstance(layer, layers.Dense):
        outputs = keras.ops.matmul(inputs, kernels[0])
    else:
        settings = (layer.strides, padding, layer.data_format, layer.dilation_rate)
        outputs = fold_plan.CONVOLUTIONS[type(layer)](inputs, *kernels, *settings)
    outputs = outputs if bias is None else tf.nn.bias_add(outputs, constant(bias, layer.compute_dtype))
    return outputs if fold_plan.linear(layer) else layer.activation(outputs)


def _values(layer: keras.Layer) -> list[tuple[keras.Variable, np.ndarray]]:
    return [(weight, keras.ops.convert_to_numpy(weight)) for weight in layer.weights]


def _call_on_constants(
    constant: Callable[[np.ndarray, str], tf.Tensor],
    call: Callable,
    values: list[tuple[keras.Variable, np.ndarray]],
    *args,
    **kwargs,
):
    with keras.StatelessScope([(weight, constant(array, weight.dtype)) for weight, array in values]):
        return call(*args, **kwargs)


def _constant(largest: float, array: np.ndarray, dtype: str) -> tf.Tensor:
    """A constant of the graph that is traced; of a large weight, an input of that graph."""
    with tf.init_scope() if array.size * tf.as_dtype(dtype).size > largest else contextlib.nullcontext():
        return tf.constant(array, dtype)


def _unchanged(inputs: tf.Tensor, **_) -> tf.Tensor:
    return inputs
