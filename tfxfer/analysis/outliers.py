"""Images unlike all classes, by the Mahalanobis distance of their features from the nearest class mean."""

import numpy as np
from scipy import linalg

from tfxfer.analysis.factorizations import cholesky
from tfxfer.analysis.linear import PCA
from tfxfer.analysis.moments import Moments, blocks, collect
from tfxfer.core.errors import InputError

SHRINKAGE = 0.1  # chosen on the photographs of seed 1 in benchmarks/near_duplicates.py, among 0.01, 0.1 and 0.5
FOLDS = 5
_DIMENSIONS = 2048  # principal components that more features are reduced to


class Mahalanobis:
    """Distances from the nearest class mean, in units of the spread within classes.

    With features of a network, large ones tell images that are of none of the classes (Lee et al. 2018,
    arXiv:1807.03888).

    Args:
        moments: of features (n, d) in C classes; classes without examples are left out.
        shrinkage: s in the covariance (1 - s) Sigma_W + s tr(Sigma_W) / d I, above 0 and at most 1; Sigma_W is the
            covariance within classes.

    Raises:
        InputError: a shrinkage out of range, or features that do not vary within classes.
    """

    def __init__(self, moments: Moments, shrinkage: float = SHRINKAGE):
        if not 0 < shrinkage <= 1:
            raise InputError(f"shrinkage={shrinkage!r}: expected above 0, at most 1")
        covariance = moments.within
        mean_variance = np.trace(covariance) / len(covariance)
        covariance *= 1 - shrinkage
        covariance[np.diag_indices_from(covariance)] += shrinkage * mean_variance
        self._factor, definite = cholesky(covariance)
        if not definite:
            raise InputError("features do not vary within classes, so no distance can be measured: leave outliers out")
        self._centre = moments.mean
        self._means = self._whitened(moments.class_means[moments.count > 0])

    def distances(self, x: np.ndarray) -> np.ndarray:
        """The distances float64 (n,) of features (n, d)."""
        found = np.empty(len(x))
        for part, out in blocks(x, found):
            white = self._whitened(np.asarray(part, np.float64).reshape(len(part), -1))
            squares = (white**2).sum(1)[:, None] - 2 * white @ self._means.T + (self._means**2).sum(1)
            np.sqrt(squares.min(1).clip(0), out=out)
        return found

    def _whitened(self, x: np.ndarray) -> np.ndarray:
        return linalg.solve_triangular(self._factor, (x - self._centre).T, lower=True, check_finite=False).T


def outlier_scores(x: np.ndarray, labels: np.ndarray, classes: int, seed: int = 0) -> np.ndarray:
    """Scores how unlike all classes each example is, by moments that it is not in.

    The examples are divided into folds, whose moments are collected in one pass; those of the other folds together give
    each fold its distances. An example among few others would otherwise hide itself: it would count as usual.

    Args:
        x: finite numbers (n, d); of more than 2,048 features the principal components are used.
        labels: integers (n,) from 0 to classes - 1.
        classes: number of classes.
        seed: random seed of the folds.

    Returns:
        float64 (n,): Mahalanobis distances from the nearest class mean, the highest for outliers; about sqrt(d) for
        normal ones.

    Raises:
        InputError: fewer than two examples for each fold, features that are not finite or do not vary.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(200, 3))
        >>> x[7] = 9
        >>> int(outlier_scores(x, np.arange(200) % 2, 2).argmax())
        7
    """
    n = len(x)
    if n < 2 * FOLDS:
        raise InputError(f"{n} examples: expected at least {2 * FOLDS} to find outliers among them")
    x = np.asarray(x).reshape(n, -1)
    if x.shape[1] > _DIMENSIONS:
        x = PCA(min(_DIMENSIONS, n - 1)).fit_transform(x)
    fold = np.random.default_rng(seed).permutation(np.arange(n) % FOLDS)
    parts = [collect(blocks(x[fold == number], labels[fold == number]), classes) for number in range(FOLDS)]
    scores = np.empty(n)
    for number in range(FOLDS):
        first, *rest = (part for other, part in enumerate(parts) if other != number)
        scores[fold == number] = Mahalanobis(sum(rest, first)).distances(x[fold == number])
    return scores
