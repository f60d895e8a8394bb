import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfxfer import model, train
from tfxfer.core import distribute
from tfxfer.core.errors import InputError
from tfxfer.train import checkpoints, precision


def build(pictures):
    keras.utils.set_random_seed(0)
    net = model.build("small_resnet", pictures, weights="none")
    model.unfreeze_last(net, "block5", train_batch_norm=True)
    return net


@pytest.fixture
def net(pictures):
    return build(pictures)


@pytest.fixture(scope="module")
def full(pictures):
    """Two epochs in float32."""
    return train.fit(build(pictures), pictures, 2, cache="memory")


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_the_backbone_computes_in_the_shorter_precision_and_the_rest_in_float32(net, pictures, name):
    images = pictures.rows["test"].images[:20]
    full = net(images).numpy()
    feature = keras.Model(net.input, net.get_layer("block5_relu").output)
    with precision.compute(net, name):
        assert feature(images).dtype == name
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
    with pytest.raises(InputError, match="precision 'half': expected one of float32, bfloat16, float16, auto"):
        precision.choose(net, pictures, 16, "half")


@pytest.mark.parametrize(
    ("name", "cache"),
    [("bfloat16", "memory"), ("bfloat16", "disk"), ("bfloat16", "off"), ("float16", "disk"), ("float16", "off")],
)
def test_training_in_a_shorter_precision(net, pictures, full, name, cache):
    """The same course as in float32, roughly; activations take half the space; a float32 network comes out."""
    half = train.fit(net, pictures, 2, cache=cache, precision=name)
    np.testing.assert_allclose(half["loss"], full["loss"], rtol=0.1 if name == "bfloat16" else 0.02)
    assert half["loss"] != full["loss"]
    assert half.facts["precision"] == name
    assert half.facts.get("loss_scale") == (2.0**15 if name == "float16" else None)
    assert type(net.optimizer) is keras.optimizers.Adam
    assert all(variable.dtype == "float32" for variable in [*net.weights, *net.optimizer.variables[2:]])
    assert all(layer.dtype_policy.name == "float32" for layer in net.layers)
    assert net(pictures.rows["test"].images[:2]).dtype == tf.float32


def test_auto_is_recorded(net, pictures):
    facts = train.fit(net, pictures, 1, precision="auto").facts
    assert facts["precision"] in facts["precision_seconds"]


@pytest.mark.parametrize(
    ("devices", "expected"),
    [
        ([], "bfloat16"),
        ([{"device_name": "Tesla T4", "compute_capability": (7, 5)}], "float16"),
        ([{"device_name": "NVIDIA A100", "compute_capability": (8, 0)}], "bfloat16"),
        ([{"compute_capability": (9, 0)}, {"compute_capability": (7, 0)}], "float16"),
        ([{"device_name": "another maker's"}], "float16"),
    ],
)
def test_auto_times_what_the_device_has(monkeypatch, devices, expected):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: list(range(len(devices))))
    monkeypatch.setattr(tf.config.experimental, "get_device_details", devices.__getitem__)
    assert precision.candidates() == ("float32", expected)


def test_auto_times_on_the_devices_of_a_strategy(net, pictures, monkeypatch):
    """What a T4 would time, here on a strategy's copy of the network, which stays as it was."""
    monkeypatch.setattr(precision, "candidates", lambda strategy: ("float32", "float16"))
    before = model.values(net)
    strategy = distribute.create("mirrored")
    chosen, seconds = precision.choose(net, pictures, 16, "auto", strategy, repeats=1)
    assert set(seconds) == {"float32", "float16"}
    assert chosen in seconds
    for a, b in zip(before, model.values(net)):
        np.testing.assert_array_equal(a, b)


def scaled_from(monkeypatch, scale):
    """Keras's loss scaling starts from another factor."""
    original = keras.optimizers.LossScaleOptimizer
    monkeypatch.setattr(original, "__init__", functools.partialmethod(original.__init__, initial_scale=scale))


@pytest.mark.parametrize("options", [{}, {"backbone_learning_rate": 3e-4}, {"strategy": "mirrored"}])
def test_a_step_that_overflows_is_skipped_and_halves_the_scale(net, pictures, monkeypatch, options):
    """From 2^125, which float32 holds and float16 does not, all 3 steps overflow."""
    scaled_from(monkeypatch, 2.0**125)
    before = [variable.numpy() for variable in net.trainable_variables]
    history = train.fit(net, pictures, 1, batch_size=100, precision="float16", **options)
    assert history.facts["loss_scale"] == 2.0**122
    assert net.optimizer.iterations == 0
    for array, variable in zip(before, net.trainable_variables):
        np.testing.assert_array_equal(array, variable)


class Kill(keras.callbacks.Callback):
    epoch = 9

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


def test_a_float16_training_cut_off_goes_on_with_its_scale(net, pictures, monkeypatch, tmp_path):
    """The first steps overflow, so the scale is not the one it starts with; to rounding, as in test_checkpoints."""
    scaled_from(monkeypatch, 2.0**24)
    monkeypatch.setattr(checkpoints, "SECONDS", 0.0)
    fit = functools.partial(train.fit, net, pictures, 2, precision="float16", callbacks=[Kill()])
    start = model.values(net)
    whole = fit()
    assert whole.facts["loss_scale"] < 2.0**24
    weights = model.values(net)
    model.assign_values(net, start)

    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(Kill, "epoch", 1)
        fit(checkpoint_dir=tmp_path)
    model.assign_values(net, start)
    resumed = fit(checkpoint_dir=tmp_path)
    assert resumed.facts["loss_scale"] == whole.facts["loss_scale"]
    np.testing.assert_allclose(resumed["val_loss"], whole["val_loss"], rtol=1e-4)
    for a, b in zip(model.values(net), weights):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_loss_that_float16_cannot_hold_is_said(net, pictures):
    net.get_layer("block5_2_conv").kernel.assign(net.get_layer("block5_2_conv").kernel * 1e30)
    with pytest.raises(InputError, match="lower learning_rate, or set precision to float32: float16 ends at 65,504"):
        train.fit(net, pictures, 1, precision="float16")
