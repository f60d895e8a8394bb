"""Two classifiers on the same examples: how much better is one, and could it be chance?"""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from tfxfer.analysis import intervals
from tfxfer.core.errors import InputError


def difference(
    first: np.ndarray, second: np.ndarray, clusters: np.ndarray | None = None, confidence: float = 0.95
) -> dict[str, float]:
    """Accuracy of the second less that of the first, on examples that both have seen.

    Args:
        first, second: bool (n,), whether each example is told right.
        clusters: (n,), of which image each example was made (`Bank.bases`), where several were made of one: they are
            right and wrong together, so that five versions of an image count for less than five images. None where
            every example is an image of its own.

    Returns:
        n and clusters, their numbers; first_accuracy, second_accuracy; only_first, only_second, examples that one alone
        tells right; difference, with low and high of its confidence interval: Wald's, by the variance between clusters
        (Obuchowski, Statistics in Medicine 17:1495, 1998), after half a cluster of mean size is added to each of the
        four cells, so that of single examples it is Agresti and Min's (Statistics in Medicine 24:729, 2005); and p of
        `sign_flip`, which of single examples is McNemar's exact test (Psychometrika 12:153, 1947).

    Raises:
        InputError: arrays of different length, or empty.
    """
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise InputError(f"results {first.shape} and {second.shape}: expected (n,) both, of the same examples")
    n, b, c = len(first), int((first & ~second).sum()), int((second & ~first).sum())
    gains, sizes, mean = intervals.cluster_sums(second.astype(np.int64) - first, clusters)
    more_n = n + 2 * mean
    middle = (c - b) / more_n
    error = np.sqrt(((gains - middle * sizes) ** 2).sum() + mean**2 * (1 + 2 * middle**2)) / more_n
    reach = float(stats.norm.ppf(0.5 + confidence / 2) * error)
    return {
        "n": n,
        "clusters": len(sizes),
        "first_accuracy": float(first.mean()),
        "second_accuracy": float(second.mean()),
        "only_first": b,
        "only_second": c,
        "difference": (c - b) / n,
        "low": middle - reach,
        "high": middle + reach,
        "p": sign_flip(gains),
    }


def sign_flip(gains: np.ndarray) -> float:
    """Two-sided p of an exact sign-flip test (Fisher, The Design of Experiments, 1935, section 21).

    If neither classifier is better, either could have had the other's results on a cluster: the gain there is as likely
    its opposite, and p is the share of all 2^clusters choices of signs whose sum is as far from 0 as the one found.
    They are not drawn but counted, by adding one cluster after another to the distribution of the sum. Of gains -1, 0
    and 1 that is the binomial of McNemar's exact test.

    Args:
        gains: integers (clusters,), examples that the second alone tells right less those that the first alone does.
    """
    sizes = np.sort(np.abs(gains[gains != 0]))
    ones = int((sizes == 1).sum())
    chance = stats.binom.pmf(np.arange(ones + 1), ones, 0.5)  # of each sum of the sizes whose sign is positive
    for size in sizes[ones:]:
        chance = (np.pad(chance, (0, size)) + np.pad(chance, (size, 0))) / 2
    sums = 2 * np.arange(len(chance)) - sizes.sum()
    return float(min(1, chance[np.abs(sums) >= abs(gains.sum())].sum()))


def holm(p: Sequence[float]) -> list[float]:
    """p-values of several tests, adjusted so that any false alarm among them is as rare as claimed (Holm 1979)."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(np.asarray(p)[order] * np.arange(len(p), 0, -1))
    found = np.empty(len(p))
    found[order] = np.minimum(stepped, 1)
    return found.tolist()
