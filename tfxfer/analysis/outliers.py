"""Images unlike all classes, by the Mahalanobis distance of their features from the nearest class mean."""

import numpy as np
from scipy import linalg

from tfxfer.analysis.factorizations import cholesky
from tfxfer.analysis.linear import PCA
from tfxfer.analysis.moments import Moments, blocks, collect
from tfxfer.core.errors import InputError

SHRINKAGE = 0.1
# Principal components: the more there are, the less a few unusual ones weigh. With 64, AUROC on the photographs of seed
# 1 in benchmarks/near_duplicates.py is 0.90, with 16 it is 0.95.
DIMENSIONS = 16
_LEAST = 10  # examples
_STEPS = 4  # passes over the examples
_USUAL = 0.9  # share of them that the moments of the next pass are collected from


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


class OutlierScorer:
    """Scores how unlike all classes examples are, by the moments of the usual ones among those that it is fitted to.

    Outliers stretch the covariance, and so hide themselves and each other. Moments are therefore collected several
    times, each time without the tenth of the examples that was farthest by those before, as the concentration steps of
    the minimum covariance determinant do (Rousseeuw and Van Driessen 1999, doi:10.1080/00401706.1999.10485670).

    Args:
        x: finite numbers (n, d); their first 16 principal components are compared, n / 4 if that is less.
        labels: integers (n,) from 0 to classes - 1.
        classes: number of classes.

    Raises:
        InputError: fewer than 10 examples, features that are not finite or do not vary.
    """

    def __init__(self, x: np.ndarray, labels: np.ndarray, classes: int):
        n = len(x)
        if n < _LEAST:
            raise InputError(f"{n} examples: expected at least {_LEAST} to find outliers among them")
        count = min(DIMENSIONS, n // 4)
        self._projection = PCA(count).fit(_flat(x)) if _flat(x).shape[1] > count else None
        projected, usual = self._projected(x), np.ones(n, bool)
        for _ in range(_STEPS):
            moments = collect(blocks(projected[usual], labels[usual]), classes)
            self._distance = Mahalanobis(moments)
            scores = self._distance.distances(projected)
            usual = scores <= np.quantile(scores, _USUAL)

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Mahalanobis distances float64 (n,) of features (n, d) from the nearest class mean, highest for outliers."""
        return self._distance.distances(self._projected(x))

    def _projected(self, x: np.ndarray) -> np.ndarray:
        return _flat(x) if self._projection is None else self._projection.transform(_flat(x))


def outlier_scores(x: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Scores how unlike all classes each example is: an `OutlierScorer` fitted to the examples themselves.

    Args:
        x: finite numbers (n, d).
        labels: integers (n,) from 0 to classes - 1.
        classes: number of classes.

    Returns:
        float64 (n,), the highest for outliers.

    Raises:
        InputError: fewer than 10 examples, features that are not finite or do not vary.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(200, 3))
        >>> x[7] = 9
        >>> int(outlier_scores(x, np.arange(200) % 2, 2).argmax())
        7
    """
    return OutlierScorer(x, labels, classes).scores(x)


def _flat(x: np.ndarray) -> np.ndarray:
    return np.asarray(x).reshape(len(x), -1)
