import keras
import numpy as np
import pytest
import tensorflow as tf
from kymatio.numpy import Scattering2D

from tfxfer import export, features, model
from tfxfer.model.scattering import CHUNK, Scattering


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (CHUNK + 3, 12, 16, 2)).astype(np.uint8)


@pytest.fixture(scope="module")
def small() -> Scattering:
    """17 paths; XLA takes as long to compile as there are paths."""
    return Scattering(L=3)


@pytest.mark.parametrize("settings", [{"L": 3}, {"max_order": 1}, {"J": 1, "L": 4}])
def test_is_kymatios_numpy_transform(images, settings):
    """An independent implementation, channel by channel; the batch is not a whole number of chunks."""
    options = {"J": 2, "L": 8, "max_order": 2} | settings
    reference = Scattering2D(options["J"], (12, 16), options["L"], options["max_order"])
    ours = Scattering(**settings)(images)
    assert ours.dtype == tf.float32
    assert ours.shape[1:] == Scattering(**settings).compute_output_shape((None, 12, 16, 2))[1:]
    paths = ours.shape[-1] // 2
    for channel in range(2):
        theirs = reference(images[..., channel].astype(np.float32)).transpose(0, 2, 3, 1)
        part = ours[..., channel * paths : (channel + 1) * paths]
        np.testing.assert_allclose(part, theirs, rtol=1e-3, atol=1e-3 * 255)


def test_a_constant_image_has_only_its_mean():
    """Wavelets integrate to zero: order 0 is the constant, all others vanish."""
    values = Scattering(L=2)(np.full((1, 28, 28, 1), 100, np.uint8)).numpy()
    assert values.shape == (1, 7, 7, 9)
    np.testing.assert_allclose(values[..., 0], 100, rtol=1e-4)
    assert np.abs(values[..., 1:]).max() < 1e-2


def test_any_number_type_gives_the_same(images, small):
    whole = small(images)
    np.testing.assert_array_equal(small(images.astype(np.float32)), whole)
    np.testing.assert_array_equal(small(images[:5]), whole[:5])  # whatever else is in the batch


def test_half_precision_rounds_the_output_alone(images, small):
    half = Scattering(L=3, dtype="mixed_bfloat16")(images)
    assert half.dtype == tf.bfloat16
    np.testing.assert_array_equal(half, tf.cast(small(images), tf.bfloat16))


def test_survives_keras_and_savedmodel(tmp_path, pictures):
    """In a network from `build`, without custom objects."""
    net = model.build("scattering", pictures)
    images = pictures.rows["test"].images[:40]
    net.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.get_layer("scattering").get_config() == net.get_layer("scattering").get_config()
    np.testing.assert_array_equal(again(images), net(images))
    export.saved_model(net, tmp_path, images)  # compares what is reloaded
    bank = features.extract(net, pictures.test, limit=40)
    assert bank["embedding"].shape == (40, 81 * 7 * 7)


def test_gradients_reach_the_pixels(images):
    x = tf.constant(images[:2], tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(Scattering(max_order=1)(x))
    assert np.isfinite(gradient := tape.gradient(y, x)).all()
    assert np.abs(gradient).max() > 0


@pytest.mark.parametrize("settings", [{"J": 0}, {"L": 0}, {"max_order": 3}])
def test_settings_are_checked(settings):
    with pytest.raises(ValueError, match="expected J and L of at least 1"):
        Scattering(**settings)


def test_too_small_an_image():
    with pytest.raises(ValueError, match=r"expected sides of at least 2\^J = 8 pixels"):
        Scattering(J=3).build((None, 28, 7, 1))
