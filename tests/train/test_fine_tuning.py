import keras
import numpy as np
import pytest

from tfxfer import analysis, features, model, train
from tfxfer.core.errors import InputError
from tfxfer.data.splits import first_of_each
from tfxfer.features import inference
from tfxfer.recipes.shared import feature_measures
from tfxfer.train import depth_sweep


@pytest.fixture
def net(pictures):
    keras.utils.set_random_seed(0)
    return model.build("small_resnet", pictures, weights="none")


def test_head_first_then_tail(pictures, net):
    stem = net.get_layer("stem_conv").get_weights()
    history = train.fine_tune(net, pictures, "block5", epochs=2, tune_epochs=3, tune_learning_rate=5e-4, batch_size=50)
    assert history["unfrozen"] == [0.0] * 2 + [7.0] * 3
    assert all(len(values) == 5 for values in history.values())
    assert [phase["frozen_prefix_layers"] for phase in history.facts["phases"]] == [40, 33]
    assert net.get_layer("block5_2_bn").trainable
    np.testing.assert_array_equal(net.get_layer("stem_conv").get_weights(), stem)


def test_gradual_unfreezing_with_rates_by_stage(pictures, net):
    history = train.fine_tune(
        net, pictures, ("block5", "block4"), epochs=1, tune_epochs=1, stage_decay=0.5, batch_size=50
    )
    assert history["unfrozen"] == [0.0, 7.0, 15.0]
    rates = [optimizer.learning_rate for optimizer in net.optimizer.optimizers]
    assert len(rates) == 3
    with pytest.raises(InputError, match="unfreeze is empty"):
        train.fine_tune(net, pictures, ())
    with pytest.raises(TypeError, match="positional"):
        train.fine_tune(net, pictures, 10, 2)


def test_one_stage_alone(pictures, net):
    before = {layer.name: layer.get_weights() for layer in net.layers}
    model.unfreeze_stage(net, "block3")
    history = train.fit(net, pictures, 1)
    changed = {
        layer.name
        for layer in net.layers
        if any(not np.array_equal(a, b) for a, b in zip(before[layer.name], layer.get_weights()))
    }
    assert changed == {"block3_1_conv", "block3_2_conv"}
    assert history.facts["cache"].endswith("at block2_pool")


def test_a_sweep_is_the_same_as_single_fits_from_the_same_start(pictures, net, monkeypatch):
    start, depths = model.values(net), (0, 12, "all")
    passes = []
    over = inference.Forward.over
    monkeypatch.setattr(inference.Forward, "over", lambda *given: (passes.append(given), over(*given))[1])
    options = {"epochs": 1, "learning_rate": 2e-3, "batch_size": 50}
    sweep = train.sweep(net, pictures, depths, **options)
    assert len(passes) == 2  # train and validation, for all depths together
    best = model.values(net)
    assert [row["depth"] for row in sweep.rows] == list(depths)
    assert sweep.best["val_accuracy"] == max(row["val_accuracy"] for row in sweep.rows)
    parameters = [row["trainable_parameters"] for row in sweep.rows]
    assert parameters == sorted(parameters)
    assert parameters[0] == 330
    for row, history in zip(sweep.rows, sweep.histories):
        model.assign_values(net, start)
        tuned = model.unfreeze_last(net, row["depth"], train_batch_norm=True)
        single = train.fit(net, pictures, cache="off", **options)
        np.testing.assert_allclose(history["loss"], single["loss"], rtol=1e-3)
        assert row["val_accuracy"] == pytest.approx(single["val_accuracy"][-1], abs=0.04)
        if row is sweep.best:
            for a, b in zip(best, model.values(net)):
                np.testing.assert_allclose(a, b, atol=2e-3)
        assert len(tuned) == {0: 0, 12: 12, "all": 40}[row["depth"]]


def test_among_equals_the_least_that_trains_is_best(pictures, net, monkeypatch):
    fit = depth_sweep.fit

    def same(*given, **options):
        history = fit(*given, **options)
        history["val_accuracy"] = [0.5]
        return history

    monkeypatch.setattr(depth_sweep, "fit", same)
    sweep = train.sweep(net, pictures, ("all", 0, 12), epochs=1)
    assert sweep.best["depth"] == 0
    assert not any(layer.trainable for layer in model.backbone_layers(net))


def test_collapse_joins_a_sweep(pictures, net):
    """Figures of each depth's own features and head: the last row's are those of the network as that fit left it."""
    sweep = train.sweep(net, pictures, (0, "all"), epochs=1, measure=feature_measures.collapse_of(pictures, limit=100))
    assert all({"nc1", "nc3", "nc4", "val_accuracy"} <= row.keys() for row in sweep.rows)
    assert sweep.rows[0]["nc1"] != sweep.rows[1]["nc1"]
    some = first_of_each(pictures.rows["train"].labels, 100)
    bank = features.extract(net, pictures.only(train=some).train)
    kernel, bias = net.get_layer("logits").get_weights()
    expected = analysis.neural_collapse(bank["embedding"], bank.labels, (kernel.T, bias))
    assert {name: sweep.best[name] for name in expected} == pytest.approx(expected, rel=1e-3)


def test_sweep_arguments(pictures, net):
    for depths in ((), (1, 1)):
        with pytest.raises(InputError, match="expected at least one, each once"):
            train.sweep(net, pictures, depths)
