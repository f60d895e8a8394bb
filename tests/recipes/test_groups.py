"""The page on spatial structure runs for real on small made pictures, and its arithmetic holds."""

import inspect
import json

import browser
import numpy as np
import pytest
import recipe_checks
from conftest import write_idx_set
from test_recipes import newest

import tfxfer
from tfxfer import data, features
from tfxfer.core.errors import InputError
from tfxfer.data import catalog
from tfxfer.recipes import fashion_groups
from tfxfer.recipes.shared import permutation_study
from tfxfer.report import published

SMALL = {"backbones": "dropout_cnn,pixels,efficientnet_lite0", "image_size": 32, "epochs": 3, "tune_epochs": 1}
SUBSET = "ignore:fashion_mnist in"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    write_idx_set(folder, train=300, test=120)
    return folder


@pytest.fixture(scope="module")
def run(folder):
    with pytest.warns(UserWarning, match="used as a subset"):
        metrics = fashion_groups.main(data_dir=str(folder), **SMALL, batch_size=32, out=str(folder))
    return metrics, tfxfer.load(newest(folder, "fashion_groups"))


def test_every_learner_is_tested_both_ways(run):
    metrics, found = run
    for key in ("", *(f"{task}/{name}/" for task in ("groups", "classes") for name in SMALL["backbones"].split(","))):
        plain, permuted = (metrics[f"{key}{side}/accuracy"] for side in ("plain", "permuted"))
        assert metrics[f"{key}cost"] == pytest.approx(plain - permuted)
        assert metrics[f"{key}cost_low"] < metrics[f"{key}cost"] < metrics[f"{key}cost_high"]
    assert metrics["plain/accuracy"] == metrics["groups/dropout_cnn/plain/accuracy"] == metrics["test/accuracy"]
    assert metrics["classes/pixels/plain/accuracy"] > 0.8
    assert abs(metrics["classes/pixels/cost"]) < 0.15  # any order is as good, another draw of weights is not
    recipe_checks.check(found)
    assert found.facts["data"]["name"] == "fashion_mnist in 3 groups"
    assert found.facts["classes"] == ["clothes", "shoes", "others"]
    assert all(isinstance(value, float) for value in metrics.values())
    assert json.loads((found.dir / "metrics.json").read_text()) == metrics


def test_the_permutation_is_the_runs(run, folder):
    """What is written is what the permuted network saw."""
    metrics, found = run
    (order,) = np.load(found.dir / "permutation.npy")
    with pytest.warns(UserWarning, match="used as a subset"):
        whole = data.load("fashion_mnist", folder)
    np.testing.assert_array_equal(order, data.permute_pixels(whole, 0).transforms[-1].order)
    groups = data.relabel(whole, fashion_groups.GROUPS)
    bank = features.extract(found.model, groups.test, ("image", "logits"))
    np.testing.assert_array_equal(bank["image"], found.banks["pictures"]["image"])
    np.testing.assert_allclose(bank["logits"], found.banks["test"]["logits"], atol=1e-4)
    assert metrics["plain/accuracy"] == np.mean(bank["logits"].argmax(1) == bank.labels)
    assert metrics["permuted/accuracy"] == np.mean(found.banks["permuted"]["logits"].argmax(1) == bank.labels)


def test_the_run_is_whole(run):
    _, found = run
    assert {"plain/loss", "permuted/val_accuracy", "classes efficientnet_lite0 plain/loss"} <= found.history.keys()
    assert {"test", "permuted", "classes-pixels-plain", "groups-efficientnet_lite0-permuted"} <= found.banks.keys()
    assert (found.dir / "saved_model" / "saved_model.pb").exists()
    browser.check(found.dir / "report.html")
    text = (found.dir / "report.html").read_text()
    for part in ("0.9951", "0.9917", published.FASHION_GROUPS.remark, "classes, efficientnet_lite0"):
        assert part in text
    assert (found.dir / "figures" / "permuted.png").exists()


def test_seeds_are_repeats_with_their_spread(folder, tmp_path):
    options = {"data_dir": str(folder), "backbones": "cnn", "epochs": 1, "batch_size": 32, "out": str(tmp_path)}
    with pytest.warns(UserWarning, match="used as a subset"):
        metrics = fashion_groups.main(**options, seed=4, seeds=2)
    found = tfxfer.load(newest(tmp_path, "fashion_groups"))
    recipe_checks.check(found)
    by_seed = found.facts["by_seed"]
    assert by_seed.keys() == {"4", "5"}
    for key in ("plain/accuracy", "cost", "classes/cnn/permuted/accuracy"):
        pair = [by_seed[seed][key] for seed in "45"]
        assert metrics[key] == pytest.approx(np.mean(pair))
        assert metrics[f"{key}_std"] == pytest.approx(np.std(pair, ddof=1))
    assert "cost_low" not in metrics
    assert metrics["test/accuracy"] == by_seed["4"]["plain/accuracy"]
    assert len(np.load(found.dir / "permutation.npy")) == 1
    assert "± is the standard deviation over seeds" in (found.dir / "report.html").read_text()
    with pytest.warns(UserWarning, match="used as a subset"):
        whole = data.load("fashion_mnist", folder, seed=5)
    task = permutation_study.tasks(whole, fashion_groups.GROUPS, ["cnn"])[0]
    learner = permutation_study.Learner("none", 28, 0, 1, 1, 1e-3, lambda fit: {"batch_size": 32})
    _, alone = permutation_study.compare(learner, task, 5)  # what the others have left behind does not matter
    assert alone == pytest.approx({name: by_seed["5"][name] for name in alone})


def test_a_sample_of_many_images(pictures, monkeypatch):
    """Above SAMPLE images the first backbone learns from all, and from the sample beside the others."""
    groups = {"low": list("01234"), "high": list("56789")}
    few = permutation_study.tasks(pictures, groups, ["cnn", "pixels"])
    assert [task.keys for task in few] == [
        ("", "groups/cnn/"),
        ("groups/pixels/",),
        ("classes/cnn/",),
        ("classes/pixels/",),
    ]
    monkeypatch.setattr(permutation_study, "SAMPLE", 100)
    many = permutation_study.tasks(pictures, groups, ["cnn", "pixels"])
    assert [task.keys for task in many] == [("",), ("groups/cnn/",), *(task.keys for task in few[1:])]
    assert [task.splits.size("train") for task in many] == [270, 100, 100, 100, 100]
    assert {task.splits.size("test") for task in many} == {100}
    assert [len(task.splits.classes) for task in many] == [2, 2, 2, 10, 10]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"backbones": "pixels,cnn"}, "backbones pixels,cnn: expected each once, first the network to save"),
        ({"backbones": "cnn,cnn"}, "backbones cnn,cnn: expected each once"),
        ({"backbones": "cnn,alexnet"}, "unknown backbone 'alexnet'"),
        ({"dataset": "digits"}, "group clothes: unknown class 'T-shirt/top', expected some of 0, 1"),
    ],
)
@pytest.mark.filterwarnings(SUBSET)
def test_bad_arguments_leave_nothing(folder, tmp_path, options, complaint):
    with pytest.raises(InputError, match=complaint):
        fashion_groups.main(
            **{"data_dir": None if "dataset" in options else str(folder), **options}, out=str(tmp_path / "out")
        )
    assert not (tmp_path / "out").exists()


def test_defaults_are_the_experiments():
    """E1: clothes, shoes and others; 10 epochs of the CNN with dropout; all classes are in a group."""
    defaults = {p.name: p.default for p in inspect.signature(fashion_groups.main).parameters.values()}
    assert defaults["epochs"] == 10
    assert defaults["backbones"].startswith("dropout_cnn,")
    members = [name for group in fashion_groups.GROUPS.values() for name in group]
    assert sorted(members) == sorted(catalog.KNOWN["fashion_mnist"].classes)
    assert permutation_study.SAMPLE == 10_000
