import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tfxfer import pointwise


@pytest.mark.parametrize("strides", [1, 2, (2, 3)])
@pytest.mark.parametrize("options", [{}, {"use_bias": False, "padding": "same"}, {"activation": "relu"}])
def test_products_are_convolutions(strides, options):
    """Outputs and all gradients, odd sizes and strides."""
    keras.utils.set_random_seed(0)
    image = keras.Input((7, 9, 5))
    net = keras.Model(image, layers.Conv2D(3, 1, strides=strides, **options)(image))
    inputs = tf.random.stateless_normal((4, 7, 9, 5), (0, 1))

    def run():
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = net(inputs)
            loss = tf.reduce_sum(outputs**2)
        return outputs, *tape.gradient(loss, [inputs, *[v.value for v in net.trainable_variables]])

    expected = run()
    with pointwise.as_products(net):
        assert net.layers[1].convolution_op.func is pointwise._product
        given = run()
    assert "convolution_op" not in vars(net.layers[1])
    for a, b in zip(given, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_other_convolutions_stay():
    image = keras.Input((7, 9, 4))
    rows = [layers.Conv2D(3, 3), layers.Conv2D(4, 1, groups=2), layers.DepthwiseConv2D(1), layers.Conv2DTranspose(2, 1)]
    net = keras.Model(image, [layer(image) for layer in rows])
    with pointwise.as_products(net):
        assert not any("convolution_op" in vars(layer) for layer in rows)
