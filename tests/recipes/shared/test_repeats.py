"""A page with several seeds: each is what a run of it alone is, only the first is kept whole, none is trained twice."""

import html
import inspect
import json

import browser
import keras
import numpy as np
import pytest
import recipe_checks

import tfxfer
from tfxfer import report, train
from tfxfer.recipes import mobilenet_mnist, pretrain
from tfxfer.recipes.shared import Run, recipe
from tfxfer.train import checkpoints

SMALL = {"dataset": "digits", "backbone": "cnn", "image_size": 28, "limit": 80, "epochs": 2, "batch_size": 16}
PAGE = SMALL | {"weights": "none", "unfreeze": 3}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seeds")
    metrics = mobilenet_mnist.main(**PAGE, seed=4, seeds=3, out=str(folder))
    return metrics, tfxfer.load("mobilenet_mnist", folder)


def test_the_first_seed_is_kept_whole(run):
    metrics, found = run
    recipe_checks.check(found)
    assert json.loads((found.dir / "metrics.json").read_text()) == metrics
    assert not (found.dir / "checkpoints").exists()
    test = found.banks["test"]
    assert metrics["test/accuracy"] == pytest.approx((test["logits"].argmax(1) == test.labels).mean())
    assert metrics["test/accuracy"] == found.facts["by_seed"]["4"]["test/accuracy"]
    assert metrics["test/accuracy_low"] < metrics["test/accuracy"] < metrics["test/accuracy_high"]
    assert {"seconds/seed_5", "seconds/seed_6", "seconds/training"} <= metrics.keys()
    assert "seconds/training_std" not in metrics


def test_metrics_are_means_over_seeds(run):
    metrics, found = run
    by_seed = found.facts["by_seed"]
    assert list(by_seed) == ["4", "5", "6"]
    for key in ("before/probe_accuracy", "after/silhouette", "layers/after/conv3/nc1"):
        values = [by_seed[seed][key] for seed in by_seed]
        assert metrics[key] == pytest.approx(np.mean(values))
        assert metrics[f"{key}_std"] == pytest.approx(np.std(values, ddof=1))
    values = [by_seed[seed]["test/accuracy"] for seed in by_seed]
    assert metrics["test/accuracy_mean"] == pytest.approx(np.mean(values))


def test_a_seed_is_what_a_run_of_it_alone_is(run, tmp_path):
    _, found = run
    keras.layers.Dense(1)  # names that Keras counts are others now
    alone = mobilenet_mnist.main(**PAGE, seed=5, out=str(tmp_path))
    of_seed = found.facts["by_seed"]["5"]
    assert of_seed == pytest.approx({key: alone[key] for key in of_seed}, nan_ok=True)
    assert not {key for key in alone if key.startswith(("deletion/", "sanity/"))} & of_seed.keys()


def test_the_report_has_spreads_and_paired_differences(run):
    metrics, found = run
    browser.check(found.dir / "report.html")
    text = html.unescape((found.dir / "report.html").read_text())
    assert "<h2>Over 3 seeds</h2>" in text
    by_seed = found.facts["by_seed"].values()
    gains = [figures["after/probe_accuracy"] - figures["before/probe_accuracy"] for figures in by_seed]
    assert f"<td>{np.mean(gains):+.4f} ± {np.std(gains, ddof=1):.4f}</td>" in text
    mean, deviation = metrics["test/accuracy_mean"], metrics["test/accuracy_std"]
    assert f"<td>{mean:.4f} ± {deviation:.4f}</td>" in text
    card = (found.dir / "model_card.md").read_text()
    assert f"With seeds 5, 6 as well, each trained in the same way, the accuracy is {mean:.4f}" in card


def test_two_runs_are_compared_by_seed(run, tmp_path):
    _, found = run
    mobilenet_mnist.main(**PAGE | {"epochs": 1}, seed=5, seeds=3, out=str(tmp_path))
    other = tfxfer.load("mobilenet_mnist", tmp_path)
    path, text = report.compare([found.dir, other.dir], str(tmp_path))
    a, b = ([side.facts["by_seed"][seed]["test/accuracy"] for seed in "56"] for side in (found, other))
    gains = np.subtract(b, a)
    (line,) = [line.split() for line in text.splitlines() if line.startswith("1, 2") and "test/accuracy" in line]
    assert line[2:5] == ["test/accuracy", "5,", "6"]
    assert line[-2:] == [f"{gains.mean():+.4f}", f"{gains.std(ddof=1):.4f}"]
    (line,) = [line for line in text.splitlines() if line.startswith("test/accuracy_mean")]
    assert f"{found.metrics['test/accuracy_mean']:.4g} ± {found.metrics['test/accuracy_std']:.4g}" in line
    assert "Differences of the same seeds" in path.read_text()


def test_nothing_is_trained_twice_when_it_is_interrupted(monkeypatch, tmp_path):
    """Cut off in the second of three trainings, after an epoch of two."""
    monkeypatch.setattr(checkpoints, "SECONDS", 0.0)
    fit, epochs = train.fit, []

    class Counted(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            epochs.append(epoch)
            if len(epochs) == 3:
                raise KeyboardInterrupt

    def counted(*args, callbacks=(), **options):
        return fit(*args, callbacks=[*callbacks, Counted()], **options)

    options = SMALL | {"seeds": 3, "limit": 40}
    whole = pretrain.main(**options, out=str(tmp_path / "whole"))
    monkeypatch.setattr(train, "fit", counted)
    with pytest.raises(KeyboardInterrupt):
        pretrain.main(**options, out=str(tmp_path))
    (partial,) = (tmp_path / "pretrain").iterdir()
    assert {path.name for path in (partial / "checkpoints").iterdir()} == {"seed_1.json", "seed_2"}
    resumed = pretrain.main(resume="last", out=str(tmp_path))
    assert epochs[:3] == [0, 1, 0]
    assert epochs[-3:] == [1, 0, 1]  # what was left of seed 2, and seed 0
    assert len(epochs) <= 7  # an epoch whose checkpoint was not written yet is done again
    same = {key for key in whole if not key.startswith("seconds/")}
    assert {key: resumed[key] for key in same} == pytest.approx({key: whole[key] for key in same}, nan_ok=True)
    assert {path.name for path in (tmp_path / "pretrain").iterdir()} == {partial.name.removeprefix(".partial-")}


def test_bad_input_found_in_the_first_training_leaves_nothing(tmp_path):
    with pytest.raises(tfxfer.core.errors.InputError, match="unknown"):
        mobilenet_mnist.main(**PAGE | {"backbone": "alexnet"}, seeds=2, out=str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_page_may_have_no_seeds():
    @recipe(dataset="digits", seeds=0)
    def main(run: Run) -> None:
        """Trains nothing."""

    assert "seeds" not in inspect.signature(main).parameters
    assert inspect.signature(pretrain.main).parameters["seeds"].default == 1
