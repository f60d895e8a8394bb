"""Features of many images with their labels and ids: in memory, in one file, or in memory-mapped shards on disk."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfxfer.core import atomic, cache_entry
from tfxfer.core.errors import InputError

MANIFEST = "bank.json"
ID_STEP = 10**9  # ids of corrupted images: of the image it was made of, plus this times (number of its cell + 1)


class Stacked:
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


@dataclass(frozen=True)
class Bank:
    """Features of n images.

    `bank["embedding"]` is float32 (n, d), or (n, height, width, channels) for a feature map: a NumPy array, or
    `Stacked` shards; `labels` and `ids` are int64 (n,). Slicing (`bank[:2000]`) gives a bank of those rows in memory.
    """

    values: dict[str, np.ndarray | Stacked]
    labels: np.ndarray
    ids: np.ndarray

    def __getitem__(self, key: str | slice) -> "np.ndarray | Stacked | Bank":
        if isinstance(key, str):
            return self.values[key]
        return Bank({name: value[key] for name, value in self.values.items()}, self.labels[key], self.ids[key])

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def bases(self) -> np.ndarray:
        """Ids of the images that these were made of, int64 (n,): their own where none is corrupted."""
        return self.ids % ID_STEP

    def only(self, *names: str) -> "Bank":
        """The bank of these features alone."""
        return Bank({name: self.values[name] for name in names}, self.labels, self.ids)

    def batches(self, name: str, size: int = 4096) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Features and labels of `size` images after another: what `analysis.moments.collect` reads."""
        for first in range(0, len(self), size):
            yield self.values[name][first : first + size], self.labels[first : first + size]

    def save(self, path: str | Path) -> None:
        """Writes one .npz, beside and renamed."""
        with atomic.file(Path(path)) as beside:
            np.savez(beside, labels=self.labels, ids=self.ids, **{f"value/{k}": v for k, v in self.values.items()})

    @classmethod
    def load(cls, path: str | Path) -> "Bank":
        """Reads what `save` wrote, or maps a folder that `features.extract` wrote; never unpickles.

        Raises:
            InputError: it is neither, or was changed or cut short: every byte is checked.
        """
        path = Path(path)
        try:
            if path.is_dir():
                keys = json.loads((path / MANIFEST).read_bytes())["shards"]
                if not keys or not all(isinstance(key, str) and cache_entry.KEY.fullmatch(key) for key in keys):
                    raise ValueError(f"{MANIFEST} names no shards")
                return stack([cache_entry.read(path / key) for key in keys])
            # opened here, for NumPy leaves what is no archive open
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                values = {name[6:]: file[name] for name in file.files if name.startswith("value/")}
                return cls(values, file["labels"], file["ids"])
        except Exception as error:  # of zipfile, zlib and NumPy's parser of headers, and DamagedError
            raise InputError(f"{path}: not a feature bank ({error}): extract the features again") from None


def stack(shards: Sequence[dict[str, np.ndarray]]) -> Bank:
    """A bank of shards, each a dict of arrays "value/<layer>", "labels" and "ids"; labels and ids come to memory."""
    names = [name for name in shards[0] if name.startswith("value/")]
    values = {name[6:]: Stacked([shard[name] for shard in shards]) for name in names}
    return Bank(values, *(np.concatenate([shard[name] for shard in shards]) for name in ("labels", "ids")))
