"""Two classifiers on the same examples: how much better is one, and could it be chance?"""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from tfxfer.errors import InputError


def difference(first: np.ndarray, second: np.ndarray, confidence: float = 0.95) -> dict[str, float]:
    """Accuracy of the second less that of the first, on examples that both have seen.

    Args:
        first, second: bool (n,), whether each example is told right.

    Returns:
        n; first_accuracy, second_accuracy; only_first, only_second, examples that one alone tells right; difference,
        with low and high of its confidence interval (Agresti and Min, Statistics in Medicine 24:729, 2005: Wald's
        after half an example is added to each of the four cells); and p, of McNemar's test in its exact form, two-sided
        (McNemar, Psychometrika 12:153, 1947): the chance of examples that one alone tells right being so unevenly
        shared out if neither is better.

    Raises:
        InputError: arrays of different length, or empty.
    """
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise InputError(f"results {first.shape} and {second.shape}: expected (n,) both, of the same examples")
    n, b, c = len(first), int((first & ~second).sum()), int((second & ~first).sum())
    more_b, more_c, more_n = b + 0.5, c + 0.5, n + 2
    middle = (more_c - more_b) / more_n
    error = np.sqrt(more_b + more_c - (more_c - more_b) ** 2 / more_n) / more_n
    reach = float(stats.norm.ppf(0.5 + confidence / 2) * error)
    return {
        "n": n,
        "first_accuracy": float(first.mean()),
        "second_accuracy": float(second.mean()),
        "only_first": b,
        "only_second": c,
        "difference": (c - b) / n,
        "low": middle - reach,
        "high": middle + reach,
        "p": float(stats.binomtest(b, b + c).pvalue) if b + c else 1.0,
    }


def holm(p: Sequence[float]) -> list[float]:
    """p-values of several tests, adjusted so that any false alarm among them is as rare as claimed (Holm 1979)."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(np.asarray(p)[order] * np.arange(len(p), 0, -1))
    found = np.empty(len(p))
    found[order] = np.minimum(stepped, 1)
    return found.tolist()
