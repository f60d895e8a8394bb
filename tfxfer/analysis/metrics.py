"""How good predictions are, and how well clusters separate, as numbers."""

import numpy as np
from sklearn import metrics
from sklearn.neighbors import NearestNeighbors


def accuracy(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Share of right predictions; integer labels (n,) both."""
    return float(metrics.accuracy_score(labels, predicted))


def per_class(labels: np.ndarray, predicted: np.ndarray, classes: list[str]) -> list[dict[str, str | float]]:
    """Precision, recall, F1 and support of each class, in the classes' order; 0 where a figure is undefined."""
    columns = metrics.precision_recall_fscore_support(
        labels, predicted, labels=np.arange(len(classes)), zero_division=0.0
    )
    names = ("precision", "recall", "f1", "support")
    return [
        {"class": name, **dict(zip(names, map(float, row), strict=True))}
        for name, *row in zip(classes, *columns, strict=True)
    ]


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """int64 (classes, classes): row, the true class; column, the predicted one."""
    return metrics.confusion_matrix(labels, predicted, labels=np.arange(classes))


def silhouette(embedding: np.ndarray, labels: np.ndarray) -> float:
    """Mean silhouette coefficient in [-1, 1] (Rousseeuw 1987), Euclidean: 1 for tight, distant classes."""
    return float(metrics.silhouette_score(embedding, labels))


def knn_purity(embedding: np.ndarray, labels: np.ndarray, k: int = 10) -> float:
    """Mean share, in [0, 1], of the k nearest neighbours (Euclidean, the point itself left out) of its own class."""
    k = min(k, len(labels) - 1)
    # without an argument, kneighbors leaves each point out of its own neighbours
    nearest = NearestNeighbors(n_neighbors=k).fit(embedding).kneighbors(return_distance=False)
    return float(np.mean(labels[nearest] == labels[:, None]))
