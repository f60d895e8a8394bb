"""Batches of features and labels for one pass over them: checked, flat, of one precision and of a good size."""

from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf

from tfxfer.core.errors import InputError

ROWS = 2048  # per product: with fewer, adding its (d, d) result to the sum costs too much; more take memory
Batch = tuple[np.ndarray, np.ndarray]


def blocks(x: np.ndarray, labels: np.ndarray, size: int = 4096) -> Iterator[Batch]:
    """Slices features (n, ...) and labels (n,) into blocks of `size` examples, as views.

    Of an np.memmap only the blocks that are used are read.

    Raises:
        InputError: the numbers of examples and labels differ.
    """
    if len(x) != len(labels):
        raise InputError(f"{len(x)} examples and {len(labels)} labels: expected one label for each")
    for first in range(0, len(x), size):
        yield x[first : first + size], labels[first : first + size]


def precision(dtype: tf.DType) -> tf.DType:
    """The precision to compute in: float32 for float32, half precision and integers up to 16 bits, else float64."""
    return tf.float32 if dtype == tf.float32 or dtype.size < 4 else tf.float64


def checked(batches: Iterable, classes: int) -> Iterator[Batch]:
    """Checks and flattens batches of numbers (n, ...) and labels (n,), and leaves out empty ones.

    Args:
        batches: pairs of features and labels.
        classes: labels must be integers from 0 to classes - 1.

    Returns:
        Pairs of float (n, d), all in the `precision` of the first, and int64 (n,).

    Raises:
        InputError: shapes, types or labels that do not fit.
    """
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
            raise InputError(f"a batch of {x.shape[1]} features after one of {d}: expected the same number in each")
        if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= classes:
            values = f"{labels.dtype} from {labels.min()} to {labels.max()}"
            raise InputError(
                f"labels {values}: expected integers from 0 to {classes - 1}; np.unique(labels, return_inverse=True) "
                "gives such numbers"
            )
        yield x.astype(dtype, copy=False), labels.astype(np.int64, copy=False)


def regroup(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same examples in batches of `ROWS`, the last one smaller; they are copied only to join batches."""
    waiting: list[Batch] = []
    rows = 0
    for batch in batches:
        waiting, rows = [*waiting, batch], rows + len(batch[1])
        while rows >= ROWS:
            x, labels = _join(waiting)
            yield x[:ROWS], labels[:ROWS]
            waiting, rows = [(x[ROWS:], labels[ROWS:])], rows - ROWS
    if rows:
        yield _join(waiting)


def centring(batches: Iterator[Batch], centres: np.ndarray) -> Iterator[Batch]:
    """Passes batches on, and sets the rows of `centres` on the way.

    Args:
        batches: pairs of float (n, d) and int64 (n,).
        centres: float (C, d); a row is set when its class first occurs, to the mean of its examples in that batch.
    """
    known = np.zeros(len(centres), bool)
    for x, labels in batches:
        new = np.bincount(labels, minlength=len(centres)) > 0
        with np.errstate(all="ignore"):
            for label in np.flatnonzero(new & ~known):
                centres[label] = x[labels == label].mean(0, dtype=np.float64)
        known |= new
        yield x, labels


def _join(batches: list[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    features, labels = zip(*batches)
    return np.concatenate(features), np.concatenate(labels)
