"""Batch norm adapted in a study of corrupted images, and errors relative to the network before tuning."""

import keras
import numpy as np
import pytest

from tfxfer import analysis, data, model
from tfxfer.data import corruptions
from tfxfer.recipes.shared import adaptation_study, corruption_grid, recipe_run, shift_study
from tfxfer.runs import metric_names
from tfxfer.runs.options import Options


@pytest.fixture(scope="module")
def net(pictures) -> keras.Model:
    keras.utils.set_random_seed(0)
    return model.build("small_resnet", pictures, weights="none")


def test_logits_are_those_of_the_adapted_network(net, pictures):
    before = net.get_weights()
    look = adaptation_study.AdaptedFeatures(net, 25, None, None)
    for splits in (pictures, data.corrupt(pictures, "fog", 5)):
        bank = look(splits.examples("test"))
        images = np.stack([example["image"] for example in splits.test.as_numpy_iterator()])
        expected = analysis.adapt_batch_norm(net, images[:25])(images)
        np.testing.assert_allclose(bank["logits"], expected, rtol=1e-3, atol=1e-3)
        np.testing.assert_array_equal(bank.ids, splits.ids["test"])
    for weight, other in zip(net.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, other)


def test_errors_relative_to_the_network_before():
    """Errors of 0.2 where it had 0.4, and 0.1 where it had 0.2 on clean images."""
    cells = [f"{name}_{severity}" for name, severity in corruption_grid.ALL]
    own, before = dict.fromkeys(cells, 0.8), dict.fromkeys(cells, 0.6)
    found = adaptation_study.relative_errors(own, 0.9, before, 0.8)
    assert found == pytest.approx(dict.fromkeys(found, 0.5))
    assert list(found) == [f"{kind}mce_vs_before_{n}" for n in (15, 19) for kind in ("", "relative_")]
    extra = corruptions.NAMES[-1]  # not among the 15
    own |= {f"{extra}_{severity}": 0.6 for severity in corruptions.SEVERITIES}
    found = adaptation_study.relative_errors(own, 0.9, before, 0.8)
    assert found["mce_vs_before_15"] == pytest.approx(0.5)
    assert found["mce_vs_before_19"] == pytest.approx((18 * 0.5 + 1) / 19)
    assert np.isnan(adaptation_study.relative_errors(own, 0.9, before, 0.6)["relative_mce_vs_before_15"])


def studied(net, pictures, monkeypatch, folder, adapt_images, cache="off"):
    """The metrics and facts of a study before and after `tuning`, under two corruptions."""
    for name in ("NAMES", "BENCHMARK"):
        monkeypatch.setattr(corruptions, name, ("fog", "contrast"))
    copy = data.CorruptedCopy.of(pictures)
    corrupted = shift_study.corrupted_splits(pictures, copy, (("fog", 5),), False, 0)
    clean = {name: shift_study.held_out(pictures, side) for name, side in corrupted.items()}
    options = Options(dataset="digits", cache=cache, engine="tensorflow", out=str(folder))
    with recipe_run.Run("trial", {}, options) as run:
        study = shift_study.Study(run, net, clean, corrupted, copy, 12, adapt_images)
        study("before", "tfxfer", "")
        study("after", "tfxfer", "")
        run.save({})
    return run, clean["tfxfer"]


@pytest.mark.parametrize("cache", ["off", "disk"])
def test_a_study_has_a_row_for_adaptation(net, pictures, monkeypatch, tmp_path, cache):
    monkeypatch.setenv("TFXFER_CACHE", str(tmp_path / "cache"))
    run, clean = studied(net, pictures, monkeypatch, tmp_path, 30, cache)
    metrics = run.metrics
    assert metric_names.undeclared(metrics) == []
    cells = {f"{name}_{severity}" for name in ("fog", "contrast") for severity in range(1, 6)}
    grid = {key.removeprefix("adapted/grid/") for key in metrics if key.startswith("adapted/grid/")}
    kinds = {f"{kind}mce_vs_before_{n}" for n in (15, 19) for kind in ("", "relative_")}
    assert grid == cells | kinds | {"mean_15", "mean_19"}
    assert not any(key.startswith("before/grid") and "mce" in key for key in metrics)
    assert metrics["after/grid/mce_vs_before_15"] == 1  # nothing was tuned
    errors = {
        state: [sum(1 - metrics[f"{state}/grid/{name}_{s}"] for s in range(1, 6)) for name in ("fog", "contrast")]
        for state in ("before", "adapted")
    }
    expected = np.mean(np.divide(errors["adapted"], errors["before"]))
    assert metrics["adapted/grid/mce_vs_before_19"] == pytest.approx(expected)
    images = np.stack([example["image"] for example in clean.test.as_numpy_iterator()])
    right = analysis.adapt_batch_norm(net, images[:30])(images).numpy().argmax(1) == clean.rows["test"].labels
    assert metrics["adapted/clean_accuracy"] == pytest.approx(right.mean())
    assert metrics["adapted/clean_accuracy_low"] <= right.mean() <= metrics["adapted/clean_accuracy_high"]
    assert run.facts["adaptation"] == {"images": 30, "prior": 16.0}


@pytest.mark.parametrize("images", [30, 0])
def test_networks_without_batch_norm_say_so(small_cnn, pictures, monkeypatch, tmp_path, capsys, images):
    run, _ = studied(small_cnn, pictures, monkeypatch, tmp_path, images)
    assert not any(key.startswith("adapted") for key in run.metrics)
    assert "after/grid/mce_vs_before_15" in run.metrics
    said = "batch-norm adaptation is left out: cnn has no batch norm to adapt" in capsys.readouterr().out
    assert said == (images > 0)
    assert ("batch-norm adaptation" in run.facts.get("left_out", {})) == (images > 0)
