"""When a classifier should rather not answer: the confidence below which its predictions are wrong too often."""

import math
from dataclasses import dataclass
from numbers import Real

import numpy as np
from scipy import stats

from tfxfer.analysis import intervals, metrics
from tfxfer.core.errors import InputError, shown

STARTS = 2  # of the tests of thresholds; more would leave less of the error to each, and so answer fewer images
DIGITS = 6  # of a confidence that count


@dataclass(frozen=True)
class Abstention:
    """Where a classifier abstains, and what that gave on the images to which the threshold was fitted.

    Attributes:
        threshold: the lowest confidence that is answered, in [0, 1]; None where no threshold can be shown to be enough.
        wanted: the precision that was asked for.
        confidence: with which the precision holds for other images of the same kind.
        precision: the share of right predictions among the images answered, in [0, 1]; NaN without a threshold.
        low, high: ends of its 95% interval (Wilson); NaN without a threshold.
        answered: the share of images answered, in [0, 1]; 0 without a threshold.
        images: number of images.
        needed: how many of the most confident images would have to be right, without one mistake, for a threshold.
    """

    threshold: float | None
    wanted: float
    confidence: float
    precision: float
    low: float
    high: float
    answered: float
    images: int
    needed: int

    @property
    def facts(self) -> dict[str, float | None]:
        """What a calibration keeps: `threshold`, the precision `reached` (None without one), the share `answered`."""
        reached = None if self.threshold is None else self.precision
        return {"threshold": self.threshold, "reached": reached, "answered": self.answered}

    @property
    def text(self) -> str:
        """One or two sentences that say it."""
        if self.threshold is None:
            return (
                f"No threshold: on these {self.images:,} images a precision of {self.wanted:g} cannot be shown with "
                f"{self.confidence:.0%} confidence. That takes at least {self.needed:,} images of high confidence "
                "that are all right: give more images, or ask for less precision."
            )
        return (
            f"Predictions with a probability of at least {self.threshold:.4f} are answered: {self.answered:.1%} of "
            f"{self.images:,} images, with precision {intervals.text(self.precision, (self.low, self.high))}. On "
            f"other images of this kind it is at least {self.wanted:g}, with {self.confidence:.0%} confidence."
        )


def abstention_threshold(
    probabilities: np.ndarray, labels: np.ndarray, precision: float, confidence: float = 0.95
) -> Abstention:
    """The lowest confidence from which predictions are right often enough to be given; below it, abstain.

    This is selective classification with guaranteed risk (Geifman and El-Yaniv 2017, arXiv:1705.08500). The precision
    on the images at hand is not enough: of many thresholds, the lowest that reaches it does so by luck. A threshold
    therefore has to pass a test: if its precision were lower than wanted, so few mistakes would be made with a
    probability of at most 1 - confidence (exact binomial). Thresholds are tested from high to low confidence up to the
    first that fails, from two starts that share the error between them (fixed-sequence testing, Angelopoulos et al.
    2021, arXiv:2110.01052): at the fewest images that can pass, and further on, in case one of the surest images is
    labelled wrongly. Small sets therefore give a high threshold, or none: a precision of 0.95 takes at least 72 images
    that are all right, one of 0.99 takes 368.

    Args:
        probabilities: float (n, C), in [0, 1]; each row sums to 1. Calibrate them first, by `temperature`.
        labels: integers (n,) from 0 to C - 1, of images that were not trained on.
        precision: the wanted share of right predictions among those given, above 0 and below 1.
        confidence: the probability, over the choice of these images, that others have this precision; in (0, 1).

    Returns:
        The threshold, the precision above it, and the share of images that are answered. Where no threshold passes,
        `threshold` is None and `text` says so. Confidences count to six digits, rounded down.

    Raises:
        InputError: arrays of other shapes, rows that do not sum to 1, or numbers out of range.

    Example:
        >>> import numpy as np
        >>> from tfxfer import analysis
        >>> sure = np.repeat([0.99, 0.6], [300, 100])
        >>> labels = np.repeat([0, 1, 0, 1], [299, 1, 60, 40])  # one mistake in 300, then 40 in 100
        >>> found = analysis.abstention_threshold(np.stack([sure, 1 - sure], 1), labels, precision=0.95)
        >>> found.threshold, found.answered, round(found.precision, 4)
        (0.99, 0.75, 0.9967)
        >>> analysis.abstention_threshold(np.stack([sure, 1 - sure], 1), labels, precision=0.999).text[:51]
        'No threshold: on these 400 images a precision of 0.'
    """
    metrics.reliability(probabilities, labels)  # refuses what is not probabilities
    probabilities = np.asarray(probabilities, np.float64)
    right = probabilities.argmax(1) == np.asarray(labels)
    return of_confidences(probabilities.max(1), right, precision, confidence)


def of_confidences(sure: np.ndarray, right: np.ndarray, precision: float, confidence: float = 0.95) -> Abstention:
    """As `abstention_threshold`, for classifiers whose probabilities do not sum to 1, such as those in 8 bits.

    Args:
        sure: float (n,), in [0, 1], the confidence of each prediction; n is above 0.
        right: bool (n,), whether it is right.
        precision, confidence: as there.

    Raises:
        InputError: numbers out of range.
    """
    for name, value in (("precision", precision), ("confidence", confidence)):
        if isinstance(value, bool) or not isinstance(value, Real) or not 0 < value < 1:
            raise InputError(f"{name} {shown(value)}: expected a share above 0 and below 1, such as 0.95")
    error, n = (1 - confidence) / STARTS, len(right)
    needed = math.ceil(math.log(error) / math.log(precision))
    sure = np.floor(np.asarray(sure, np.float64) * 10**DIGITS + 1e-4) / 10**DIGITS
    order = np.argsort(-sure, kind="stable")
    sure, rights = sure[order], np.cumsum(np.asarray(right, bool)[order])
    last = np.flatnonzero(np.append(np.diff(sure) < 0, True))  # place of the last image of each confidence
    counts = last + 1
    passes = stats.binom.cdf(counts - rights[last], counts, 1 - precision) <= error
    place = _lowest(passes, int(np.searchsorted(counts, needed)))
    if place is None:
        return Abstention(None, precision, confidence, math.nan, math.nan, math.nan, 0.0, n, needed)
    answered, reached = int(counts[place]), float(rights[last[place]] / counts[place])
    ends = intervals.wilson(reached, answered)
    return Abstention(float(sure[last[place]]), precision, confidence, reached, *ends, answered / n, n, needed)


def _lowest(passes: np.ndarray, first: int) -> int | None:
    """The last place that fixed-sequence tests reach: each goes on from its start up to the first that fails.

    Args:
        passes: bool (n,), whether the test of each place passes, in the order of the tests.
        first: the first start; those before have too few images to pass.
    """
    if first >= len(passes):
        return None
    reached = [
        start + int(np.argmin(np.append(passes[start:], False)))
        for start in np.geomspace(first + 1, len(passes), STARTS + 1)[:-1].round().astype(int) - 1
        if passes[start]
    ]
    return max(reached) - 1 if reached else None
