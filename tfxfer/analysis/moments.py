"""One pass, every statistic: class means and covariances from sums that a batch only adds to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import tensorflow as tf

from tfxfer.analysis.feature_batches import blocks, centring, checked, precision, regroup
from tfxfer.analysis.moment_sums import add_up, statistics
from tfxfer.core import memory
from tfxfer.core.errors import InputError
from tfxfer.data.channel_stats import mean_and_std as normalisation

__all__ = ["Moments", "blocks", "collect", "few_moments", "moments_bytes", "normalisation", "statistics"]

_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over n examples x of d features in C classes, relative to a shift near their mean; all NumPy float64.

    Attributes:
        shift: (d,).
        count: (C,) examples by class.
        sum: (C, d), of x - shift by class.
        squares: (C,), of |x - shift|^2 by class.
        scatter: (d, d), of (x - shift)(x - shift)^T over all.
        epsilon: relative precision of the products within classes: 2.2e-16, or 1.2e-7 of float32 features.
    """

    shift: np.ndarray
    count: np.ndarray
    sum: np.ndarray
    squares: np.ndarray
    scatter: np.ndarray
    epsilon: float = _EPSILON

    @property
    def n(self) -> int:
        return int(self.count.sum())

    @property
    def mean(self) -> np.ndarray:
        """(d,), of all examples."""
        return self.shift + self.sum.sum(0) / self.n

    @property
    def class_means(self) -> np.ndarray:
        """(C, d); NaN for a class without examples."""
        return np.where(self.count[:, None] > 0, self.shift + self._offsets, np.nan)

    @property
    def std(self) -> np.ndarray:
        """(d,) standard deviation of each feature with ddof 0, for normalisation."""
        mean_square = np.diagonal(self.scatter) / self.n
        return np.sqrt(np.maximum(mean_square - (self.sum.sum(0) / self.n) ** 2, 0))

    @property
    def within(self) -> np.ndarray:
        """(d, d) covariance within classes, (1/n) sum of (x - mu_c)(x - mu_c)^T."""
        return (self.scatter - self.sum.T @ self._offsets) / self.n

    @property
    def class_variances(self) -> np.ndarray:
        """(C,) mean squared distance to the class mean; NaN for a class without examples."""
        mean_square = self.squares / np.maximum(self.count, 1)
        found = np.maximum(mean_square - (self._offsets**2).sum(1), 0)
        return np.where(self.count > 0, found, np.nan)

    @property
    def _offsets(self) -> np.ndarray:
        return self.sum / np.maximum(self.count, 1)[:, None]

    def covariance(self, ddof: int = 0) -> np.ndarray:
        """(d, d) covariance of all examples; ddof 1 divides by n - 1."""
        if self.n <= ddof:
            raise InputError(f"covariance of {self.n} examples with ddof {ddof}: expected more than ddof")
        total = self.sum.sum(0)
        return (self.scatter - np.outer(total, total / self.n)) / (self.n - ddof)

    def __add__(self, other: "Moments") -> "Moments":
        """Those of the examples of both, relative to the shift of the first."""
        if not isinstance(other, Moments):
            return NotImplemented
        if self.sum.shape != other.sum.shape:
            both = " and ".join(f"{len(m.count)} classes of {len(m.shift)} features" for m in (self, other))
            raise InputError(f"moments of {both} do not add up: collect both with the same classes and features")
        moved = _moved(vars(other), other.shift - self.shift)
        sums = {name: getattr(self, name) + moved[name] for name in moved}
        return Moments(self.shift, **sums, epsilon=max(self.epsilon, other.epsilon))


def collect(
    batches: Iterable[tuple[np.ndarray, np.ndarray]] | tf.data.Dataset,
    classes: int,
    strategy: tf.distribute.Strategy | None = None,
) -> Moments:
    """One pass over batches of any size, in memory for some (d, d) matrices and `ROWS` examples.

    Each example is taken relative to the mean of its class in the block where that class first comes: rounding then is
    a share of what is within classes, however far apart they are, and however small within is: collapse is about that.

    Args:
        batches: of x, numbers (n, ...), taken as (n, d), and labels, integers (n,) from 0 to classes - 1.
        strategy: each replica takes its part of each block; the batches, and the result, are the same on each worker.

    Raises:
        InputError: no data, shapes that do not fit, wrong labels, features that are not finite, or not enough memory.
    """
    feed = regroup(checked(batches, classes))
    first = next(feed, None)
    if first is None:
        raise InputError("no examples to collect moments of: expected batches of (x, labels)")
    dtype, d = first[0].dtype, first[0].shape[1]
    memory.need(moments_bytes(d), f"the covariance of {d:,} features")
    centres = np.zeros((classes, d), dtype)
    sums = add_up(centring(chain([first], feed), centres), centres, strategy)
    if not np.isfinite(sums["squares"]).all():
        raise InputError(f"{d} features hold NaN, infinity or what is too large for {dtype} when squared: mend them")
    centres, count = centres.astype(np.float64), sums["count"]
    shift = (count @ centres + sums["sum"].sum(0)) / count.sum()
    return Moments(shift, **_moved(sums, centres - shift), epsilon=float(np.finfo(dtype).eps))


def few_moments(z: np.ndarray, labels: np.ndarray, classes: int, dtype: np.dtype) -> Moments:
    """`collect` of float64 coordinates (n, n) of features of `dtype`, with the precision that those would have."""
    found = collect(blocks(z, labels), classes)
    return replace(found, epsilon=float(np.finfo(precision(tf.as_dtype(dtype)).as_numpy_dtype).eps))


def moments_bytes(d: int) -> int:
    """Of memory that `collect` takes: about six matrices (d, d) in float64, which it is added up from."""
    return 48 * d**2


def _moved(sums: Mapping[str, np.ndarray], step: np.ndarray) -> dict[str, np.ndarray]:
    """The sums relative to a shift that is less by `step`, (d,) or one for each class (C, d)."""
    count, total, squares, scatter = (sums[name] for name in ("count", "sum", "squares", "scatter"))
    step = np.broadcast_to(step, total.shape)
    half = total + count[:, None] / 2 * step
    across = half.T @ step
    scatter = scatter + across
    scatter += across.T
    return {
        "count": count,
        "sum": total + count[:, None] * step,
        "squares": squares + 2 * (half * step).sum(1),
        "scatter": scatter,
    }
