"""How far two small images differ once one is shifted and resized onto the other."""

import numpy as np

_CENTRE = 0.75  # share of each side of the image that is looked for: the rest may lie outside of the other
_SCALES = 0.74, 1.26  # of that part in the other image
_FLAT = 4.0  # deviation of grey levels, 0 to 255, below which there is nothing to align


def residuals(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Looks for the centre of each image in its other, at all places and at 0.74 to 1.26 times its size.

    Args:
        images: float32 (n, side, side), grey levels from 0 to 255.
        others: float32 (n, side, side), the image that each is compared with.

    Returns:
        float32 (n,): 1 less the highest normalised cross-correlation, from 0 (equal up to brightness and contrast) to
        2; 2 where there is nothing but one grey.
    """
    side = others.shape[1]
    sums, squares = (_cumulated(values) for values in (others, others**2))
    best = np.full(len(images), -1, np.float32)
    low, high = (round(_CENTRE * side * scale) for scale in _SCALES)
    for size in range(low, min(high, side) + 1):
        part = _resized_centre(images, size)
        part -= part.mean((1, 2), keepdims=True)
        norm = np.sqrt((part**2).sum((1, 2), keepdims=True))
        part /= np.maximum(norm, _FLAT * size)
        windows = np.lib.stride_tricks.sliding_window_view(others, (size, size), (1, 2))
        products = np.einsum("npqij,nij->npq", windows, part)
        deviation = _boxes(squares, size) - _boxes(sums, size) ** 2 / size**2
        products /= np.sqrt(np.maximum(deviation, (_FLAT * size) ** 2))
        np.maximum(best, products.reshape(len(images), -1).max(1), out=best)
    return 1 - best


def _resized_centre(images: np.ndarray, size: int) -> np.ndarray:
    """The central parts of images (n, side, side) at another size: (n, size, size), each pixel a weighted mean."""
    side, step = images.shape[1], _CENTRE * images.shape[1] / size
    places = (side - 1) / 2 + (np.arange(size) - (size - 1) / 2) * step
    weights = (1 - np.abs(places[:, None] - np.arange(side)) / max(1, step)).clip(0)
    weights = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return weights @ images @ weights.T


def _cumulated(values: np.ndarray) -> np.ndarray:
    """Sums over rows and columns up to each place: float64 (n, side + 1, side + 1)."""
    return np.pad(values.astype(np.float64).cumsum(1).cumsum(2), ((0, 0), (1, 0), (1, 0)))


def _boxes(sums: np.ndarray, size: int) -> np.ndarray:
    """Sums over all squares of a size, from cumulated sums: (n, places, places)."""
    return sums[:, size:, size:] - sums[:, :-size, size:] - sums[:, size:, :-size] + sums[:, :-size, :-size]
