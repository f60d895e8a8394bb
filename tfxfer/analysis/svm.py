"""Support vector machines: scikit-learn's, fitted by oneDAL if available, and scored with a single matrix product."""

from itertools import combinations

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

try:  # an x86-64 package with the same interface; its log says that fit runs on oneDAL, in float32 for float32 data
    from sklearnex import svm
except ImportError:
    from sklearn import svm

_ENTRIES = 2**24  # entries of the kernel matrix to hold at once, 64 MB in float32


class SVC(svm.SVC):
    """scikit-learn's SVC (Cortes and Vapnik 1995), one class against one; the class with the highest score wins.

    A score is the number of pairs that a class wins, plus or minus less than a half for the margin by which it does, as
    in scikit-learn with break_ties=True. All pairs share one kernel matrix of the examples and the support vectors.
    oneDAL computes it again for each pair and takes two to three times as long to predict, libsvm twenty times.

    Args:
        C: inverse strength of the penalty.
        kernel: "rbf", or "linear", which predicts without its support vectors.
        gamma: factor in the exponent of "rbf"; "scale" is 1 / (d x variance of all numbers).

    Attributes:
        Those of scikit-learn's SVC.
    """

    def __init__(self, C: float = 1.0, kernel: str = "rbf", gamma: str | float = "scale"):
        super().__init__(C=C, kernel=kernel, gamma=gamma, break_ties=True)

    def fit(self, x: np.ndarray, y: np.ndarray) -> "SVC":
        """Fits the model to float features (n, d) and labels (n,)."""
        super().fit(x, y)
        self.__dict__.pop("_onedal_estimator", None)  # everything in it is in the attributes too
        return self

    def decision_function(self, x: np.ndarray) -> np.ndarray:
        """The scores (n, C) of features (n, d); for two classes the distance from the boundary in margins, (n,)."""
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
        """The predicted classes (n,) of features (n, d)."""
        scores = self.decision_function(x)
        return self.classes_[scores.argmax(1) if scores.ndim == 2 else (scores > 0).astype(int)]

    def _by_kernel(self, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """exp(-gamma |x - s|^2) for all examples and support vectors s, times weights (vectors, pairs)."""
        gamma, vectors = x.dtype.type(self._gamma), self.support_vectors_
        scores = np.empty((len(x), weights.shape[1]), x.dtype)
        columns, lengths = 2 * gamma * vectors.T, gamma * np.einsum("ij,ij->i", vectors, vectors)
        step = max(1, _ENTRIES // len(vectors))
        for first in range(0, len(x), step):
            part = x[first : first + step]
            kernel = part @ columns
            kernel -= lengths
            kernel -= gamma * np.einsum("ij,ij->i", part, part)[:, None]
            scores[first : first + step] = np.exp(np.minimum(kernel, 0, out=kernel), out=kernel) @ weights
        return scores


def _pairs(dual: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turns libsvm's table of dual coefficients into one row for each pair of classes.

    Args:
        dual: float (C - 1, vectors), with the support vectors sorted by class.
        counts: integers (C,), the number of support vectors of each class.

    Returns:
        (pairs, vectors), the weights of the vectors for each pair, 0 for those of other classes; and (pairs, C), 1 for
        the first class of a pair and -1 for the second.
    """
    if len(dual) == 1:
        return dual, np.array([[-1, 1]], dual.dtype)
    ends = np.cumsum(counts)
    members = [slice(end - count, end) for end, count in zip(ends, counts)]
    pairs = list(combinations(range(len(counts)), 2))
    weights, wins = np.zeros((len(pairs), dual.shape[1]), dual.dtype), np.zeros((len(pairs), len(counts)), dual.dtype)
    for row, (i, j) in enumerate(pairs):
        weights[row, members[i]], weights[row, members[j]] = dual[j - 1, members[i]], dual[i, members[j]]
        wins[row, [i, j]] = 1, -1
    return weights, wins
