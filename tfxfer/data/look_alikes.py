"""Which of an image's look-alikes are copies of it: candidates by nearest neighbours, then alignment pixel by pixel."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tfxfer.core.nearest_neighbours import nearest
from tfxfer.data.image_alignment import residuals
from tfxfer.data.image_frequencies import mirrored

# Chosen on the photographs of seed 1 in benchmarks/near_duplicates.py, which scores others, and on sets of digits.
DIFFERENCE = 0.05  # of an aligned copy, at most
SHARE = 0.06  # of the difference of other look-alikes that a copy's may be, at most
_COARSE = 0.25  # difference at half the size above which a pair is not aligned at full size
_CANDIDATES = 3  # nearest neighbours that may be copies; the following ones are look-alikes
_NEAREST = 8
_LEAST = 12  # pixels of images that are aligned at half the size
_PAIRS = 512  # aligned at once


class Described(NamedTuple):
    """What n images are compared by.

    Attributes:
        small, frequencies: of `image_frequencies.describe`.
        features: float32 (m, d), embeddings of the first m images, or None.
    """

    small: np.ndarray
    frequencies: np.ndarray
    features: np.ndarray | None


def joined(parts: Sequence[Described]) -> Described:
    """The images of several parts, in order; features reach to the first image that has none."""
    features: list[np.ndarray] = []
    for part in parts:
        features += [] if part.features is None else [part.features]
        if part.features is None or len(part.features) < len(part.small):
            break
    small, frequencies = (np.concatenate([part[column] for part in parts]) for column in range(2))
    return Described(small, frequencies, np.concatenate(features) if features else None)


def copies(images: Described, others: Described) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Finds for each image the other image that is a copy of it, if there is one.

    Candidates are the nearest neighbours by low frequencies, also of the mirrored image, and by features. Each is
    aligned with the image (`image_alignment`). It is a copy if they differ by no more than `DIFFERENCE`, and by no more
    than `SHARE` of the median difference of the next neighbours (as in Lowe's ratio test, 2004,
    doi:10.1023/B:VISI.0000029664.99615.94). So images that look alike by nature, such as digits, are no copies. Nor are
    images most of whose neighbours are copies, such as frames of one video.

    Returns:
        Rows of the images that have a copy, int64 (m,), rows of their copies, whether these are mirrored, bool (m,),
        and their differences, float64 (m,).
    """
    best = _Best(len(images.small))
    if len(others.small) > _CANDIDATES and len(images.small):
        plain = _neighbours(images, others)
        flipped = _neighbours(Described(images.small, mirrored(images.frequencies), None), others)
        for near in plain:
            best.try_(images, others, near[:, :_CANDIDATES], False)
        for near in (*flipped, *plain[1:]):  # networks hardly tell an image from its mirror image
            best.try_(images, others, near[:, :_CANDIDATES], True)
        likely = np.flatnonzero(best.difference <= DIFFERENCE)
        found = likely[best.difference[likely] <= SHARE * _usual(images, others, likely, plain)]
    else:
        found = np.zeros(0, np.int64)
    return found, best.other[found], best.mirrored[found], best.difference[found]


class _Best:
    """The candidate that differs least from each of n images, as far as they have been tried."""

    def __init__(self, n: int):
        self.difference, self.other, self.mirrored = np.full(n, np.inf), np.zeros(n, np.int64), np.zeros(n, bool)

    def try_(self, images: Described, others: Described, candidates: np.ndarray, flip: bool) -> None:
        """Aligns images with candidates, (n, k); -1 for none."""
        for column in candidates.T:
            rows = np.flatnonzero(column >= 0)
            difference = _differences(images, others, rows, column[rows], flip, coarse=True)
            rows = rows[difference <= _COARSE]
            difference = _differences(images, others, rows, column[rows], flip)
            better = difference < self.difference[rows]
            self.difference[rows[better]], self.mirrored[rows[better]] = difference[better], flip
            self.other[rows[better]] = column[rows[better]]


def _usual(images: Described, others: Described, rows: np.ndarray, plain: list[np.ndarray]) -> np.ndarray:
    """The median difference of some images, float64 (m,), from the neighbours that come after the candidates."""
    if not len(rows):
        return np.zeros(0)
    columns = [column for near in plain for column in near[rows, _CANDIDATES:].T]
    return np.nanmedian([_differences(images, others, rows, column) for column in columns], axis=0)


def _neighbours(images: Described, others: Described) -> list[np.ndarray]:
    """Rows of the nearest others, (n, k), by low frequencies and, if both sides have them, by features; -1 for none."""
    found = [_nearest(images.frequencies, others.frequencies, len(images.small))]
    if images.features is not None and others.features is not None and len(others.features) > _CANDIDATES:
        found.append(_nearest(images.features, others.features, len(images.small)))
    return found


def _nearest(x: np.ndarray, others: np.ndarray, n: int) -> np.ndarray:
    """Neighbours by the angle between standardized vectors, int64 (n, k); -1 for images after the x that there are."""
    mean, deviation = others.mean(0), others.std(0)
    x, others = ((part - mean) / np.maximum(deviation, 0.01 * deviation.mean() + 1e-6) for part in (x, others))
    x, others = (part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-6) for part in (x, others))
    rows = np.full((n, min(_NEAREST, len(others))), -1)
    rows[: len(x)] = nearest(x, others, rows.shape[1]).rows
    return rows


def _differences(
    images: Described, others: Described, rows: np.ndarray, candidates: np.ndarray, flip: bool = False, coarse=False
) -> np.ndarray:
    """`residuals` of pairs, float64 (m,); NaN for candidates that are -1.

    Coarse ones are of images of half the size; 0 for images that are too small for it.
    """
    difference = np.full(len(rows), np.nan)
    halve = coarse and images.small.shape[1] >= 2 * _LEAST
    if coarse and not halve:
        return np.zeros(len(rows))
    known = np.flatnonzero(candidates >= 0)
    for first in range(0, len(known), _PAIRS):
        part = known[first : first + _PAIRS]
        pair = images.small[rows[part]], others.small[candidates[part]]
        one, other = (small.astype(np.float32) for small in pair)
        one = one[:, :, ::-1] if flip else one
        if halve:
            one, other = (_half(small) for small in (one, other))
        difference[part] = residuals(one, other)
    return difference


def _half(small: np.ndarray) -> np.ndarray:
    side = small.shape[1] // 2 * 2
    return small[:, :side, :side].reshape(len(small), side // 2, 2, side // 2, 2).mean((2, 4))
