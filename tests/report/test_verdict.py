"""The verdict says how good a network is, against what, and whether that is sure."""

import numpy as np
import pytest
from scipy import stats

from tfxfer import features, report, runs
from tfxfer.report.sections import baselines, verdict
from tfxfer.runs import loading

CLASSES = ["cat", "dog", "<b>"]


def finished(folder, right, before=None, n=300, counts=(50, 30, 20), **metrics):
    """A run with n test images, evenly of three classes: which of them are right, and which the probe had right."""
    labels = np.arange(n) % 3
    predicted = np.where(right, labels, (labels + 1) % 3)
    with runs.Run("trial", {}, folder) as run:
        run.facts |= {"data": {"name": "made", "origin": "here", "sizes": {"test": n}}, "classes": CLASSES}
        run.facts["dataset"] = {"counts": {"train": list(counts)}}
        run.metrics |= metrics
        banks = {"test": features.Bank({"logits": np.eye(3)[predicted] * 4}, labels, np.arange(n))}
        if before is not None:
            run.metrics["before/probe_accuracy"] = float(np.mean(before))
            probe = np.where(before, labels, (labels + 1) % 3)
            banks["before"] = features.Bank({"probe": probe}, labels, np.arange(n))
        run.save(banks)
    return loading.load(run.final)


def text(run):
    return " ".join(verdict.sections(run))


def test_the_accuracy_comes_with_its_interval_and_the_majority_class(tmp_path):
    run = finished(tmp_path, np.arange(300) >= 30)
    known = stats.binomtest(270, 300).proportion_ci(method="wilson")
    said = text(run)
    right = "<strong>90.0%</strong> of 300 test images are classified correctly"
    assert f"{right} (95% interval {100 * known.low:.1f}% to" in said
    assert "always “cat”, the most frequent class" in said
    assert "<td>0.3333</td>" in said
    assert "This is not clearly better" not in said


def test_fine_tuning_helped_on_the_same_images(tmp_path):
    """60 images gained, none lost; as McNemar's and Agresti and Min's interval have it."""
    after, before = np.arange(300) >= 30, np.arange(300) >= 90
    run = finished(tmp_path, after, before)
    (baseline,) = baselines.measured(run)
    difference, low, high = baselines.gain(run, baseline)
    middle, more = 60 / 302, 302
    error = np.sqrt((60 * (1 - middle) ** 2 + 240 * middle**2 + (1 + 2 * middle**2)) / more**2)
    assert difference == 0.2
    assert (low, high) == pytest.approx((middle - 1.959964 * error, middle + 1.959964 * error), abs=1e-6)
    assert "<strong>Fine-tuning helped by 20.0 points</strong>" in text(run)


def test_fine_tuning_did_not_help(tmp_path):
    same = np.arange(300) >= 30
    assert "Fine-tuning did not help, as far as this test can tell</strong>: the difference is +0.0" in text(
        finished(tmp_path / "same", same, same)
    )
    assert "Fine-tuning did not help: it cost 20.0 points</strong>" in text(
        finished(tmp_path / "worse", np.arange(300) >= 90, same)
    )


def test_a_search_that_chose_the_frozen_network_compares_it_with_no_tuning(tmp_path):
    same = np.arange(300) >= 30
    run = finished(tmp_path, same, same)
    run.facts["search"] = {"trained": False}
    said = text(run)
    assert "a linear head on the pretrained network as it is, which was therefore chosen." in said
    assert "as far as this test can tell" not in said
    assert "probe on frozen features" in said


def test_without_the_images_the_interval_is_newcombes(tmp_path):
    """His example (1998, table II, method 10): 56 of 70 against 48 of 80 is 0.2, 0.0524 to 0.3339."""
    run = finished(tmp_path, np.arange(70) < 56, n=70)
    other = baselines.Baseline("other", "fine-tuning", 48 / 80, 80)
    assert baselines.gain(run, other) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)


def test_the_worst_class_is_named_with_what_it_is_taken_for(tmp_path):
    right = (np.arange(300) % 3 != 1) | (np.arange(300) >= 90)  # 30 of 100 dogs are wrong
    assert (
        "Worst class: <strong>dog</strong>, 70 of 100 recognised (70%, 95% interval 60% to 78%), most often taken "
        in (said := text(finished(tmp_path, right)))
    )
    assert "for &lt;b&gt;." in said


@pytest.mark.parametrize(("n", "small"), [(30, True), (3000, False)])
def test_a_small_test_is_said_to_be_small(tmp_path, n, small):
    said = text(finished(tmp_path, np.arange(n) % 10 > 0, n=n))
    assert ("The test is small: on 30 images an accuracy is known to 11 points either way" in said) is small
    assert ("Each class has fewer than 20 test images" in said) is small


def test_no_better_than_the_majority(tmp_path):
    labels = np.arange(60) % 3
    assert "This is not clearly better than always “cat”" in text(finished(tmp_path, labels == 0, n=60))


def test_no_verdict_where_nothing_was_tested(tmp_path):
    with runs.Run("trial", {}, tmp_path) as run:
        run.facts |= {"data": {"name": "made", "origin": "here", "sizes": {"test": 4}}, "classes": ["a", "b"]}
        run.save({"own": features.Bank({}, np.zeros(0, int), np.zeros(0, int))})
    assert verdict.sections(loading.load(run.final)) == []
    assert "Verdict" not in report.write(run.final).read_text()
