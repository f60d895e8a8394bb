"""The smaller parts of a search: journal, folds, settings, scores, variants, advice."""

import numpy as np
import pytest
from sklearn import metrics

from tfxfer import data
from tfxfer.recipes.shared.search import advice, exploration, folds, refinement, scores
from tfxfer.recipes.shared.search.journal import Journal
from tfxfer.recipes.shared.search.settings import Setting
from tfxfer.train import moved_tail


def test_a_step_is_taken_once(tmp_path):
    taken = []

    def make():
        taken.append(1)
        return {"found": len(taken)}

    first = Journal(tmp_path)
    assert first.step("one", make, "train")["found"] == 1
    spent = first.spent
    again = Journal(tmp_path)
    assert again.step("one", make, "train")["found"] == 1
    assert again.spent == spent == again.by_kind()["train"] > 0
    assert taken == [1]


def test_a_step_that_failed_leaves_nothing(tmp_path):
    journal = Journal(tmp_path)
    with pytest.raises(KeyError):
        journal.step("one", lambda: {}["missing"])
    assert list(tmp_path.iterdir()) == []
    assert journal.step("one", lambda: {"found": 2})["found"] == 2


def test_arrays_come_back_in_their_order(tmp_path):
    journal, arrays = Journal(tmp_path), [np.arange(number + 1, dtype=np.float32) for number in range(12)]
    journal.keep("net", arrays)
    for array, again in zip(arrays, journal.kept("net"), strict=True):
        np.testing.assert_array_equal(array, again)


def test_few_images_are_folded():
    """Every image of training and validation is held out once, with its own label, and no test image is in it."""
    splits = data.load("digits", limit=100)
    parts = folds.divide(splits, seed=0)
    known = {
        id_: label for part in ("train", "validation") for id_, label in zip(splits.ids[part], splits.rows[part].labels)
    }
    assert len(parts) == 5
    held_out = np.concatenate([fold.splits.ids["validation"] for fold in parts])
    assert sorted(held_out) == sorted(known)
    for fold in parts:
        assert not fold.whole
        assert not set(fold.splits.ids["train"]) & set(fold.splits.ids["validation"])
        np.testing.assert_array_equal(fold.splits.ids["test"], splits.ids["test"])
        for part in ("train", "validation"):
            assert [known[id_] for id_ in fold.splits.ids[part]] == fold.splits.rows[part].labels.tolist()
        assert set(fold.splits.rows["train"].labels) == set(range(10))
    first, whole = parts[0].splits, splits.rows["train"]
    place = {id_: row for row, id_ in enumerate(splits.ids["train"])}
    here = next(row for row, id_ in enumerate(first.ids["train"]) if id_ in place)
    np.testing.assert_array_equal(first.rows["train"].images[here], whole.images[place[first.ids["train"][here]]])


def test_many_images_are_not_folded():
    (fold,) = folds.divide(data.load("digits"), seed=0)
    assert fold.whole


def test_scores_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(50, 4)), rng.integers(0, 4, 50)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    found = moved_tail.figures(logits, labels)
    assert found["val_accuracy"] == pytest.approx(metrics.accuracy_score(labels, logits.argmax(1)))
    assert found["val_balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(labels, logits.argmax(1)))
    assert found["val_loss"] == pytest.approx(metrics.log_loss(labels, probabilities))


def test_the_goal_decides_and_then_the_loss():
    one = {"val_accuracy": 0.9, "val_balanced_accuracy": 0.7, "val_loss": 0.3}
    other = {"val_accuracy": 0.9, "val_balanced_accuracy": 0.8, "val_loss": 0.4}
    best = {goal: max((one, other), key=lambda row: scores.merit(row, goal)) for goal in scores.GOALS}
    assert best == {"accuracy": one, "balanced_accuracy": other, "log_loss": one}


def test_settings_say_what_they_are():
    setting = Setting("cnn", "conv2", 3e-4, "flips", 0.1, 0.2)
    assert setting.text == (
        "cnn, conv2 and on, rate 0.0003, small shifts, rotations, zooms, mirrored, decay towards pretrained weights "
        "0.1, mixup 0.2"
    )
    assert Setting(**setting.record()) == setting
    assert Setting("cnn").text == "cnn, head alone, rate 0.001"


def test_the_middle_depth_is_tried_first():
    grid = exploration.grid(["cnn"], ["dense", "conv3", "conv2", "conv1"])
    assert {setting.depth for setting in grid[:2]} == {"conv3", "conv2"}
    assert [setting.learning_rate for setting in grid] == [1e-3] * 4 + [3e-4] * 4


def test_variants_are_different_and_mirror_only_where_it_does_no_harm():
    best = [Setting("cnn", "conv2"), Setting("cnn", "dense")]
    for mirror, kind in ((True, "flips"), (False, "small")):
        found = refinement.variants(best, mirror)
        assert len(set(found)) == len(found) == 4
        assert {setting.augment for setting in found} == {kind, "none"}
        assert found[-1].depth == "dense"


def curve(gain, low, high):
    return {"twice": {"images": 2000, "gain": gain, "gain_interval": (low, high)}}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            curve(0.02, 0.01, 0.03),
            "Collect more pictures: twice as many (2,000) would bring about 2.0 points (1.0 to 3.0)",
        ),
        (curve(0.001, 0.0, 0.004), "More pictures of the same kind will hardly help"),
        (curve(0.02, -0.01, 0.05), "uncertain with so few validation images"),
        (None, "too few pictures"),
    ],
)
def test_advice_on_more_pictures(found, expected):
    assert expected in advice.more_images(found)


def test_advice_on_classes_and_labels():
    rows = [{"class": "cat", "support": 10.0, "recall": 0.5}, {"class": "dog", "support": 10.0, "recall": 0.9}]
    pairs = [{"true": "cat", "predicted": "dog", "images": 5.0, "share": 0.5}]
    assert "Look at cat, of which 50% are recognised, and at cat taken for dog (5" in advice.classes_to_look_at(
        rows, pairs
    )
    assert "No class stands out" in advice.classes_to_look_at(rows, [])
    said = advice.labels_to_check({"duplicate_groups": 3, "leaking_groups": 2}, 24)
    assert said.startswith("Remove the 2 pictures")
    assert "check the labels that the report calls suspicious (24 are shown)" in said
    assert "Look at the 5 test pictures that have a near-copy" in advice.labels_to_check({"duplicate_groups": 0}, 0, 5)
    assert "need no check" in advice.labels_to_check({"duplicate_groups": 0}, 0)
