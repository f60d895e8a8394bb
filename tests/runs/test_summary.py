"""The summary of a run: its rows, in which order, and where they come from."""

import sys

import numpy as np
import pytest
from scipy import stats

from tfxfer import features, runs
from tfxfer.runs import loading, summary

CLASSES = ["cat", "dog", "[red]bird"]


@pytest.fixture
def record(tmp_path):
    """Records a run of twelve test images of three classes, of which the network gets five, three and one right."""

    def make(metrics=None, bank=True, **facts):
        labels = np.repeat([0, 1, 2], [5, 4, 3])
        predicted = np.array([0, 0, 0, 0, 0, 1, 1, 1, 0, 2, 1, 1])
        with runs.Run("trial", {"backbone": "cnn"}, tmp_path) as run:
            run.facts |= {"data": {"name": "pets", "sizes": {"test": 12}}, "classes": CLASSES} | facts
            run.metrics |= metrics or {}
            test = features.Bank({"logits": np.eye(3)[predicted]}, labels, np.arange(12))
            run.save({"test": test} if bank else {})
        return loading.load(run.final)

    return make


def test_accuracy_largest_and_worst_class_are_those_of_the_test_images(record):
    rows = summary.rows(record())
    low, high = stats.binomtest(9, 12).proportion_ci(method="wilson")
    assert rows["Test accuracy"] == f"0.7500 (95% interval {low:.4f} to {high:.4f}) on 12 test images"
    assert rows["Largest class"] == f"always answering cat would have an accuracy of {5 / 12:.4f}"
    assert rows["Worst class"] == "[red]bird: 1 of 3 right, others mostly as dog"


def test_the_largest_class_is_that_of_the_training_images_where_they_were_counted(record):
    rows = summary.rows(record(dataset={"counts": {"train": [10, 90, 20]}}))
    assert rows["Largest class"] == f"always answering dog would have an accuracy of {4 / 12:.4f}"


def test_rows_of_the_recipe_come_first_and_stand_for_those_of_the_same_name(record):
    run = record(summary={"Choice": "cnn, all layers", "Test accuracy": "as the recipe says it"})
    rows = summary.rows(run)
    assert list(rows)[:3] == ["Choice", "Test accuracy", "Largest class"]
    assert rows["Test accuracy"] == "as the recipe says it"
    text = summary.text(run).splitlines()
    assert text[0] == "trial: cnn on pets"
    assert text[1].split(maxsplit=1) == ["Choice", "cnn, all layers"]


def test_long_texts_are_wrapped_for_a_terminal_but_paths_are_not(record, monkeypatch):
    run = record(summary={"advice": "Collect more pictures. " * 5 + "\nLook at dogs."})
    (run.dir / "report.html").touch()
    piped = summary.text(run).splitlines()
    assert len(piped[1]) > 110
    assert (piped[2].split(), piped[3].split()[0]) == (["Look", "at", "dogs."], "Test")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "dumb")
    *texts, report = summary.text(run).splitlines()
    assert max(map(len, texts)) <= 60
    assert [line.split()[0] for line in texts[1:4]] == ["Advice", "Collect", "Collect"]
    assert report.endswith(str(run.dir / "report.html"))


def test_a_run_without_a_network_has_what_it_has(record):
    run = record({"seconds/work": 61.2}, bank=False)
    assert summary.rows(run) == {"Time": "0:01:01"}
    assert summary.accuracy(run) == ""


def test_main_figures_have_their_intervals_and_deviations(record):
    metrics = {"before/probe_accuracy": 0.5, "scratch/accuracy": 0.25, "frozen/accuracy": float("nan")}
    metrics |= {"tuned_less_scratch/difference": 0.5, "tuned_less_scratch/low": 0.25, "tuned_less_scratch/high": 1.0}
    metrics |= {"tuned_less_frozen/difference": -0.125}
    rows = summary.rows(record(metrics))
    assert rows["Frozen features"] == "0.5000 by logistic regression"
    assert rows["From scratch"] == "0.2500"
    assert "Best depth" not in rows
    assert rows["All layers tuned"].startswith("+0.5000 (+0.2500 to +1.0000) above from scratch, -0.1250 above the")
    assert summary.accuracy(record({"test/accuracy_std": 0.125})) == "0.7500 ± 0.1250"
    assert summary.accuracy(record({"test/accuracy_std": 0.125, "test/accuracy_mean": 0.5})) == "0.5000 ± 0.1250"


def test_subjects_of_a_comparison_have_a_row_each(record):
    metrics = {"svm/test_accuracy": 0.5, "pixels/lda/test_accuracy": 0.25, "pixels/random_forest/test_accuracy": 0.75}
    metrics |= {"plain/accuracy": 0.5, "permuted/accuracy": 0.25}
    subjects = {"models": ["svm", "absent"], "feature_sets": ["pixels"], "permutation": ["", "groups/cnn/"]}
    run = record(metrics, subjects=subjects, model={"name": "cnn"})
    rows = summary.rows(run)
    assert rows["svm"] == "0.5000"
    assert rows["pixels"] == "0.2500 lda, 0.7500 random forest"
    assert rows["all images"] == "0.5000 with pixels in place, 0.2500 permuted"
    assert not rows.keys() & {"absent", "groups cnn"}
    run.metrics.update({f"groups/cnn/{key}": run.metrics[key] for key in ("plain/accuracy", "permuted/accuracy")})
    assert "all images" not in summary.rows(run)  # the same as of the sample, which is all of them
    del run.facts["arguments"]["backbone"]
    assert summary.rows(run)["Test accuracy"].endswith("on 12 test images, by cnn")


def test_what_the_run_wrote_is_named_with_the_command_that_uses_it(record):
    run = record()
    assert "Report" not in summary.rows(run)
    (run.dir / "report.html").touch()
    (run.dir / "saved_model").mkdir()
    (run.dir / "backbone.weights.h5").touch()
    rows = summary.rows(run)
    assert rows["Report"] == str(run.dir / "report.html")
    assert rows["Weights"] == str(run.dir / "backbone.weights.h5")
    assert list(rows.items())[-1] == ("Predict", f"tfxfer predict {run.dir} IMAGES")


def test_a_run_ends_with_it_and_its_path_is_the_last_line(record, capsys):
    run = record()
    lines = capsys.readouterr().out.splitlines()
    assert lines == [*summary.text(run).splitlines(), str(run.dir)]
    assert lines[-1] == str(run.dir)


def test_the_path_of_a_folder_is_said_once():
    assert summary.source({"name": "folder:/a/cats", "origin": "/a/cats"}) == "folder:/a/cats"
    assert summary.source({"name": "digits", "origin": "scikit-learn"}) == "digits from scikit-learn"
