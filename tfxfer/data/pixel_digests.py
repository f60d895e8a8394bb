"""Short numbers that stand for an image's pixels, to find equal images by."""

import hashlib
from collections.abc import Callable, Iterator

import numpy as np

BLOCK = 1024  # images read at once


def keys(fetch: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Numbers that are equal for equal images, and seldom for others: uint64 (n,), by row.

    The sum of an image's 8-byte words, each times a random odd number, modulo 2^64. It is many times faster than a
    digest, which only images with the same number need then.
    """
    numbers = np.zeros(len(rows), np.uint64)
    for first in range(0, len(rows), BLOCK):
        block = rows[first : first + BLOCK]
        flat = fetch(block).reshape(len(block), -1)
        words = np.pad(flat, ((0, 0), (0, -flat.shape[1] % 8))).view(np.uint64)
        factors = np.random.default_rng(0).integers(2**63, size=words.shape[1], dtype=np.uint64) * 2 + 1
        numbers[block] = words @ factors
    return numbers


def repeated(keys: np.ndarray) -> np.ndarray:
    """Positions of the numbers that occur more than once."""
    _, number, count = np.unique(keys, return_inverse=True, return_counts=True)
    return np.flatnonzero(count[number] > 1)


def digests(fetch: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> Iterator[bytes]:
    """Yields 16 bytes for each image, equal for images that are equal in every pixel."""
    for first in range(0, len(rows), BLOCK):
        for pixels in fetch(rows[first : first + BLOCK]):
            yield hashlib.blake2b(pixels.tobytes(), digest_size=16).digest()
