import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tfxfer import data, model
from tfxfer.analysis import attribution, feature_map_layers
from tfxfer.core.errors import InputError


def linear_net(splits):
    """One 3 x 3 convolution of known weights, ReLU, mean, and a head of known weights: Grad-CAM in closed form."""
    image = keras.Input((*splits.image_shape[:2], 1))
    x = layers.Conv2D(2, 1, activation="relu", name="conv")(image)
    net = model.build(keras.Model(image, x, name="known"), splits, scaling="unit")
    net.get_layer("conv").set_weights([np.array([[[[1.0, -1.0]]]], np.float32), np.array([0.0, 0.5], np.float32)])
    head = np.zeros((2, 10), np.float32)
    head[:, 3], head[:, 4] = (2, -1), (-1, 2)
    net.get_layer("logits").set_weights([head, np.zeros(10, np.float32)])
    return net


@pytest.mark.parametrize("method", attribution.METHODS)
@pytest.mark.parametrize("target", [3, 4])
def test_grad_cam_in_closed_form(pictures, method, target):
    net = linear_net(pictures)
    images = pictures.rows["test"].images[:40]
    x = images[..., 0] / 255
    maps = np.stack([np.maximum(x, 0), np.maximum(0.5 - x, 0)], -1)
    weights = np.array({3: (2, -1), 4: (-1, 2)}[target])
    expected = np.maximum(maps @ weights, 0)
    if method != "gradcam":  # both leave out what speaks against the class
        expected = maps @ np.maximum(weights, 0)
    expected /= expected.max((1, 2), keepdims=True)
    given = attribution.explain(net, images, [target] * 40, method, "conv")
    assert given.dtype == np.float32
    if method == "gradcam++":  # weighs places of a channel differently, the channel's sign decides
        assert ((given > 0) == (expected > 0)).mean() > 0.95
    else:
        np.testing.assert_allclose(given, expected, atol=1e-5)


def test_grad_cam_is_an_independent_ones(lite0, pictures):
    """The gradient by a tape of one's own, at the layer the rule chooses."""
    images = pictures.rows["test"].images[:5]
    name = attribution.layer_to_explain(lite0)
    assert min(lite0.get_layer(name).output.shape[1:3]) == 12 or min(lite0.get_layer(name).output.shape[1:3]) >= 7
    part = keras.Model(lite0.input, lite0.get_layer(name).output)
    rest = keras.Model(lite0.get_layer(name).output, lite0.output)
    features = part(images)
    with tf.GradientTape() as tape:
        tape.watch(features)
        logits = rest(features)
        score = tf.reduce_sum(tf.reduce_max(logits, axis=1))
    weights = tf.reduce_mean(tape.gradient(score, features), axis=(1, 2), keepdims=True)
    maps = tf.nn.relu(tf.reduce_sum(weights * features, axis=-1, keepdims=True))
    expected = tf.image.resize(maps, (28, 28))[..., 0].numpy()
    expected /= np.maximum(expected.max((1, 2), keepdims=True), 1e-12)
    given = attribution.explain(lite0, images, method="gradcam")
    np.testing.assert_allclose(given, expected, atol=1e-3)
    assert given.shape == (5, 28, 28)
    highest = given.max((1, 2))
    np.testing.assert_allclose(highest, highest > 0, atol=1e-6)  # 0 where nothing speaks for the class
    assert (highest > 0).sum() >= 3


@pytest.mark.parametrize(
    ("backbone", "size", "side"),
    [("mobilenet_v2", 48, 12), ("mobilenet_v2", 224, 7), ("small_resnet", 28, 7), ("cnn", 28, 11), ("resnet50", 32, 8)],
)
def test_the_layer_is_chosen_by_its_size(pictures, backbone, size, side):
    net = model.build(backbone, pictures, size, "none")
    name = attribution.layer_to_explain(net)
    assert net.get_layer(name).output.shape[1] == side
    later = [layer for layer in net.layers[net.layers.index(net.get_layer(name)) + 1 :] if len(layer.output.shape) == 4]
    assert not any(feature_map_layers.activates(layer) and layer.output.shape[1] >= 7 for layer in later)
    assert attribution.layer_to_explain(net, name) == name


@pytest.mark.parametrize("method", ["gradcam", "layercam"])
def test_maps_of_random_networks_are_others(trained_cnn, pictures, method):
    """A trained network's maps change when the head and then the stages get random weights; its own do not."""
    net = trained_cnn
    images = pictures.rows["test"].images[:32]
    maps = attribution.explain(net, images, method=method)
    assert attribution.similarity(maps, maps) == pytest.approx(1)
    before = net.get_weights()
    found = attribution.sanity(net, images, method)
    assert list(found) == ["head", "dense", "conv3", "conv2", "conv1"]
    assert all(-1 <= value < 0.9 for value in found.values())
    for a, b in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_which_maps_are_empty():
    maps = np.zeros((3, 4, 4))
    maps[1, 2, 2], maps[2] = 1, 0.5
    np.testing.assert_array_equal(attribution.empty(maps), [True, False, True])


def test_an_explainer_gives_the_networks_probabilities(small_cnn, pictures):
    images = pictures.rows["test"].images
    expected = tf.nn.softmax(small_cnn(images)).numpy()
    np.testing.assert_allclose(attribution.Explainer(small_cnn).probabilities(images), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"method": "lime"}, "method 'lime': expected one of gradcam"),
        ({"layer": "nowhere"}, "cnn has no layer 'nowhere' that outputs a feature map"),
        ({"layer": "dense"}, "no layer 'dense' that outputs a feature map"),
        ({"classes": [3]}, r"classes \(1,\)"),
        ({"classes": [10, 0]}, "0 to 9 for each image"),
        ({"images": np.zeros((2, 28, 28, 1), np.float32)}, "images float32"),
        ({"images": np.zeros((0, 28, 28, 1), np.uint8)}, "at least one"),
    ],
)
def test_bad_requests(small_cnn, change, complaint):
    options = {"images": np.zeros((2, 28, 28, 1), np.uint8)} | change
    with pytest.raises(InputError, match=complaint):
        attribution.explain(small_cnn, **options)


def test_pixels_have_nothing_to_explain():
    splits = data.load("digits", limit=50)
    with pytest.raises(InputError, match="pixels has no feature map"):
        attribution.explain(model.build("pixels", splits, weights="none"), splits.rows["test"].images)
