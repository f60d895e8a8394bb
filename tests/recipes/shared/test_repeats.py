"""A page with several seeds: each is what a run of it alone is, only the first is kept whole, none is trained twice."""

import html
import inspect
import json

import browser
import keras
import numpy as np
import pytest

import tfxfer
from tfxfer import analysis, features, model, report, train
from tfxfer.core.errors import InputError
from tfxfer.recipes import pretrain
from tfxfer.recipes.shared import Run, recipe
from tfxfer.report import run_comparison
from tfxfer.runs import metric_names
from tfxfer.runs.options import ABSENT
from tfxfer.train import checkpoints

TRAINED: list[int] = []  # epochs, as they end
STOP_AT: list[int] = []  # numbers of epochs after which the page is interrupted


class Counted(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        TRAINED.append(epoch)
        if len(TRAINED) in STOP_AT:
            raise KeyboardInterrupt


@recipe(dataset="digits", backbone="cnn", image_size=28, epochs=2, batch_size=16)
def main(run: Run) -> None:
    """Trains a small network, and tests it before and after."""
    chosen = run.options
    splits = run.load_data()
    net = model.build(chosen.backbone, splits, chosen.image_size, "none")
    model.unfreeze_last(net, "all")
    run.describe(net, splits)

    def test(when):
        bank = features.extract(net, splits.test, ("logits",), **run.inference)
        accuracy = analysis.metrics.accuracy(bank.labels, bank["logits"].argmax(1))
        run.note(when, {"probe_accuracy": accuracy})
        return accuracy, bank

    test("before")
    options = run.training()
    with run.phase("training"):
        history = train.fit(net, splits, chosen.epochs, **options | {"callbacks": [*options["callbacks"], Counted()]})
    accuracy, bank = test("after")
    run.note("test", {"accuracy": accuracy})
    run.save_model(net, history)
    run.facts["sections"] = ["training", "predictions"]
    run.save({"test": bank})
    if not run.metrics_only:
        run.note("sanity", {"head": 0.5})
        report.write(run.dir)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seeds")
    metrics = main(limit=60, seed=4, seeds=3, out=str(folder))
    return metrics, tfxfer.load("test_repeats", folder)


def test_the_first_seed_is_kept_whole(run):
    metrics, found = run
    assert metric_names.undeclared(found.metrics) == []
    assert json.loads((found.dir / "metrics.json").read_text()) == {
        k: v for k, v in metrics.items() if k != "sanity/head"
    }
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
    for key in ("before/probe_accuracy", "after/probe_accuracy"):
        values = [by_seed[seed][key] for seed in by_seed]
        assert metrics[key] == pytest.approx(np.mean(values))
        assert metrics[f"{key}_std"] == pytest.approx(np.std(values, ddof=1))
    assert metrics["test/accuracy_mean"] == pytest.approx(metrics["after/probe_accuracy"])


def test_a_seed_is_what_a_run_of_it_alone_is(run, tmp_path):
    _, found = run
    keras.layers.Dense(1)  # names that Keras counts are others now
    alone = main(limit=60, seed=5, out=str(tmp_path))
    of_seed = found.facts["by_seed"]["5"]
    assert of_seed == pytest.approx({key: alone[key] for key in of_seed})
    assert "by_seed" not in tfxfer.load("test_repeats", tmp_path).facts


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
    main(limit=60, epochs=1, seed=5, seeds=3, out=str(tmp_path))
    other = tfxfer.load("test_repeats", tmp_path)
    path, text = run_comparison.compare([found.dir, other.dir], str(tmp_path))
    a, b = ([side.facts["by_seed"][seed]["test/accuracy"] for seed in "56"] for side in (found, other))
    gains = np.subtract(b, a)
    (line,) = [line.split() for line in text.splitlines() if line.startswith("1, 2") and "test/accuracy" in line]
    assert line[2:5] == ["test/accuracy", "5,", "6"]
    assert line[-2:] == [f"{gains.mean():+.4f}", f"{gains.std(ddof=1):.4f}"]
    (line,) = [line for line in text.splitlines() if line.startswith("test/accuracy_mean")]
    assert f"{found.metrics['test/accuracy_mean']:.4g} ± {found.metrics['test/accuracy_std']:.4g}" in line
    assert "Differences of the same seeds" in path.read_text()


def test_nothing_is_trained_twice_when_it_is_interrupted(run, monkeypatch, tmp_path):
    """Cut off in the second of three trainings, after an epoch of two."""
    monkeypatch.setattr(checkpoints, "SECONDS", 0.0)
    whole, _ = run
    TRAINED.clear()
    STOP_AT.append(3)
    with pytest.raises(KeyboardInterrupt):
        main(limit=60, seed=4, seeds=3, out=str(tmp_path))
    STOP_AT.clear()
    (partial,) = (tmp_path / "test_repeats").iterdir()
    assert {path.name for path in (partial / "checkpoints").iterdir()} == {"seed_5.json", "seed_6"}
    resumed = main(resume="last", out=str(tmp_path))
    assert TRAINED[:3] == [0, 1, 0]
    assert TRAINED[-3:] == [1, 0, 1]  # what was left of seed 6, and seed 4
    assert len(TRAINED) <= 7  # the epoch in which it was interrupted may be done again
    same = {key for key in whole if not key.startswith("seconds/")}
    assert {key: resumed[key] for key in same} == pytest.approx({key: whole[key] for key in same}, abs=1e-6)
    assert [path.name for path in (tmp_path / "test_repeats").iterdir()] == [partial.name.removeprefix(".partial-")]


def test_bad_input_in_the_first_training_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match="unknown"):
        main(backbone="alexnet", seeds=2, out=str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_page_may_have_no_seeds():
    @recipe(dataset="digits", seeds=ABSENT)
    def page(run: Run) -> None:
        """Trains nothing."""

    assert "seeds" not in inspect.signature(page).parameters
    assert inspect.signature(pretrain.main).parameters["seeds"].default == 1
