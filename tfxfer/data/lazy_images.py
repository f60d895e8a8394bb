"""Labelled images, which stay in their files until they are needed."""

import hashlib
import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from tfxfer.core.count_progress import CountProgress
from tfxfer.core.errors import InputError
from tfxfer.data import image_decoding, kept_pixels
from tfxfer.data.kept_pixels import Kept

BLOCK = 16  # files that a thread reads in turn


class Indexed(Protocol):
    """Images that can be indexed by rows."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: Any, /) -> np.ndarray: ...


class Picked:
    """A selection from a large array, such as memory-mapped files: reads like uint8 (n, height, width, channels).

    Args:
        images: (m, height, width, channels).
        rows: (n,), the selected rows.
        known_as: identifies the array in place of its pixels, such as by names, sizes and times of files.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, images: Indexed, rows: np.ndarray, known_as: str | None = None):
        self.images, self.rows, self.known_as = images, rows, known_as
        self.shape: tuple[int, ...] = (len(rows), *images.shape[1:])
        self.ndim, self.nbytes = len(self.shape), math.prod(self.shape)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key) -> np.ndarray:
        return np.asarray(self.images[self.rows[key]])

    def pick(self, rows: np.ndarray | slice) -> "Picked":
        """A selection of these images, still unread."""
        return Picked(self.images, self.rows[rows], self.known_as)


class Files:
    """Image files: reads like uint8 (n, size, size, 3). Pixels are decoded and resized when they are indexed, or read
    from the cache, if they are kept there.

    Args:
        paths: str (n,).
        size: pixels per side of the resized images, as `image_decoding.pixels` makes them.
        kept: what is known of the files, if they have been checked. They are then read in that state only.
        aspect: how pictures that are not square become so, one of `aspect_ratio.ASPECTS`.
    """

    dtype = np.dtype(np.uint8)
    noun = "files"  # in messages
    alone = True  # whether one can be read without those before it

    def __init__(self, paths: np.ndarray, size: int, kept: Kept | None = None, aspect: str = "squash"):
        self.paths, self.size, self.kept, self.aspect = paths, size, kept, aspect
        self.shape: tuple[int, ...] = (len(paths), size, size, 3)
        self.ndim, self.nbytes = 4, math.prod(self.shape)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, key) -> np.ndarray:
        """Raises InputError if a file has to be decoded and cannot be read, or is not the file that was checked."""
        index = np.arange(len(self))[key]
        rows = np.atleast_1d(index)
        if self.kept and self.kept.pixels:
            images, good = self.kept.read(rows)
        else:
            images, good = np.empty((len(rows), *self.shape[1:]), np.uint8), np.zeros(len(rows), bool)
        for number in np.flatnonzero(~good):
            images[number] = self.decode(rows[number])
        return images if np.ndim(index) else images[0]

    def decode(self, row: int) -> np.ndarray:
        """Decodes a file, whether its pixels are kept or not; raises InputError as indexing does."""
        path = str(self.paths[row])
        image = image_decoding.pixels(path, (self.size, self.size, 3), aspect=self.aspect)
        if self.kept and self.mark_of(path) != self.kept.marks[row].tobytes():
            raise InputError(f"{path}: has changed since the data set was loaded: start again, and leave files alone")
        return image

    def pick(self, rows: np.ndarray | slice) -> "Files":
        """A selection of these images, still unread."""
        return self.of(self.paths[rows], self.kept and self.kept.pick(rows))

    def of(self, paths: np.ndarray, kept: Kept | None = None) -> "Files":
        """Images of the same kind, size and aspect with other paths, still unread."""
        return Files(paths, self.size, kept, self.aspect)

    def read(self, rows: np.ndarray, faults: dict[str, str], place: np.ndarray | None = None) -> Sequence[bytes]:
        """Reads some of the images in parallel.

        Args:
            rows: int64 (k,), which ones.
            faults: gets the reasons why images cannot be read, by path.
            place: gets their pixels, uint8 (k, size, size, 3).

        Returns:
            A digest of the pixels of each, empty if it cannot be read.
        """
        known = self.kept.found if self.kept else np.zeros(len(self), bool)

        def read(number: int) -> bytes:
            row = rows[number]
            return self._digest(number, row, self.__getitem__ if known[row] else self.decode, faults, place)

        digests: list[bytes] = []
        blocks = [range(first, min(first + BLOCK, len(rows))) for first in range(0, len(rows), BLOCK)]
        with CountProgress("checking files", len(rows)) as progress, ThreadPoolExecutor() as threads:
            for block in threads.map(lambda numbers: [read(number) for number in numbers], blocks):
                digests += block
                progress.update(len(digests))
        return digests

    def _digest(
        self,
        number: int,
        row: int,
        pixels_of: Callable[[int], np.ndarray],
        faults: dict[str, str],
        place: np.ndarray | None,
    ) -> bytes:
        """Notes one image for `read`, the `number`th of its rows."""
        path = str(self.paths[row])
        try:
            pixels = pixels_of(row)
        except InputError as error:
            faults[path] = fault(path, error)
            return b""
        if place is not None:
            place[number] = pixels
        return kept_pixels.digest(pixels)

    def mark_of(self, path: str) -> bytes:
        """16 bytes that identify an image in its present state; raises InputError if it is gone."""
        return mark(path)


Images = np.ndarray | Picked | Files
"""uint8 (n, height, width, channels), in memory or to be read when indexed."""


@dataclass(frozen=True)
class Rows:
    """Labelled images.

    Attributes:
        images: uint8 pixels (n, height, width, channels); of a folder, before the size is known, file paths (n,).
        labels: int64 (n,).
        facts: what else is known of each image, int64 (n,) by name.
    """

    images: Images
    labels: np.ndarray
    facts: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def files(self) -> Files:
        """The images, which are decoded one by one: each in a file of its own, or an example of TFDS.

        Raises:
            TypeError: they are not.
        """
        if not isinstance(self.images, Files):
            raise TypeError(f"images of {type(self.images).__name__} have no files of their own")
        return self.images

    @property
    def paths(self) -> np.ndarray:
        """Their paths, str (n,); raises TypeError as `files` does."""
        return self.files.paths

    def take(self, index: np.ndarray | slice) -> "Rows":
        """A selection, by row."""
        images = self.images[index] if isinstance(self.images, np.ndarray) else self.images.pick(index)
        return Rows(images, self.labels[index], {name: column[index] for name, column in self.facts.items()})


def fault(path: str, error: InputError) -> str:
    """Why an image cannot be read, without its path."""
    return str(error).removeprefix(f"{path}: ")


def mark(path: str) -> bytes:
    """16 bytes that identify a file in its present state: a digest of its path, size and time of change.

    Raises:
        InputError: the file is gone.
    """
    try:
        facts = os.stat(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    known = repr((str(path), facts.st_size, facts.st_mtime_ns))
    return hashlib.blake2b(known.encode(), digest_size=16).digest()


def fingerprint(images: Indexed) -> bytes:
    """sha256 of the pixels; for files, of paths, sizes and times of change, and of how they are read."""
    digest = hashlib.sha256()
    if isinstance(images, Picked):
        digest.update(images.known_as.encode() if images.known_as else fingerprint(images.images))
        content = images.rows
    elif isinstance(images, Files):
        marks = images.kept.marks.tobytes() if images.kept else b"".join(map(images.mark_of, images.paths))
        aspect = b"" if images.aspect == "squash" else images.aspect.encode()
        content = np.frombuffer(b"decoder %d" % image_decoding.REVISION + aspect + marks, np.uint8)
    else:
        content = np.asarray(images)
    digest.update(np.ascontiguousarray(content).view(np.uint8).data)
    return digest.digest()
