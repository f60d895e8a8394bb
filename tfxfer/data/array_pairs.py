"""Images and labels as NumPy arrays, checked and brought into the form that splits have."""

import numpy as np

from tfxfer.core.errors import InputError


def checked(name: str, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images with channels, uint8 (n, height, width, channels), and labels, int64 (n,).

    Args:
        name: what an error calls them.
        images: with or without channels.
        labels: whole numbers.

    Raises:
        InputError: the images are not uint8, or arrays do not fit each other.
    """
    fits = labels.ndim == 1 and labels.dtype.kind in "iu" and len(images) == len(labels) > 0
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or not fits:
        raise InputError(
            f"{name}: images {images.dtype} {images.shape}, labels {labels.dtype} {labels.shape}: expected uint8 "
            "pixels 0-255 (n, height, width, channels) and integer labels (n,): multiply floats in [0, 1] by 255"
        )
    return images if images.ndim == 4 else images[..., None], labels.astype(np.int64)


def class_numbers(labels: np.ndarray) -> np.ndarray:
    """Labels in one column (n, 1) and one-hot labels (n, classes) as numbers (n,); others stay as they are."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        return labels[:, 0]
    if labels.ndim == 2 and np.isin(labels, (0, 1)).all() and (labels.sum(1) == 1).all():
        return labels.argmax(1)
    return labels
