"""CKA between stages in the report of a run and in a comparison of runs."""

import html

import browser
import numpy as np
import pytest

from tfxfer import analysis, features, report, runs
from tfxfer.report.run_comparison import compare
from tfxfer.report.sections import layer_similarity
from tfxfer.runs import loading

RANDOM = np.random.default_rng(0)
STAGES = {
    "before/stem": RANDOM.normal(size=(40, 6)),
    "before/top": RANDOM.normal(size=(40, 60)),
    "after/stem": RANDOM.normal(size=(40, 6)),
    "after/top": np.zeros((40, 3)),  # dead
}


def finished(folder, values, ids, seed, name="some"):
    with runs.Run("trial", {"seed": seed}, folder) as run:
        data = {"name": name, "origin": "here", "sizes": {"test": len(ids)}}
        run.facts |= {"data": data, "classes": ["a", "b"], "sections": ["layer_similarity"]}
        run.save_history({"loss": [1.0], "val_loss": [1.0], "val_accuracy": [0.5]})
        run.save({"stages": features.Bank(values, ids % 2, ids)})
    return run.final


def test_stages_before_and_after_tuning(tmp_path):
    folder = finished(tmp_path, STAGES, np.arange(40), 0)
    page = report.write(folder).read_text()
    assert "<h2>How alike layers are</h2>" in page
    assert "Measured on 40 test images." in page
    assert (folder / "figures" / "layer_similarity.png").exists()
    browser.check(folder / "report.html")
    one = analysis.cka(STAGES["before/stem"], STAGES["before/top"], unbiased=True)
    heat = layer_similarity._heat(
        "",
        [layer_similarity._stages(loading.load(folder).banks["stages"], w) for w in ("before", "before")],
        ["before", "before"],
    )
    np.testing.assert_allclose(heat.values, [[1, one], [one, 1]], atol=1e-9)
    assert heat.text.tolist() == [["1.00", f"{one:.2f}"], [f"{one:.2f}", "1.00"]]


def test_a_run_that_kept_less(tmp_path):
    """Only stages before tuning: one map; too few images, or none: nothing."""
    before = {name: value for name, value in STAGES.items() if name.startswith("before")}
    only = loading.load(finished(tmp_path / "a", before, np.arange(40), 0))
    (_, chart, _) = layer_similarity.sections(only)
    assert chart.count("before") > 0
    assert "after" not in chart
    few = loading.load(finished(tmp_path / "b", {n: v[:3] for n, v in STAGES.items()}, np.arange(3), 0))
    assert layer_similarity.sections(few) == []


def test_two_runs_on_images_that_both_have(tmp_path):
    """The second run has learned the first one's stem, rotated, of images in another order."""
    turn, _ = np.linalg.qr(RANDOM.normal(size=(6, 6)))
    order = RANDOM.permutation(40)[:30]
    other = {"after/early": (STAGES["after/stem"] @ turn)[order], "after/late": RANDOM.normal(size=(30, 5))}
    first = finished(tmp_path, STAGES, np.arange(40), 1)
    second = finished(tmp_path, other, order, 2)
    path, _ = compare([first, second], tmp_path)
    page = html.unescape(path.read_text())
    assert "<h2>How alike layers are</h2>" in page
    assert "runs 1 and 2, 30 test images" in page
    assert (path.parent / "figures" / "layer_similarity_1_2.png").exists()
    browser.check(path)
    loaded = {"1": loading.load(first), "2": loading.load(second)}
    drawn = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layer_similarity.page, "chart", lambda folder, name, title, heats: drawn.extend(heats) or "")
        layer_similarity.of_runs(loaded, tmp_path)
    (heat,) = drawn
    assert (heat.rows, heat.columns) == (["stem", "top"], ["early", "late"])
    assert heat.values[0, 0] == pytest.approx(1)
    assert abs(heat.values[0, 1]) < 0.5
    assert np.isnan(heat.values[1]).all()
    assert heat.text[1].tolist() == ["", ""]


def test_runs_that_cannot_be_compared_layer_by_layer(tmp_path):
    given = [(STAGES, np.arange(40), "some"), (STAGES, np.arange(100, 140), "some"), (STAGES, np.arange(40), "other")]
    loaded = {
        str(i): loading.load(finished(tmp_path, values, ids, i, name)) for i, (values, ids, name) in enumerate(given)
    }
    assert layer_similarity.of_runs(loaded, tmp_path) == []
