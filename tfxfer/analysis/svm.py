"""Support vector machines: scikit-learn's, fitted by oneDAL with the Intel extension, and scored by one product."""

from itertools import combinations

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

try:  # an x86-64 package of the same interface; its log says that fit runs on oneDAL, in float32 if given it
    from sklearnex import svm
except ImportError:
    from sklearn import svm

_ENTRIES = 2**24  # of the kernel at a time, 64 MB in float32


class SVC(svm.SVC):
    """scikit-learn's SVC (Cortes and Vapnik 1995), one class against one, and the highest score wins.

    A score is the number of pairs that a class wins, and less than a half for by how much, as scikit-learn's with
    break_ties=True. All pairs share one kernel of the examples and the support vectors: oneDAL, which computes it again
    for each pair, takes two to three times as long to predict, libsvm twenty times.

    Args:
        C: inverse strength of the penalty.
        kernel: "rbf" or "linear", whose support vectors are not needed once it is fitted.
        gamma: of "rbf"; "scale" is 1 / (d x variance of all numbers).

    Attributes: as scikit-learn's.
    """

    def __init__(self, C: float = 1.0, kernel: str = "rbf", gamma: str | float = "scale"):
        super().__init__(C=C, kernel=kernel, gamma=gamma, break_ties=True)

    def fit(self, x: np.ndarray, y: np.ndarray) -> "SVC":
        """Features (n, d) and labels (n,)."""
        super().fit(x, y)
        self.__dict__.pop("_onedal_estimator", None)  # all it holds stands in the attributes too
        return self

    def decision_function(self, x: np.ndarray) -> np.ndarray:
        """Features (n, d) -> scores (n, C); of two classes, the distance from the boundary in margins, (n,)."""
        check_is_fitted(self)
        x = validate_data(self, x, reset=False, dtype=self.support_vectors_.dtype)
        weights, wins = _pairs(self.dual_coef_, self.n_support_)
        intercept = self.intercept_.astype(x.dtype)
        if self.kernel == "linear":
            scores = x @ (weights @ self.support_vectors_).T + intercept
        else:
            scores = self._by_kernel(x, weights.T) + intercept
        if len(self.classes_) == 2:
            return scores[:, 0]
        sums, won = scores @ wins, scores >= 0
        votes = won.astype(x.dtype) @ wins + (wins < 0).sum(0, dtype=x.dtype)
        return votes + sums / (3 * (np.abs(sums) + 1))

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Features (n, d) -> classes (n,)."""
        scores = self.decision_function(x)
        return self.classes_[scores.argmax(1) if scores.ndim == 2 else (scores > 0).astype(int)]

    def _by_kernel(self, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """exp(-gamma |x - s|^2) of all examples and support vectors s, times weights (vectors, pairs)."""
        gamma, vectors = x.dtype.type(self._gamma), self.support_vectors_
        found = np.empty((len(x), weights.shape[1]), x.dtype)
        columns, lengths = 2 * gamma * vectors.T, gamma * np.einsum("ij,ij->i", vectors, vectors)
        step = max(1, _ENTRIES // len(vectors))
        for first in range(0, len(x), step):
            part = x[first : first + step]
            kernel = part @ columns
            kernel -= lengths
            kernel -= gamma * np.einsum("ij,ij->i", part, part)[:, None]
            found[first : first + step] = np.exp(np.minimum(kernel, 0, out=kernel), out=kernel) @ weights
        return found


def _pairs(dual: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From libsvm's table of dual coefficients (C - 1, vectors), the vectors sorted by class, `counts` of each.

    Returns:
        (pairs, vectors): what a pair of classes weighs the vectors with, 0 where they are of other classes; and
        (pairs, C): 1 for the first class of a pair, -1 for the second.
    """
    if len(dual) == 1:
        return dual, np.array([[-1, 1]], dual.dtype)
    ends = np.cumsum(counts)
    of = [slice(end - count, end) for end, count in zip(ends, counts)]
    pairs = list(combinations(range(len(counts)), 2))
    weights, wins = np.zeros((len(pairs), dual.shape[1]), dual.dtype), np.zeros((len(pairs), len(counts)), dual.dtype)
    for row, (i, j) in enumerate(pairs):
        weights[row, of[i]], weights[row, of[j]] = dual[j - 1, of[i]], dual[i, of[j]]
        wins[row, [i, j]] = 1, -1
    return weights, wins
