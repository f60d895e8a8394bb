"""A probe of all stages beside one of the last layer: the same as from whole feature maps in memory."""

import html

import browser
import numpy as np
import pytest

import tfxfer
from tfxfer import analysis, data, features, model, report
from tfxfer.analysis import pooled_layers, probes
from tfxfer.recipes.shared import multilayer_study, recipe_run
from tfxfer.runs import metric_names
from tfxfer.runs.options import Options


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    splits = data.load("digits", limit=160)
    net = model.build("cnn", splits, image_size=28, weights="none")
    with recipe_run.Run("trial", {}, Options(dataset="digits", out=str(tmp_path_factory.mktemp("runs")))) as run:
        run.describe(net, splits)
        multilayer_study.probe_stages(run, net, splits, 100)
        multilayer_study.probe_stages(run, net, splits, 40, "other")
        multilayer_study.probe_stages(run, net, splits, 0, "none")
        run.facts["sections"] = ["head2toe"]
        run.save({})
    return net, splits, tfxfer.load(run.final)


def test_it_is_head2toe_of_the_same_images(studied):
    net, splits, run = studied
    banks = {
        split: features.extract(net, getattr(splits, split), features.taps(net))
        for split in ("train", "validation", "test")
    }
    rows = data.splits.first_of_each(banks["train"].labels, 100)
    train = {name: np.asarray(values)[rows] for name, values in banks["train"].values.items()}
    labels = banks["train"].labels[rows]
    few = data.splits.first_of_each(banks["validation"].labels, 25)
    validation = (
        {name: np.asarray(x)[few] for name, x in banks["validation"].values.items()},
        banks["validation"].labels[few],
    )
    tested, options = (banks["test"].values, banks["test"].labels), {"fractions": (0.005, 0.02), "target_size": 512}
    scores = max(
        (analysis.head2toe(train, labels, *tested, validation=validation, C=c, **options) for c in (0.01, 0.1, 1.0)),
        key=lambda scores: scores["validation_accuracy"],
    )
    figures = {
        key.removeprefix("head2toe/"): value for key, value in run.metrics.items() if key.startswith("head2toe/")
    }
    assert figures["accuracy"] == pytest.approx(scores["test_accuracy"])
    assert figures["features"] == scores["features"]
    assert figures["candidates"] == sum(
        pooled_layers.length(values.shape[1:], 512) for values in banks["test"].values.values()
    )
    stages = {name: [layer.name for layer in members] for name, members in model.stages(net).items()}
    for layer in features.taps(net):
        stage = next((name for name, members in stages.items() if layer in members), layer)
        assert figures[f"kept/{stage}"] == pytest.approx(scores[f"kept/{layer}"])
    assert sum(value for name, value in figures.items() if name.startswith("kept/")) == pytest.approx(1)


def test_the_last_layers_probe_has_the_same_images(studied):
    net, splits, run = studied
    known = {split: features.extract(net, getattr(splits, split)) for split in ("train", "validation", "test")}
    rows = data.splits.first_of_each(known["train"].labels, 100)
    few = data.splits.first_of_each(known["validation"].labels, 25)
    held_out = known["validation"]["embedding"][few], known["validation"].labels[few]
    x, y = known["train"]["embedding"][rows], known["train"].labels[rows]
    fits = [probes.fit(x, y, "logistic", validation=held_out, C=c) for c in (0.01, 0.1, 1.0)]
    probe = max(fits, key=lambda fit: fit.facts["validation_accuracy"])
    right = probe.predict(known["test"]["embedding"]) == known["test"].labels
    assert run.metrics["head2toe/last_layer_accuracy"] == pytest.approx(right.mean())
    gain = run.metrics["head2toe/accuracy"] - run.metrics["head2toe/last_layer_accuracy"]
    assert run.metrics["head2toe/gain"] == pytest.approx(gain)
    assert run.metrics["head2toe/gain_low"] < gain < run.metrics["head2toe/gain_high"]


def test_it_is_in_the_report(studied):
    _, _, run = studied
    assert metric_names.undeclared(run.metrics) == []
    assert not [key for key in run.metrics if key.startswith("none/")]
    assert {"seconds/head2toe", "seconds/head2toe_other"} <= run.metrics.keys()
    path = report.write(run.dir)
    browser.check(path)
    text = html.unescape(path.read_text())
    assert "What the stages before the last layer know" in text
    assert f"{run.metrics['other/head2toe/gain']:+.4f} (" in text
    assert (run.dir / "figures" / "head2toe.png").exists()
