"""A network cut in two against the network itself."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfxfer import model
from tfxfer.analysis.cut_network import cut


@pytest.fixture(scope="module")
def net(pictures):
    keras.utils.set_random_seed(0)
    whole = model.build("small_resnet", pictures, weights="none")
    part = keras.Model(whole.get_layer("to_float").output, whole.output)
    return keras.models.clone_model(part, input_tensors=keras.Input((28, 28, 1)))


@pytest.mark.parametrize("layer", ["stem_relu", "block2_1_relu", "block3_relu", "block5_add"])
def test_both_halves_are_the_network(net, pictures, layer):
    """Also within a residual block, past which its shortcut goes."""
    images = tf.constant(pictures.rows["test"].images[:4].astype(np.float32))
    halves = cut(net, layer)
    values = halves.first(images)
    assert len(values) == (2 if layer == "block2_1_relu" else 1)
    feature_map = keras.Model(net.input, net.get_layer(layer).output)
    np.testing.assert_allclose(values[0], feature_map(images, training=False), atol=1e-5)
    assert halves.second.get_layer(layer).output.shape == net.get_layer(layer).output.shape
    np.testing.assert_allclose(halves.second(values), net(images, training=False), atol=1e-5)


def test_halves_follow_the_weights(net, pictures):
    images = tf.constant(pictures.rows["test"].images[:4].astype(np.float32))
    halves, bias = cut(net, "block3_relu"), net.get_layer("logits").bias
    before = halves.second(halves.first(images)).numpy()
    bias.assign_add(tf.ones(bias.shape))
    np.testing.assert_allclose(halves.second(halves.first(images)), before + 1, atol=1e-5)
    bias.assign_sub(tf.ones(bias.shape))
