"""Images that stay where they are until they are asked for."""

import hashlib
import math
from pathlib import Path

import numpy as np

from tfxfer.banks import Stacked


class Picked:
    """Some images of a large array, such as memory-mapped files: reads like uint8 (n, height, width, channels).

    Args:
        images: (m, height, width, channels), anything that takes rows.
        rows: (n,), which of them.
        known_as: what tells the array from others in place of its pixels, such as names, sizes and times of files.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, images: np.ndarray | Stacked, rows: np.ndarray, known_as: str | None = None):
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


def fingerprint(images: "np.ndarray | Picked") -> bytes:
    """sha256 of pixels, or for files of path, size and time of change."""
    digest = hashlib.sha256()
    if isinstance(images, Picked):
        digest.update(images.known_as.encode() if images.known_as else fingerprint(images.images))
        images = images.rows
    elif images.dtype != np.uint8:
        facts = [(path, Path(path).stat().st_size, Path(path).stat().st_mtime_ns) for path in images]
        images = np.frombuffer(repr(facts).encode(), np.uint8)
    digest.update(np.ascontiguousarray(images).view(np.uint8).data)
    return digest.digest()
