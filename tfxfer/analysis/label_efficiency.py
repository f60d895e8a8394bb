"""Label efficiency: how many labelled images it takes to reach an accuracy, read from learning curves."""

from dataclasses import dataclass

import numpy as np
from sklearn.isotonic import isotonic_regression

from tfxfer.core.errors import InputError


def labels_needed(labels: np.ndarray, accuracies: np.ndarray, wanted: float) -> np.ndarray:
    """The number of labelled images at which each learning curve reaches an accuracy.

    A curve is first made monotone, as the non-decreasing one with the least squared distance from it (isotonic
    regression): more labels do not hurt, other than by chance, and the highest of several noisy values would be too
    high. Between two measured points it is a straight line over the logarithm of the number of labels.

    Args:
        labels: numbers above 0, ascending (points,).
        accuracies: in [0, 1], (curves, points); a curve for each draw of the images.
        wanted: the accuracy, in [0, 1].

    Returns:
        float64 (curves,). The first of `labels` where that is enough, so that the true number may be smaller; infinity
        where even the last is not.

    Raises:
        InputError: arrays of other shapes, or numbers of labels that are not ascending.

    Example:
        >>> labels_needed(np.array([10, 1000]), np.array([[0.5, 0.9], [0.5, 0.6]]), wanted=0.7)
        array([100.,  inf])
    """
    x, y = np.asarray(labels, np.float64), np.asarray(accuracies, np.float64)
    if x.ndim != 1 or not len(x) or y.ndim != 2 or y.shape[1] != len(x):
        raise InputError(f"accuracies {y.shape} for labels {x.shape}: expected (curves, points) and (points,)")
    if x[0] <= 0 or (np.diff(x) <= 0).any():
        raise InputError(f"labels {', '.join(f'{value:g}' for value in x)}: expected ascending numbers above 0")
    return np.array([_crossing(x, isotonic_regression(curve), wanted) for curve in y])


@dataclass(frozen=True)
class Demand:
    """Numbers of labels over several draws of the images.

    Attributes:
        median, low, high: of the draws; infinity where the draw in question does not reach the accuracy. The interval
            from the lowest to the highest of n independent draws contains the median of all possible draws with a
            probability of 1 - 2 / 2^n: 0.75 for 3 draws, 0.94 for 5.
        reached: the share of the draws that reach it.
    """

    median: float
    low: float
    high: float
    reached: float


def demand(needed: np.ndarray) -> Demand:
    """Summarises what `labels_needed` returns: numbers or infinity, (draws,), of at least one draw."""
    ordered = np.sort(needed)
    below, above = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    median = above if np.isinf(above) else (below + above) / 2
    return Demand(float(median), float(ordered[0]), float(ordered[-1]), float(np.isfinite(needed).mean()))


def text(found: Demand, fewest: int, most: int) -> str:
    """What `demand` says, for people.

    Args:
        fewest, most: the smallest and the largest number of labels that were tried.

    Example:
        >>> text(Demand(140.2, 120.0, np.inf, 0.8), fewest=10, most=1212)
        '141 labels (120 to more than 1,212; reached in 80% of the draws)'
        >>> text(Demand(np.inf, np.inf, np.inf, 0.0), fewest=10, most=1212)
        'not reached with 1,212 labels'
    """

    def number(value: float) -> str:
        if np.isinf(value):
            return f"more than {most:,}"
        return f"at most {fewest:,}" if value <= fewest else f"{int(np.ceil(value - 1e-6)):,}"

    if not found.reached:
        return f"not reached with {most:,} labels"
    share = f"; reached in {found.reached:.0%} of the draws" if found.reached < 1 else ""
    return f"{number(found.median)} labels ({number(found.low)} to {number(found.high)}{share})"


def _crossing(labels: np.ndarray, curve: np.ndarray, wanted: float) -> float:
    if curve[-1] < wanted:
        return np.inf
    after = int(np.argmax(curve >= wanted))
    if after == 0:
        return labels[0]
    share = (wanted - curve[after - 1]) / (curve[after] - curve[after - 1])
    return labels[after - 1] * (labels[after] / labels[after - 1]) ** share
