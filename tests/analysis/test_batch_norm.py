"""Batch-norm adaptation against plain Keras in training mode, and against a loop over layers in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_pictures
from keras import layers

from tfxfer import analysis, features, model
from tfxfer.analysis import batch_norm
from tfxfer.core.errors import InputError
from tfxfer.features import inference

IMAGES = make_pictures(40, seed=5)[0][..., None]


@pytest.fixture(scope="module")
def net(pictures) -> keras.Model:
    """Two residual blocks with statistics, scales and offsets as training leaves them."""
    keras.utils.set_random_seed(0)
    net = model.build("small_resnet", pictures, weights="none")
    random = np.random.default_rng(0)
    for layer in norms(net):
        layer.set_weights([random.uniform(0.5, 2, weight.shape) for weight in layer.get_weights()])
    return net


def norms(net):
    return [layer for layer in net.layers if isinstance(layer, layers.BatchNormalization)]


def statistics(net):
    return [[np.asarray(value) for value in (layer.moving_mean, layer.moving_variance)] for layer in norms(net)]


def check(found, expected, rtol=1e-4):
    for layer, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(layer[0], other[0], rtol, rtol)
        np.testing.assert_allclose(layer[1], other[1], rtol, rtol)


def layer_by_layer(net, images, prior):
    """By definition: one layer after another, its inputs computed anew by Keras, mean and variance by NumPy."""
    copy = keras.models.clone_model(net)
    copy.set_weights(net.get_weights())
    share = prior / (prior + len(images))
    for layer in norms(copy):
        x = np.float64(keras.Model(copy.input, layer.input)(images, training=False))
        mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
        layer.moving_mean.assign(share * np.asarray(layer.moving_mean) + (1 - share) * mean)
        layer.moving_variance.assign(share * np.asarray(layer.moving_variance) + (1 - share) * variance)
    return copy


def test_without_prior_it_is_keras_in_training_mode(net):
    """Batch norm of momentum 0 that trains keeps the statistics of the last batch."""
    plain = keras.models.clone_model(net)
    plain.set_weights(net.get_weights())
    for layer in norms(plain):
        layer.trainable, layer.momentum = True, 0.0
    expected = plain(IMAGES, training=True)
    adapted = analysis.adapt_batch_norm(net, IMAGES, prior=0)
    check(statistics(adapted), statistics(plain))
    np.testing.assert_allclose(adapted(IMAGES, training=False), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("prior", [0, 7.5, 16, 4000])
def test_equals_the_definition_layer_by_layer(net, prior):
    adapted, expected = analysis.adapt_batch_norm(net, IMAGES, prior), layer_by_layer(net, IMAGES, prior)
    check(statistics(adapted), statistics(expected))
    np.testing.assert_allclose(adapted(IMAGES), expected(IMAGES), rtol=1e-3, atol=1e-4)


def test_with_an_infinite_prior_nothing_changes(net):
    adapted = analysis.adapt_batch_norm(net, IMAGES, prior=np.inf)
    for weight, other in zip(adapted.get_weights(), net.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)


def test_one_layer_by_hand():
    """A dense layer of weight 1 on two images, 1 and 3: mean 2 and variance 1, with source 0 and 1 as two images."""
    inputs = keras.Input((1, 1, 1), dtype="uint8")
    x = layers.Flatten()(layers.Rescaling(1.0)(inputs))
    net = keras.Model(inputs, layers.BatchNormalization(epsilon=0, name="norm")(x))
    net.get_layer("norm").set_weights(np.array([[2.0], [1.0], [0.0], [1.0]]))  # scale, offset, mean, variance
    images = np.array([1, 3], np.uint8).reshape(2, 1, 1, 1)
    alone, mixed = (analysis.adapt_batch_norm(net, images, prior) for prior in (0, 2))
    assert alone(images).numpy().ravel().tolist() == [-1, 3]
    assert [float(value[0]) for value in mixed.get_layer("norm").get_weights()] == [2, 1, 1, 1]
    assert mixed(images).numpy().ravel().tolist() == [1, 5]
    assert net(images).numpy().ravel().tolist() == [3, 7]


def test_no_label_is_read(net):
    """Data sets of images alone, of dicts without labels, and of dicts whose labels are none."""
    expected = statistics(analysis.adapt_batch_norm(net, IMAGES))
    images = tf.data.Dataset.from_tensor_slices(IMAGES)

    nonsense = images.map(lambda image: {"image": image, "label": "no number", "id": -1})
    for given in (images, images.map(lambda image: {"image": image}), nonsense):
        check(statistics(analysis.adapt_batch_norm(net, given)), expected, 1e-6)


def test_the_network_stays_as_it_is_and_the_copy_is_one(net):
    before, outputs = net.get_weights(), net(IMAGES)
    adapted = analysis.adapt_batch_norm(net, IMAGES, 0)
    for weight, other in zip(net.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, other)
    np.testing.assert_array_equal(net(IMAGES), outputs)  # nor do its layers compute anything else
    assert (adapted.classes, adapted.aspect) == (net.classes, net.aspect)
    assert [layer.trainable for layer in adapted.layers] == [layer.trainable for layer in net.layers]
    others = [[w for w in n.weights if "moving" not in w.name] for n in (net, adapted)]
    for weight, other in zip(*others, strict=True):
        np.testing.assert_array_equal(weight, other)


def test_folded_inference_sees_the_adapted_statistics(net, pictures):
    """Batch norm that was multiplied into kernels is multiplied into them anew, in the block and after it."""
    predict, extract = inference.predictor(net, tf.identity), features.Extractor(net, ("logits",), engine="tensorflow")
    own = predict(IMAGES)
    found = batch_norm.Adapter(net)(IMAGES, 0)
    with batch_norm.adapted(net, found):
        expected = analysis.adapt_batch_norm(net, IMAGES, 0)
        np.testing.assert_allclose(predict(IMAGES), expected(IMAGES), rtol=1e-3, atol=1e-3)
        known = expected(np.stack([example["image"] for example in pictures.test.as_numpy_iterator()]))
        np.testing.assert_allclose(extract(pictures.test)["logits"], known, rtol=1e-3, atol=1e-3)
    assert np.abs(own - expected(IMAGES)).max() > 0.1
    np.testing.assert_array_equal(predict(IMAGES), own)


def test_statistics_are_put_back_after_an_error(net):
    own = statistics(net)
    with pytest.raises(KeyboardInterrupt), batch_norm.adapted(net, batch_norm.Adapter(net)(IMAGES, 0)):
        raise KeyboardInterrupt
    check(statistics(net), own, 0)


def test_statistics_of_shifted_images_undo_the_shift():
    """Batch norm behind the pixels: contrast and brightness that all images share vanish, but for epsilon."""
    inputs = keras.Input((4, 4, 1), dtype="uint8")
    x = layers.BatchNormalization(epsilon=0)(layers.Rescaling(1 / 255)(inputs))
    net = keras.Model(inputs, layers.GlobalMaxPooling2D()(x))
    images = np.random.default_rng(0).integers(0, 60, (30, 4, 4, 1)).astype(np.uint8)
    shifted = 3 * images + 70
    clean, other = (analysis.adapt_batch_norm(net, given, 0)(given).numpy() for given in (images, shifted))
    np.testing.assert_allclose(other, clean, rtol=1e-4)
    assert np.abs(net(shifted).numpy() - net(images).numpy()).min() > 0.2


def test_models_within_a_model(net):
    """As Keras's guide to transfer learning writes them: the batch norm of the base model is found."""
    inputs = keras.Input((28, 28, 1), dtype="uint8")
    outer = keras.Model(inputs, keras.Sequential([net, layers.Softmax()])(inputs))
    adapted = analysis.adapt_batch_norm(outer, IMAGES, 0)
    inner = adapted.layers[-1].layers[0]
    check(statistics(inner), statistics(analysis.adapt_batch_norm(net, IMAGES, 0)), 1e-5)


def twice() -> keras.Model:
    inputs = keras.Input((28, 28, 1), dtype="uint8")
    norm = layers.BatchNormalization(name="norm")
    return keras.Model(inputs, norm(norm(layers.Rescaling(1.0)(inputs))))


@pytest.mark.parametrize(
    ("images", "prior", "said"),
    [
        (IMAGES[:0], 0, r"images uint8 \(0, 28, 28, 1\): expected uint8 \(28, 28, 1\) for each of at least one image"),
        (IMAGES / 255, 0, r"images float64 \(40, 28, 28, 1\): expected uint8"),
        (IMAGES[0], 0, r"images uint8 \(28, 28, 1\): expected uint8"),
        (IMAGES[:, :14], 0, r"images uint8 \(40, 14, 28, 1\): expected uint8"),
        (lambda: tf.data.Dataset.from_tensor_slices(IMAGES).batch(4), 0, "data set of TensorSpec.*, not batched"),
        (
            lambda: tf.data.Dataset.from_tensor_slices({"x": IMAGES}),
            0,
            "data set of .*: expected uint8 .* such an image",
        ),
        (lambda: tf.data.Dataset.from_tensor_slices(IMAGES).take(0), 0, r"images uint8 \(0, 28, 28, 1\)"),
        (IMAGES, -1, "prior -1: expected a number of images, 0 or more"),
        (IMAGES, np.nan, "prior nan: expected a number of images"),
        (IMAGES, "16", "prior '16': expected a number of images"),
        (IMAGES, True, "prior True: expected a number of images"),
        (IMAGES, None, "prior None: expected a number of images"),
    ],
)
def test_wrong_input(net, images, prior, said):
    with pytest.raises(InputError, match=said):
        analysis.adapt_batch_norm(net, images() if callable(images) else images, prior)


def test_networks_that_cannot_be_adapted(small_cnn):
    with pytest.raises(InputError, match="cnn has no batch norm to adapt: choose a backbone that has some"):
        analysis.adapt_batch_norm(small_cnn, IMAGES)
    with pytest.raises(InputError, match="norm is called more than once: its statistics cannot be those of two inputs"):
        analysis.adapt_batch_norm(twice(), IMAGES)
    with pytest.raises(InputError, match=r"plain is not a functional network of one input: give one from model\.build"):
        analysis.adapt_batch_norm(keras.Sequential([layers.Flatten()], name="plain"), IMAGES)


def test_what_does_not_fit_is_refused_first(net, monkeypatch):
    monkeypatch.setattr("tfxfer.core.memory.available", lambda: 1000)
    with pytest.raises(InputError, match=r"batch norm of 40 images in one batch needs 0\.0 GB of memory"):
        analysis.adapt_batch_norm(net, IMAGES)
