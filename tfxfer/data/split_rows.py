"""Images of several splits, each known by its split and its row there."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfxfer.data.splits import SPLITS, Splits


def column(split: np.ndarray, row: np.ndarray, of: Callable[[str], np.ndarray]) -> np.ndarray:
    """The values of a column, given by split, for images by split and row: int64 (m,)."""
    values = np.zeros(len(row), np.int64)
    for number, name in enumerate(SPLITS):
        here = split == number
        values[here] = of(name)[row[here]]
    return values


def pixels(splits: Splits, split: np.ndarray, row: np.ndarray) -> np.ndarray:
    """The pixels of some images, uint8 (m, height, width, channels).

    Args:
        split, row: int64 (m,), of each image: its split, as a position in `SPLITS`, and its row there.
    """
    found = np.zeros((len(row), *splits.image_shape), np.uint8)
    for number in np.unique(split):
        here = split == number
        found[here] = splits.reader(SPLITS[number])(tf.constant(row[here]))["image"].numpy()
    return found
