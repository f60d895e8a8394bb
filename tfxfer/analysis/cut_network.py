"""A network cut at one of its feature maps: what leads to it as one traced function, and the rest as a model."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import tensorflow as tf

from tfxfer.core import private_names


@dataclass(frozen=True)
class CutNetwork:
    """Two halves that share the variables of the network that was cut.

    Class activation maps need gradients behind the map alone, and tf-keras-vis calls every layer of a model one by one:
    the first half, which may be most of the network, then costs one call.

    Attributes:
        first: a traced function from images to the values that the second half takes.
        second: a model whose first layer but its inputs has the name of the layer at the cut.
    """

    first: Callable[[tf.Tensor], list[tf.Tensor]]
    second: keras.Model


def cut(net: keras.Model, name: str) -> CutNetwork:
    """Cuts a network at the output of a layer; where branches pass it by, the second half takes their values, too.

    Args:
        net: a functional network with one input and one output.
        name: of a layer that is called once.
    """
    target = net.get_layer(name).output
    before = _leading_to(net, target)
    crossing = {id(target): target}
    for node in private_names.calls(net):
        if not before.issuperset(map(id, node.output_tensors)):
            crossing |= {id(tensor): tensor for tensor in node.input_tensors if id(tensor) in before}
    tensors = list(crossing.values())
    part = keras.Model(net.input, tensors)
    spec = tf.TensorSpec((None, *net.input.shape[1:]), net.input.dtype)
    inputs = [keras.Input(tensor.shape[1:], dtype=tensor.dtype) for tensor in tensors]
    seen = keras.layers.Activation("linear", name=name)(inputs[0])
    rest = keras.Model(tensors, net.output)
    output = rest([seen, *inputs[1:]])
    first = tf.function(lambda images: tf.nest.flatten(part(images, training=False)), [spec], autograph=False)
    return CutNetwork(first, keras.Model(inputs, output))


def _leading_to(net: keras.Model, target: keras.KerasTensor) -> set[int]:
    """The ids of all tensors that a tensor is computed from, and its own."""
    found = {id(target)}
    for node in reversed(private_names.calls(net)):
        if not found.isdisjoint(map(id, node.output_tensors)):
            found.update(map(id, node.output_tensors))
            found.update(map(id, node.input_tensors))
    return found
