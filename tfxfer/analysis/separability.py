"""Whether classes separate in an embedding: three numbers and three projections."""

from collections.abc import Mapping

import numpy as np

from tfxfer.analysis import metrics, probes, projection
from tfxfer.core.errors import InputError


def separation(
    train_x: np.ndarray, train_y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray, seed: int = 0
) -> tuple[dict[str, float], Mapping[str, np.ndarray]]:
    """Judges test features by a probe fitted to training features, by their silhouette, and by their neighbours.

    Args:
        train_x, test_x: float (n, d) and (m, d).
        train_y, test_y: integer labels (n,) and (m,).
        seed: random seed of probe and projections.

    Returns:
        Figures "probe_accuracy" (logistic regression), "silhouette" and "knn_purity", as `probes.probe` and `metrics`
        define them; and arrays: float (m, 2) for each of the projections "pca", "tsne" and "lle" of the test features,
        and "probe", int64 (m,), the classes that the probe predicts.

    Raises:
        InputError: too few images or classes to compare.
    """
    present = len(np.unique(test_y))
    if not 2 <= present < len(test_y) or len(test_y) < 4 or len(np.unique(train_y)) < 2:
        raise InputError(
            f"{len(test_y)} test images of {present} classes are too few to compare classes: raise limit or add images"
        )
    predicted = probes.fit(train_x, train_y, "logistic", seed).predict(test_x)
    figures = {
        "probe_accuracy": metrics.accuracy(test_y, predicted),
        "silhouette": metrics.silhouette(test_x, test_y),
        "knn_purity": metrics.knn_purity(test_x, test_y),
    }
    points = {method: projection.project(test_x, method, seed) for method in projection.METHODS}
    return figures, points | {"probe": predicted}
