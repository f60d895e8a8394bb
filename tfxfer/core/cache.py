"""The cache on disk: arrays, such as activations of frozen layers or pixels of files, kept within a limit."""

import contextlib
import errno
import json
import math
import os
import shutil
import warnings
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tfxfer.core import atomic, cache_entry
from tfxfer.core.cache_entry import Entry, Spec
from tfxfer.core.errors import InputError

ADVICE = "set TFXFER_CACHE to a writable folder with enough space, or use --cache memory or off"


class Store:
    """A folder of entries, each complete or absent, which any number of processes can share.

    Only entries (`cache_entry.find`) and abandoned partial folders are ever removed from it.

    Args:
        root: the folder; by default $TFXFER_CACHE, $XDG_CACHE_HOME/tfxfer or ~/.cache/tfxfer.
        limit: the most bytes that all entries may take, including those being written; by default $TFXFER_CACHE_GB
            times 1e9, or 50e9.
        advice: what to do if the folder is full or cannot be written; it ends error messages.

    Raises:
        InputError: TFXFER_CACHE_GB is not a size.
    """

    def __init__(self, root: str | Path | None = None, limit: int | None = None, advice: str = ADVICE):
        home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        self.root = Path(root or os.environ.get("TFXFER_CACHE") or Path(home, "tfxfer")).expanduser().absolute()
        self.limit = _limit() if limit is None else limit
        self.advice = advice

    def open(self, key: str) -> dict[str, np.memmap] | None:
        """Opens an entry: its arrays, read-only and memory-mapped, with every byte verified; None if there is none.

        Arrays that `write` was told not to hash are not verified. A damaged entry causes a warning and counts as none;
        `write` replaces it.
        """
        folder = self._folder(key)
        if not os.path.lexists(folder):
            return None
        try:
            arrays = cache_entry.read(folder)
        except cache_entry.DamagedError as damage:
            warnings.warn(f"cached entry {folder}: {damage}; it is computed again", stacklevel=2)
            return None
        with contextlib.suppress(OSError):  # another user's cache can be read
            os.utime(folder / "manifest.json")
        return arrays

    @contextlib.contextmanager
    def write(
        self, key: str, spec: Spec, about: dict[str, Any], unhashed: Collection[str] = ()
    ) -> Iterator[dict[str, np.memmap]]:
        """Yields arrays to fill, by name: zeros of the shapes and dtypes in `spec`. They become an entry in the end.

        The entries that were used longest ago are removed to make room. If another process has made the entry
        meanwhile, that one stays. After an exception nothing is left.

        Args:
            key: 64 hexadecimal digits.
            spec: shape and dtype of each array.
            about: facts in JSON's types; `tfxfer cache` shows model, layer, data and split.
            unhashed: names of arrays whose rows the caller verifies when it reads them, which saves hashing them here
                and whenever the entry is opened.

        Raises:
            InputError: the entry is larger than the limit or the disk, or the folder cannot be written.
        """
        folder = self._folder(key)
        json.dumps(about)  # fails now, not after the arrays have taken an hour
        with atomic.beside(folder) as draft:
            with self._writable():
                self.root.mkdir(parents=True, exist_ok=True)
                atomic.sweep(self.root)
                self._clear_way(folder)
                self._make_room(sum(math.prod(shape) * np.dtype(kind).itemsize for shape, kind in spec.values()))
                arrays = cache_entry.create(draft, spec)
            yield dict(arrays)
            with self._writable():
                cache_entry.seal(draft, key, arrays, about, unhashed)
                try:
                    os.replace(draft, folder)
                except OSError as error:
                    if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):  # another process was faster
                        raise
                atomic.sync(self.root)

    def fits(self, nbytes: int) -> bool:
        """Whether `write` would accept arrays of so many bytes: by the limit, the disk and the permission to write."""
        place = next(path for path in (self.root, *self.root.parents) if os.path.exists(path))
        if nbytes + atomic.size(self.root) > self.limit or not os.access(place, os.R_OK | os.W_OK | os.X_OK):
            return False
        return nbytes <= shutil.disk_usage(place).free + sum(known.bytes for known in self.entries())

    def entries(self) -> list[Entry]:
        """All entries, including damaged ones; the most recently used comes first."""
        try:
            entries = [known for folder in self.root.iterdir() if (known := cache_entry.find(folder))]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InputError(f"{self.root}: {error.strerror}: set TFXFER_CACHE to a writable folder") from None
        return sorted(entries, key=lambda entry: entry.last_used, reverse=True)

    def remove(self, keys: Iterable[str]) -> int:
        """Removes the entries of these keys, as far as possible, and returns how many bytes they had."""
        keys = set(keys)
        return sum(known.bytes for known in self.entries() if known.key in keys and atomic.drop(known.path))

    def clear(self) -> int:
        """Removes all entries and what interrupted runs left; returns how many bytes the entries had."""
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
        """Removes a damaged entry of the key to write; anything else at its place is not ours to remove."""
        if not os.path.lexists(folder):
            return
        try:
            cache_entry.read(folder)
        except cache_entry.DamagedError:
            if not (cache_entry.find(folder) and atomic.drop(folder)) and os.path.lexists(folder):
                raise InputError(
                    f"{folder} is in the way and was not written by tfxfer: move it, or {self.advice}"
                ) from None

    def _make_room(self, nbytes: int) -> None:
        known = self.entries() if self.fits(nbytes) else []  # otherwise removing entries would not help
        others = atomic.size(self.root)  # being written, such as the same layer's for another split
        total = nbytes + others + sum(entry.bytes for entry in known)
        while known and (total > self.limit or shutil.disk_usage(self.root).free < nbytes):
            oldest = known.pop()
            total -= oldest.bytes if atomic.drop(oldest.path) else 0
        needs, free = f"the activations take {amount(nbytes + others)}", shutil.disk_usage(self.root).free
        if total > self.limit:
            raise InputError(
                f"{needs}, but the cache is limited to {amount(self.limit)}: raise TFXFER_CACHE_GB, or use --cache "
                "memory or off"
            )
        if free < nbytes:
            raise InputError(f"{needs}, but the disk of {self.root} has {amount(free)} left: {self.advice}")


def amount(nbytes: int) -> str:
    """A number of bytes as text: 1.5 MB, 20.0 GB."""
    return f"{nbytes / 1e9:,.1f} GB" if nbytes >= 1e9 else f"{nbytes / 1e6:,.1f} MB"


def _limit() -> int:
    text = os.environ.get("TFXFER_CACHE_GB") or "50"
    try:
        if (size := int(float(text) * 1e9)) >= 0:
            return size
    except (ValueError, OverflowError):  # nan and inf
        pass
    raise InputError(f"TFXFER_CACHE_GB is {text!r}, expected a number of gigabytes such as 50")
