"""Several arrays, such as shards on disk, as one."""

from collections.abc import Sequence

import numpy as np


class Concatenated:
    """Arrays of one dtype (n_i, ...) as one read-only array (n, ...): what is indexed is read, and nothing else.

    Indexed by a row, a slice, rows or a mask, it gives NumPy arrays; `np.asarray` reads all of it.
    """

    def __init__(self, parts: Sequence[np.ndarray]):
        self.parts = list(parts)
        self.ends = np.cumsum([len(part) for part in self.parts])
        self.shape = (int(self.ends[-1]), *self.parts[0].shape[1:])
        self.dtype, self.ndim = self.parts[0].dtype, len(self.shape)
        self.nbytes = sum(part.nbytes for part in self.parts)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key) -> np.ndarray:
        rows = np.arange(len(self))[key]
        wanted = np.atleast_1d(rows)
        which = np.searchsorted(self.ends, wanted, side="right")
        found = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        for number in np.unique(which):
            here = which == number
            first = self.ends[number] - len(self.parts[number])
            found[here] = self.parts[number][wanted[here] - first]
        return found if np.ndim(rows) else found[0]

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        if copy is False:
            raise ValueError("shards cannot be seen as one array without a copy")
        return np.concatenate(self.parts).astype(dtype or self.dtype, copy=False)
