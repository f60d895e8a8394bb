"""Two classifiers on the same examples: how much better one is, and whether that could be chance."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from tfxfer.analysis import intervals
from tfxfer.core.errors import InputError


def difference(
    first: np.ndarray, second: np.ndarray, clusters: np.ndarray | None = None, confidence: float = 0.95
) -> dict[str, float]:
    """Compares the accuracies of two classifiers on the same examples.

    The confidence interval is Wald's, from the variance between clusters (Obuchowski, Statistics in Medicine 17:1495,
    1998), after half a cluster of mean size has been added to each of the four cells; for single examples it is that of
    Agresti and Min (Statistics in Medicine 24:729, 2005). The p-value is that of `sign_flip`, which for single examples
    is McNemar's exact test (Psychometrika 12:153, 1947).

    Args:
        first, second: bool (n,), whether each example is classified correctly.
        clusters: (n,), the image from which each example was made (`Bank.bases`), if several were made from one. They
            are right and wrong together, so that five versions of an image count for less than five images. None if
            every example is an image of its own.
        confidence: in (0, 1).

    Returns:
        "n" and "clusters", the numbers of examples and clusters; "first_accuracy" and "second_accuracy"; "only_first"
        and "only_second", how many examples only one of them classifies correctly; "difference", the second accuracy
        less the first, with "low" and "high", the ends of its confidence interval; and "p", in [0, 1].

    Raises:
        InputError: arrays of different lengths, empty ones, or not one cluster for each example.
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
    """The two-sided p-value, in [0, 1], of an exact sign-flip test.

    R. A. Fisher, "The Design of Experiments", 1935, section 21. If neither classifier is better, either could have had
    the other's results on a cluster, so that the opposite of its gain is just as likely. p is the share of all
    2^clusters choices of signs whose sum is at least as far from 0 as the observed one. They are not sampled but
    counted, by adding one cluster after another to the distribution of the sum. For gains of -1, 0 and 1 that is the
    binomial distribution of McNemar's exact test.

    Args:
        gains: integers (clusters,), the number of examples that only the second classifies correctly, less the number
            that only the first does.
    """
    sizes = np.sort(np.abs(gains[gains != 0]))
    ones = int((sizes == 1).sum())
    chance = stats.binom.pmf(np.arange(ones + 1), ones, 0.5)  # of each sum of the sizes with a positive sign
    for size in sizes[ones:]:
        chance = (np.pad(chance, (0, size)) + np.pad(chance, (size, 0))) / 2
    sums = 2 * np.arange(len(chance)) - sizes.sum()
    return float(min(1, chance[np.abs(sums) >= abs(gains.sum())].sum()))


def holm(p: Sequence[float]) -> list[float]:
    """Adjusts the p-values of several tests so that a false alarm in any of them is as rare as claimed.

    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6:65, 1979.

    Args:
        p: the p-values, each in [0, 1].

    Returns:
        The adjusted p-values, in the same order.
    """
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(np.asarray(p)[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted.tolist()
