"""The group lasso, which ranks features by what a linear classifier of all of them needs."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import MultiTaskLasso

BLOCK = 1024  # columns that are standardised at once
STEP = 0.7  # from one penalty to the next
LEAST = 1e-3  # the last penalty, as a share of the first one at which no feature is left
LEFT = 0.01  # or where no more than this share of the labels' variance is left to explain
GROWTH = 200  # features that join a fit at once, unless there are more in it
SLACK = 1.01  # a gradient is above the penalty if it is so by more than rounding and the solver's tolerance


@dataclass(frozen=True)
class Selection:
    """The features that a classifier needs most.

    Attributes:
        features: int64 (count,), their columns, ascending.
        strength: the penalty by which they were found, as a share of the smallest that leaves no feature; 0 if there
            was nothing to leave out.
    """

    features: np.ndarray
    strength: float


def select(x: np.ndarray, labels: np.ndarray, counts: Sequence[int]) -> list[Selection]:
    """Selects the features of the largest norms in a linear classifier with a group lasso penalty.

    The classifier W (d, classes) minimises |Y - Z W|^2 / (2 n) + penalty sum_j |W_j|, where Z are the standardised
    features and Y the centred one-hot labels; |W_j| is the length of a feature's row, so that a feature counts for all
    classes or for none (Yuan and Lin 2006; Obozinski et al. 2010). It is fitted for smaller and smaller penalties, by
    scikit-learn's MultiTaskLasso on the features whose gradients ask for a row above zero, until as many features as
    are wanted have one; those with the longest rows are kept. If the path ends before, features without a row follow in
    the order of their gradients. Memory besides x is that of the features in question.

    Args:
        x: finite float32 or float64 (n, d).
        labels: integers (n,), of at least two classes.
        counts: how many features to select, each from 1 to d; several selections share one path.

    Returns:
        A selection for each count, in the same order.
    """
    d = x.shape[1]
    found: dict[int, Selection] = {d: Selection(np.arange(d), 0.0)}
    wanted = sorted({*counts} - {d})
    for strength, lengths, gradients in _path(x, labels) if wanted else ():
        order = np.lexsort((-gradients, -lengths))  # features without a row follow by their gradients
        reached = np.count_nonzero(lengths)
        found |= {count: Selection(np.sort(order[:count]), strength) for count in wanted if count <= reached}
        wanted = [count for count in wanted if count > reached]
        if not wanted:
            break
    found |= {count: Selection(np.sort(order[:count]), strength) for count in wanted}  # more than the path has reached
    return [found[count] for count in counts]


def _path(x: np.ndarray, labels: np.ndarray) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
    """Strengths, lengths of rows (d,) and lengths of gradients (d,), for falling penalties."""
    numbers = np.unique(labels, return_inverse=True)[1]
    targets = np.eye(numbers.max() + 1, dtype=x.dtype)[numbers]
    targets = np.asfortranarray(targets - targets.mean(0))
    scaled = _Standardised(x)
    rows = np.zeros((x.shape[1], targets.shape[1]), x.dtype)
    gradients = scaled.gradients(targets)
    most = penalty = float(gradients.max())
    if not most:  # no feature says anything about the labels
        yield 0.0, rows[:, 0], gradients
        return
    unexplained = 1.0
    while penalty > LEAST * most and unexplained > LEFT:
        penalty = max(STEP * penalty, LEAST * most)
        working = np.asarray(rows.any(1))
        missed = ~working & (gradients > penalty)
        while True:
            joining = np.flatnonzero(missed)
            joining = joining[np.argsort(-gradients[joining], kind="stable")]
            working[joining[: max(GROWTH, np.count_nonzero(working))]] = True
            columns = np.flatnonzero(working)
            part = scaled.columns(columns)
            rows[columns] = _fit(part, targets, penalty, rows[columns])
            residual = targets - part @ rows[columns]
            gradients = scaled.gradients(residual)
            missed = ~working & (gradients > SLACK * penalty)
            if not missed.any():
                break
        unexplained = float(np.square(residual).sum() / np.square(targets).sum())
        yield penalty / most, np.linalg.norm(rows, axis=1), gradients


def _fit(x: np.ndarray, targets: np.ndarray, penalty: float, rows: np.ndarray) -> np.ndarray:
    """The rows (d, classes) of the columns x, starting from those of a larger penalty."""
    lasso = MultiTaskLasso(alpha=penalty, fit_intercept=False, warm_start=True, tol=1e-3, max_iter=100)
    lasso.coef_ = rows.T
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a ranking needs no more, and the next penalty continues
        lasso.fit(x, targets)
    return lasso.coef_.T


class _Standardised:
    """Columns of features (n, d) with mean 0 and variance 1, made when they are asked for; constant ones are zero."""

    def __init__(self, x: np.ndarray):
        self.x = x
        self.mean, self.scale = np.empty(x.shape[1], x.dtype), np.empty(x.shape[1], x.dtype)
        for first in range(0, x.shape[1], BLOCK):
            block = slice(first, first + BLOCK)
            part = x[:, block]
            self.mean[block] = part.mean(0, dtype=np.float64)
            spread = np.sqrt(np.square(part - self.mean[block]).mean(0, dtype=np.float64))
            constant = spread <= 10 * np.finfo(x.dtype).eps * np.abs(self.mean[block])
            self.scale[block] = np.where(constant, np.inf, spread)

    def columns(self, columns: np.ndarray) -> np.ndarray:
        """These columns, in Fortran order, as coordinate descent reads them."""
        part = np.empty((len(self.x), len(columns)), self.x.dtype, order="F")
        for first in range(0, len(columns), BLOCK):
            block = columns[first : first + BLOCK]
            np.subtract(self.x[:, block], self.mean[block], out=part[:, first : first + BLOCK])
        part /= self.scale[columns]
        return part

    def gradients(self, residual: np.ndarray) -> np.ndarray:
        """Lengths (d,) of the rows of Z^T residual / n, without making Z."""
        products = self.x.T @ residual - np.outer(self.mean, residual.sum(0))
        return np.linalg.norm(products / self.scale[:, None], axis=1) / len(residual)
