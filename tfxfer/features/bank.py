"""Features of many images with their labels and ids: in memory, in one file, or in memory-mapped shards on disk."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np

from tfxfer.core import atomic, cache_entry
from tfxfer.core.concatenated import Concatenated
from tfxfer.core.errors import InputError
from tfxfer.data.image_ids import base_ids
from tfxfer.features import bank_parquet

MANIFEST = "bank.json"


@dataclass(frozen=True)
class Bank:
    """Features of n images.

    `bank["embedding"]` is float32 (n, d), or (n, height, width, channels) for a feature map: a NumPy array, or
    `Concatenated` shards; `labels` and `ids` are int64 (n,). Slicing (`bank[:2000]`) gives a bank of those rows in
    memory.
    """

    values: Mapping[str, np.ndarray | Concatenated]
    labels: np.ndarray
    ids: np.ndarray

    @overload
    def __getitem__(self, key: str) -> np.ndarray: ...  # or `Concatenated`, which reads like one

    @overload
    def __getitem__(self, key: slice) -> "Bank": ...

    def __getitem__(self, key: str | slice) -> "np.ndarray | Concatenated | Bank":
        if isinstance(key, str):
            return self.values[key]
        return Bank({name: value[key] for name, value in self.values.items()}, self.labels[key], self.ids[key])

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def bases(self) -> np.ndarray:
        """Ids of the images that these were made of, int64 (n,): their own unless they are corrupted."""
        return base_ids(self.ids)

    def only(self, *names: str) -> "Bank":
        """The bank of these features alone."""
        return Bank({name: self.values[name] for name in names}, self.labels, self.ids)

    def batches(self, name: str, size: int = 4096) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields features and labels of `size` images at a time, as `analysis.moments.collect` reads them."""
        for first in range(0, len(self), size):
            yield self.values[name][first : first + size], self.labels[first : first + size]

    def save(self, path: str | Path) -> None:
        """Writes one file, which is complete or absent: Parquet if its name ends in .parquet, else .npz.

        In Parquet, `id` and `label` are columns, and so is each of the values, as `value/<name>`: numbers, or lists of
        one length for vectors and feature maps, which `load` gives their shape again.
        """
        arrays: dict[str, Any] = {name: np.asarray(value) for name, value in self.values.items()}
        if Path(path).suffix == ".parquet":
            bank_parquet.write_bank(Path(path), arrays, self.labels, self.ids)
            return
        with atomic.file(Path(path)) as beside:
            np.savez(beside, labels=self.labels, ids=self.ids, **{f"value/{name}": x for name, x in arrays.items()})

    @classmethod
    def load(cls, path: str | Path) -> "Bank":
        """Reads a file that `save` wrote, or maps a folder that `features.extract` wrote. Nothing is unpickled.

        Raises:
            InputError: the path is neither, or it was changed or truncated: every byte is checked.
        """
        path = Path(path)
        try:
            if path.is_dir():
                keys = json.loads((path / MANIFEST).read_bytes())["shards"]
                if not keys or not all(isinstance(key, str) and cache_entry.KEY.fullmatch(key) for key in keys):
                    raise ValueError(f"{MANIFEST} names no shards")
                return stack([cache_entry.read(path / key) for key in keys])
            if path.suffix == ".parquet":
                return cls(*bank_parquet.read_bank(path))
            # opened here, because NumPy leaves a file open that is not an archive
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                values = {name[6:]: file[name] for name in file.files if name.startswith("value/")}
                return cls(values, file["labels"], file["ids"])
        except Exception as error:  # of zipfile, zlib, pyarrow and NumPy's parser of headers, and DamagedError
            raise InputError(f"{path}: not a feature bank ({error}): extract the features again") from None


def stack(shards: Sequence[Mapping[str, np.ndarray]]) -> Bank:
    """A bank of shards, each a dict of arrays "value/<layer>", "labels" and "ids", of which the last two are read."""
    names = [name for name in shards[0] if name.startswith("value/")]
    values = {name[6:]: Concatenated([shard[name] for shard in shards]) for name in names}
    return Bank(values, *(np.concatenate([shard[name] for shard in shards]) for name in ("labels", "ids")))
