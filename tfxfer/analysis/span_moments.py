"""Moments of features; of few examples, those of their coordinates in the space that they span, and the way back."""

from typing import NamedTuple

import numpy as np

from tfxfer.analysis.factorizations import span, span_bytes
from tfxfer.analysis.moments import Moments, blocks, collect, few_moments, moments_bytes
from tfxfer.core import memory


class Back(NamedTuple):
    """From coordinates in the span of few examples, as `factorizations.span` gives them, back to the features.

    Attributes:
        basis: float64 (d, n); None if the moments are those of the features themselves.
        centre: float64 (d,), the origin of the coordinates.
    """

    basis: np.ndarray | None = None
    centre: np.ndarray | None = None

    def directions(self, rows: np.ndarray) -> np.ndarray:
        """The directions (k, d) with coordinates (k, n)."""
        return rows if self.basis is None else rows @ self.basis.T

    def points(self, rows: np.ndarray) -> np.ndarray:
        """The points (k, d), or one point (d,), with coordinates (k, n) or (n,)."""
        return rows if self.basis is None else rows @ self.basis.T + self.centre


def span_moments(x: np.ndarray, labels: np.ndarray, classes: int) -> tuple[Moments, Back]:
    """The moments of features, or, if examples are fewer than features, of their n coordinates.

    Args:
        x: numbers (n, d).
        labels: integers (n,) from 0 to classes - 1.
        classes: number of classes.

    Raises:
        InputError: features that are not finite, or not enough memory.
    """
    n, d = x.shape
    if n >= d:
        return collect(blocks(x, labels), classes), Back()
    memory.need(bytes_needed(n, d), f"a linear model of {n:,} examples of {d:,} features")
    centre = x.mean(0, dtype=np.float64)
    z, basis = span(x - centre)
    return few_moments(z, labels, classes, x.dtype), Back(basis, centre)


def bytes_needed(n: int, d: int) -> int:
    """Bytes of memory, besides the features, that fitting a linear model to n examples of d features needs."""
    return moments_bytes(min(n, d)) + span_bytes(n, d, 8)
