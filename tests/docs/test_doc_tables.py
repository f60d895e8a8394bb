"""Tables of the documentation: each is made of a file of measured figures, which says where they come from."""

import importlib
import json
import re

import pytest
from doc_pages import NAMES, ROOT, text

from tfxfer.recipes import RECIPES

TABLES = sorted((ROOT / "benchmarks" / "measured" / "tables").glob("*.json"))


@pytest.fixture
def builder(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    return lambda name: importlib.import_module(f"builder.{name}")


@pytest.mark.parametrize("path", TABLES, ids=[path.stem for path in TABLES])
def test_a_table_says_where_it_comes_from(path, builder):
    about = json.loads(path.read_text())
    assert {"command", "machine", "versions", "date", "columns", "rows"} <= about.keys()
    assert re.fullmatch(r"20\d\d-\d\d-\d\d( and 20\d\d-\d\d-\d\d)?", about["date"])
    assert {"python", "tensorflow", "keras"} <= about["versions"].keys()
    assert {len(row) for row in about["rows"]} == {len(about["columns"])}
    shown = builder("figure_tables").table(path.stem)
    assert shown.splitlines()[0] == "| " + " | ".join(about["columns"]) + " |"
    assert f"TensorFlow {about['versions']['tensorflow']}" in shown.splitlines()[-1]
    assert about["machine"] in shown.splitlines()[-1]


def test_every_table_is_shown_and_every_place_filled():
    places = set(re.findall(r"<!-- figures: (\w+) -->", "".join(map(text, NAMES))))
    assert places == {path.stem for path in TABLES} | {"recipes"}


@pytest.mark.parametrize(
    ("table", "run", "ours"),
    [
        ("fashion_features", "fashion_features", r"^0\.\d{4}"),
        ("fashion_models", "fashion_models", r"^0\.\d{4}"),
        ("fashion_groups", "fashion_groups", r"0\.\d{4}(?= ±)"),
    ],
)
def test_figures_are_those_that_the_run_wrote(table, run, ours):
    """A table that was written down has no figure that the kept metrics of the same run do not have."""
    folder = ROOT / "benchmarks" / "measured"
    metrics = json.loads((folder / f"{run}.json").read_text())["metrics"]
    known = {f"{value:.4f}" for value in metrics.values()}
    rows = json.loads((folder / "tables" / f"{table}.json").read_text())["rows"]
    figures = [figure for row in rows for cell in row for figure in re.findall(ours, cell)]
    assert len(figures) > 6
    assert [figure for figure in figures if figure not in known] == []


def test_an_unknown_table_is_refused(builder):
    with pytest.raises(ValueError, match="no_such"):
        builder("figure_tables").fill("<!-- figures: no_such -->")


def test_the_figures_of_a_recipe_stand_beside_the_published_ones(builder):
    shown = builder("figure_tables").of_recipe("cifar10c_shift")
    metrics = json.loads((ROOT / "benchmarks" / "measured" / "cifar10c_shift.json").read_text())["metrics"]
    after = f"{metrics['after/corrupted_accuracy']:.4f} ± {metrics['after/corrupted_accuracy_std']:.4f}"
    assert f"| corrupted images after | {after} | 0.9425 |" in shown
    assert "`tfxfer cifar10c_shift --dataset fashion_mnist" in shown
    assert "published" not in builder("figure_tables").of_recipe("pretrain")
    assert builder("figure_tables").of_recipe("no_such") == ""


def test_every_recipe_has_a_page_with_its_command_and_text(builder):
    for name in RECIPES:
        page = builder("recipe_pages").page(name, {f"recipes/{name}.md": "By hand."})
        assert page.startswith(f"# {name}\n")
        assert f"tfxfer {name}" in page
        assert page.endswith("\n\nBy hand.\n")


def test_lists_of_pages_are_filled(builder):
    listed = builder("recipe_pages").listed("<!-- recipes -->\n<!-- notebooks -->")
    assert "\n".join(RECIPES) in listed
    assert "quickstart.ipynb" in listed


def test_what_is_written_about_recipes_is_about_one_that_is_there():
    names = {path.stem for path in (ROOT / "docs" / "recipes").glob("*.md")}
    assert names <= {"index", *RECIPES}
