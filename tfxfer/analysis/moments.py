"""One pass, every statistic: class means and covariances from sums to which each batch adds."""

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
    """Sums over n examples x of d features in C classes, relative to a shift near their mean.

    All arrays are NumPy's, float64. Moments of different examples can be added.

    Attributes:
        shift: (d,), subtracted from every example.
        count: (C,), the number of examples of each class.
        sum: (C, d), the sum of x - shift over each class.
        squares: (C,), the sum of |x - shift|^2 over each class.
        scatter: (d, d), the sum of (x - shift)(x - shift)^T over all examples.
        epsilon: relative precision of the products within classes: 2.2e-16, or 1.2e-7 for float32 features.
    """

    shift: np.ndarray
    count: np.ndarray
    sum: np.ndarray
    squares: np.ndarray
    scatter: np.ndarray
    epsilon: float = _EPSILON

    @property
    def n(self) -> int:
        """The number of examples."""
        return int(self.count.sum())

    @property
    def mean(self) -> np.ndarray:
        """(d,), the mean of all examples."""
        return self.shift + self.sum.sum(0) / self.n

    @property
    def class_means(self) -> np.ndarray:
        """(C, d), the mean of each class; NaN for a class without examples."""
        return np.where(self.count[:, None] > 0, self.shift + self._offsets, np.nan)

    @property
    def std(self) -> np.ndarray:
        """(d,), the standard deviation of each feature with ddof 0, as for normalisation."""
        mean_square = np.diagonal(self.scatter) / self.n
        return np.sqrt(np.maximum(mean_square - (self.sum.sum(0) / self.n) ** 2, 0))

    @property
    def within(self) -> np.ndarray:
        """(d, d), the covariance within classes, (1/n) sum of (x - mu_c)(x - mu_c)^T."""
        return (self.scatter - self.sum.T @ self._offsets) / self.n

    @property
    def class_variances(self) -> np.ndarray:
        """(C,), the mean squared distance to the class mean; NaN for a class without examples."""
        mean_square = self.squares / np.maximum(self.count, 1)
        variances = np.maximum(mean_square - (self._offsets**2).sum(1), 0)
        return np.where(self.count > 0, variances, np.nan)

    @property
    def _offsets(self) -> np.ndarray:
        return self.sum / np.maximum(self.count, 1)[:, None]

    def covariance(self, ddof: int = 0) -> np.ndarray:
        """(d, d), the covariance of all examples; ddof 1 divides by n - 1.

        Raises:
            InputError: no more examples than ddof.
        """
        if self.n <= ddof:
            raise InputError(f"covariance of {self.n} examples with ddof {ddof}: expected more examples than ddof")
        total = self.sum.sum(0)
        return (self.scatter - np.outer(total, total / self.n)) / (self.n - ddof)

    def __add__(self, other: "Moments") -> "Moments":
        """The moments of the examples of both, relative to the shift of the first.

        Raises:
            InputError: other numbers of classes or features.
        """
        if not isinstance(other, Moments):
            return NotImplemented
        if self.sum.shape != other.sum.shape:
            both = " and ".join(f"{len(m.count)} classes of {len(m.shift)} features" for m in (self, other))
            raise InputError(f"moments of {both} cannot be added: compute both with the same classes and features")
        moved = _moved(vars(other), other.shift - self.shift)
        sums = {name: getattr(self, name) + moved[name] for name in moved}
        return Moments(self.shift, **sums, epsilon=max(self.epsilon, other.epsilon))


def collect(
    batches: Iterable[tuple[np.ndarray, np.ndarray]] | tf.data.Dataset,
    classes: int,
    strategy: tf.distribute.Strategy | None = None,
) -> Moments:
    """Collects moments in one pass over batches of any size, with memory for some (d, d) matrices and `ROWS` examples.

    Each example is taken relative to the mean of its class in the block where that class first occurs. Rounding is then
    a share of the spread within classes, however far apart they are and however small that spread is, which is what
    collapse is about.

    Args:
        batches: pairs of features, numbers (n, ...), taken as (n, d), and labels, integers (n,) from 0 to classes - 1.
        classes: number of classes.
        strategy: each replica takes its part of each block. The batches must be the same on every worker, and so is the
            result.

    Raises:
        InputError: no data, shapes that do not fit, labels out of range, features that are not finite, or not enough
            memory.
    """
    feed = regroup(checked(batches, classes))
    first = next(feed, None)
    if first is None:
        raise InputError("no examples to compute moments from: expected batches of (x, labels)")
    dtype, d = first[0].dtype, first[0].shape[1]
    memory.need(moments_bytes(d), f"the covariance of {d:,} features")
    centres = np.zeros((classes, d), dtype)
    sums = add_up(centring(chain([first], feed), centres), centres, strategy)
    if not np.isfinite(sums["squares"]).all():
        raise InputError(
            f"{d} features contain NaN, infinity, or numbers whose squares are too large for {dtype}: leave out or "
            "repair those examples"
        )
    centres, count = centres.astype(np.float64), sums["count"]
    shift = (count @ centres + sums["sum"].sum(0)) / count.sum()
    return Moments(shift, **_moved(sums, centres - shift), epsilon=float(np.finfo(dtype).eps))


def few_moments(z: np.ndarray, labels: np.ndarray, classes: int, dtype: np.dtype) -> Moments:
    """Collects the moments of coordinates, with the precision that the moments of their features would have.

    Args:
        z: float64 (n, n), the coordinates.
        labels: integers (n,) from 0 to classes - 1.
        classes: number of classes.
        dtype: that of the features.
    """
    moments = collect(blocks(z, labels), classes)
    return replace(moments, epsilon=float(np.finfo(precision(tf.as_dtype(dtype)).as_numpy_dtype).eps))


def moments_bytes(d: int) -> int:
    """Bytes of memory that `collect` needs: about six (d, d) matrices in float64."""
    return 48 * d**2


def _moved(sums: Mapping[str, np.ndarray], step: np.ndarray) -> dict[str, np.ndarray]:
    """The sums relative to a shift that is smaller by `step`, (d,), or (C, d) for one per class."""
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
