"""`tfxfer runs` and `tfxfer show`: what they list, in which order, and that they need nothing heavy for it."""

import json
import subprocess
import sys

import pytest

from tfxfer import runs
from tfxfer.cli.runs_command import HEAD, listing
from tfxfer.core.errors import InputError


@pytest.fixture
def home(tmp_path):
    """Three runs of two recipes, the second without accuracy, and a folder that is no whole run."""
    made = ("b", "cnn", 0.5), ("a", "pixels", None), ("b", "vgg", 0.75)
    for number, (recipe, backbone, accuracy) in enumerate(made):
        with runs.Run(recipe, {"backbone": backbone, "dataset": "x"}, tmp_path) as run:
            run.facts |= {"data": {"name": "data"}, "started": f"2026-01-0{number + 1}T10:30:00+00:00"}
            run.metrics |= {} if accuracy is None else {"test/accuracy": accuracy}
            run.save({})
        run.final.rename(run.final.with_name(f"2026010{number + 1}-103000"))
    (tmp_path / "b" / "20260104-103000").mkdir()
    (tmp_path / "b" / "20260104-103000" / "run.json").write_text("{torn")
    (tmp_path / "b" / ".partial-20260105-103000").mkdir()
    return tmp_path


def names(text):
    return [line.split()[0][6:8] for line in text.splitlines()[2:5]]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("date", ["03", "02", "01"]),
        ("accuracy", ["03", "01", "02"]),
        ("recipe", ["02", "03", "01"]),
        ("backbone", ["01", "02", "03"]),
        ("data", ["03", "02", "01"]),
    ],
)
def test_runs_are_listed_in_order(home, sort, order):
    assert names(listing(home, sort)) == order


def test_a_row_has_what_one_looks_for(home):
    head, _, first, *_, last = listing(home).splitlines()
    assert [cell.strip() for cell in head.split("   ") if cell.strip()] == list(HEAD)
    assert first.split() == ["20260103-103000", "b", "data", "vgg", "0.7500", "2026-01-03", "10:30"]
    assert last == f"not a whole run: {home / 'b' / '20260104-103000'}"


def test_nothing_to_list(tmp_path):
    with pytest.raises(InputError, match="contains no finished run: run a recipe first"):
        listing(tmp_path / "none")
    with pytest.raises(InputError, match="sort 'size': expected one of date, accuracy"):
        listing(tmp_path, "size")


@pytest.mark.parametrize("words", [("runs",), ("show", "20260103-103000")])
def test_neither_imports_what_takes_long(home, words):
    code = f"""
import runpy, sys
sys.argv = {["tfxfer", *words, "--out", str(home)]!r}
try:
    runpy.run_module("tfxfer", run_name="__main__")
except SystemExit as end:
    print("status", end.code)
print("heavy", sorted({{"tensorflow", "keras", "sklearn", "scipy", "matplotlib"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    *shown, status, heavy = done.stdout.splitlines()
    assert (status, heavy) == ("status 0", "heavy []"), done.stderr
    if words[0] == "show":
        assert shown[0] == "b: vgg on data"
        assert shown[-1] == str(home / "b" / "20260103-103000")
        assert json.loads((home / "b" / "20260103-103000" / "metrics.json").read_text())["test/accuracy"] == 0.75
