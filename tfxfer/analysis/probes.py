"""Probes: how much a simple classifier makes of frozen features."""

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tfxfer.errors import InputError

METHODS = {
    "lda": lambda seed: LinearDiscriminantAnalysis(),
    "logistic": lambda seed: LogisticRegression(max_iter=2000, random_state=seed),
}


def probe(
    train_x: np.ndarray,
    train_y: np.ndarray,
    test_x: np.ndarray,
    test_y: np.ndarray,
    method: str = "lda",
    seed: int = 0,
) -> dict[str, float]:
    """Fits a classifier to standardised training features and scores it on others.

    Args:
        train_x, test_x: float (n, d); train_y, test_y: integer labels (n,).
        method: a key of `METHODS`.

    Returns:
        train_accuracy and test_accuracy, in [0, 1].
    """
    if method not in METHODS:
        raise InputError(f"probe {method!r}: expected one of {', '.join(METHODS)}")
    classifier = make_pipeline(StandardScaler(), METHODS[method](seed)).fit(train_x, train_y)
    return {
        "train_accuracy": float(classifier.score(train_x, train_y)),
        "test_accuracy": float(classifier.score(test_x, test_y)),
    }
