"""How sure a share of right predictions is: Wilson's interval, also where several examples were made of one image."""

import numpy as np
from scipy import stats

from tfxfer.core.errors import InputError


def wilson(share: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Confidence interval of a proportion, low and high, both in [0, 1].

    Unlike share ± z standard errors it is never empty, not even where all or none are right, and never leaves [0, 1]
    (Wilson, JASA 22:209, 1927; recommended by Brown, Cai and DasGupta, Statistical Science 16:101, 2001).

    Args:
        share: in [0, 1], found in n independent examples; n may be a fraction, as effective sizes are.
    """
    if not (0 <= share <= 1 and n > 0):
        raise InputError(f"share {share} of {n} examples: expected 0 to 1, of more than 0")
    z2 = float(stats.norm.ppf(0.5 + confidence / 2)) ** 2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    reach = np.sqrt(z2 * (share * (1 - share) + z2 / (4 * n)) / n) / (1 + z2 / n)
    return max(0.0, float(middle - reach)), min(1.0, float(middle + reach))


def cluster_sums(values: np.ndarray, clusters: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, float]:
    """Sums of values (n,) in each cluster, sizes of the clusters, and the size of an example's cluster in the mean.

    Args:
        clusters: (n,) of which cluster each example is, such as `Bank.bases`; None for one each.
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
    """How many independent examples would say as much: n over the design effect, at most n.

    The design effect is the clustered variance of the share (Liang and Zeger 1986) over p (1 - p) / n (Korn and
    Graubard, Survey Methodology 24:193, 1998). Neither can be taken from the examples alone where all or nearly all are
    right, so both are taken after a cluster of mean size that is all right and one that is all wrong are added, much as
    Agresti and Coull (American Statistician 52:119, 1998) add two successes and two failures. That gives n where every
    cluster is one example, and where all or none are right the number of clusters, if they are of one size
    (n^2 / sum of m^2 for sizes m).

    Args:
        right: bool (n,).
        clusters: as in `cluster_sums`.
    """
    sums, sizes, mean = cluster_sums(right.astype(np.int64), clusters)
    n, more = len(right), len(right) + 2 * mean
    p = (sums.sum() + mean) / more
    variance = (((sums - p * sizes) ** 2).sum() + mean**2 * (p**2 + (1 - p) ** 2)) / more**2
    return float(min(n, p * (1 - p) / variance - 2))


def accuracy(right: np.ndarray, clusters: np.ndarray | None = None, confidence: float = 0.95) -> tuple[float, float]:
    """Confidence interval of the share of right predictions: `wilson` with the `effective_size`.

    Args:
        right: bool (n,), whether each example is told right.
        clusters: (n,) of which image each example was made (`Bank.bases`): what is right of one image is mostly right
            of its corrupted versions too, so that five of them say less than five images.

    Raises:
        InputError: no examples, or not one cluster for each.
    """
    right = np.asarray(right, bool)
    if right.ndim != 1 or not len(right):
        raise InputError(f"results {right.shape}: expected (n,), of at least one example")
    return wilson(float(right.mean()), effective_size(right, clusters), confidence)


def text(share: float, ends: tuple[float, float]) -> str:
    """A share and its 95% interval as reports and cards write them: 0.9844 (0.9682 to 0.9924)."""
    return f"{share:.4f} ({ends[0]:.4f} to {ends[1]:.4f})"
