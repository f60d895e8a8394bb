"""The outputs of several layers as one matrix of features: maps averaged over cells, layers side by side."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from tfxfer.core import memory
from tfxfer.core.concatenated import ArrayLike
from tfxfer.core.errors import InputError, shown

ROWS = 256  # images that are pooled at once

Layers: TypeAlias = Mapping[str, ArrayLike]


def shapes_of(what: str, layers: Layers) -> dict[str, tuple[int, ...]]:
    """By layer, the shape of its outputs for one image.

    Raises:
        InputError: no dict of arrays, or outputs that are neither vectors nor maps.
    """
    if not isinstance(layers, Mapping) or not layers or not all(hasattr(array, "shape") for array in layers.values()):
        raise InputError(
            f"{what} features: expected a dict of arrays by layer, such as the values of a bank, got {shown(layers)}"
        )
    shapes = {name: tuple(array.shape[1:]) for name, array in layers.items()}
    if strange := [name for name, shape in shapes.items() if not 1 <= len(shape) <= 3]:
        raise InputError(
            f"{what} features of {strange[0]} {layers[strange[0]].shape}: expected (n, d), (n, positions, d) or (n, "
            "height, width, channels)"
        )
    return shapes


def checked(what: str, layers: Layers, shapes: Mapping[str, tuple[int, ...]]) -> Layers:
    """The layers in the order of the shapes.

    Raises:
        InputError: they are other layers, or they have outputs for different numbers of images.
    """
    found = shapes_of(what, layers)
    if found != dict(shapes):
        expected = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise InputError(
            f"{what} features of {', '.join(f'{name} {shape}' for name, shape in found.items())}: expected for each "
            f"image {expected}"
        )
    rows = {name: len(array) for name, array in layers.items()}
    if len({*rows.values()}) > 1:
        raise InputError(f"{what} features of {rows} images: expected as many of each layer")
    return {name: layers[name] for name in shapes}


def matrix(layers: Layers, target_size: int, kept: np.ndarray | None = None) -> np.ndarray:
    """The pooled features of all layers side by side, float32 (n, features), or those of these columns alone.

    Raises:
        InputError: not enough memory.
    """
    n = len(next(iter(layers.values())))
    total = sum(length(array.shape[1:], target_size) for array in layers.values())
    width = total if kept is None else len(kept)
    memory.need(4 * n * width, f"{n:,} images of {width:,} features of {len(layers)} layers")
    x = np.empty((n, width), np.float32)
    for first in range(0, n, ROWS):
        rows = slice(first, first + ROWS)
        parts = [pool(np.asarray(array[rows]), target_size) for array in layers.values()]
        joined = np.concatenate(parts, axis=1)
        x[rows] = joined if kept is None else joined[:, kept]
    return x


def pool(values: np.ndarray, target_size: int) -> np.ndarray:
    """Averages feature maps over square cells, the smallest that give at most `target_size` numbers an image.

    Cells at the right and the lower edge may be smaller. Maps of more channels than that are averaged over all places.

    Args:
        values: float (n, height, width, channels); (n, positions, d) is averaged over neighbouring positions, and
            (n, d) is returned as it is.
        target_size: the most numbers an image.

    Returns:
        float32 (n, d).
    """
    values = values.astype(np.float32, copy=False)
    side = _cell(values.shape[1:], target_size)
    for axis in range(1, values.ndim - 1):
        starts = np.arange(0, values.shape[axis], side)
        sizes = np.diff([*starts, values.shape[axis]]).astype(np.float32)
        sums = np.add.reduceat(values, starts, axis=axis)
        values = sums / sizes.reshape([-1 if other == axis else 1 for other in range(values.ndim)])
    return values.reshape(len(values), -1)


def _cell(shape: Sequence[int], target_size: int) -> int:
    """The side of the cells that outputs of this shape for an image are averaged over."""
    places = shape[:-1]
    largest = max(places, default=1)
    for side in range(1, largest):
        if shape[-1] * np.prod([-(-length // side) for length in places]) <= target_size:
            return side
    return max(1, largest)


def length(shape: Sequence[int], target_size: int) -> int:
    """How many numbers `pool` gives for outputs of this shape for an image."""
    side = _cell(shape, target_size)
    return int(shape[-1] * np.prod([-(-length // side) for length in shape[:-1]], dtype=int))
