"""Runs side by side: the table, the test of their difference, and what cannot be compared."""

import csv
import html

import browser
import numpy as np
import pytest
from scipy import stats

from tfxfer import features, runs
from tfxfer.analysis import intervals, paired
from tfxfer.core.errors import InputError
from tfxfer.data.image_ids import ID_STEP
from tfxfer.report.run_comparison import compare, plain


def finished(folder, right, ids, labels=None, name="some", **arguments):
    """A run whose predictions are right or not, as said, of test images with these ids."""
    labels = ids % 3 if labels is None else labels
    with runs.Run("trial", arguments, folder) as run:
        run.facts |= {"data": {"name": name, "sizes": {"test": len(ids)}}, "classes": ["a", "b", "c"]}
        predicted = np.where(right, labels, (labels + 1) % 3)
        run.metrics |= {"test/accuracy": float(np.mean(right)), f"only/{arguments['seed']}": 1.0}
        history = {"val_accuracy": [0.25, 0.5], "val_loss": [2.0, 1.0], "seconds": [3.0, 1.0]}
        run.save_history(history)
        run.save({"test": features.Bank({"logits": np.eye(3)[predicted]}, labels, ids)})
    return run.final


def line(text, beginning):
    return next(row for row in text.splitlines() if row.startswith(beginning)).split()


def test_two_runs_on_overlapping_images(tmp_path):
    rng = np.random.default_rng(0)
    first = finished(tmp_path, rng.random(80) < 0.6, np.arange(80), seed=1, epochs=3)
    second = finished(tmp_path, rng.random(80) < 0.9, np.arange(20, 100), seed=2, epochs=3)
    path, text = compare([first, second], tmp_path)
    (one, a), (two, b) = ((run, features.Bank.load(run / "banks/test.npz")) for run in (first, second))
    right = [bank["logits"].argmax(1) == bank.labels for bank in (a, b)]
    x, y = right[0][20:], right[1][:60]
    row = line(text, "1, 2")
    assert row[:7] == ["1,", "2", "60", f"{x.mean():.4f}", f"{y.mean():.4f}", str((x & ~y).sum()), str((y & ~x).sum())]
    assert row[7] == f"{y.mean() - x.mean():+.4f}"
    assert line(text, "seed") == ["seed", "1", "2"]
    assert "epochs" not in text  # the same in both
    assert "seconds" not in text
    decision = line(text, "Run 2 is better than run 1: ")
    assert decision[7:9] == [f"{y.mean():.4f}", "against"]
    with (path.parent / "disagreements.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert f"Images on which runs 1, 2 disagree: {len(rows)} of 60\n" in text
    assert {int(row["id"]) for row in rows} == set(np.arange(20, 80)[x != y])
    for row in rows:
        said = [row[f"run {number}"].startswith(f"{row['class']} (") for number in (1, 2)]
        assert said == [side[int(row["id"]) - 20] for side in (x, y)]
    ends = [stats.binomtest(int(r.sum()), 80).proportion_ci(method="wilson") for r in right]
    cells = [f"{r.mean():.4g} ({low:.4g} to {high:.4g})".split() for r, (low, high) in zip(right, ends)]
    table = [f"{r.mean():.4f} ({end.low:.4f} to {end.high:.4f})".split() for r, end in zip(right, ends)]
    assert [line(text, start)[-4:] for start in ("1  ", "2  ")] == table
    assert line(text, "test/accuracy") == ["test/accuracy", *cells[0], *cells[1]]
    assert "accuracy_low" not in text
    assert "only/" not in text
    assert path.parent.parent == tmp_path / "comparisons"
    assert (path.parent / "figures" / "curves.png").exists()
    assert not list(path.parent.parent.glob(".partial*"))
    browser.check(path)
    again, _ = compare([one, two], tmp_path)
    assert again != path
    assert path.exists()


def test_runs_on_other_images_have_no_test(tmp_path):
    ids = np.arange(30)
    first = finished(tmp_path, ids > 5, ids, seed=1)
    others = [
        finished(tmp_path, ids > 5, ids + 100, seed=2),
        finished(tmp_path, ids > 5, ids, name="other", seed=3),
        finished(tmp_path, ids > 5, ids, labels=(ids + 1) % 3, seed=4),
    ]
    for other in others:
        path, text = compare([first, other], tmp_path)
        assert "1, 2" not in text
        assert "Runs 1 and 2 were not tested on the same images: their accuracies are not compared." in text
        assert "disagree" not in text
        assert not (path.parent / "disagreements.csv").exists()


def test_versions_of_an_image_are_one_cluster(tmp_path):
    """Five severities of 40 images, on which each run is right in all five or in none: as sure as of 40 images."""
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 40)) < [[0.5], [0.8]]
    ids = np.arange(40)
    versions = (ids + ID_STEP * np.arange(1, 6)[:, None]).ravel()
    labels = np.tile(ids % 3, 5)
    folders = [
        finished(tmp_path, np.tile(right, 5), versions, labels, seed=seed)
        for seed, right in enumerate((first, second), start=1)
    ]
    path, text = compare(folders, tmp_path)
    known = paired.difference(first, second)
    expected = f"{known['low']:+.4f} to {known['high']:+.4f} {known['p']:.2g} {known['p']:.2g}".split()
    row = line(text, "1, 2")
    assert row[2:5] == ["200", "of", "40"]
    assert row[-5:] == expected
    assert all(line(text, start)[4:7] == ["200", "of", "40"] for start in ("1  ", "2  "))
    assert [f"({low:.4g}" for low, _ in map(intervals.accuracy, (first, second))] == line(text, "test/accuracy")[2::4]
    for said in (text, html.unescape(path.read_text())):
        assert "p is from an exact sign-flip test over base images, not McNemar's" in said
    plain_runs = [finished(tmp_path, right, ids, seed=seed) for seed, right in enumerate((first, second), start=3)]
    _, text = compare(plain_runs, tmp_path)
    assert line(text, "1, 2")[-5:] == expected
    assert "sign-flip" not in text


def test_three_runs_are_adjusted(tmp_path):
    ids = np.arange(60)
    folders = [finished(tmp_path, ids % 10 >= wrong, ids, seed=wrong) for wrong in (5, 3, 1)]
    _, text = compare(folders, tmp_path)
    p, adjusted = zip(*(line(text, pair)[-2:] for pair in ("1, 2", "1, 3", "2, 3")))
    assert float(adjusted[1]) == pytest.approx(3 * float(p[1]), rel=0.05)  # the smallest, times three pairs
    assert f"p = {adjusted[1]}, adjusted for 3 pairs)." in text


def test_what_a_test_cannot_tell_is_said(tmp_path):
    """The better one first in the numbers; the one ahead and its interval turned round where it is the first."""
    ids = np.arange(40)
    folders = [finished(tmp_path, ids % 10 >= wrong, ids, seed=wrong) for wrong in (1, 2)]
    _, text = compare(folders, tmp_path)
    known = paired.difference(ids % 10 >= 1, ids % 10 >= 2)
    ends = f"95% interval {-known['high']:+.4f} to {-known['low']:+.4f}"
    expected = f"0.9000 against 0.8000 on the same 40 test images, +0.1000 ({ends}; p = {known['p']:.2g})."
    assert f"Whether run 1 or run 2 is better, this test cannot tell: {expected}" in text


def test_runs_that_always_agree(tmp_path):
    ids = np.arange(30)
    path, text = compare([finished(tmp_path, ids > 5, ids, seed=seed) for seed in (1, 2)], tmp_path)
    assert "cannot tell" in text
    assert "Images on which" not in text
    assert "Images on which runs 1, 2 disagree: 0 of 30" in path.read_text()


@pytest.mark.parametrize("count", [0, 1])
def test_one_run_is_no_comparison(tmp_path, count):
    folders = [finished(tmp_path, np.ones(3, bool), np.arange(3), seed=0)][:count]
    with pytest.raises(InputError, match="at least two"):
        compare(folders, tmp_path)
    with pytest.raises(InputError, match="at least two, each once"):
        compare(folders * 2, tmp_path)
    assert not (tmp_path / "comparisons").exists()


def test_no_run(tmp_path):
    with pytest.raises(InputError, match="is not a finished run"):
        compare([tmp_path, tmp_path / "other"], tmp_path)


def test_columns():
    assert plain([("", "a"), ("long", "1"), ("b", "222")]) == "        a\nlong    1\nb     222"
