import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfxfer import model, train
from tfxfer.core.errors import InputError
from tfxfer.train import precision


@pytest.fixture
def net(pictures):
    keras.utils.set_random_seed(0)
    net = model.build("small_resnet", pictures, weights="none")
    model.unfreeze_last(net, "block5", train_batch_norm=True)
    return net


def test_the_backbone_computes_in_bfloat16_and_the_rest_in_float32(net, pictures):
    images = pictures.rows["test"].images[:20]
    full = net(images).numpy()
    feature = keras.Model(net.input, net.get_layer("block5_relu").output)
    with precision.compute(net, "bfloat16"):
        assert feature(images).dtype == "bfloat16"
        half = net(images)
        assert half.dtype == "float32"
        assert net.get_layer("embedding").compute_dtype == "float32"
        assert all(weight.dtype == "float32" for weight in net.weights)
    np.testing.assert_allclose(full, half, atol=0.05 * np.abs(full).max())
    assert not np.array_equal(full, half)
    np.testing.assert_array_equal(net(images), full)


def test_auto_times_both_takes_the_faster_and_changes_nothing(net, pictures, tmp_path):
    before = model.values(net)
    chosen, seconds = precision.choose(net, pictures, 16, "auto", repeats=2)
    assert set(seconds) == {"float32", "bfloat16"}
    assert all(0 < value < 60 for value in seconds.values())
    assert chosen == min(seconds, key=seconds.get)
    for a, b in zip(before, model.values(net)):
        np.testing.assert_array_equal(a, b)
    _, timed = precision.choose(net, pictures, 16, "auto", repeats=1, record=tmp_path / "new" / "kept")
    assert json.loads((tmp_path / "new" / "kept").read_text()) == timed
    (tmp_path / "kept").write_text('{"float32": 2.0, "bfloat16": 1.0}')
    kept = precision.choose(net, pictures, 16, "auto", record=tmp_path / "kept")
    assert kept == ("bfloat16", {"float32": 2.0, "bfloat16": 1.0})
    assert precision.choose(net, pictures, 16, "bfloat16") == ("bfloat16", {})
    with pytest.raises(InputError, match="precision 'half': expected one of float32, bfloat16, auto"):
        precision.choose(net, pictures, 16, "half")


@pytest.mark.parametrize("cache", ["memory", "disk", "off"])
def test_training_in_bfloat16(net, pictures, cache):
    """The same course as in float32, roughly; activations take half the space; a float32 network comes out."""
    start = model.values(net)
    full = train.fit(net, pictures, 2, cache="memory")
    model.assign_values(net, start)
    half = train.fit(net, pictures, 2, cache=cache, precision="bfloat16")
    np.testing.assert_allclose(half["loss"], full["loss"], rtol=0.1)
    assert half["loss"] != full["loss"]
    assert half.facts["precision"] == "bfloat16"
    assert all(layer.dtype_policy.name == "float32" for layer in net.layers)
    assert net(pictures.rows["test"].images[:2]).dtype == tf.float32


def test_auto_is_recorded(net, pictures):
    facts = train.fit(net, pictures, 1, precision="auto").facts
    assert facts["precision"] in facts["precision_seconds"]
