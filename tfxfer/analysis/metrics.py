"""How good predictions are, and how well clusters separate, as numbers."""

import math
from collections.abc import Sequence

import numpy as np
from sklearn import metrics
from sklearn.neighbors import NearestNeighbors

from tfxfer.core.errors import InputError

SCORES = ("precision", "recall", "f1")  # of `per_class`


def accuracy(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Share of right predictions; integer labels (n,) both."""
    return float(metrics.accuracy_score(labels, predicted))


def per_class(labels: np.ndarray, predicted: np.ndarray, classes: Sequence[str]) -> list[dict[str, str | float]]:
    """Precision, recall, F1 and support of each class, in the classes' order.

    All three scores of a class without examples are NaN: nothing is known of it. A class that is never predicted has
    precision 0, as in scikit-learn.
    """
    columns = metrics.precision_recall_fscore_support(
        labels, predicted, labels=np.arange(len(classes)), zero_division=0.0
    )
    rows = [
        {"class": name, **dict(zip((*SCORES, "support"), map(float, row), strict=True))}
        for name, *row in zip(classes, *columns, strict=True)
    ]
    return [row if row["support"] else row | dict.fromkeys(SCORES, math.nan) for row in rows]


def macro(rows: Sequence[dict[str, str | float]]) -> dict[str, float]:
    """Plain means of the scores of `per_class` over the classes that have examples; NaN if none has."""
    tested = [row for row in rows if row["support"]]
    return {name: float(np.mean([row[name] for row in tested])) if tested else math.nan for name in SCORES}


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """int64 (classes, classes): row, the true class; column, the predicted one."""
    return metrics.confusion_matrix(labels, predicted, labels=np.arange(classes))


def confused_pairs(matrix: np.ndarray, classes: Sequence[str], n: int = 5) -> list[dict[str, str | float]]:
    """What is taken for what most often: at most n rows of true, predicted, images, and their share of the true class.

    Args:
        matrix: int (C, C), of `confusion`; pairs that never occur are left out.
        classes: C names.
    """
    wrong = np.where(np.eye(len(matrix), dtype=bool), 0, matrix)
    order = np.argsort(-wrong, axis=None, kind="stable")[:n]
    pairs = [pair for pair in zip(*np.unravel_index(order, wrong.shape)) if wrong[pair]]
    return [
        {"true": classes[i], "predicted": classes[j]}
        | {"images": float(wrong[i, j]), "share": float(wrong[i, j] / matrix[i].sum())}
        for i, j in pairs
    ]


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> list[dict[str, float]]:
    """Confidence, the highest probability, beside accuracy (Guo et al. 2017, arXiv:1706.04599).

    Args:
        probabilities: float (n, C), rows that sum to 1.
        labels: integers (n,) from 0 to C - 1.
        bins: of equal width, ((b - 1) / bins, b / bins].

    Returns:
        A row for each bin that is not empty: mean confidence, accuracy, and count of examples.
    """
    probabilities, labels = np.asarray(probabilities, np.float64), np.asarray(labels)
    if probabilities.ndim != 2 or labels.shape != (len(probabilities),) or len(labels) == 0 or bins < 1:
        raise InputError(
            f"probabilities {probabilities.shape}, labels {labels.shape}, bins {bins}: expected (n, C), (n,) and 1 or "
            "more"
        )
    if not np.all(np.abs(probabilities.sum(1) - 1) < 1e-3):
        raise InputError("probabilities of an example do not sum to 1: expected a softmax's output, not logits")
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    number = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return [
        {
            "confidence": float(confidence[number == b].mean()),
            "accuracy": float(right[number == b].mean()),
            "count": float((number == b).sum()),
        }
        for b in np.unique(number)
    ]


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Mean distance, in [0, 1], of accuracy from confidence over the bins of `reliability`, by their examples."""
    rows = reliability(probabilities, labels, bins)
    return sum(row["count"] * abs(row["accuracy"] - row["confidence"]) for row in rows) / len(labels)


def auroc(inside: np.ndarray, outside: np.ndarray) -> float:
    """How well a score, higher for what a model was made for, tells it from what it was not.

    Args:
        inside, outside: finite float (n,) and (m,), such as confidences of test images and of other pictures.

    Returns:
        Area under the ROC curve: the chance that one of the first is above one of the second, equal ones half.
    """
    if len(inside) == 0 or len(outside) == 0:
        raise InputError(f"{len(inside)} scores inside, {len(outside)} outside: expected at least one of each")
    return float(
        metrics.roc_auc_score(np.repeat([1, 0], [len(inside), len(outside)]), np.concatenate([inside, outside]))
    )


def silhouette(embedding: np.ndarray, labels: np.ndarray) -> float:
    """Mean silhouette coefficient in [-1, 1] (Rousseeuw 1987), Euclidean: 1 for tight, distant classes."""
    return float(metrics.silhouette_score(embedding, labels))


def knn_purity(embedding: np.ndarray, labels: np.ndarray, k: int = 10) -> float:
    """Mean share, in [0, 1], of the k nearest neighbours (Euclidean, the point itself left out) of its own class."""
    k = min(k, len(labels) - 1)
    # without an argument, kneighbors leaves each point out of its own neighbours
    nearest = NearestNeighbors(n_neighbors=k).fit(embedding).kneighbors(return_distance=False)
    return float(np.mean(labels[nearest] == labels[:, None]))
