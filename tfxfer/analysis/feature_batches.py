"""Batches of features and labels as one pass over them wants them: checked, flat, of one precision and a good size."""

from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf

from tfxfer.core.errors import InputError

ROWS = 2048  # in one product: with fewer, adding (d, d) to the sum is no longer small beside it; more take memory
Batch = tuple[np.ndarray, np.ndarray]


def blocks(x: np.ndarray, labels: np.ndarray, size: int = 4096) -> Iterator[Batch]:
    """Slices of both, `size` examples each, as views: of a np.memmap only what is used is read."""
    if len(x) != len(labels):
        raise InputError(f"{len(x)} examples and {len(labels)} labels: expected one label for each")
    for first in range(0, len(x), size):
        yield x[first : first + size], labels[first : first + size]


def precision(dtype: tf.DType) -> tf.DType:
    """float32 for itself, halves and integers of up to 16 bits, float64 for the rest."""
    return tf.float32 if dtype == tf.float32 or dtype.size < 4 else tf.float64


def checked(batches: Iterable, classes: int) -> Iterator[Batch]:
    """Float (n, d) of one precision and int64 (n,) of each batch that is not empty."""
    dtype, d = None, None
    for x, labels in batches:
        x, labels = np.asarray(x), np.asarray(labels)
        if x.ndim < 2 or labels.shape != x.shape[:1] or x.dtype.kind in "OSUMmc":
            raise InputError(
                f"a batch of {x.dtype} {x.shape} with labels {labels.shape}: expected numbers (n, ...) and labels (n,)"
            )
        if not len(x):
            continue
        x = x.reshape(len(x), -1)
        d, dtype = d or x.shape[1], dtype or precision(tf.as_dtype(x.dtype)).as_numpy_dtype
        if x.shape[1] != d:
            raise InputError(f"a batch of {x.shape[1]} features after one of {d}: expected as many in each")
        if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= classes:
            said = f"{labels.dtype} from {labels.min()} to {labels.max()}"
            raise InputError(f"labels {said}: expected integers from 0 to {classes - 1}; np.unique gives such numbers")
        yield x.astype(dtype, copy=False), labels.astype(np.int64, copy=False)


def regroup(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same examples by `ROWS`, the last fewer; copied only where batches are joined."""
    kept, rows = [], 0
    for batch in batches:
        kept, rows = [*kept, batch], rows + len(batch[1])
        while rows >= ROWS:
            x, labels = _join(kept)
            yield x[:ROWS], labels[:ROWS]
            kept, rows = [(x[ROWS:], labels[ROWS:])], rows - ROWS
    if rows:
        yield _join(kept)


def centring(batches: Iterator[Batch], centres: np.ndarray) -> Iterator[Batch]:
    """The batches themselves; a row of `centres` (C, d) is set when its class first comes, to the mean of its examples
    in that batch."""
    known = np.zeros(len(centres), bool)
    for x, labels in batches:
        new = np.bincount(labels, minlength=len(centres)) > 0
        with np.errstate(all="ignore"):
            for each in np.flatnonzero(new & ~known):
                centres[each] = x[labels == each].mean(0, dtype=np.float64)
        known |= new
        yield x, labels


def _join(batches: list[Batch]) -> Batch:
    return batches[0] if len(batches) == 1 else tuple(np.concatenate(column) for column in zip(*batches))
