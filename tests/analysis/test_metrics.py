import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from tfxfer.analysis import metrics
from tfxfer.core.errors import InputError


def test_accuracy_and_confusion_by_hand():
    labels, predicted = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1])
    assert metrics.accuracy(labels, predicted) == 0.5
    expected = [[1, 1, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(metrics.confusion(labels, predicted, 4), expected)


def test_per_class_by_hand():
    """Class b: two right of four predicted, two of two found; class c is never predicted; class d never there, though
    predicted once, and class e neither."""
    rows = metrics.per_class(np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 1, 1, 1, 3]), list("abcde"))
    assert [row["class"] for row in rows] == list("abcde")
    assert rows[1] == {"class": "b", "precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 2.0}
    assert rows[2]["precision"] == rows[2]["recall"] == rows[2]["f1"] == 0.0
    assert [row["support"] for row in rows] == [2.0, 2.0, 2.0, 0.0, 0.0]
    for row in rows[3:]:
        assert np.isnan([row[name] for name in metrics.SCORES]).all()


def test_classes_without_images_do_not_count_in_means():
    labels, predicted = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 1, 1, 1, 2])
    rows = metrics.per_class(labels, predicted, list("abcde"))
    means = metrics.macro(rows)
    known = precision_recall_fscore_support(labels, predicted, average="macro")[:3]  # of the three classes there are
    assert tuple(means.values()) == pytest.approx(known)
    assert means == metrics.macro(rows[:3])
    assert np.isnan(list(metrics.macro(rows[3:]).values())).all()


def test_confused_pairs_by_hand():
    """Of 10 of class a, 3 are called b and 1 c; of 4 of class c, 3 are called a; equal ones in the matrix's order."""
    matrix, classes = np.array([[6, 3, 1], [0, 9, 0], [3, 0, 1]]), ["a", "b", "c"]
    rows = metrics.confused_pairs(matrix, classes)
    expected = [("a", "b", 3.0, 0.3), ("c", "a", 3.0, 0.75), ("a", "c", 1.0, 0.1)]
    assert [tuple(row.values()) for row in rows] == expected
    assert set(rows[0]) == {"true", "predicted", "images", "share"}
    assert metrics.confused_pairs(matrix, classes, 1) == rows[:1]
    assert metrics.confused_pairs(np.diag([1, 2, 3]), classes) == []


PROBABILITIES = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.5, 0.5], [1.0, 0.0]])


def test_calibration_by_hand():
    """Two bins: confidence 0.5 is in (0, 0.5], right; the others, 0.85 in the mean, are right in half the cases."""
    labels = np.array([0, 1, 1, 0, 1])
    low, high = metrics.reliability(PROBABILITIES, labels, bins=2)
    assert low == {"confidence": 0.5, "accuracy": 1.0, "count": 1.0}
    assert high == {"confidence": pytest.approx(0.85), "accuracy": 0.5, "count": 4.0}
    error = metrics.expected_calibration_error(PROBABILITIES, labels, bins=2)
    assert error == pytest.approx((0.5 + 4 * 0.35) / 5)


def test_calibration_of_an_honest_model():
    """Labels drawn by the probabilities: what is left is noise; taken to the power 4, the model is too sure."""
    rng = np.random.default_rng(0)
    p = rng.dirichlet([1, 1, 1], 20_000)
    labels = (rng.random((len(p), 1)) > np.cumsum(p, 1)).sum(1)
    assert metrics.expected_calibration_error(p, labels) < 0.02
    assert metrics.expected_calibration_error(p.astype(np.float32), labels) < 0.02
    sure = p**4 / (p**4).sum(1, keepdims=True)
    rows = metrics.reliability(sure, labels, 10)
    assert sum(row["count"] for row in rows) == len(p)
    assert all(row["accuracy"] < row["confidence"] for row in rows)


def test_auroc_by_hand():
    """Of the six pairs, 0.9 is above all three, 0.4 above 0.1 and equal to 0.4: 4.5 of 6."""
    assert metrics.auroc(np.array([0.9, 0.4]), np.array([0.5, 0.4, 0.1])) == pytest.approx(4.5 / 6)
    assert metrics.auroc(np.ones(3), np.zeros(5)) == 1.0


def test_calibration_of_bad_input():
    with pytest.raises(InputError, match="sum to 1"):
        metrics.reliability(PROBABILITIES * 3, np.zeros(5, int))
    with pytest.raises(InputError, match=r"labels \(4,\)"):
        metrics.reliability(PROBABILITIES, np.zeros(4, int))
    with pytest.raises(InputError, match="0 outside"):
        metrics.auroc(np.ones(2), np.ones(0))


def test_silhouette_by_hand():
    """Two pairs at distance 1, 10 apart on a line: a = 1, b = mean distance to the other pair."""
    x, labels = np.array([[0.0], [1.0], [10.0], [11.0]]), np.array([0, 0, 1, 1])
    inner, outer = 1 - 1 / 9.5, 1 - 1 / 10.5
    assert metrics.silhouette(x, labels) == pytest.approx((inner + outer) / 2)


def test_knn_purity_by_hand():
    """Nearest of 0 is 1 (same), of 1 is 0 (same), of 2.5 is 1 (other), of 10 is 2.5 (same)."""
    x, labels = np.array([[0.0], [1.0], [2.5], [10.0]]), np.array([0, 0, 1, 1])
    assert metrics.knn_purity(x, labels, k=1) == 0.75
    assert metrics.knn_purity(x, labels, k=99) == pytest.approx(1 / 3)  # all three others


def test_knn_purity_by_brute_force():
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(40, 5)), rng.integers(0, 3, 40)
    distance = np.linalg.norm(x[:, None] - x[None], axis=-1) + np.diag(np.full(40, np.inf))
    nearest = np.argsort(distance, axis=1)[:, :10]
    assert metrics.knn_purity(x, labels) == pytest.approx(np.mean(labels[nearest] == labels[:, None]))
