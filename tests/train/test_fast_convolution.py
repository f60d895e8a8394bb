import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tfxfer.train import fast_convolution

PLAIN = [{}, {"use_bias": False, "padding": "same"}, {"activation": "relu"}]


def outputs_and_gradients(net, inputs):
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = net(inputs)
        loss = tf.reduce_sum(outputs**2)
    return outputs, *tape.gradient(loss, [inputs, *[v.value for v in net.trainable_variables]])


@pytest.mark.parametrize(
    ("kernel", "strides", "options"),
    [(1, strides, options) for strides in (1, 2, (2, 3)) for options in PLAIN]
    + [(kernel, 1, options) for kernel in (2, 3, (5, 4), (1, 3)) for options in PLAIN],
)
def test_outputs_and_all_gradients_are_kept(kernel, strides, options):
    """Odd sizes, odd and even kernels, strides of products."""
    keras.utils.set_random_seed(0)
    image = keras.Input((7, 9, 5))
    net = keras.Model(image, layers.Conv2D(3, kernel, strides=strides, **options)(image))
    inputs = tf.random.stateless_normal((4, 7, 9, 5), (0, 1))

    expected = outputs_and_gradients(net, inputs)
    with fast_convolution.trained_fast(net):
        chosen = fast_convolution._product if kernel == 1 else fast_convolution._convolution
        assert net.layers[1].convolution_op.func is chosen
        given = outputs_and_gradients(net, inputs)
    assert "convolution_op" not in vars(net.layers[1])
    for a, b in zip(given, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("places", "kernel"), [((2, 2), 3), ((3, 4), 5), ((1, 4), (3, 2)), ((4, 4), (5, 4))])
@pytest.mark.parametrize("options", [{}, {"use_bias": False}, {"activation": "relu"}])
def test_small_depthwise_gradients_are_kept(places, kernel, options):
    """Maps with fewer places than the kernel, odd and even kernels."""
    keras.utils.set_random_seed(0)
    image = keras.Input((*places, 5))
    net = keras.Model(image, layers.DepthwiseConv2D(kernel, padding="same", **options)(image))
    inputs = tf.random.stateless_normal((4, *places, 5), (0, 1))

    expected = outputs_and_gradients(net, inputs)
    with fast_convolution.trained_fast(net):
        assert net.layers[1].call.func is fast_convolution._call_depthwise
        given = outputs_and_gradients(net, inputs)
    assert "call" not in vars(net.layers[1])
    for a, b in zip(given, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_other_depthwise_convolutions_stay():
    image = keras.Input((3, 3, 4))
    rows = [layers.DepthwiseConv2D(3, padding="same"), layers.DepthwiseConv2D(5, strides=2, padding="same")]
    rows += [layers.DepthwiseConv2D(2), layers.DepthwiseConv2D(5, depth_multiplier=2, padding="same")]
    net = keras.Model(image, [layer(image) for layer in rows])
    with fast_convolution.trained_fast(net):
        assert not any("call" in vars(layer) for layer in rows)


def test_other_convolutions_stay():
    image = keras.Input((7, 9, 4))
    rows = [layers.Conv2D(3, 3, strides=2), layers.Conv2D(3, 3, dilation_rate=2), layers.Conv2D(4, 1, groups=2)]
    rows += [layers.DepthwiseConv2D(1), layers.Conv2DTranspose(2, 1)]
    net = keras.Model(image, [layer(image) for layer in rows])
    with fast_convolution.trained_fast(net):
        assert not any("convolution_op" in vars(layer) for layer in rows)
