"""Keras models as people bring them: nested, with their own scaling and augmentation, with or without a head."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_pictures
from keras import layers

from tfxfer import data, model, train
from tfxfer.core.errors import InputError
from tfxfer.model import flattening

SIZE = 16


@pytest.fixture(scope="module")
def two_classes() -> data.Splits:
    """60 training and 20 test images of 16 x 16 RGB, two classes."""
    pairs = [make_pictures(n, 2, SIZE, seed) for n, seed in ((60, 0), (20, 1))]
    return data.from_arrays(*((np.repeat(images[..., None], 3, -1), labels) for images, labels in pairs))


def small_base(name: str = "base") -> keras.Sequential:
    parts = [layers.Conv2D(4, 3, name="conv"), layers.BatchNormalization(name="norm"), layers.ReLU(name="relu")]
    return keras.Sequential([keras.Input((None, None, 3)), *parts], name=name)


def guide(base: keras.Model, units: int = 1) -> keras.Model:
    """The network of Keras's guide "Transfer learning & fine-tuning", around any base model."""
    base.trainable = False
    inputs = keras.Input(shape=(SIZE, SIZE, 3))
    scale_layer = keras.layers.Rescaling(scale=1 / 127.5, offset=-1)
    x = scale_layer(inputs)
    x = base(x, training=False)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(0.2)(x)
    outputs = keras.layers.Dense(units)(x)
    return keras.Model(inputs, outputs, name="guide")


def names(members) -> list[str]:
    return [layer.name for layer in members]


def shake(net: keras.Model) -> keras.Model:
    """Moving statistics that are not those of a new batch norm."""
    rng = np.random.default_rng(0)
    for weight in net.weights:
        weight.assign(weight + 0.1 * np.abs(rng.standard_normal(weight.shape)))
    return net


def test_the_guides_network(two_classes):
    own = shake(guide(small_base()))
    net = model.build(own, two_classes)
    assert not any(isinstance(layer, keras.Model) for layer in net.layers)
    assert names(model.backbone_layers(net)) == ["conv", "norm", "relu"]
    assert names(net.layers)[-3:] == ["embedding", "head_dropout", "logits"]
    images = two_classes.rows["test"].images
    pooled = keras.Model(own.input, own.layers[-3].output)
    mine = keras.Model(net.input, net.get_layer("embedding").output)
    np.testing.assert_allclose(mine(images), pooled(images.astype(np.float32)), atol=1e-5)
    assert net.output_shape == (None, 2)
    assert [w.path.split("/")[0] for w in net.trainable_weights] == ["logits", "logits"]
    assert own.layers[-1].units == 1  # unchanged


def test_a_kept_head_of_one_unit(two_classes):
    """Its logits are (0, z), so that softmax is Keras's sigmoid."""
    own = shake(guide(small_base()))
    net = model.build(own, two_classes, head="keep")
    images = two_classes.rows["test"].images
    z = own(images.astype(np.float32))
    np.testing.assert_allclose(net(images), tf.concat([tf.zeros_like(z), z], -1), atol=1e-5)
    weights, biases = model.classifier(net)
    embedding = keras.Model(net.input, net.get_layer("embedding").output)(images)
    np.testing.assert_allclose(net(images), embedding @ weights.T + biases, atol=1e-5)


@pytest.mark.parametrize("cache", ["memory", "off"])
def test_training_equals_the_guides_own_fit(two_classes, cache):
    """Frozen prefix cached or not; without dropout, whose random numbers differ."""
    own = shake(guide(small_base()))
    own.layers[-2].rate = 0.0
    net = model.build(own, two_classes, head="keep")
    history = train.fit(net, two_classes, 3, optimizer=keras.optimizers.SGD(0.1), batch_size=16, cache=cache)
    assert history.facts["frozen_prefix_layers"] == (3 if cache == "memory" else 0)
    own.compile(keras.optimizers.SGD(0.1), keras.losses.BinaryCrossentropy(from_logits=True))
    for images, labels in two_classes.batches("train", 16, 0, epochs=3).map(lambda x: (x["image"], x["label"])):
        own.train_on_batch(tf.cast(images, tf.float32), tf.cast(labels, tf.float32)[:, None])
    for mine, theirs in zip(net.get_layer("logits").get_weights(), own.layers[-1].get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)
    np.testing.assert_array_equal(net.get_layer("norm").moving_mean, own.get_layer("base").layers[1].moving_mean)


def test_fine_tuning_equals_the_flat_networks(two_classes):
    """The whole base model trains, batch norm in inference mode as the guide wants it.

    (In Keras 3.15 `training=False` at a nested model's call is lost in `fit`: only `trainable` keeps batch norm still.)
    """
    own = shake(guide(small_base()))
    own.layers[-2].rate = 0.0
    net = model.build(own, two_classes, head="keep")
    model.unfreeze_last(net, "all")
    train.fit(net, two_classes, 2, optimizer=keras.optimizers.SGD(0.01), batch_size=16)
    own.get_layer("base").trainable = True
    own.get_layer("base").get_layer("norm").trainable = False
    own.compile(keras.optimizers.SGD(0.01), keras.losses.BinaryCrossentropy(from_logits=True))
    for images, labels in two_classes.batches("train", 16, 0, epochs=2).map(lambda x: (x["image"], x["label"])):
        own.train_on_batch(tf.cast(images, tf.float32), tf.cast(labels, tf.float32)[:, None])
    for mine, theirs in zip(net.get_layer("conv").get_weights(), own.get_layer("base").layers[0].get_weights()):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)


def test_models_in_models_in_models(two_classes):
    """Sequential in functional in Sequential, a layer of the same name in each, one of them called twice."""
    innermost = keras.Sequential(
        [keras.Input((SIZE, SIZE, 3)), layers.Conv2D(3, 3, padding="same", name="conv")], name="a"
    )
    x = image = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(3, 1, name="conv")(innermost(x))
    middle = keras.Model(image, layers.Add(name="sum")([innermost(x), x]), name="b")
    own = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            layers.RandomFlip(name="flip"),
            layers.Rescaling(1 / 255, name="scale"),
            middle,
            layers.Conv2D(5, 3, name="conv"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="softmax", name="logits"),
        ],
        name="c",
    )
    flat = flattening.flatten(own)
    images = two_classes.rows["test"].images
    theirs = own(images.astype(np.float32), training=False)  # by default these layers of Keras's are random
    np.testing.assert_allclose(flat(images.astype(np.float32), training=False), theirs, atol=1e-6)
    net = model.build(own, two_classes, head="keep")
    np.testing.assert_allclose(tf.nn.softmax(net(images, training=False)), theirs, atol=1e-6)
    assert names(model.backbone_layers(net)) == ["conv", "b_conv", "sum", "c_conv"]
    order = names(net.layers)
    assert order.index("flip") < order.index("scaled") < order.index("conv")
    assert names(model.unfreeze_last(net, 2)) == ["sum", "c_conv"]
    assert len(net.get_layer("conv").trainable_variables) == 0


@pytest.mark.parametrize(
    ("end", "head", "embedding"),
    [
        ([], "new", 4),
        ([layers.GlobalAveragePooling2D], "new", 4),
        ([layers.GlobalAveragePooling2D, lambda: layers.Dense(7, "relu")], "new", 7),
        ([layers.GlobalAveragePooling2D, lambda: layers.Dense(1000, "softmax")], "new", 4),
        ([layers.GlobalAveragePooling2D, lambda: layers.Dense(1000), layers.Softmax], "new", 4),
        ([layers.GlobalAveragePooling2D, lambda: layers.Dense(9)], "new", 9),  # a projection: no head for two classes
        ([layers.GlobalMaxPooling2D, lambda: layers.Dense(2)], "keep", 4),
        ([layers.GlobalMaxPooling2D, lambda: layers.Dense(2, use_bias=False)], "keep", 4),
        ([layers.Flatten, lambda: layers.Dense(6, "relu"), lambda: layers.Dense(1, "sigmoid")], "keep", 6),
    ],
)
def test_ends(two_classes, end, head, embedding):
    body = [layers.Conv2D(4, 3), layers.BatchNormalization()]
    own = keras.Sequential([keras.Input((SIZE, SIZE, 3)), *body, *(make() for make in end)], name="own")
    net = model.build(own, two_classes, scaling="unit", head=head)
    assert net.get_layer("embedding").output.shape == (None, embedding)
    assert net.output_shape == (None, 2)
    images = two_classes.rows["test"].images
    if head == "keep":
        theirs, mine = own(images / np.float32(255)), net(images)
        if own.layers[-1].units == 1:
            theirs, mine = theirs, tf.sigmoid(mine[:, 1:] - mine[:, :1])
        np.testing.assert_allclose(mine, theirs, atol=1e-5)
        assert model.classifier(net)[0].shape == (2, embedding)


def test_heads_that_cannot_be_kept(two_classes, pictures):
    body = [keras.Input((28, 28, 3)), layers.Conv2D(4, 3), layers.GlobalAveragePooling2D()]
    many = keras.Sequential([*body, layers.Dense(10, "sigmoid")], name="many")
    for own, splits, reason in (
        (keras.Sequential(body, name="none"), pictures, "none ends without a dense layer for 10 classes"),
        (keras.Sequential([*body, layers.Dense(3, "softmax")], name="three"), pictures, "ends with 3 units"),
        (many, pictures, "several can be true"),
        ("cnn", pictures, "comes without a head"),
    ):
        with pytest.raises(InputError, match=reason):
            model.build(own, splits, scaling="unit", head="keep")
    with pytest.raises(InputError, match="head 'old': expected one of new, keep"):
        model.build("cnn", pictures, head="old")


@keras.saving.register_keras_serializable("tests")
class Gate(layers.Layer):
    """A layer of a user's own."""

    def __init__(self, power: float, **options):
        super().__init__(**options)
        self.power = power

    def build(self, shape):
        self.gain = self.add_weight(shape=(shape[-1],), initializer="ones", name="gain")

    def call(self, x):
        return x * self.gain**self.power

    def get_config(self):
        return super().get_config() | {"power": self.power}


class Closed(keras.Model):
    """A network of a class with its own call."""

    def __init__(self, **options):
        super().__init__(**options)
        self.conv, self.norm = layers.Conv2D(4, 3), layers.BatchNormalization()

    def call(self, x, training=None):
        return self.norm(self.conv(x), training=training)


def test_layers_of_a_users_own_pass_through(two_classes, tmp_path):
    own = keras.Sequential([keras.Input((SIZE, SIZE, 3)), layers.Conv2D(4, 3), Gate(2.0, name="gate")], name="gated")
    net = model.build(shake(own), two_classes, scaling="unit")
    assert net.get_layer("gate") is not own.get_layer("gate")
    images = two_classes.rows["test"].images
    maps = keras.Model(net.input, net.get_layer("gate").output)
    np.testing.assert_allclose(maps(images), own(images / np.float32(255)), atol=1e-5)
    model.save(net, tmp_path / "gated.keras")
    np.testing.assert_array_equal(model.load(tmp_path / "gated.keras")(images), net(images))


def test_a_closed_model_is_one_layer(two_classes):
    own = Closed(name="closed")
    with pytest.raises(InputError, match="of the class Closed, which does not say for which images: give image_size"):
        model.build(own, two_classes, scaling="unit")
    with pytest.warns(
        UserWarning, match="closed is of the class Closed, whose layers cannot be seen: it is frozen or "
    ):
        net = model.build(own, two_classes, SIZE, scaling="unit")
    assert names(model.backbone_layers(net)) == ["closed"]
    images = two_classes.rows["test"].images
    maps = keras.Model(net.input, net.get_layer("closed").output)
    np.testing.assert_allclose(maps(images), own(images / np.float32(255)), atol=1e-5)
    model.unfreeze_last(net, "all")
    train.fit(net, two_classes, 1, 1e-3, batch_size=16)


class Stubborn(layers.Layer):
    """A layer whose settings do not say how to make it."""

    def __init__(self, function, **options):
        super().__init__(**options)
        self.function = function

    def call(self, x):
        return self.function(x)


def test_a_layer_that_cannot_be_copied_is_used_itself(two_classes):
    own = keras.Sequential([keras.Input((SIZE, SIZE, 3)), Stubborn(tf.nn.relu, name="stubborn")], name="own")
    with pytest.warns(UserWarning, match=r"layer stubborn \(Stubborn\) cannot be copied"):
        net = model.build(own, two_classes, scaling="unit")
    assert net.get_layer("stubborn") is own.get_layer("stubborn")


def test_a_model_that_is_not_for_images(two_classes):
    with pytest.raises(InputError, match=r"cannot be called with images of \(16, 16, 3\)"):
        model.build(keras.Sequential([layers.Conv1D(2, 3)], name="sound"), two_classes, SIZE, scaling="unit")
    image = keras.Input((SIZE, SIZE, 3))
    with pytest.raises(InputError, match="no layer between its pixels and its end"):
        model.build(keras.Model(image, layers.Rescaling(1 / 255)(image), name="empty"), two_classes)
