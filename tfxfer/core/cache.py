"""A store of arrays on disk: activations of frozen layers, cached across runs, within a limit."""

import contextlib
import errno
import json
import math
import os
import shutil
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tfxfer.core import atomic, cache_entry
from tfxfer.core.cache_entry import Entry, Spec
from tfxfer.core.errors import InputError

ADVICE = "set TFXFER_CACHE to a folder of yours with room, or use --cache memory or off"


class Store:
    """A folder of entries, each complete or absent, shared by any number of processes.

    Args:
        root: the folder; else $TFXFER_CACHE, $XDG_CACHE_HOME/tfxfer or ~/.cache/tfxfer.
        limit: bytes of all entries together, those being written too; else $TFXFER_CACHE_GB times 1e9, or 50e9.
        advice: what to do where the folder cannot be written or is full.

    Nothing is ever removed but entries (`entry.find`) and partial folders that were left behind.

    Raises:
        InputError: TFXFER_CACHE_GB is no size.
    """

    def __init__(self, root: str | Path | None = None, limit: int | None = None, advice: str = ADVICE):
        home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        self.root = Path(root or os.environ.get("TFXFER_CACHE") or Path(home, "tfxfer")).expanduser().absolute()
        self.limit = _limit() if limit is None else limit
        self.advice = advice

    def open(self, key: str) -> dict[str, np.memmap] | None:
        """The arrays of an entry, read-only and memory-mapped, every byte verified; None, if there is no good one.

        A damaged entry is a warning, and `write` replaces it.
        """
        folder = self._folder(key)
        if not os.path.lexists(folder):
            return None
        try:
            arrays = cache_entry.read(folder)
        except cache_entry.DamagedError as damage:
            warnings.warn(f"cached entry {folder}: {damage}; it is computed anew", stacklevel=2)
            return None
        with contextlib.suppress(OSError):  # another user's cache can be read
            os.utime(folder / "manifest.json")
        return arrays

    @contextlib.contextmanager
    def write(self, key: str, spec: Spec, about: dict[str, Any]) -> Iterator[dict[str, np.memmap]]:
        """Yields arrays to fill, by name, zeros of the shapes and dtypes in `spec`; leaving the block makes the entry.

        Entries used longest ago make room for it. If another process made it meanwhile, that one stays. On an exception
        nothing is left. `about` is of JSON's types; `tfxfer cache` shows its model, layer, data and split.

        Raises:
            InputError: it is larger than the limit or the disk, or the folder cannot be written.
        """
        folder = self._folder(key)
        json.dumps(about)  # fails now, not when the arrays have taken an hour
        with atomic.beside(folder) as draft:
            with self._writable():
                self.root.mkdir(parents=True, exist_ok=True)
                atomic.sweep(self.root)
                self._clear_way(folder)
                self._make_room(sum(math.prod(shape) * np.dtype(kind).itemsize for shape, kind in spec.values()))
                arrays = cache_entry.create(draft, spec)
            yield dict(arrays)
            with self._writable():
                cache_entry.seal(draft, key, arrays, about)
                try:
                    os.replace(draft, folder)
                except OSError as error:
                    if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):  # another process was faster
                        raise
                atomic.sync(self.root)

    def fits(self, nbytes: int) -> bool:
        """Whether `write` would take arrays of so many bytes, by the limit, the disk and the right to write."""
        place = next(path for path in (self.root, *self.root.parents) if os.path.exists(path))
        if nbytes + atomic.size(self.root) > self.limit or not os.access(place, os.R_OK | os.W_OK | os.X_OK):
            return False
        return nbytes <= shutil.disk_usage(place).free + sum(known.bytes for known in self.entries())

    def entries(self) -> list[Entry]:
        """All entries, damaged ones too, the last used first."""
        try:
            found = [known for folder in self.root.iterdir() if (known := cache_entry.find(folder))]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InputError(f"{self.root}: {error.strerror}: set TFXFER_CACHE to a folder of yours") from None
        return sorted(found, key=lambda known: known.last_used, reverse=True)

    def remove(self, keys: Iterable[str]) -> int:
        """Removes the entries of these keys; how many bytes they were. One that cannot be removed stays."""
        keys = set(keys)
        return sum(known.bytes for known in self.entries() if known.key in keys and atomic.drop(known.path))

    def clear(self) -> int:
        """Removes all entries and what interrupted runs left; how many bytes the entries were."""
        atomic.sweep(self.root)
        return self.remove(known.key for known in self.entries())

    def _folder(self, key: str) -> Path:
        if not cache_entry.KEY.fullmatch(key):
            raise ValueError(f"key {key!r}: expected 64 hexadecimal digits")
        return self.root / key

    @contextlib.contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(f"{self.root}: cannot be written ({error.strerror}): {self.advice}") from None

    def _clear_way(self, folder: Path) -> None:
        """Removes a damaged entry of the key to write; what else is there is not ours to remove."""
        if not os.path.lexists(folder):
            return
        try:
            cache_entry.read(folder)
        except cache_entry.DamagedError:
            if not (cache_entry.find(folder) and atomic.drop(folder)) and os.path.lexists(folder):
                raise InputError(f"{folder} is in the way and not ours: move it, or {self.advice}") from None

    def _make_room(self, nbytes: int) -> None:
        known = self.entries() if self.fits(nbytes) else []  # else there is no use in removing any
        others = atomic.size(self.root)  # being written, such as the same layer's for another split
        total = nbytes + others + sum(one.bytes for one in known)
        while known and (total > self.limit or shutil.disk_usage(self.root).free < nbytes):
            oldest = known.pop()
            total -= oldest.bytes if atomic.drop(oldest.path) else 0
        needs, free = f"the activations take {amount(nbytes + others)}", shutil.disk_usage(self.root).free
        if total > self.limit:
            raise InputError(
                f"{needs}, the cache may hold {amount(self.limit)}: raise TFXFER_CACHE_GB, or use --cache memory or off"
            )
        if free < nbytes:
            raise InputError(f"{needs}, the disk of {self.root} has {amount(free)} left: {self.advice}")


def amount(nbytes: int) -> str:
    """Bytes for people: 1.5 MB, 20.0 GB."""
    return f"{nbytes / 1e9:,.1f} GB" if nbytes >= 1e9 else f"{nbytes / 1e6:,.1f} MB"


def _limit() -> int:
    text = os.environ.get("TFXFER_CACHE_GB") or "50"
    try:
        if (size := int(float(text) * 1e9)) >= 0:
            return size
    except (ValueError, OverflowError):  # nan and inf
        pass
    raise InputError(f"TFXFER_CACHE_GB is {text!r}, expected a number of gigabytes such as 50")
