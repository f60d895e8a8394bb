"""README's table is what `measured.py` makes of what runs wrote."""

import importlib
import json
import re
from pathlib import Path

import pytest

from tfxfer.recipes import RECIPES

ROOT = Path(__file__).parents[2]


@pytest.fixture
def measured(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("measured")


def test_readme_is_up_to_date(measured):
    text = (ROOT / "README.md").read_text()
    assert measured.written(text) == text, "run: python benchmarks/measured.py"


def test_every_recipe_is_in_it_with_figures_of_a_run_of_its_own(measured):
    assert list(measured.TABLE) == list(RECIPES)
    for recipe, (_, runs) in measured.TABLE.items():
        for name in runs:
            facts = json.loads((ROOT / "benchmarks" / "measured" / f"{name}.json").read_text())
            assert facts["recipe"] == recipe
            assert facts["versions"]["tfxfer"]
            assert not re.search(r'"(/|~)', json.dumps(facts)), "a path of somebody's machine"


def test_figures_are_those_of_the_file(measured):
    metrics = json.loads((ROOT / "benchmarks" / "measured" / "fashion_models.json").read_text())["metrics"]
    row = next(line for line in measured.table().splitlines() if line.startswith("| `fashion_models`"))
    assert f"CNN {metrics['cnn/test_accuracy']:.4f} (0.91)" in row
    assert f"random forest {metrics['random_forest/test_accuracy']:.4f} (0.87 to 0.89)" in row


def test_figures_of_several_seeds_are_means_with_their_spread(measured):
    metrics = {"cost": 0.5, "cost_std": 0.25, "test/accuracy": 1.0, "test/accuracy_mean": 0.75, "one": 0.125}
    metrics |= {"test/accuracy_std": 0.3536, "data/copies": 2.0, "data/copies_std": 0.0}
    shown = {key: measured.figure(metrics, key) for key in ("cost", "test/accuracy", "one", "data/copies")}
    assert shown == {"data/copies": "2", "cost": "0.5000 ± 0.2500", "test/accuracy": "0.7500 ± 0.3536", "one": "0.1250"}
