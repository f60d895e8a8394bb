"""Executed notebooks of the documentation: the sources of recipes/, what they show, and nothing of a machine."""

import importlib
import re

import nbformat
import pytest
from doc_pages import ROOT

FOLDER = ROOT / "docs" / "notebooks"
EXECUTED = sorted(path.stem for path in FOLDER.glob("*.ipynb"))


def cells(folder, name):
    return nbformat.read(ROOT / folder / f"{name}.ipynb", 4).cells


@pytest.fixture
def docs(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    return importlib.import_module


@pytest.mark.parametrize("name", EXECUTED)
def test_a_page_is_the_notebook_executed(name, docs):
    run, given = cells("docs/notebooks", name), cells("recipes", name)
    assert len(run) == len(given), "run: make docs-notebooks"
    for cell, original in zip(run, given):
        expected = original.source
        if "parameters" in original.metadata.get("tags", ()):
            expected = docs("execute_notebooks").source(name)
        assert cell.source == expected, "run: make docs-notebooks"
    outputs = [output for cell in run for output in cell.get("outputs", ())]
    assert all(output.output_type != "error" for output in outputs)
    assert any({"image/png", "image/jpeg"} & output.get("data", {}).keys() for output in outputs)
    assert any(f'src="{name}.report.html"' in output.get("data", {}).get("text/html", "") for output in outputs)


@pytest.mark.parametrize("name", EXECUTED)
def test_a_page_is_small_and_names_no_folder_of_a_machine(name):
    files = [FOLDER / f"{name}.ipynb", FOLDER / f"{name}.report.html"]
    assert sum(path.stat().st_size for path in files) < 1_500_000
    for path in files:
        assert re.findall(r"(?<![\w.:/])/(?:tmp|home|root|work)/[\w./-]*", path.read_text()) == []


def test_the_quickstart_is_among_them():
    assert "quickstart" in EXECUTED


def test_pages_and_reports_for_the_builder(docs):
    files = docs("builder.notebook_files").files()
    page = nbformat.reads(files["notebooks/quickstart.ipynb"], 4)
    assert "pip install" not in "".join(cell.source for cell in page.cells)
    assert ":::{note}" in page.cells[0].source
    assert "plotly.js" in files["extra/notebooks/quickstart.report.html"]


def test_a_picture_and_a_report_are_made_smaller(docs, tmp_path, monkeypatch):
    import base64
    import io

    import numpy as np
    from PIL import Image

    from tfxfer.report import page
    from tfxfer.report.notebook_frame import Frame

    tools = docs("execute_notebooks")
    monkeypatch.setattr(tools, "FOLDER", tmp_path)
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 1600, 3), np.uint8)).save(file, "PNG")
    (kind, smaller), *_ = tools.smaller(base64.b64encode(file.getvalue()).decode()).items()
    assert kind == "image/jpeg"
    assert Image.open(io.BytesIO(base64.b64decode(smaller))).size == (1000, 188)
    shown = Frame("Report", page.page("A run in /tmp/x/runs", []), 700)._repr_html_()
    output = nbformat.v4.new_output("execute_result", {"text/html": shown}, execution_count=1)
    kept = tools.small(output, "quickstart", "/tmp/x")
    assert 'src="quickstart.report.html"' in kept.data["text/html"]
    report = (tmp_path / "quickstart.report.html").read_text()
    assert tools.PLOTLY in report
    assert "A run in runs" in report
    assert len(report) < 100_000
