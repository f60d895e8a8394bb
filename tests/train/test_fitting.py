import keras
import numpy as np
import pytest

from tfxfer import data, model, train
from tfxfer.train import fitting
from tfxfer.errors import InputError


def fit(net, pictures, **options):
    return train.fit(net, pictures, **{"epochs": 1, "batch_size": 50, **options})


def test_learns_and_reports_every_epoch(pictures, small_cnn):
    model.unfreeze_last(small_cnn, "all")
    history = fit(small_cnn, pictures, epochs=6, learning_rate=3e-3)
    assert sorted(history) == ["accuracy", "loss", "seconds", "val_accuracy", "val_loss"]
    assert all(len(values) == 6 for values in history.values())
    assert history["val_accuracy"][-1] > 0.9
    assert all(seconds > 0 for seconds in history["seconds"])


@pytest.mark.parametrize("train_batch_norm", [False, True])
def test_only_the_unfrozen_layers_change(pictures, train_batch_norm):
    """Weights and moving statistics both: the audit's digests, checked here weight by weight."""
    net = model.build("small_resnet", pictures, weights="none")
    model.unfreeze_last(net, 6, train_batch_norm=train_batch_norm)
    before = {layer.name: layer.get_weights() for layer in net.layers}
    fit(net, pictures)
    changed = {
        layer.name
        for layer in net.layers
        if any(not np.array_equal(a, b) for a, b in zip(before[layer.name], layer.get_weights()))
    }
    expected = {layer.name for layer in model.backbone_layers(net)[-6:] if layer.weights} | {"logits"}
    if not train_batch_norm:
        expected = {name for name in expected if not name.endswith("_bn")}
    assert changed == expected
    assert "block5_2_conv" in changed


def test_audit_catches_a_frozen_layer_that_moves(pictures, small_cnn):
    class Thief(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            kernel = self.model.get_layer("conv1").kernel
            kernel.assign(kernel + 1e-8)

    with pytest.raises(RuntimeError, match="frozen layers changed while training, results are void: conv1"):
        fit(small_cnn, pictures, callbacks=[Thief()])


def test_same_seed_same_weights(pictures):
    def weights(seed):
        keras.utils.set_random_seed(0)
        net = model.build("cnn", pictures, weights="none")
        model.unfreeze_last(net, "all")
        fit(net, pictures, seed=seed)
        return np.concatenate([w.ravel() for w in net.get_weights()])

    first, again, other = weights(1), weights(1), weights(2)
    np.testing.assert_allclose(first, again, atol=1e-6)
    assert np.abs(first - other).max() > 1e-4


def test_divergence_is_said(pictures, small_cnn):
    model.unfreeze_last(small_cnn, "all")
    with pytest.raises(InputError, match="training diverged"):
        fit(small_cnn, pictures, learning_rate=1e30, epochs=2)


def test_test_images_are_not_touched(pictures, small_cnn, monkeypatch):
    asked = []
    batches = data.Splits.batches
    monkeypatch.setattr(
        data.Splits, "batches", lambda self, split, *a, **k: (asked.append(split), batches(self, split, *a, **k))[1]
    )
    fit(small_cnn, pictures)
    assert sorted(asked) == ["train", "validation"]


def test_cosine_schedule_warms_up_and_decays():
    schedule = fitting._schedule("cosine", 1e-3, 100)
    rates = np.array([float(schedule(step)) for step in range(101)])
    assert rates.argmax() == 10
    assert rates[10] == pytest.approx(1e-3)
    np.testing.assert_allclose(np.diff(rates[:11]), np.diff(rates[:11])[0], rtol=1e-4)
    expected = 1e-3 * 0.5 * (1 + np.cos(np.pi * np.arange(91) / 90))
    np.testing.assert_allclose(rates[10:], expected, atol=1e-9)
    assert fitting._schedule("constant", 0.5, 100) == 0.5


@pytest.mark.parametrize(
    "options", [{"epochs": 0}, {"batch_size": 0}, {"learning_rate": -1.0}, {"learning_rate": np.inf}]
)
def test_arguments_out_of_range(pictures, small_cnn, options):
    with pytest.raises(InputError, match="expected finite, above zero"):
        fit(small_cnn, pictures, **options)
    with pytest.raises(InputError, match="schedule 'step': expected one of cosine, constant"):
        fit(small_cnn, pictures, schedule="step")
