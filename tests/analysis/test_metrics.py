import numpy as np
import pytest

from tfxfer.analysis import metrics


def test_accuracy_and_confusion_by_hand():
    labels, predicted = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1])
    assert metrics.accuracy(labels, predicted) == 0.5
    expected = [[1, 1, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(metrics.confusion(labels, predicted, 4), expected)


def test_per_class_by_hand():
    """Class b: two right of four predicted, two of two found; class c is never predicted; class d never there."""
    rows = metrics.per_class(np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 1]), ["a", "b", "c", "d"])
    assert [row["class"] for row in rows] == ["a", "b", "c", "d"]
    assert rows[1] == {"class": "b", "precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 2.0}
    assert rows[2]["precision"] == rows[2]["f1"] == rows[3]["recall"] == 0.0
    assert [row["support"] for row in rows] == [2.0, 2.0, 1.0, 0.0]


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
