"""Folded networks against the networks themselves, and one by hand."""

import gc

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tfxfer import model
from tfxfer.model import backbones, folding

APPLICATIONS = (
    "MobileNet",
    "MobileNetV3Small",
    "MobileNetV3Large",
    "EfficientNetB0",
    "EfficientNetV2B0",
    "DenseNet121",
)


@pytest.fixture(autouse=True)
def one_at_a_time():
    """Graphs hold their weights several times over, and refer to themselves."""
    yield
    gc.collect()


@pytest.fixture
def float64():
    """Networks built in the test compute in float64."""
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


@pytest.fixture(autouse=True)
def drawn_once(monkeypatch):
    """Kernels repeat some random numbers: to draw the hundred million of VGG19 takes 20 s."""
    random = np.random.default_rng(0).uniform(-1.7, 1.7, 100_003)

    def repeated(self, shape, dtype=None):
        receptive = np.prod(shape[:-2], dtype=int) * (shape[-2] + shape[-1]) / 2
        return tf.constant(np.resize(random, shape) / np.sqrt(receptive), dtype or tf.float32)

    monkeypatch.setattr(keras.initializers.GlorotUniform, "__call__", repeated)


def vary(net: keras.Model) -> keras.Model:
    """Statistics, scales and offsets as training leaves them, where a new network has zeros and ones."""
    random = np.random.default_rng(0)
    for layer in net.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 2, weight.shape) for weight in layer.get_weights()])
    return net


def both(net: keras.Model, images: np.ndarray | None = None, training: bool = False) -> tuple[list, list, list[str]]:
    """The outputs of a network and of the network folded, and the operations of the second."""
    if images is None:
        images = np.random.default_rng(1).normal(size=(3, *net.input_shape[1:])).astype(net.input.dtype)
    forward = folding.Forward(net, training=training).current()
    operations = [operation.type for operation in forward.graph.get_operations()]
    expected, found = net(images, training=training), forward(tf.constant(images))
    return tf.nest.flatten(expected), tf.nest.flatten(found), operations


def check(net: keras.Model) -> list[str]:
    """Compares outputs. In float32 each layer rounds the last of 24 bits, in both networks."""
    expected, found, operations = both(net)
    for a, b in zip(expected, found, strict=True):
        share = 1e-9 if b.dtype == "float64" else 2 * len(net.layers) * 2.0**-24
        np.testing.assert_allclose(b, a, rtol=0, atol=share * np.abs(a).max())
    return operations


def test_by_hand():
    image = keras.Input((1, 1, 2))
    conv = layers.Conv2D(1, 1, bias_initializer="ones")
    norm = layers.BatchNormalization(epsilon=0.5)
    net = keras.Model(image, norm(conv(image)))
    conv.set_weights([np.array([2.0, 3.0]).reshape(1, 1, 2, 1), np.array([1.0])])
    norm.set_weights([np.array([x]) for x in (4.0, 5.0, 7.0, 3.5)])  # scale, offset, mean, variance
    _, (found,), operations = both(net, np.array([[[[1.0, 10.0]]]], np.float32))
    # 2 * 1 + 3 * 10 + 1 = 33; (33 - 7) / sqrt(3.5 + 0.5) * 4 + 5 = 57
    np.testing.assert_allclose(found, [[[[57.0]]]])
    assert "Rsqrt" not in operations
    assert "ReadVariableOp" not in operations


@pytest.mark.parametrize("name", backbones.TABLE)
def test_all_backbones(name):
    row = backbones.get(name)
    options = {"weights": None} if row.rgb else {}
    side = 32 if row.rgb else 28
    operations = check(vary(row.build(input_shape=(side, side, 3 if row.rgb else 1), **options)))
    assert "Rsqrt" not in operations  # all batch norm is folded
    assert "ReadVariableOp" not in operations


@pytest.mark.parametrize("name", APPLICATIONS)
@pytest.mark.usefixtures("float64")
def test_other_applications(name):
    """In float64, for the gates of some of them magnify what float32 rounds."""
    build = getattr(keras.applications, name)
    operations = check(vary(build(include_top=False, weights=None, input_shape=(32, 32, 3))))
    assert "ReadVariableOp" not in operations


def test_every_kind_of_layer():
    x = image = keras.Input((9, 9, 4))
    for layer in (
        layers.ZeroPadding2D(1),
        layers.Conv2D(6, 3, strides=2),
        layers.BatchNormalization(scale=False),
        layers.ReLU(6.0),
        layers.Conv2D(6, 3, groups=2, use_bias=False),
        layers.BatchNormalization(center=False),
        layers.ZeroPadding2D(((0, 1), (0, 1))),
        layers.DepthwiseConv2D(2, bias_initializer="random_normal"),
        layers.ZeroPadding2D(((1, 0), (0, 1))),  # not as TensorFlow pads
        layers.DepthwiseConv2D(2),
        layers.ZeroPadding2D(1),  # before a convolution that pads by itself
        layers.DepthwiseConv2D(2, depth_multiplier=2, padding="same", bias_initializer="random_normal"),
        layers.BatchNormalization(),
        layers.SeparableConv2D(5, 2, depth_multiplier=3, activation="linear"),
        layers.BatchNormalization(),
        layers.Conv2D(4, 1, dilation_rate=2, activation="elu"),  # nothing to fold: an activation stands between
        layers.BatchNormalization(),
        layers.Flatten(),
        layers.Dense(7, use_bias=False),
        layers.BatchNormalization(),
        layers.Dense(3, activation="softmax"),
    ):
        x = layer(x)
    operations = check(vary(keras.Model(image, x)))
    assert operations.count("Rsqrt") == 1
    assert operations.count("Pad") == 2


def test_what_is_read_by_others_is_kept():
    image = keras.Input((6, 6, 3))
    conv, norm = layers.Conv2D(3, 3, padding="same"), layers.BatchNormalization()
    a = conv(image)
    b = norm(a)
    read_twice = keras.Model(image, layers.Add()([a, b]))
    an_output = keras.Model(image, {"before": a, "after": b})
    called_twice = keras.Model(image, norm(conv(conv(image))))
    first = keras.Model(image, layers.Conv2D(2, 1)(norm(image)))
    for net in (read_twice, an_output, called_twice, first):
        assert "Rsqrt" in check(vary(net))
    padded = layers.ZeroPadding2D(1)(image)
    assert "Pad" in check(keras.Model(image, {"conv": layers.Conv2D(2, 3)(padded), "padded": padded}))


def test_batch_norm_that_trains_is_kept():
    image = keras.Input((6, 6, 3))
    net = vary(keras.Model(image, layers.BatchNormalization(name="norm")(layers.Conv2D(3, 3)(image))))
    images = np.random.default_rng(1).normal(size=(3, 6, 6, 3)).astype(np.float32)
    before = net.get_weights()
    (expected,), (found,), _ = both(net, images, training=True)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert not np.allclose(net.get_layer("norm").get_weights()[2], before[4])  # the mean has moved
    net.get_layer("norm").trainable = False
    _, _, operations = both(net, images, training=True)
    assert "Rsqrt" not in operations


def test_random_layers_still_draw():
    image = keras.Input((6, 6, 3))
    net = keras.Model(image, layers.Conv2D(2, 1)(layers.GaussianNoise(1.0, seed=0)(image)))
    forward, images = folding.Forward(net, training=True).current(), tf.zeros((1, 6, 6, 3))
    assert not np.allclose(forward(images), forward(images))


def test_weights_are_folded_anew(pictures, small_cnn):
    images = pictures.rows["test"].images[:5]
    forward = folding.Forward(small_cnn, activation=tf.nn.softmax)
    first = forward.current()
    assert forward.current() is first
    small_cnn.compile("sgd", "sparse_categorical_crossentropy")
    small_cnn.fit(images, pictures.rows["test"].labels[:5], verbose=0)
    again = forward.current()
    expected = tf.nn.softmax(small_cnn(images, training=False))
    np.testing.assert_allclose(again(tf.constant(images)), expected, atol=1e-6)
    assert not np.allclose(first(tf.constant(images)), expected)


def test_large_weights_are_inputs(pictures, small_cnn, monkeypatch):
    images = tf.constant(pictures.rows["test"].images[:5])
    forward = folding.Forward(small_cnn).current()
    monkeypatch.setattr(folding, "LARGEST", 1000)
    captured = folding.Forward(small_cnn).current()
    np.testing.assert_allclose(forward(images), captured(images), atol=1e-6)
    assert len(captured.captured_inputs) > len(forward.captured_inputs) == 0


def test_the_network_is_as_it_was(small_cnn):
    with pytest.raises(KeyError), folding.folded(small_cnn):
        assert all("call" in vars(layer) for layer in model.backbone_layers(small_cnn) if layer.weights)
        raise KeyError
    assert not any("call" in vars(layer) for layer in small_cnn.layers)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_short_precisions(precision):
    image = keras.Input((6, 6, 3))
    x = layers.Conv2D(4, 3, dtype=f"mixed_{precision}")(image)
    net = vary(keras.Model(image, layers.BatchNormalization(dtype=f"mixed_{precision}")(x)))
    (expected,), (found,), _ = both(net)
    assert found.dtype == expected.dtype == precision
    bits = {"bfloat16": 8, "float16": 11}[precision]
    expected, found = (np.asarray(tf.cast(x, tf.float32)) for x in (expected, found))
    np.testing.assert_allclose(found, expected, atol=4 * 2.0**-bits * np.abs(expected).max())
