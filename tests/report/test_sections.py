"""A report has the sections that its run names; for runs that name none they are deduced."""

import json
import re

import numpy as np
import pytest
from finished_run import HISTORY, finish

from tfxfer import features, report, runs
from tfxfer.core.errors import InputError
from tfxfer.report.sections import contents, metric_tables, registry
from tfxfer.runs import loading, metric_names


@pytest.fixture
def run_dir(tmp_path, pictures, small_cnn):
    return finish(tmp_path, pictures, small_cnn).final


def rewritten(run_dir, **facts):
    """The headings of the report made with other facts."""
    path = run_dir / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))
    return re.findall("<h2>(.*?)</h2>", report.write(run_dir).read_text())


def test_the_page_has_what_the_run_names_in_the_order_of_the_table(run_dir):
    assert rewritten(run_dir, sections=["predictions"]) == ["Verdict", "Predictions", "Mistakes", "How it was made"]
    both = ["Verdict", "Predictions", "Mistakes", "Training", "How it was made"]
    assert rewritten(run_dir, sections=["training", "predictions"]) == both
    assert rewritten(run_dir, sections=[]) == ["Verdict", "How it was made"]


def test_a_run_of_version_01_names_none(run_dir):
    assert "sections" not in loading.load(run_dir).facts
    assert contents.sections(loading.load(run_dir)) == ["training", "predictions"]
    without = report.write(run_dir).read_text()
    rewritten(run_dir, sections=["training", "predictions"], subjects={})
    assert (run_dir / "report.html").read_text() == without


def test_an_unknown_section_is_one_line(run_dir):
    with pytest.raises(InputError, match=r"run\.json: expected sections among search, .*, got 'forecast': corr"):
        rewritten(run_dir, sections=["training", "forecast"])
    with pytest.raises(InputError, match=r"run\.json: expected a list of names as sections, got 'training': correct"):
        rewritten(run_dir, sections="training")


def test_every_section_without_material_is_empty(tmp_path):
    """None fails where the run holds nothing for it."""
    with runs.Run("trial", {}, tmp_path) as run:
        run.facts |= {"data": {"name": "none", "origin": "here", "sizes": {"test": 0}}, "classes": ["a", "b"]}
        run.facts["sections"] = list(registry.SECTIONS)
        run.save({})
    assert registry.write(loading.load(run.final)) == []


def test_subjects_are_those_that_the_run_names(tmp_path):
    """Where keys alone would mislead: a feature set of one's own with a metric of the same ending."""
    with runs.Run("trial", {}, tmp_path) as run:
        run.metrics |= {"pixels/nc1": 1.0, "other/nc1": 2.0, "sweep/0/nc1": 3.0}
        run.save({})
    loaded = loading.load(run.final)
    assert contents.subjects(loaded, "feature_sets") == ["pixels", "other"]
    loaded.facts["subjects"] = {"feature_sets": ["pixels"]}
    assert contents.subjects(loaded, "feature_sets") == ["pixels"]
    assert contents.subjects(loaded, "models") == []


def test_a_table_has_the_columns_and_rows_that_have_values(tmp_path):
    with runs.Run("fashion_models", {}, tmp_path) as run:
        run.facts |= {"data": {"name": "some", "sizes": {"test": 80}}, "classes": ["Bag", "Coat"]}
        run.metrics |= {"cnn/test_accuracy": 0.5, "cnn/parameters": 12345.0, "mine/test_accuracy": 0.75}
        run.metrics |= {"cnn/fit_seconds": 1.25, "cnn/ece": np.nan}
        run.save({})
    names, keys = ["cnn", "mine", "absent"], ["test_accuracy", "ece", "parameters", "fit_seconds", "train_accuracy"]
    table = metric_tables.table(loading.load(run.final), names, keys)
    cells = [re.findall("<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall("<tr>(.*?)</tr>", table)]
    assert cells == [
        ["", "test accuracy", "published, Fashion-MNIST", "calibration error", "parameters", "fit, s"],
        ["cnn", "0.5000", "0.9100", "", "12,345", "1.2"],
        ["mine", "0.7500", "", "", "", ""],
    ]
    assert metric_names.label("cnn/ece") == "calibration error"


def test_sections_and_subjects_are_not_repeated_among_the_details(tmp_path):
    with runs.Run("trial", {}, tmp_path) as run:
        run.facts |= {"data": {"name": "some", "origin": "here", "sizes": {"test": 4}}, "classes": ["a", "b"]}
        run.facts |= {"sections": ["training"], "subjects": {"models": ["my_model"]}}
        run.save_history(HISTORY)
        run.save({"own": features.Bank({}, np.zeros(0, int), np.zeros(0, int))})
    page = report.write(run.final).read_text()
    assert "<h2>Training</h2>" in page
    assert "my_model" not in page
