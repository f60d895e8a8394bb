"""The resized pixels of image files, kept in the cache: a file is decoded once, for all passes, epochs and runs.

An entry of the cache holds the pixels of the files that were new in one pass, uint8 (n, size, size, 3), all made square
in one way (`aspect_ratio.ASPECTS`), and for each file its mark (a digest of path, size and time of change) and a digest
of its pixels, uint8 (n, 16). A file that has changed has another mark, so its former pixels are not found. Rows are
compared with their digests when a process reads them for the first time, and a few of them when the entry is found,
which takes no longer than reading the marks.
"""

import contextlib
import hashlib
import warnings
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tfxfer.core import cache_entry
from tfxfer.core.cache import Store
from tfxfer.core.concatenated import Concatenated
from tfxfer.data.image_decoding import REVISION

MOST = 8  # entries that one folder is read from; instead of a ninth, all of its pixels are written into a new one
_TRIED = 8  # rows of an entry that are compared with their digests when it is found
_MODEL = "pixels of files"  # where `tfxfer cache` shows the network of activations


def digest(pixels: np.ndarray) -> bytes:
    """16 bytes that are equal for images that are equal in every pixel, and for no others that anyone has seen.

    These are 12 bytes of the sha256 and then the CRC-32, which takes a third of the time and is all that is computed
    again when kept pixels are read.
    """
    content = np.ascontiguousarray(pixels).data
    return hashlib.sha256(content).digest()[:12] + zlib.crc32(content).to_bytes(4, "big")


def intact(pixels: np.ndarray, known: np.ndarray) -> bool:
    """Whether an image has the CRC-32 that is in its digest, uint8 (16,)."""
    return zlib.crc32(np.ascontiguousarray(pixels).data) == int.from_bytes(known[12:].tobytes(), "big")


@dataclass(frozen=True)
class Kept:
    """What is known of n files, and their pixels, as far as the cache has them.

    Attributes:
        marks: uint8 (n, 16), the state in which they were read, by `lazy_images.mark`.
        digests: uint8 (n, 16), by `digest`; zeros if a file has not been read.
        found: bool (n,), whether the file's pixels are in the cache.
        rows: int64 (n,), the file's row in `pixels`; 0 if they are not.
        pixels: uint8 (m, size, size, 3), read from the disk when it is indexed; None if the cache has none.
        verified: bool (m,), the rows of `pixels` that this process has compared with their digests.
    """

    marks: np.ndarray
    digests: np.ndarray
    found: np.ndarray
    rows: np.ndarray
    pixels: Concatenated | None
    verified: np.ndarray

    @classmethod
    def nothing(cls, marks: np.ndarray) -> "Kept":
        """Files of which only the marks are known."""
        n = len(marks)
        unknown = np.zeros((n, 16), np.uint8)
        return cls(marks, unknown, np.zeros(n, bool), np.zeros(n, np.int64), None, np.zeros(0, bool))

    def pick(self, index: np.ndarray | slice) -> "Kept":
        """What is known of some of the files."""
        columns = {name: getattr(self, name)[index] for name in ("marks", "digests", "found", "rows")}
        return replace(self, **columns)

    def read(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Reads pixels.

        Args:
            index: int64 (k,), which files.

        Returns:
            Pixels, uint8 (k, size, size, 3), and whether they are a file's own, bool (k,): they are not if they are not
            kept, or are not any more what was written.
        """
        if self.pixels is None:
            raise ValueError("no pixels are kept: decode the files")
        rows, good = self.rows[index], self.found[index]
        images = self.pixels[rows]
        for number in np.flatnonzero(good & ~self.verified[rows]):
            good[number] = intact(images[number], self.digests[index[number]])
        self.verified[rows[good]] = True
        return images, good


def find(store: Store, marks: np.ndarray, size: int, aspect: str = "squash") -> Kept:
    """Looks for the pixels of files.

    Args:
        store: the cache.
        marks: uint8 (n, 16), one for each file; zeros for a file that is not there.
        size: pixels per side.
        aspect: one of `aspect_ratio.ASPECTS`.

    Raises:
        InputError: the cache cannot be read.
    """
    kept = Kept.nothing(marks)
    parts: list[np.ndarray] = []
    total = 0
    for entry in store.entries():  # the most recently used comes first
        known = tuple(map(entry.about.get, ("model", "size", "decoder")))
        if (*known, entry.about.get("aspect", "squash")) != (_MODEL, size, REVISION, aspect) or kept.found.all():
            continue
        try:
            arrays = cache_entry.read(entry.path)
        except cache_entry.DamagedError:
            continue  # `Store.write` replaces it
        rows = {known.tobytes(): row for row, known in enumerate(np.asarray(arrays["marks"])) if known.any()}
        here = np.array([rows.get(mark.tobytes(), -1) for mark in marks], np.int64)
        new = (here >= 0) & ~kept.found
        if new.any() and _sound(arrays, here[new]):
            store.open(entry.key)  # which notes that it was used
            kept.rows[new], kept.digests[new] = total + here[new], arrays["digests"][here[new]]
            kept.found[new] = True
            parts.append(arrays["pixels"])
            total += len(arrays["pixels"])
        elif new.any():
            warnings.warn(f"cached entry {entry.path}: its pixels were changed; files are decoded again", stacklevel=5)
            store.remove([entry.key])
    return replace(kept, pixels=Concatenated(parts), verified=np.zeros(total, bool)) if parts else kept


def nbytes(n: int, size: int) -> int:
    """How many bytes n files take: their pixels, marks and digests."""
    return n * (size * size * 3 + 32)


def write(
    store: Store,
    marks: np.ndarray,
    size: int,
    name: str,
    fill: Callable[[np.ndarray], Sequence[bytes]],
    aspect: str = "squash",
) -> None:
    """Writes the pixels of files as one entry.

    Args:
        store: the cache.
        marks: uint8 (n, 16), of the files.
        size: pixels per side.
        name: of the data set, for `tfxfer cache`.
        fill: is given an array of zeros, uint8 (n, size, size, 3), writes the files' pixels into it, and returns a
            digest of each, empty for a file that cannot be read.
        aspect: how the pixels fill the square, one of `aspect_ratio.ASPECTS`.

    Raises:
        InputError: there is no room, or the cache cannot be written.
    """
    shapes = {"pixels": (len(marks), size, size, 3), "marks": (len(marks), 16), "digests": (len(marks), 16)}
    spec = {array: (shape, np.dtype(np.uint8)) for array, shape in shapes.items()}
    kind: tuple[object, ...] = (_MODEL, REVISION, size)
    about = {"model": _MODEL, "layer": f"{size} x {size}", "data": name, "size": size, "decoder": REVISION}
    if aspect != "squash":  # which entries that do not say it are
        kind = (*kind, aspect)
        about |= {"layer": f"{size} x {size}, {aspect}", "aspect": aspect}
    key = hashlib.sha256(repr(kind).encode() + marks.tobytes()).hexdigest()
    with contextlib.suppress(_NothingError), store.write(key, spec, about, unhashed=("pixels",)) as arrays:
        for row, known in enumerate(fill(arrays["pixels"])):
            if known:
                arrays["marks"][row], arrays["digests"][row] = marks[row], np.frombuffer(known, np.uint8)
        if not arrays["marks"].any():
            raise _NothingError


class _NothingError(Exception):
    """No file could be read: there is nothing to keep."""


def _sound(arrays: dict[str, np.memmap], rows: np.ndarray) -> bool:
    """Whether some of the rows, spread over all of them, are what was written."""
    some = rows[np.linspace(0, len(rows) - 1, min(_TRIED, len(rows))).astype(int)]
    return all(intact(arrays["pixels"][row], arrays["digests"][row]) for row in some)
