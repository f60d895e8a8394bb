"""Labelled images, which stay where they are until they are asked for."""

import hashlib
import math
import os
from dataclasses import dataclass, field

import numpy as np

from tfxfer.core.concatenated import Concatenated
from tfxfer.core.errors import InputError
from tfxfer.data import image_decoding


class Picked:
    """Some images of a large array, such as memory-mapped files: reads like uint8 (n, height, width, channels).

    Args:
        images: (m, height, width, channels), anything that takes rows.
        rows: (n,), which of them.
        known_as: what tells the array from others in place of its pixels, such as names, sizes and times of files.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, images: "np.ndarray | Concatenated | Files", rows: np.ndarray, known_as: str | None = None):
        self.images, self.rows, self.known_as = images, rows, known_as
        self.shape = (len(rows), *images.shape[1:])
        self.ndim, self.nbytes = len(self.shape), math.prod(self.shape)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key) -> np.ndarray:
        return np.asarray(self.images[self.rows[key]])

    def pick(self, rows: np.ndarray | slice) -> "Picked":
        """Some of them, still unread."""
        return Picked(self.images, self.rows[rows], self.known_as)


class Files:
    """Image files: reads like uint8 (n, size, size, 3), decoded and resized as asked for (bilinear, antialiased).

    Args:
        paths: str (n,).
        size: pixels a side.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, paths: np.ndarray, size: int):
        self.paths, self.size = paths, size
        self.shape = (len(paths), size, size, 3)
        self.ndim, self.nbytes = 4, math.prod(self.shape)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, key) -> np.ndarray:
        """Raises InputError where a file cannot be read (any more)."""
        paths = self.paths[key]
        if isinstance(paths, str):
            return image_decoding.pixels(paths, self.shape[1:])
        found = np.empty((len(paths), *self.shape[1:]), np.uint8)
        for row, path in enumerate(paths):
            found[row] = image_decoding.pixels(path, self.shape[1:])
        return found

    def pick(self, rows: np.ndarray | slice) -> "Files":
        """Some of them, still unread."""
        return Files(self.paths[rows], self.size)


@dataclass(frozen=True)
class Rows:
    """Labelled images: uint8 pixels (n, height, width, channels) or file paths (n,), int64 labels (n,), and whatever
    else is known of each, int64 (n,) by name."""

    images: np.ndarray | Picked | Files
    labels: np.ndarray
    facts: dict[str, np.ndarray] = field(default_factory=dict)

    def take(self, index: np.ndarray | slice) -> "Rows":
        """Some of them, by row."""
        images = self.images[index] if isinstance(self.images, np.ndarray) else self.images.pick(index)
        return Rows(images, self.labels[index], {name: column[index] for name, column in self.facts.items()})


def mark(path: str) -> bytes:
    """16 bytes that tell a file from others, and from what it was before it changed: of path, size and time of change.

    Raises:
        InputError: it is gone.
    """
    try:
        facts = os.stat(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    known = repr((str(path), facts.st_size, facts.st_mtime_ns))
    return hashlib.blake2b(known.encode(), digest_size=16).digest()


def fingerprint(images: "np.ndarray | Picked | Files") -> bytes:
    """sha256 of pixels, or for files of path, size and time of change."""
    digest = hashlib.sha256()
    if isinstance(images, Picked):
        digest.update(images.known_as.encode() if images.known_as else fingerprint(images.images))
        images = images.rows
    elif isinstance(images, Files):
        images = np.frombuffer(b"".join([b"decoder %d" % image_decoding.REVISION, *map(mark, images.paths)]), np.uint8)
    digest.update(np.ascontiguousarray(images).view(np.uint8).data)
    return digest.digest()
