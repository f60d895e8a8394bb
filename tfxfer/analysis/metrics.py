"""How good predictions are, how well probabilities are calibrated, and how well classes separate, as numbers."""

import math
from collections.abc import Sequence

import numpy as np
from sklearn import metrics
from sklearn.neighbors import NearestNeighbors

from tfxfer.core.errors import InputError

SCORES = ("precision", "recall", "f1")  # in the rows of `per_class`


def accuracy(labels: np.ndarray, predicted: np.ndarray) -> float:
    """The share of right predictions, in [0, 1]; labels and predictions are integers (n,)."""
    return float(metrics.accuracy_score(labels, predicted))


def per_class(labels: np.ndarray, predicted: np.ndarray, classes: Sequence[str]) -> list[dict[str, str | float]]:
    """Computes precision, recall, F1 and support of each class.

    The three scores of a class without examples are NaN, as nothing is known about it. A class that is never predicted
    has precision 0, as in scikit-learn.

    Args:
        labels, predicted: integers (n,) from 0 to C - 1.
        classes: the C names of the classes.

    Returns:
        A row for each class, in their order: "class", its name; "precision", "recall" and "f1", in [0, 1]; and
        "support", its number of examples.
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
    """The means of the scores of `per_class` over the classes that have examples; NaN if none has."""
    tested = [row for row in rows if row["support"]]
    return {name: float(np.mean([row[name] for row in tested])) if tested else math.nan for name in SCORES}


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """The confusion matrix, int64 (classes, classes): a row for each true class, a column for each predicted one."""
    return metrics.confusion_matrix(labels, predicted, labels=np.arange(classes))


def confused_pairs(matrix: np.ndarray, classes: Sequence[str], n: int = 5) -> list[dict[str, str | float]]:
    """Lists the confusions that occur most often.

    Args:
        matrix: integers (C, C), from `confusion`.
        classes: the C names of the classes.
        n: how many pairs to list; pairs that never occur are left out.

    Returns:
        Rows of "true" and "predicted", names of classes; "images", how often one was taken for the other; and "share",
        their share of the images of the true class.
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
    """Compares confidence, which is the highest probability, with accuracy (Guo et al. 2017, arXiv:1706.04599).

    Args:
        probabilities: float (n, C), in [0, 1]; each row sums to 1.
        labels: integers (n,) from 0 to C - 1.
        bins: the number of bins of confidence, of equal width: ((b - 1) / bins, b / bins].

    Returns:
        A row for each bin that is not empty: its mean "confidence", its "accuracy" and its "count" of examples.

    Raises:
        InputError: arrays of other shapes, no examples, or rows that do not sum to 1.
    """
    probabilities, labels = np.asarray(probabilities, np.float64), np.asarray(labels)
    if probabilities.ndim != 2 or labels.shape != (len(probabilities),) or len(labels) == 0 or bins < 1:
        raise InputError(
            f"probabilities {probabilities.shape}, labels {labels.shape}, bins {bins}: expected (n, C), (n,) and 1 or "
            "more"
        )
    if not np.all(np.abs(probabilities.sum(1) - 1) < 1e-3):
        raise InputError("the probabilities of an example do not sum to 1: expected a softmax's output, not logits")
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
    """The mean difference between accuracy and confidence, in [0, 1], over the bins of `reliability`.

    Each bin counts by its examples (Guo et al. 2017, arXiv:1706.04599).

    Args:
        probabilities: float (n, C), in [0, 1]; each row sums to 1.
        labels: integers (n,) from 0 to C - 1.
        bins: the number of bins.
    """
    rows = reliability(probabilities, labels, bins)
    return sum(row["count"] * abs(row["accuracy"] - row["confidence"]) for row in rows) / len(labels)


def auroc(inside: np.ndarray, outside: np.ndarray) -> float:
    """Measures how well a score separates examples that a model was made for from others.

    Args:
        inside: finite float (n,), scores of examples that should be high, such as the confidences of test images.
        outside: finite float (m,), scores of other examples, such as images of something else.

    Returns:
        The area under the ROC curve, in [0, 1]: the probability that a random score of the first is higher than one of
        the second, where equal scores count half.

    Raises:
        InputError: no scores inside, or none outside.
    """
    if len(inside) == 0 or len(outside) == 0:
        raise InputError(f"{len(inside)} scores inside, {len(outside)} outside: expected at least one of each")
    return float(
        metrics.roc_auc_score(np.repeat([1, 0], [len(inside), len(outside)]), np.concatenate([inside, outside]))
    )


def silhouette(embedding: np.ndarray, labels: np.ndarray) -> float:
    """The mean silhouette coefficient (Rousseeuw 1987, doi:10.1016/0377-0427(87)90125-7) of classes in an embedding.

    Args:
        embedding: float (n, d), compared by Euclidean distance.
        labels: integers (n,), of at least 2 and at most n - 1 classes.

    Returns:
        A number in [-1, 1]: near 1 for tight classes far apart, near 0 for overlapping ones.

    Example:
        >>> import numpy as np
        >>> from tfxfer import analysis
        >>> embedding = np.array([[0.0, 0.0], [0.0, 1.0], [10.0, 0.0], [10.0, 1.0]])
        >>> round(analysis.silhouette(embedding, np.array([0, 0, 1, 1])), 2)
        0.9
        >>> analysis.silhouette(embedding, np.array([0, 1, 0, 1])) < 0
        True
    """
    return float(metrics.silhouette_score(embedding, labels))


def knn_purity(embedding: np.ndarray, labels: np.ndarray, k: int = 10) -> float:
    """The mean share of an example's nearest neighbours that are of its own class.

    Args:
        embedding: float (n, d), compared by Euclidean distance.
        labels: integers (n,).
        k: the number of neighbours, the example itself not counted; n - 1 if that is less.

    Returns:
        A number in [0, 1].
    """
    k = min(k, len(labels) - 1)
    # without an argument, kneighbors does not count a point among its own neighbours
    nearest = NearestNeighbors(n_neighbors=k).fit(embedding).kneighbors(return_distance=False)
    return float(np.mean(labels[nearest] == labels[:, None]))
