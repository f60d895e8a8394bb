"""CKA between many layers, of one network or of two, from sums over batches that can be added."""

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from tfxfer.analysis.kernel_alignment import LEAST, hsic, ratio
from tfxfer.core import memory
from tfxfer.core.errors import InputError

Layers = Mapping[str, np.ndarray]
"""Features (n, ...) of the same n examples by layer."""

Key = tuple[int, str]
"""A layer: 0 for those of the rows and 1 for those of the columns, and its name."""


@dataclass(frozen=True, eq=False)
class LayerSums:
    """Sums over n examples of two sets of layers, rows and columns. Those of different examples can be added.

    Attributes:
        n: number of examples.
        shift: by layer, float64 (d,), subtracted from every example.
        sum: by layer, float64 (d,), the sum of x - shift.
        scatter: by pair of layers, float64 (d1, d2), the sum of (x - its shift)(y - its shift)^T: of each layer with
            itself, and of each row with each column; empty without `exact`.
        unbiased: by pair, the sum over batches of b HSIC1(x, y), for b examples in a batch.
    """

    n: int
    shift: dict[Key, np.ndarray]
    sum: dict[Key, np.ndarray]
    scatter: dict[tuple[Key, Key], np.ndarray]
    unbiased: dict[tuple[Key, Key], float]

    @property
    def rows(self) -> list[str]:
        """Names of the first set's layers."""
        return [name for side, name in self.sum if side == 0]

    @property
    def columns(self) -> list[str]:
        """Names of the second set's layers."""
        return [name for side, name in self.sum if side == 1]

    def cka(self) -> np.ndarray:
        """Linear CKA of all examples, float64 (rows, columns), as `analysis.cka` gives it; NaN where not defined.

        Raises:
            InputError: the sums were collected without `exact`.
        """
        if not self.scatter:
            raise InputError("these sums have no scatter: collect them with exact=True, or ask for minibatch_cka()")
        means = {pair: np.outer(self.sum[pair[0]], self.sum[pair[1]]) / self.n for pair in self.scatter}
        return self._ratio({pair: float(((s - means[pair]) ** 2).sum()) for pair, s in self.scatter.items()})

    def minibatch_cka(self) -> np.ndarray:
        """CKA from the mean over batches of the unbiased HSIC (Nguyen et al. 2021, arXiv:2010.15327).

        Batches count by their examples, which in batches of one size is the plain mean. Those of fewer than four
        examples, for which the estimator is not defined, do not count.

        Returns:
            float64 (rows, columns); NaN where it is not defined.
        """
        return self._ratio(self.unbiased)

    def __add__(self, other: "LayerSums") -> "LayerSums":
        """The sums over the examples of both, relative to the shifts of the first.

        Raises:
            InputError: other layers or other numbers of features.
        """
        if not isinstance(other, LayerSums):
            return NotImplemented
        sizes, others = ({key: len(shift) for key, shift in sums.shift.items()} for sums in (self, other))
        if sizes != others or self.scatter.keys() != other.scatter.keys():
            raise InputError(
                "sums of other layers cannot be added: collect both of the same layers, with the same exact"
            )
        n, total, step = other.n, other.sum, {key: other.shift[key] - shift for key, shift in self.shift.items()}
        scatter = {}
        for (a, b), own in self.scatter.items():
            moved = np.outer(total[a] + n * step[a], step[b]) + np.outer(step[a], total[b])
            scatter[a, b] = own + other.scatter[a, b] + moved
        return LayerSums(
            self.n + n,
            self.shift,
            {key: value + total[key] + n * step[key] for key, value in self.sum.items()},
            scatter,
            {pair: value + other.unbiased[pair] for pair, value in self.unbiased.items()},
        )

    def _ratio(self, values: Mapping[tuple[Key, Key], float]) -> np.ndarray:
        rows, columns = _sides(self.sum)
        between = np.array([[values[r, c] for c in columns] for r in rows])
        own, other = (np.array([values[key, key] for key in keys]) for keys in (rows, columns))
        return ratio(between, own[:, None], other)


def collect(batches: Iterable[tuple[Layers, Layers]], exact: bool = True) -> LayerSums:
    """Collects what CKA between two sets of layers needs, in one pass over batches.

    Args:
        batches: pairs of features by layer, of one set and of the other: numbers (n, ...) of the same n examples, taken
            as (n, d). Both may be of one network, or even the same.
        exact: whether to sum up the scatter (d1, d2) of each pair of layers, from which `cka` gives what
            `analysis.cka` would of all examples at once. Without it, memory does not grow with d^2, and only
            `minibatch_cka` is there.

    Raises:
        InputError: no examples, layers or shapes that differ between batches, features that are not finite, or not
            enough memory.

    Example:
        >>> import numpy as np
        >>> from tfxfer.analysis import layer_similarity
        >>> x = np.random.default_rng(0).normal(size=(100, 3))
        >>> sums = layer_similarity.collect(({"a": b}, {"a": b, "b": b[:, :1]}) for b in np.split(x, 2))
        >>> sums.cka().shape, sums.minibatch_cka().shape
        ((1, 2), (1, 2))
    """
    total: LayerSums | None = None
    for pair in batches:
        layers = {(side, name): _checked(name, x) for side in (0, 1) for name, x in pair[side].items()}
        sizes = {len(x) for x in layers.values()}
        if len(sizes) != 1 or {side for side, _ in layers} != {0, 1}:
            raise InputError(
                f"a batch of {sorted(sizes)} examples: expected layers on both sides, as many examples of all"
            )
        if sizes == {0}:
            continue
        pairs = [(key, key) for key in layers]
        pairs += itertools.product(*_sides(layers))
        if total is None and exact:
            numbers = sum(layers[a].shape[1] * layers[b].shape[1] for a, b in pairs)
            memory.need(
                3 * 8 * numbers, f"CKA of layers with up to {max(x.shape[1] for x in layers.values()):,} features"
            )
        sums = _of_batch(layers, pairs, exact)
        total = sums if total is None else total + sums
    if total is None:
        raise InputError("no examples to compute CKA from: expected batches of ({layer: features}, {layer: features})")
    return total


def _sides(layers: Iterable[Key]) -> tuple[list[Key], list[Key]]:
    """Those of the rows and those of the columns."""
    keys = list(layers)
    return [key for key in keys if key[0] == 0], [key for key in keys if key[0] == 1]


def _checked(name: str, given: np.ndarray) -> np.ndarray:
    x = np.asarray(given)
    if x.ndim < 2 or x.dtype.kind not in "biuf":
        raise InputError(f"{name}: a batch of {x.dtype} {x.shape}: expected numbers (n, ...)")
    if not np.isfinite(x).all():
        raise InputError(f"{name} contains NaN or infinity: leave out or repair those examples")
    return x.reshape(len(x), math.prod(x.shape[1:])).astype(np.float64)


def _of_batch(layers: dict[Key, np.ndarray], pairs: list[tuple[Key, Key]], exact: bool) -> LayerSums:
    # the mean, exact for features that are the same in all examples
    shift = {key: x[0] + (x - x[0]).mean(0) for key, x in layers.items()}
    moved = {key: x - shift[key] for key, x in layers.items()}
    n = len(next(iter(moved.values())))
    return LayerSums(
        n,
        shift,
        {key: x.sum(0) for key, x in moved.items()},
        {(a, b): moved[a].T @ moved[b] for a, b in pairs} if exact else {},
        # n (n - 3) HSIC1, which is not defined for fewer than four examples
        {(a, b): hsic(moved[a], moved[b], True) / (n - 3) if n >= LEAST else 0.0 for a, b in pairs},
    )
