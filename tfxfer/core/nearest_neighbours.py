"""Exact nearest neighbours by Euclidean distance: block by block, or by faiss where it is installed."""

import importlib
import importlib.util
from typing import Any, NamedTuple

import numpy as np

from tfxfer.core.concatenated import ArrayLike
from tfxfer.core.errors import InputError

FAISS_FROM = 200_000  # references from which faiss is used, if it is there
BLOCK = 4096  # rows of each of two blocks: 64 MB of distances
_SPARE = 8  # candidates that are kept beside the k nearest, because distances in float32 are rounded


class Neighbours(NamedTuple):
    """The nearest references of each query, the nearest first.

    Attributes:
        distances: float64 (n, k), Euclidean.
        rows: int64 (n, k), rows of the references.
    """

    distances: np.ndarray
    rows: np.ndarray


def nearest(queries: ArrayLike, references: ArrayLike, k: int) -> Neighbours:
    """Finds the k nearest references of each query.

    The search compares every query with every reference, by blocks, so it needs memory for some blocks only. Candidates
    are found in float32 and ordered by their distances in float64. With more than `FAISS_FROM` references, the package
    faiss does the same several times as fast, if it is installed (`pip install faiss-cpu`).

    Args:
        queries: finite numbers (n, d).
        references: finite numbers (m, d), in memory or mapped.
        k: how many neighbours, from 1 to m.

    Raises:
        InputError: shapes that do not fit, or k out of range.

    Example:
        >>> import numpy as np
        >>> nearest(np.array([[0.0], [9.0]]), np.array([[1.0], [8.0], [5.0]]), 2).rows.tolist()
        [[0, 2], [1, 2]]
    """
    if len(queries.shape) != 2 or len(references.shape) != 2 or queries.shape[1] != references.shape[1]:
        raise InputError(
            f"queries {queries.shape}, references {references.shape}: expected (n, d) and (m, d) with the same d"
        )
    if not 1 <= k <= len(references):
        raise InputError(f"k {k}: expected 1 to {len(references)}, the number of references")
    if not len(queries):
        return Neighbours(np.zeros((0, k)), np.zeros((0, k), np.int64))
    # distances do not change by a shift, and rounding is less near 0
    centre = np.asarray(references[:BLOCK], np.float64).mean(0).astype(np.float32)
    kept = min(k + _SPARE, len(references))
    found = _by_faiss if len(references) > FAISS_FROM and importlib.util.find_spec("faiss") else _by_blocks
    candidates = found(queries, references, kept, centre)
    return _ordered(queries, references, candidates, k)


def _blocks(array: ArrayLike, centre: np.ndarray) -> Any:
    """Yields the first row and the rows less the centre, float32, of each block."""
    for first in range(0, len(array), BLOCK):
        yield first, np.asarray(array[first : first + BLOCK], np.float32) - centre


def _by_blocks(queries: ArrayLike, references: ArrayLike, kept: int, centre: np.ndarray) -> np.ndarray:
    """Candidates (n, kept) by products of matrices."""
    best = np.full((len(queries), kept), np.inf, np.float32)
    rows = np.zeros((len(queries), kept), np.int64)
    for start, block in _blocks(references, centre):
        norms = (block**2).sum(1)
        for first, part in _blocks(queries, centre):
            here = slice(first, first + len(part))
            distances = part @ (-2 * block.T)
            distances += norms
            if len(block) > kept:
                nearer = np.argpartition(distances, kept - 1, axis=1)[:, :kept]
            else:
                nearer = np.broadcast_to(np.arange(len(block)), distances.shape)
            both = np.concatenate([best[here], np.take_along_axis(distances, nearer, 1)], 1)
            which = np.concatenate([rows[here], nearer + start], 1)
            order = np.argpartition(both, kept - 1, axis=1)[:, :kept]
            best[here], rows[here] = (np.take_along_axis(values, order, 1) for values in (both, which))
    return rows


def _by_faiss(queries: ArrayLike, references: ArrayLike, kept: int, centre: np.ndarray) -> np.ndarray:
    """Candidates (n, kept) by faiss's exact index."""
    index = importlib.import_module("faiss").IndexFlatL2(references.shape[1])
    for _, block in _blocks(references, centre):
        index.add(np.ascontiguousarray(block))
    return np.concatenate([index.search(part, kept)[1] for _, part in _blocks(queries, centre)])


def _ordered(queries: ArrayLike, references: ArrayLike, candidates: np.ndarray, k: int) -> Neighbours:
    """The k nearest of the candidates of each query, by distances in float64."""
    distances, rows = np.empty((len(queries), k)), np.empty((len(queries), k), np.int64)
    step = max(1, BLOCK // candidates.shape[1])
    for first in range(0, len(queries), step):
        here = slice(first, first + step)
        some, back = np.unique(candidates[here], return_inverse=True)
        near = np.asarray(references[some], np.float64)[back.reshape(candidates[here].shape)]
        exact = np.sqrt(((near - np.asarray(queries[here], np.float64)[:, None]) ** 2).sum(2))
        order = np.lexsort((candidates[here], exact), axis=1)[:, :k]
        distances[here] = np.take_along_axis(exact, order, 1)
        rows[here] = np.take_along_axis(candidates[here], order, 1)
    return Neighbours(distances, rows)
