"""The report's section on calibration: figures by hand in plain sentences."""

import re

import numpy as np
import pytest

from tfxfer import features, report, runs
from tfxfer.analysis import calibration
from tfxfer.report.sections import registry
from tfxfer.runs import loading

KNOWN = {"temperature": 2.0, "threshold": 0.75, "precision": 0.6, "images": 50, "reached": 0.7, "answered": 0.5}
LOGITS = np.log(np.float32([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.4, 0.6]]))


def notes(out, facts, name="logits", values=LOGITS):
    """The paragraphs of a run's section, and whether its chart is there."""
    with runs.Run("trial", {}, out) as run:
        run.facts |= {"data": {"name": "some", "origin": "here", "sizes": {"test": 4}}, "classes": ["a", "b"]}
        run.facts |= {"sections": ["calibration"]} | ({"calibration": facts} if facts else {})
        run.save({"test": features.Bank({name: values}, np.array([0, 1, 1, 1]), np.arange(4))})
    text = report.write(run.final).read_text()
    assert (run.final / "figures" / "calibration.png").exists() == ("<h2>Calibration</h2>" in text) == bool(facts)
    return [re.sub("<.*?>", "", piece) for piece in registry.write(loading.load(run.final)) if 'class="note"' in piece]


@pytest.mark.parametrize(("name", "values"), [("logits", LOGITS), ("probabilities", np.exp(LOGITS))])
def test_what_it_says(tmp_path, name, values):
    first, last = notes(tmp_path, KNOWN, name, values)
    before = calibration.measure(LOGITS, np.array([0, 1, 1, 1]), KNOWN)["ece_uncalibrated"]
    assert "divided by the temperature 2.000, fitted to 50 images that the network was not trained on" in first
    assert "without it the network is too sure" in first
    assert (
        f"on the 4 test images, the mean difference between confidence and accuracy over 15 bins, is {before:.4f} "
        in first
    )
    assert first.endswith("before and 0.3500 after.")
    assert last.startswith(
        "The network abstains where its highest probability is below 0.7500, chosen for a precision of"
    )
    assert "It answers 75.0% of the 4 test images; the share of right answers is 0.6667 (0.2" in last


def test_without_a_threshold(tmp_path):
    first, last = notes(tmp_path / "none", KNOWN | {"temperature": 0.5, "threshold": None})
    assert "without it the network is not sure enough" in first
    assert "No threshold could be shown to give the precision 0.6" in last
    _, last = notes(tmp_path / "unasked", {"temperature": 2.0, "threshold": None})
    assert last == "No precision was asked for: the network never abstains."
    _, last = notes(tmp_path / "high", KNOWN | {"threshold": 1.0})
    assert last.endswith("It answers 0.0% of the 4 test images.")


def test_a_run_without_calibration_has_none(tmp_path):
    assert notes(tmp_path, None) == []
