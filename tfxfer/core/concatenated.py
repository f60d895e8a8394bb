"""Several arrays, such as shards on disk, as one."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np


class ArrayLike(Protocol):
    """What reads like an array: NumPy's, memory maps, and images that are read when they are indexed."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype: ...

    @property
    def nbytes(self) -> int: ...

    def __len__(self) -> int: ...

    def __getitem__(self, key: Any) -> Any: ...


class Concatenated:
    """Arrays of one dtype (n_i, ...) as one read-only array (n, ...).

    Only what is indexed is read. An index (a row, a slice, rows or a mask) gives NumPy arrays; `np.asarray` reads all.

    Args:
        parts: at least one array.
    """

    def __init__(self, parts: Sequence[ArrayLike]):
        self.parts = list(parts)
        self.ends = np.cumsum([len(part) for part in self.parts])
        self.shape = (int(self.ends[-1]), *self.parts[0].shape[1:])
        self.dtype, self.ndim = self.parts[0].dtype, len(self.shape)
        self.nbytes = sum(part.nbytes for part in self.parts)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key) -> np.ndarray:
        rows = np.arange(len(self))[key]
        indices = np.atleast_1d(rows)
        which = np.searchsorted(self.ends, indices, side="right")
        if len(which) and (which == which[0]).all():  # nothing to put together
            values = np.asarray(self.parts[which[0]][indices - (self.ends[which[0]] - len(self.parts[which[0]]))])
            return values if np.ndim(rows) else values[0]
        values = np.empty((len(indices), *self.shape[1:]), self.dtype)
        for number in np.unique(which):
            here = which == number
            first = self.ends[number] - len(self.parts[number])
            values[here] = self.parts[number][indices[here] - first]
        return values if np.ndim(rows) else values[0]

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        if copy is False:
            raise ValueError("shards do not make one array without a copy: leave out copy=False")
        return np.concatenate([np.asarray(part) for part in self.parts]).astype(dtype or self.dtype, copy=False)
