"""Cross-validation: how a linear probe does on images that it was not fitted to, without using test images."""

import warnings

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict
from sklearn.preprocessing import StandardScaler

from tfxfer.analysis.factorizations import span
from tfxfer.analysis.fitted_probe import as_labelled
from tfxfer.analysis.logistic import LogisticRegression
from tfxfer.core import live_lines
from tfxfer.core.errors import InputError

FOLDS = 5


@live_lines.line("cross-validation", after=live_lines.PATIENCE)
def predictions(x: np.ndarray, labels: np.ndarray, bases: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    """Predicts each example by a logistic regression (C = 1) fitted to the other four of five stratified folds.

    All features are standardised once, from all examples and no label. If there are more features than examples, they
    are rotated into the space that the examples span. That changes no prediction, and one factorization serves all
    folds.

    Args:
        x: float (n, d); n may be above or below d.
        labels: integers (n,) from 0, of at least two classes. A class of fewer than five examples is missing in some
            folds; if all are that small, there are as many folds as the largest class has examples.
        bases: integers (n,); examples with the same number, such as copies of one image, are in the same fold.
        seed: random seed of the folds.

    Returns:
        int64 (n,), the predicted labels.

    Raises:
        InputError: other shapes or types, numbers that are not finite, one class, no class with two examples, or not
            enough memory.
    """
    x, labels = as_labelled("cross-validated", x, labels)
    counts = np.bincount(labels)
    if np.count_nonzero(counts) < 2 or counts.max() < 2:
        raise InputError(
            f"cross-validation of {len(labels)} images of {np.count_nonzero(counts)} classes: expected at least two "
            "classes, and at least two images of one of them: raise limit"
        )
    scaled = StandardScaler().fit_transform(x)
    if len(x) < x.shape[1]:
        scaled, _ = span(scaled)
    grouped = bases is not None and len(np.unique(bases)) < len(labels)
    folds = (StratifiedGroupKFold if grouped else StratifiedKFold)(
        min(FOLDS, counts.max()), shuffle=True, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return cross_val_predict(LogisticRegression(), scaled, labels, groups=bases if grouped else None, cv=folds)
