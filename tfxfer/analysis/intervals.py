"""How certain an accuracy is: Wilson's interval, also where several examples were made from one image."""

import numpy as np
from scipy import stats

from tfxfer.core.errors import InputError


def wilson(share: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """The confidence interval of a proportion.

    Unlike share ± z standard errors, it is never empty, not even if all or none are right, and never leaves [0, 1]
    (Wilson, JASA 22:209, 1927; recommended by Brown, Cai and DasGupta, Statistical Science 16:101, 2001).

    Args:
        share: the proportion in the examples, in [0, 1].
        n: the number of independent examples, above 0; it may be a fraction, as effective sizes are.
        confidence: in (0, 1).

    Returns:
        The lower and the upper end, both in [0, 1].

    Raises:
        InputError: a share or a number of examples out of range.
    """
    if not (0 <= share <= 1 and n > 0):
        raise InputError(f"share {share} of {n} examples: expected 0 to 1, of more than 0")
    z2 = float(stats.norm.ppf(0.5 + confidence / 2)) ** 2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    reach = np.sqrt(z2 * (share * (1 - share) + z2 / (4 * n)) / n) / (1 + z2 / n)
    return max(0.0, float(middle - reach)), min(1.0, float(middle + reach))


def cluster_sums(values: np.ndarray, clusters: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, float]:
    """Adds up values by cluster.

    Args:
        values: numbers (n,).
        clusters: (n,), the cluster of each example, such as `Bank.bases`; None if every example is one of its own.

    Returns:
        The sums, (clusters,); the sizes of the clusters, int64 (clusters,); and the size of the cluster that an example
        is in, averaged over the examples.

    Raises:
        InputError: not one cluster for each value.
    """
    if clusters is None:
        return values, np.ones(len(values), np.int64), 1.0
    if np.shape(clusters) != values.shape:
        raise InputError(f"clusters {np.shape(clusters)}: expected one for each of the {len(values)} examples")
    _, of, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    sums = np.zeros(len(sizes), values.dtype)
    np.add.at(sums, of, values)
    return sums, sizes, float((sizes**2).sum() / len(values))


def effective_size(right: np.ndarray, clusters: np.ndarray | None = None) -> float:
    """The number of independent examples that would carry as much information: n over the design effect, at most n.

    The design effect is the clustered variance of the share (Liang and Zeger, Biometrika 73:13, 1986) over
    p (1 - p) / n (Korn and Graubard, Survey Methodology 24:193, 1998). Neither can be estimated from the examples alone
    if all or nearly all are right. So both are estimated after adding one cluster of mean size that is all right and
    one that is all wrong, much as Agresti and Coull (American Statistician 52:119, 1998) add two successes and two
    failures. If every cluster is one example, that gives n. If all or none are right, it gives the number of clusters
    when they are of one size, and n^2 / sum of m^2 for sizes m in general.

    Args:
        right: bool (n,), whether each prediction is right.
        clusters: as in `cluster_sums`.
    """
    sums, sizes, mean = cluster_sums(right.astype(np.int64), clusters)
    n, more = len(right), len(right) + 2 * mean
    p = (sums.sum() + mean) / more
    variance = (((sums - p * sizes) ** 2).sum() + mean**2 * (p**2 + (1 - p) ** 2)) / more**2
    return float(min(n, p * (1 - p) / variance - 2))


def accuracy(right: np.ndarray, clusters: np.ndarray | None = None, confidence: float = 0.95) -> tuple[float, float]:
    """The confidence interval of an accuracy: `wilson` with the `effective_size`.

    Args:
        right: bool (n,), whether each prediction is right.
        clusters: (n,), the image from which each example was made (`Bank.bases`). A network that is right about an
            image is mostly right about its corrupted versions too, so that five of them say less than five images.
        confidence: in (0, 1).

    Returns:
        The lower and the upper end, both in [0, 1].

    Raises:
        InputError: no examples, or not one cluster for each.
    """
    right = np.asarray(right, bool)
    if right.ndim != 1 or not len(right):
        raise InputError(f"results {right.shape}: expected (n,), of at least one example")
    return wilson(float(right.mean()), effective_size(right, clusters), confidence)


def text(share: float, ends: tuple[float, float]) -> str:
    """A share and its 95% interval as reports and model cards write them: 0.9844 (0.9682 to 0.9924)."""
    return f"{share:.4f} ({ends[0]:.4f} to {ends[1]:.4f})"
