"""The epoch that is kept: exactly its weights and moving statistics, however the training is cut, shared or resumed."""

import functools
from dataclasses import replace

import keras
import numpy as np
import pytest
from test_checkpoints import Kill

from tfxfer import model, train
from tfxfer.core.errors import InputError
from tfxfer.train import best_epoch, checkpoints, loop


@pytest.fixture(scope="module")
def misleading(pictures):
    """`pictures` whose validation labels are wrong: the more is learned, the higher the validation loss."""
    rows = pictures.rows["validation"]
    return replace(pictures, rows=pictures.rows | {"validation": replace(rows, labels=(rows.labels + 1) % 10)})


class Spy(keras.callbacks.Callback):
    """All values of the network after each epoch."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append([weight.copy() for weight in self.model.get_weights()])


def network(splits, name="small_resnet", unfrozen="block5"):
    keras.utils.set_random_seed(0)
    net = model.build(name, splits, weights="none")
    model.unfreeze_last(net, unfrozen, train_batch_norm=True)
    return net


def equal(weights, others) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(weights, others, strict=True))


@pytest.mark.parametrize(("cache", "strategy"), [("memory", None), ("off", None), ("memory", "mirrored")])
def test_the_network_is_the_best_epochs(misleading, cache, strategy, capsys):
    """Bit for bit, moving statistics too, whether a tail alone trains or the whole network, or a copy on devices."""
    net, spy = network(misleading), Spy()
    options = {"cache": cache, "strategy": strategy, "callbacks": [spy], "batch_size": 50, "learning_rate": 3e-3}
    history = train.fit(net, misleading, 4, keep="best", **options)
    best = int(np.argmin(history["val_loss"]))
    assert best < 3  # else it would show nothing
    assert (history.facts["keep"], history.facts["weights_of_epoch"], history.facts["epochs"]) == ("best", best, 4)
    assert [equal(net.get_weights(), weights) for weights in spy.seen] == [epoch == best for epoch in range(4)]
    images, labels = misleading.pairs("validation")(np.arange(30))
    loss, accuracy = net.evaluate(images, labels, verbose=0)
    assert loss == pytest.approx(history.kept("val_loss"), rel=1e-4)
    assert accuracy == pytest.approx(history.kept("val_accuracy"))
    assert f"kept: epoch {best + 1} of 4, the lowest validation loss" in capsys.readouterr().out


def test_the_last_is_kept_unless_asked(misleading):
    for options in ({}, {"keep": "last"}, {"keep": "last", "early_stopping": 1}):
        net, spy = network(misleading, "cnn", "dense"), Spy()
        history = train.fit(net, misleading, 4, 3e-3, callbacks=[spy], **options)
        assert history.facts["weights_of_epoch"] == len(history["loss"]) - 1
        assert np.argmin(history["val_loss"]) < len(history["loss"]) - 1
        assert equal(net.get_weights(), spy.seen[-1])
    assert len(history["loss"]) < 4


def test_it_is_the_epoch_that_early_stopping_restores(misleading):
    """Keras's callback, patient enough never to stop, is the independent implementation."""
    found = []
    stopping = keras.callbacks.EarlyStopping(patience=99, restore_best_weights=True)
    for options in ({"keep": "best"}, {"callbacks": [stopping]}):
        net = network(misleading, "cnn", "dense")
        history = train.fit(net, misleading, 4, 3e-3, **options)
        found.append((net.get_weights(), history.facts["weights_of_epoch"]))
    (ours, epoch), (keras_s, expected) = found
    assert epoch == expected < 3
    for a, b in zip(ours, keras_s, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_of_equal_epochs_the_first_and_of_the_network_only_what_trains(pictures):
    net = network(pictures, "cnn", "dense")
    best = best_epoch.BestEpoch()
    best.set_model(net)
    for epoch, loss in enumerate((0.5, 0.4, 0.4, 0.6)):
        net.get_layer("logits").bias.assign(np.full(10, epoch))
        best.on_epoch_end(epoch, {"val_loss": loss})
    net.get_layer("conv1").bias.assign_add(np.ones(32))
    frozen = net.get_layer("conv1").get_weights()
    best.on_train_end()
    assert net.get_layer("logits").bias.numpy().tolist() == [1.0] * 10
    assert equal(net.get_layer("conv1").get_weights(), frozen)
    assert (best.best_epoch, len(best.best_weights)) == (1, 4)  # dense and logits
    assert best_epoch.kept([best], 4) == 1
    assert best_epoch.kept([keras.callbacks.EarlyStopping(restore_best_weights=True)], 4) == 3  # it never saw an epoch


def test_a_training_cut_off_keeps_the_same_epoch(misleading, tmp_path, monkeypatch):
    """The best epoch is behind when it is cut off: its weights can come from the checkpoint alone."""
    monkeypatch.setattr(checkpoints, "SECONDS", 0.0)
    monkeypatch.setattr(loop, "MOST_STEPS", 2)
    net = network(misleading)
    start = model.values(net)
    fit = functools.partial(train.fit, net, misleading, 4, 3e-3, keep="best", batch_size=40)  # four calls an epoch
    expected = fit(callbacks=[Kill(1000)])
    weights = net.get_weights()
    assert expected.facts["weights_of_epoch"] < 2
    model.assign_values(net, start)
    with pytest.raises(KeyboardInterrupt):
        fit(callbacks=[Kill(14)], checkpoint_dir=tmp_path)
    for _ in ("goes on", "is finished"):
        model.assign_values(net, start)
        history = fit(callbacks=[Kill(1000)], checkpoint_dir=tmp_path)
        assert history.facts["weights_of_epoch"] == expected.facts["weights_of_epoch"]
        for a, b in zip(net.get_weights(), weights, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)
    with pytest.raises(InputError, match="contains checkpoints of another training"):
        train.fit(net, misleading, 4, 3e-3, keep="last", batch_size=40, checkpoint_dir=tmp_path)


def test_each_phase_and_each_depth_keeps_its_own(misleading):
    net = network(misleading, "cnn", "dense")
    rates = {"learning_rate": 3e-3, "tune_learning_rate": 3e-3}
    history = train.fine_tune(net, misleading, "dense", epochs=3, tune_epochs=3, **rates, keep="best")
    tail = history["val_loss"][3:]
    assert history.facts["weights_of_epoch"] == 3 + np.argmin(tail) < 5
    assert history.kept("val_loss") == min(tail)
    sweep = train.sweep(net, misleading, (0, "dense"), 3, 3e-3, keep="best")
    for row, one in zip(sweep.rows, sweep.histories, strict=True):
        assert row["val_loss"] == min(one["val_loss"])
    images, labels = misleading.pairs("validation")(np.arange(30))
    assert net.evaluate(images, labels, verbose=0)[0] == pytest.approx(sweep.best["val_loss"], rel=1e-4)


def test_averages_are_not_what_is_validated(pictures, small_cnn):
    with pytest.raises(InputError, match=r"averages weights \(use_ema\), which validation does not see: set keep="):
        train.fit(small_cnn, pictures, optimizer=keras.optimizers.SGD(0.1, use_ema=True), keep="best")
