"""Steps that XLA compiles do what uncompiled ones do; when it compiles, and what is said where it cannot."""

import functools
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfxfer import data, model, train
from tfxfer.core.errors import InputError
from tfxfer.train import compilation


@pytest.fixture(scope="module")
def tiny():
    """40 images of 8 x 8 for training, in batches of 16 and 8."""
    rng = np.random.default_rng(0)
    return data.from_arrays(*((rng.integers(0, 256, (n, 8, 8), np.uint8), np.arange(n) % 4) for n in (45, 8)))


def build(splits, *layers, side=8):
    keras.utils.set_random_seed(0)
    image = keras.Input((side, side, 1))
    x = keras.layers.Conv2D(4, 3, padding="same", use_bias=False, name="conv")(image)
    x = keras.layers.BatchNormalization(name="bn")(x)
    for layer in layers:
        x = layer(x)
    net = model.build(keras.Model(image, keras.layers.ReLU(name="relu")(x)), splits, scaling="unit")
    model.unfreeze_last(net, "all", train_batch_norm=True)
    return net


def fit(net, splits, epochs=2, **options):
    options = {"optimizer": "sgd", "learning_rate": 0.1, "schedule": "constant", "batch_size": 16} | options
    return train.fit(net, splits, epochs, **options)


def test_compiled_steps_do_what_uncompiled_ones_do(tiny):
    """A gradient here is a sum of at most 16 x 64 products of about 1. XLA adds them up in another order: that changes
    the sum by about sqrt(1024) roundings of 6e-8, 2e-6. Six steps at a rate of 0.1 move a weight by 1.2e-6 of that, and
    round it six times."""
    nets, histories = [], []
    for jit in ("off", "on"):
        nets.append(build(tiny))
        before = model.values(nets[-1])
        histories.append(fit(nets[-1], tiny, jit=jit, backbone_learning_rate=0.05))
        assert any(np.abs(a - b).max() > 1e-3 for a, b in zip(before, model.values(nets[-1])))
    assert [history.facts["jit"] for history in histories] == [False, True]
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(histories[1][name], histories[0][name], atol=2e-6)
    for a, b in zip(*(net.weights for net in nets)):
        np.testing.assert_allclose(a, b, atol=2e-6, err_msg=a.path)
        assert a.dtype == b.dtype == "float32"


def test_compiled_steps_scale_the_loss(tiny, monkeypatch):
    """As on a T4: float16, compiled. The first steps overflow. The bound is float16's rounding, 5e-4 of 1."""
    original = keras.optimizers.LossScaleOptimizer
    monkeypatch.setattr(original, "__init__", functools.partialmethod(original.__init__, initial_scale=2.0**22))
    nets = [build(tiny) for _ in range(2)]
    options = {"precision": "float16", "batch_size": 40, "epochs": 6}
    histories = [fit(net, tiny, jit=jit, **options) for net, jit in zip(nets, ("off", "on"))]
    for net, history in zip(nets, histories):
        skipped = int(np.log2(2.0**22 / history.facts["loss_scale"]))
        assert 1 <= skipped <= 3
        assert net.optimizer.iterations == 6 - skipped
        assert np.ptp(history["loss"][: skipped + 1]) < 1e-6
        assert np.diff(history["loss"][skipped:]).max() < -1e-3
    for a, b in zip(*(net.weights for net in nets)):
        np.testing.assert_allclose(a, b, atol=5e-4, err_msg=a.path)


def test_auto_compiles_on_one_gpu_alone(tiny, small_cnn, monkeypatch):
    """As Keras would, which looks at the layers; on CPUs only on request."""
    assert [compilation.choose(small_cnn, jit) for jit in compilation.JIT] == [False, True, False]
    assert fit(build(tiny), tiny).facts["jit"] is False
    listed, gpu = tf.config.list_physical_devices(), types.SimpleNamespace(device_type="GPU")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [*listed, gpu])
    assert [compilation.choose(small_cnn, jit) for jit in compilation.JIT] == [True, True, False]
    small_cnn.compile(jit_compile=False)  # what it was compiled with before does not count
    assert compilation.choose(small_cnn, "auto")
    assert not compilation.choose(build(tiny, keras.layers.RandomRotation(0.1)), "auto")  # Keras: not for XLA
    shrinking = build(tiny, side=7)
    assert shrinking.get_layer("resize").antialias
    assert not compilation.choose(shrinking, "auto")
    mirrored = tf.distribute.MirroredStrategy(["CPU:0"])
    assert not compilation.choose(small_cnn, "auto", mirrored)
    with pytest.raises(InputError, match="jit 'on': XLA cannot compile a step that devices share; use --jit auto"):
        compilation.choose(small_cnn, "on", mirrored)


def test_a_tpu_compiles_everything(small_cnn):
    strategy = object.__new__(tf.distribute.TPUStrategy)
    assert compilation.choose(small_cnn, "auto", strategy)
    assert compilation.function(small_cnn.call, True, strategy) == small_cnn.call
    with pytest.raises(InputError, match="jit 'off': a TPU runs only what XLA compiles; use --jit auto"):
        compilation.check("off", strategy)


def test_wrong_values_and_operations_without_xla_are_said(tiny, pictures):
    with pytest.raises(InputError, match="jit True: expected one of auto, on, off"):
        fit(build(tiny), tiny, jit=True)
    with pytest.raises(InputError, match="jit 'yes': expected one of auto, on, off"):
        train.sweep(build(tiny), tiny, depths=(0,), jit="yes")
    shrinking = build(tiny, side=7)
    with pytest.raises(InputError, match=r"XLA cannot compile the operation ScaleAndTranslate .* use --jit off"):
        fit(shrinking, tiny, jit="on", cache="off")
