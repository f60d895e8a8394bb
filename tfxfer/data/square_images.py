"""Images that all have one size and are not square, made square at that size: cropped or padded, never resampled."""

from dataclasses import replace
from typing import Any

import numpy as np

from tfxfer.data.aspect_ratio import place
from tfxfer.data.lazy_images import Files, Indexed, Picked, Rows, fingerprint


class Square:
    """Images cropped or padded when they are indexed by rows: reads like uint8 (n, side, side, channels).

    Args:
        images: (n, height, width, channels).
        aspect: "crop" to the shorter side, or "pad" to the longer one with black.
    """

    def __init__(self, images: Indexed, aspect: str):
        self.images, self.aspect = images, aspect
        self.shape = _shape(images.shape, aspect)

    def __getitem__(self, rows: Any, /) -> np.ndarray:
        return _squared(np.asarray(self.images[rows]), self.aspect)


def square(rows: Rows, aspect: str) -> Rows:
    """Labelled images as squares; a picture of their size is placed in these by `aspect_ratio.place` as they are.

    Args:
        rows: images of one size, in memory or to be read when indexed; image files have a size of their own.
        aspect: one of `aspect_ratio.ASPECTS`. To "squash" is left to the network, which resizes them.
    """
    images = rows.images
    if aspect == "squash" or images.shape[1] == images.shape[2] or isinstance(images, Files):
        return rows
    if isinstance(images, np.ndarray):
        return replace(rows, images=_squared(images, aspect))
    known_as = images.known_as or fingerprint(images.images).hex()
    return replace(rows, images=Picked(Square(images.images, aspect), images.rows, f"{known_as} {aspect}"))


def _shape(shape: tuple[int, ...], aspect: str) -> tuple[int, ...]:
    side = min(shape[1:3]) if aspect == "crop" else max(shape[1:3])
    return shape[0], side, side, *shape[3:]


def _squared(images: np.ndarray, aspect: str) -> np.ndarray:
    """Images (..., height, width, channels), several or one."""
    height, width = images.shape[-3:-1]
    _, side, _, channels = _shape((0, height, width, images.shape[-1]), aspect)
    where = place((height, width), (side, side), aspect)
    if aspect == "crop":
        return images[..., -where.top : side - where.top, -where.left : side - where.left, :]
    padded = np.zeros((*images.shape[:-3], side, side, channels), images.dtype)
    padded[..., where.top : where.top + height, where.left : where.left + width, :] = images
    return padded
