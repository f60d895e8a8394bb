"""PCA and LDA from moments: scikit-learn's models fitted from sums, so that one pass over the features gives both."""

from typing import Any

import numpy as np
from scipy import linalg
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from tfxfer.analysis.factorizations import cholesky, eigh
from tfxfer.analysis.moments import Moments, blocks
from tfxfer.analysis.span_moments import Back, bytes_needed, span_moments
from tfxfer.core.errors import InputError

__all__ = ["LDA", "PCA", "bytes_needed"]


class PCA(TransformerMixin, BaseEstimator):
    """Principal components, from the eigenvectors of the covariance (Pearson 1901), like scikit-learn's PCA.

    Args:
        n_components: how many components to keep; None for min(n, d).

    Attributes:
        components_: float64 (n_components, d), of unit length; the largest entry of each is positive.
        explained_variance_: float64 (n_components,), the variance along each, with ddof 1.
        explained_variance_ratio_: float64 (n_components,), its share of the whole variance.
        mean_: float64 (d,), the mean of the data that it was fitted to.
    """

    def __init__(self, n_components: int | None = None):
        self.n_components = n_components

    @classmethod
    def from_moments(cls, moments: Moments, n_components: int | None = None) -> "PCA":
        """Fits the components to the examples that moments were collected from."""
        return cls(n_components)._solve(moments)

    def fit(self, x: np.ndarray, y: object = None) -> "PCA":
        """Fits the components to features (n, d); y is not used. If n < d, no matrix is larger than (n, n)."""
        x = validate_data(self, x, ensure_min_samples=2, dtype=_DTYPES)
        return self._solve(*span_moments(x, np.zeros(len(x), np.int64), 1))

    def transform(self, x: np.ndarray) -> np.ndarray:
        """The coordinates (n, n_components) of features (n, d): float64 for float64 features, else float32."""
        check_is_fitted(self)
        x = validate_data(self, x, reset=False, dtype=_DTYPES)
        return _product(x, self.mean_, self.components_)

    def inverse_transform(self, z: np.ndarray) -> np.ndarray:
        """The features (n, d) nearest to the mean that have the coordinates z (n, n_components)."""
        check_is_fitted(self)
        return z @ self.components_.astype(z.dtype) + self.mean_.astype(z.dtype)

    def _solve(self, moments: Moments, back: Back | None = None) -> "PCA":
        back, d, most = back or Back(), len(moments.shift), min(moments.n, len(moments.shift))
        count = most if self.n_components is None else self.n_components
        if not isinstance(count, int | np.integer) or not 1 <= count <= most:
            raise InputError(
                f"n_components={count!r} of {moments.n} examples of {d} features: expected None or 1 to {most}"
            )
        covariance = moments.covariance(ddof=1)
        whole = np.trace(covariance)
        options: dict[str, Any] = {"driver": "evd"}
        if count <= d // 4:
            options = {"driver": "evr", "subset_by_index": (d - count, d - 1)}
        values, vectors = eigh(covariance, **options)
        rows = back.directions(vectors[:, : -count - 1 : -1].T)
        largest = np.take_along_axis(rows, np.abs(rows).argmax(1)[:, None], 1)
        self.components_ = np.ascontiguousarray(rows * np.where(largest < 0, -1, 1))
        self.explained_variance_ = values[: -count - 1 : -1].clip(0)
        self.explained_variance_ratio_ = self.explained_variance_ / (whole if whole > 0 else 1)
        self.mean_, self.n_components_, self.n_samples_ = back.points(moments.mean), count, moments.n
        self.n_features_in_ = len(self.mean_)
        return self


class LDA(ClassifierMixin, BaseEstimator):
    """Linear discriminant analysis (Fisher 1936), which models classes as normal with a common covariance.

    It is like scikit-learn's LinearDiscriminantAnalysis(solver="lsqr"); the priors are the frequencies of the classes.

    Args:
        shrinkage: s in the covariance (1 - s) Sigma_W + s tr(Sigma_W) / d I, in [0, 1]; Sigma_W is the covariance
            within classes with ddof 0. Directions in which it is zero up to rounding are left out.

    Attributes:
        coef_, intercept_: float64 (C, d) and (C,), for scores x coef_^T + intercept_. They are those of "lsqr" less
            what all classes have in common, which changes no prediction and costs precision. For two classes they are
            the difference, (1, d) and (1,).
        classes_: (C,), the labels of the classes.
        priors_: float64 (C,), their frequencies.
        means_: float64 (C, d), their means.
        xbar_: float64 (d,), the mean of all examples.
    """

    def __init__(self, shrinkage: float = 0.0):
        self.shrinkage = shrinkage

    @classmethod
    def from_moments(cls, moments: Moments, shrinkage: float = 0.0) -> "LDA":
        """Fits the model to the examples that moments were collected from; classes without examples are left out."""
        return cls(shrinkage)._solve(moments, np.arange(len(moments.count)))

    def fit(self, x: np.ndarray, y: np.ndarray) -> "LDA":
        """Fits the model to features (n, d) and labels (n,), such as integers in any numbering.

        If n < d, no matrix is larger than (n, n).

        Raises:
            InputError: examples of one class, a shrinkage out of range, or not enough memory.
        """
        x, y = validate_data(self, x, y, dtype=_DTYPES)
        check_classification_targets(y)
        classes, numbers = np.unique(y, return_inverse=True)
        moments, back = span_moments(x, numbers, len(classes))
        return self._solve(moments, classes, back)

    def decision_function(self, x: np.ndarray) -> np.ndarray:
        """Scores (n, C): log posteriors up to a term common to all classes; for two classes the difference, (n,)."""
        check_is_fitted(self)
        x = validate_data(self, x, reset=False, dtype=_DTYPES)
        scores = _product(x, self.xbar_, self.coef_)  # relative to the mean: in float32 x coef_^T may be far larger
        scores += (self.intercept_ + self.coef_ @ self.xbar_).astype(scores.dtype)
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The predicted classes (n,) of features (n, d)."""
        scores = self.decision_function(x)
        return self.classes_[scores.argmax(1) if scores.ndim == 2 else (scores > 0).astype(int)]

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """The probabilities (n, C) of the classes for features (n, d)."""
        return softmax(self._both(x), axis=1)

    def predict_log_proba(self, x: np.ndarray) -> np.ndarray:
        """The logarithms of `predict_proba`."""
        return log_softmax(self._both(x), axis=1)

    def _both(self, x: np.ndarray) -> np.ndarray:
        scores = self.decision_function(x)
        return scores if scores.ndim == 2 else np.stack([np.zeros_like(scores), scores], 1)

    def _solve(self, moments: Moments, classes: np.ndarray, back: Back | None = None) -> "LDA":
        back, present = back or Back(), moments.count > 0
        if present.sum() < 2:
            raise InputError(f"LDA of examples of {present.sum()} class: expected examples of at least 2")
        if not 0 <= self.shrinkage <= 1:
            raise InputError(f"shrinkage={self.shrinkage!r}: expected 0 to 1")
        self.classes_, self.priors_ = classes[present], moments.count[present] / moments.n
        self.means_, self.xbar_ = back.points(moments.class_means[present]), back.points(moments.mean)
        self.n_features_in_ = d = len(self.xbar_)
        covariance = moments.within
        rounding = moments.epsilon * np.linalg.norm(covariance)
        rounding += np.finfo(np.float64).eps * np.linalg.norm(moments.scatter) / moments.n
        added = self.shrinkage * np.trace(covariance) / d
        covariance *= 1 - self.shrinkage
        covariance[np.diag_indices_from(covariance)] += added
        coef = back.directions(_quotient(covariance, moments.class_means[present] - moments.mean, rounding))
        centred = self.means_ - self.xbar_
        intercept = np.log(self.priors_) - ((centred / 2 + self.xbar_) * coef).sum(1)
        if len(self.classes_) == 2:
            coef, intercept = coef[1:] - coef[:1], intercept[1:] - intercept[:1]
        self.coef_, self.intercept_ = coef, intercept
        return self


_DTYPES = (np.float64, np.float32, np.float16, np.uint8)  # which validate_data leaves as they are, without a copy


def _product(x: np.ndarray, mean: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(x - mean) rows^T, block by block: float64 for float64 x, else float32."""
    dtype = np.result_type(x.dtype, np.float32)
    near, products = mean.astype(dtype), np.empty((len(x), len(rows)), dtype)
    columns, rest = rows.T.astype(dtype), ((near - mean) @ rows.T).astype(dtype)  # the rounding of a large mean counts
    for part, product in blocks(x, products):
        np.add((part - near) @ columns, rest, out=product)
    return products


def _quotient(covariance: np.ndarray, rows: np.ndarray, rounding: float) -> np.ndarray:
    """rows covariance^-1, with the pseudo-inverse where eigenvalues are below rounding; covariance may be overwritten.

    The Cholesky factor shows how close to singular the matrix is; eigenvectors would take about ten times as long.
    """
    factor, definite = cholesky(covariance)
    if definite:
        norm = np.linalg.norm(covariance, 1)
        inverse_condition, _ = linalg.lapack.dpocon(factor, norm, uplo="L")
        if inverse_condition * norm > rounding:
            return linalg.cho_solve((factor, True), rows.T, check_finite=False).T
    values, vectors = eigh(covariance, driver="evd")
    nonzero = values > rounding
    return (rows @ vectors[:, nonzero] / values[nonzero]) @ vectors[:, nonzero].T
