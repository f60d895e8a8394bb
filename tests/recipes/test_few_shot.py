"""The page on few labels runs for real, small: its figures agree with each other, and nothing is learned twice."""

import json

import browser
import numpy as np
import pytest
import recipe_checks
from test_recipes import newest

import tfxfer
from tfxfer.core.errors import InputError
from tfxfer.recipes import few_shot
from tfxfer.recipes.shared import few_shot_learners, few_shot_methods

OPTIONS = {"dataset": "digits", "backbone": "cnn", "weights": "none", "image_size": 24, "limit": 80, "steps": 10}
OPTIONS |= {"unfreeze": 1, "draws": 2, "shots": "all,2,1000", "wanted": 0.4}
METHODS = ("logistic", "head2toe", "head", "lp_ft", "last_layers", "wise_ft")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("few")
    metrics = few_shot.main(**OPTIONS, out=str(out))
    return metrics, tfxfer.load(newest(out, "few_shot"))


def test_every_method_has_a_median_and_a_range_at_every_number(finished):
    metrics, run = finished
    recipe_checks.check(run)
    assert run.facts["few_shot"] == {  # 1,000 of each class would be the same as all
        "wanted": 0.4,
        "draws": 2,
        "labels": {"2": 20, "all": 80},
        "methods": few_shot_methods.METHODS,
    }
    assert list(run.facts["summary"]) == list(few_shot_methods.METHODS.values())
    assert run.facts["summary"]["logistic probe"].startswith("accuracy 0.4: ")
    for method in METHODS:
        for shots in ("2", "all"):
            low, middle, high = (metrics[f"few_shot/{shots}/{method}/accuracy{end}"] for end in ("_low", "", "_high"))
            assert 0 <= low <= middle <= high <= 1
            assert metrics[f"few_shot/{shots}/{method}/seconds"] > 0
    assert metrics["few_shot/2/wise_ft/weight"] == 0.5
    assert metrics["few_shot/all/logistic/accuracy"] > 0.7
    for method in ("logistic", "head2toe"):  # all labels are the same labels in each draw, to rounding
        ends = (metrics[f"few_shot/all/{method}/accuracy_{end}"] for end in ("low", "high"))
        assert np.diff(list(ends)) <= 0.05 + 1e-9  # an image of 20


def test_labels_needed_lie_where_the_curve_crosses(finished):
    metrics, _ = finished
    for method in METHODS:
        reached, median = metrics[f"labels/{method}/reached"], metrics[f"labels/{method}/needed"]
        best = metrics[f"few_shot/all/{method}/accuracy_high"]
        assert (reached > 0.5) == np.isfinite(median)
        assert reached or best < 0.6
        assert np.isnan(median) or 20 <= metrics[f"labels/{method}/needed_low"] <= median <= 80
    assert metrics["labels/logistic/reached"] == 1


def test_the_report(finished):
    _, run = finished
    page = (run.dir / "report.html").read_text()
    for text in ("How many labels?", "Head2Toe", "2 of each", "all 80", "Labels for an accuracy of 0.4", "of 2 draws"):
        assert text in page
    assert (run.dir / "figures" / "few_shot.png").exists()
    browser.check(run.dir / "report.html")


def test_a_run_that_was_cut_off_learns_from_no_subset_twice(tmp_path, monkeypatch):
    options = OPTIONS | {"methods": "logistic,head", "shots": "2,5"}
    learn, learned = few_shot_learners.Learners.__call__, []

    def interrupted(self, subset, seed):
        if len(learned) == 3:
            raise KeyboardInterrupt
        learned.append((len(subset), seed))
        return learn(self, subset, seed)

    monkeypatch.setattr(few_shot_learners.Learners, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        few_shot.main(**options, out=str(tmp_path))
    assert learned == [(20, 0), (50, 0), (20, 1)]
    (partial,) = (tmp_path / "few_shot").iterdir()
    (stored,) = partial.glob("checkpoints/subsets/0-2.json")
    first = json.loads(stored.read_text())["figures"]

    def counted(self, subset, seed):
        learned.append((len(subset), seed))
        return learn(self, subset, seed)

    learned.clear()
    monkeypatch.setattr(few_shot_learners.Learners, "__call__", counted)
    metrics = few_shot.main(resume="last", out=str(tmp_path))
    assert learned == [(50, 1)]
    values = [
        first["head"]["accuracy"],
        metrics["few_shot/2/head/accuracy_low"],
        metrics["few_shot/2/head/accuracy_high"],
    ]
    assert values[0] in values[1:]
    whole = few_shot.main(**options, out=str(tmp_path / "whole"))
    same = {key for key in whole if "seconds" not in key}
    assert {key: metrics[key] for key in same} == pytest.approx({key: whole[key] for key in same}, nan_ok=True)


def test_figures_of_other_weights_are_refused(tmp_path, monkeypatch):
    """The cell's file names what it was learned from."""
    options = OPTIONS | {"methods": "logistic", "shots": "2"}
    monkeypatch.setattr(few_shot_learners.Learners, "_logistic", lambda self, subset: {"accuracy": 0.5, "seconds": 1.0})
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(tfxfer.recipes.shared.few_shot_study.Study, "conclude", lambda self, wanted: 1 / 0)
        few_shot.main(**options, out=str(tmp_path))
    (stored,) = tmp_path.glob("few_shot/.partial-*/checkpoints/subsets/1-2.json")
    stored.write_text(json.dumps(json.loads(stored.read_text()) | {"identity": "another"}))
    with pytest.raises(InputError, match=r"1-2\.json is of other data or weights: resume with those of its run"):
        few_shot.main(resume="last", out=str(tmp_path))
