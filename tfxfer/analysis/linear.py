"""PCA and LDA from moments: scikit-learn's models, fitted from sums, so that one pass over the features gives both."""

import numpy as np
from scipy import linalg
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from tfxfer.analysis.moments import Moments, blocks, collect
from tfxfer.errors import InputError


class PCA(TransformerMixin, BaseEstimator):
    """Principal components by the eigenvectors of the covariance (Pearson 1901), as scikit-learn's PCA.

    Args:
        n_components: how many; None for min(n, d).

    Attributes:
        components_: (n_components, d), of unit length, the largest entry of each positive.
        explained_variance_: (n_components,) along each, with ddof 1; explained_variance_ratio_, by the whole.
        mean_: (d,), of the data it was fitted to.
    """

    def __init__(self, n_components: int | None = None):
        self.n_components = n_components

    @classmethod
    def from_moments(cls, moments: Moments, n_components: int | None = None) -> "PCA":
        return cls(n_components)._solve(moments)

    def fit(self, x: np.ndarray, y=None) -> "PCA":
        """Features (n, d); y is not used."""
        x = validate_data(self, x, ensure_min_samples=2, dtype=_KINDS)
        return self._solve(collect(blocks(x, np.zeros(len(x), np.int64)), 1))

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Features (n, d) -> their coordinates (n, n_components)."""
        check_is_fitted(self)
        x = validate_data(self, x, reset=False, dtype=_KINDS)
        return _product(x, self.mean_, self.components_)

    def inverse_transform(self, z: np.ndarray) -> np.ndarray:
        """Coordinates (n, n_components) -> the features (n, d) nearest to the mean that have them."""
        check_is_fitted(self)
        return z @ self.components_.astype(z.dtype) + self.mean_.astype(z.dtype)

    def _solve(self, moments: Moments) -> "PCA":
        d, most = len(moments.shift), min(moments.n, len(moments.shift))
        count = most if self.n_components is None else self.n_components
        if not isinstance(count, int | np.integer) or not 1 <= count <= most:
            raise InputError(
                f"n_components={count!r} of {moments.n} examples of {d} features: expected None or 1 to {most}"
            )
        covariance = moments.covariance(ddof=1)
        whole = np.trace(covariance)
        few = {"driver": "evr", "subset_by_index": (d - count, d - 1)} if count <= d // 4 else {"driver": "evd"}
        values, vectors = _eigh(covariance, **few)
        rows = vectors[:, : -count - 1 : -1].T
        largest = np.take_along_axis(rows, np.abs(rows).argmax(1)[:, None], 1)
        self.components_ = np.ascontiguousarray(rows * np.where(largest < 0, -1, 1))
        self.explained_variance_ = values[: -count - 1 : -1].clip(0)
        self.explained_variance_ratio_ = self.explained_variance_ / (whole if whole > 0 else 1)
        self.mean_, self.n_components_, self.n_samples_, self.n_features_in_ = moments.mean, count, moments.n, d
        return self


class LDA(ClassifierMixin, BaseEstimator):
    """Linear discriminant analysis (Fisher 1936): normal classes that share a covariance, as scikit-learn's
    LinearDiscriminantAnalysis(solver="lsqr"); priors are the classes' frequencies.

    Args:
        shrinkage: s in the covariance (1 - s) Sigma_W + s tr(Sigma_W) / d I, in [0, 1]; Sigma_W is the covariance
            within classes with ddof 0. Directions in which it is zero, but for rounding, are left out.

    Attributes:
        coef_, intercept_: scores are x coef_^T + intercept_: (C, d) and (C,), less what all classes of lsqr's have in
            common, which changes no prediction and costs precision; (1, d) and (1,), their difference, of two classes.
        classes_, priors_: (C,); means_: (C, d); xbar_: (d,), the mean of all.
    """

    def __init__(self, shrinkage: float = 0.0):
        self.shrinkage = shrinkage

    @classmethod
    def from_moments(cls, moments: Moments, shrinkage: float = 0.0) -> "LDA":
        """Classes are those that have examples, by their numbers."""
        return cls(shrinkage)._solve(moments, np.arange(len(moments.count)))

    def fit(self, x: np.ndarray, y: np.ndarray) -> "LDA":
        """Features (n, d) and labels (n,), usually integers in any numbering."""
        x, y = validate_data(self, x, y, dtype=_KINDS)
        check_classification_targets(y)
        classes, numbers = np.unique(y, return_inverse=True)
        return self._solve(collect(blocks(x, numbers), len(classes)), classes)

    def decision_function(self, x: np.ndarray) -> np.ndarray:
        """Scores (n, C), log posteriors but for a term common to all classes; of two classes, their difference (n,)."""
        check_is_fitted(self)
        x = validate_data(self, x, reset=False, dtype=_KINDS)
        scores = _product(x, self.xbar_, self.coef_)  # about the mean: in float32, x coef_^T alone may be far larger
        scores += (self.intercept_ + self.coef_ @ self.xbar_).astype(scores.dtype)
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Features (n, d) -> classes (n,)."""
        scores = self.decision_function(x)
        return self.classes_[scores.argmax(1) if scores.ndim == 2 else (scores > 0).astype(int)]

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """Features (n, d) -> probabilities (n, C)."""
        return softmax(self._both(x), axis=1)

    def predict_log_proba(self, x: np.ndarray) -> np.ndarray:
        """Logarithms of `predict_proba`."""
        return log_softmax(self._both(x), axis=1)

    def _both(self, x: np.ndarray) -> np.ndarray:
        scores = self.decision_function(x)
        return scores if scores.ndim == 2 else np.stack([np.zeros_like(scores), scores], 1)

    def _solve(self, moments: Moments, classes: np.ndarray) -> "LDA":
        present = moments.count > 0
        if present.sum() < 2:
            raise InputError(f"LDA of examples of {present.sum()} class: expected examples of at least 2")
        if not 0 <= self.shrinkage <= 1:
            raise InputError(f"shrinkage={self.shrinkage!r}: expected 0 to 1")
        self.classes_, self.priors_ = classes[present], moments.count[present] / moments.n
        self.means_, self.xbar_, self.n_features_in_ = moments.class_means[present], moments.mean, len(moments.shift)
        covariance = moments.within
        rounding = moments.epsilon * np.linalg.norm(covariance)
        rounding += np.finfo(np.float64).eps * np.linalg.norm(moments.scatter) / moments.n
        added = self.shrinkage * np.trace(covariance) / len(covariance)
        covariance *= 1 - self.shrinkage
        covariance[np.diag_indices_from(covariance)] += added
        centred = self.means_ - self.xbar_
        coef = _quotient(covariance, centred, rounding)
        intercept = np.log(self.priors_) - ((centred / 2 + self.xbar_) * coef).sum(1)
        if len(self.classes_) == 2:
            coef, intercept = coef[1:] - coef[:1], intercept[1:] - intercept[:1]
        self.coef_, self.intercept_ = coef, intercept
        return self


_KINDS = (np.float64, np.float32, np.float16, np.uint8)  # that validate_data leaves as they are: no copy of all


def _product(x: np.ndarray, mean: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(x - mean) rows^T, block by block, in float64 for float64 x, else in float32."""
    kind = np.result_type(x.dtype, np.float32)
    near, found = mean.astype(kind), np.empty((len(x), len(rows)), kind)
    columns, rest = rows.T.astype(kind), ((near - mean) @ rows.T).astype(kind)  # a large mean's rounding counts
    for part, product in blocks(x, found):
        np.add((part - near) @ columns, rest, out=product)
    return found


def _quotient(covariance: np.ndarray, rows: np.ndarray, rounding: float) -> np.ndarray:
    """rows covariance^-1, of least norm where eigenvalues are below rounding; covariance may be overwritten.

    Cholesky's factor tells how near to singular the matrix is; eigenvectors take some ten times as long.
    """
    factor, failed = linalg.lapack.dpotrf(covariance, lower=True, clean=False)
    if not failed:
        norm = np.linalg.norm(covariance, 1)
        inverse_condition, _ = linalg.lapack.dpocon(factor, norm, uplo="L")
        if inverse_condition * norm > rounding:
            return linalg.cho_solve((factor, True), rows.T, check_finite=False).T
    values, vectors = _eigh(covariance, driver="evd")
    real = values > rounding
    return (rows @ vectors[:, real] / values[real]) @ vectors[:, real].T


def _eigh(matrix: np.ndarray, **options) -> tuple[np.ndarray, np.ndarray]:
    """scipy's; the matrix may be overwritten. OpenBLAS's threads wait for each other at each of many small steps: where
    another process takes a core, (1280, 1280) then takes up to 14 s rather than 0.3, and alone, threads save 0.1 s."""
    with threadpool_limits(1 if len(matrix) <= 2048 else None, "blas"):
        return linalg.eigh(matrix, overwrite_a=True, check_finite=False, **options)
