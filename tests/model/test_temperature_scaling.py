"""A network's logits divided by a temperature, and its calibration kept in its file."""

import json
import zipfile

import keras
import numpy as np
import pytest
from keras import layers

from tfxfer import data, model
from tfxfer.core.errors import InputError
from tfxfer.model import temperature_scaling, user_models

KNOWN = {"temperature": 2.5, "threshold": 0.8, "precision": 0.95, "images": 60, "reached": 0.97, "answered": 0.75}


@pytest.fixture(scope="module")
def two():
    """Noise of two classes."""
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3)).astype(np.uint8)
    return data.from_arrays((images[:20], np.arange(20) % 2), (images[20:], np.arange(20) % 2), ("cat", "dog"))


def own(*end):
    return keras.Sequential([keras.Input((8, 8, 3)), layers.Rescaling(1 / 255), layers.Flatten(), *end])


@pytest.mark.parametrize("kind", ["new", "biased", "unbiased", "one unit"])
def test_logits_are_divided_and_classes_stay(two, kind):
    end = {
        "biased": layers.Dense(2, bias_initializer="normal"),
        "unbiased": layers.Dense(2, use_bias=False),
        "one unit": layers.Dense(1, "sigmoid", bias_initializer="normal"),
    }.get(kind)
    net = model.build("pixels", two, weights="none") if end is None else model.build(own(end), two, head="keep")
    assert isinstance(net.get_layer("logits"), user_models.BinaryLogits) == (kind == "one unit")
    images = two.rows["test"].images
    before = net(images, training=False).numpy()
    model.scale_logits(net, 2.5)
    after = net(images, training=False).numpy()
    np.testing.assert_allclose(2.5 * after, before, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(after.argmax(1), before.argmax(1))
    assert 0 < before.argmax(1).sum() < 20


def test_the_block_leaves_the_same_bits(two):
    net = model.build("cnn", two, weights="none")
    weights = net.get_layer("logits").get_weights()
    with temperature_scaling.scaled(net, 3.0):
        np.testing.assert_array_equal(net.get_layer("logits").get_weights()[0], weights[0] / 3)
    for now, then in zip(net.get_layer("logits").get_weights(), weights, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_calibration_goes_into_the_file_and_comes_back(two, tmp_path):
    net = model.build("cnn", two, weights="none")
    images = two.rows["test"].images
    before = net(images, training=False).numpy()
    model.save(net, tmp_path / "before.keras")
    assert model.load(tmp_path / "before.keras").calibration is None
    model.calibrate(net, KNOWN)
    model.save(net, tmp_path / "net.keras")
    again = model.load(tmp_path / "net.keras")
    assert again.calibration == KNOWN
    assert again.classes == ["cat", "dog"]
    np.testing.assert_allclose(2.5 * again(images, training=False), before, rtol=1e-5, atol=1e-6)
    assert keras.models.load_model(tmp_path / "net.keras").count_params() == net.count_params()  # by Keras alone
    with pytest.raises(InputError, match=r"cnn is calibrated already, with temperature 2\.5"):
        model.calibrate(again, KNOWN)


@pytest.mark.parametrize(
    "content", ["", "[]", "3", "{}", '{"temperature": 0, "threshold": null}', '{"temperature": 1e400, "threshold": 0}']
)
def test_members_that_are_no_calibration(two, tmp_path, content):
    net = model.build("pixels", two, weights="none")
    model.save(net, tmp_path / "net.keras")
    with zipfile.ZipFile(tmp_path / "net.keras", "a") as archive:
        archive.writestr("calibration.json", content)
    with pytest.raises(InputError, match=r"net\.keras cannot be loaded"):
        model.load(tmp_path / "net.keras")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"temperature": None}, "temperature is None"),
        ({"temperature": -1}, "temperature is -1, out of its range"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"threshold": 1.1}, "threshold is 1.1"),
        ({"precision": "much"}, "precision is 'much'"),
        ({"answered": True}, "answered is True"),
        ({"images": 0}, "images is 0"),
        ({"images": 10**400}, "images is 1000"),
    ],
)
def test_values_out_of_range(change, complaint):
    with pytest.raises(InputError, match=complaint):
        temperature_scaling.check(KNOWN | change)


def test_what_may_be_missing():
    least = {"temperature": 1, "threshold": None}
    assert json.dumps(temperature_scaling.check(least | {"more": 3})) == (
        '{"temperature": 1.0, "threshold": null, "precision": null, "images": null, "reached": null, "answered": null}'
    )
    with pytest.raises(InputError, match=r"calibration 2\.0: expected what analysis\.calibration\.fit returns"):
        temperature_scaling.check(2.0)


@pytest.mark.parametrize("wrong", [0, -1.0, float("inf"), float("nan"), "2", None, True])
def test_temperatures_that_are_none(two, wrong):
    with pytest.raises(InputError, match="expected a number above 0"):
        model.scale_logits(model.build("pixels", two, weights="none"), wrong)


def test_a_network_without_logits():
    with pytest.raises(InputError, match=r"has no dense layer named logits: give a network that model\.build made"):
        model.scale_logits(own(layers.Dense(2)), 2.0)
