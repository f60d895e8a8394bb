"""PCA and LDA from moments: scikit-learn's models, fitted from sums, so that one pass over the features gives both."""

from typing import NamedTuple

import numpy as np
from scipy import linalg
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from tfxfer.analysis.factorizations import cholesky, eigh, span, span_bytes
from tfxfer.analysis.moments import Moments, blocks, collect, few_moments, moments_bytes
from tfxfer.core import memory
from tfxfer.core.errors import InputError


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
        """Features (n, d); y is not used. Where n is less than d, no matrix is larger than (n, n)."""
        x = validate_data(self, x, ensure_min_samples=2, dtype=_KINDS)
        return self._solve(*_moments(x, np.zeros(len(x), np.int64), 1))

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Features (n, d) -> their coordinates (n, n_components)."""
        check_is_fitted(self)
        x = validate_data(self, x, reset=False, dtype=_KINDS)
        return _product(x, self.mean_, self.components_)

    def inverse_transform(self, z: np.ndarray) -> np.ndarray:
        """Coordinates (n, n_components) -> the features (n, d) nearest to the mean that have them."""
        check_is_fitted(self)
        return z @ self.components_.astype(z.dtype) + self.mean_.astype(z.dtype)

    def _solve(self, moments: Moments, back: "_Back | None" = None) -> "PCA":
        back, d, most = back or _Back(), len(moments.shift), min(moments.n, len(moments.shift))
        count = most if self.n_components is None else self.n_components
        if not isinstance(count, int | np.integer) or not 1 <= count <= most:
            raise InputError(
                f"n_components={count!r} of {moments.n} examples of {d} features: expected None or 1 to {most}"
            )
        covariance = moments.covariance(ddof=1)
        whole = np.trace(covariance)
        few = {"driver": "evr", "subset_by_index": (d - count, d - 1)} if count <= d // 4 else {"driver": "evd"}
        values, vectors = eigh(covariance, **few)
        rows = back.directions(vectors[:, : -count - 1 : -1].T)
        largest = np.take_along_axis(rows, np.abs(rows).argmax(1)[:, None], 1)
        self.components_ = np.ascontiguousarray(rows * np.where(largest < 0, -1, 1))
        self.explained_variance_ = values[: -count - 1 : -1].clip(0)
        self.explained_variance_ratio_ = self.explained_variance_ / (whole if whole > 0 else 1)
        self.mean_, self.n_components_, self.n_samples_ = back.points(moments.mean), count, moments.n
        self.n_features_in_ = len(self.mean_)
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
        """Features (n, d) and labels (n,), usually integers in any numbering. Where n is less than d, no matrix is
        larger than (n, n)."""
        x, y = validate_data(self, x, y, dtype=_KINDS)
        check_classification_targets(y)
        classes, numbers = np.unique(y, return_inverse=True)
        moments, back = _moments(x, numbers, len(classes))
        return self._solve(moments, classes, back)

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

    def _solve(self, moments: Moments, classes: np.ndarray, back: "_Back | None" = None) -> "LDA":
        back, present = back or _Back(), moments.count > 0
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


class _Back(NamedTuple):
    """From coordinates in the span of few examples, as `factorizations.span` gives them, back to their features."""

    basis: np.ndarray | None = None  # float64 (d, n); None where features are what moments are of
    centre: np.ndarray | None = None  # (d,), the origin of the coordinates

    def directions(self, rows: np.ndarray) -> np.ndarray:
        return rows if self.basis is None else rows @ self.basis.T

    def points(self, rows: np.ndarray) -> np.ndarray:
        return rows if self.basis is None else rows @ self.basis.T + self.centre


def bytes_needed(n: int, d: int) -> int:
    """Of memory, beside the features, to fit n examples of d features."""
    return moments_bytes(min(n, d)) + span_bytes(n, d, 8)


def _moments(x: np.ndarray, numbers: np.ndarray, classes: int) -> tuple[Moments, _Back]:
    """Of the features (n, d) or, where n is less than d, of n coordinates of theirs."""
    n, d = x.shape
    if n >= d:
        return collect(blocks(x, numbers), classes), _Back()
    memory.need(bytes_needed(n, d), f"a linear model of {n:,} examples of {d:,} features")
    centre = x.mean(0, dtype=np.float64)
    z, basis = span(x - centre)
    return few_moments(z, numbers, classes, x.dtype), _Back(basis, centre)


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
    factor, definite = cholesky(covariance)
    if definite:
        norm = np.linalg.norm(covariance, 1)
        inverse_condition, _ = linalg.lapack.dpocon(factor, norm, uplo="L")
        if inverse_condition * norm > rounding:
            return linalg.cho_solve((factor, True), rows.T, check_finite=False).T
    values, vectors = eigh(covariance, driver="evd")
    real = values > rounding
    return (rows @ vectors[:, real] / values[real]) @ vectors[:, real].T
