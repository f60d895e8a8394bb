"""What the corruptions are made of: separable filters as matrices, shifts, bilinear sampling, fractal noise.

Images are float32 (batch, size, size, channels), maps (batch, size, size).
"""

import math

import numpy as np
import tensorflow as tf
from scipy import ndimage

from tfxfer.data.corruptions.draws import Draws


def separable(x: tf.Tensor, matrix: np.ndarray) -> tf.Tensor:
    """A linear filter along both axes: matrix (out, size) from the left and, transposed, from the right."""
    along = tf.constant(matrix, tf.float32)
    letters = "nijc,pi,qj->npqc" if x.shape.rank == 4 else "nij,pi,qj->npq"
    return tf.einsum(letters, x, along, along, optimize="optimal")


def levels(x: tf.Tensor) -> tf.Tensor:
    """Values in [0, 1] as whole levels 0 to 255, cut as CIFAR-10-C cuts them, but for float32's own rounding."""
    return tf.floor(255 * x + 1.5e-4)


def gaussian(size: int, sigma: float, mode: str = "nearest", truncate: float = 4.0) -> np.ndarray:
    """The matrix of a Gaussian blur; by default scikit-image's, with the edge's pixels repeated outside."""
    return ndimage.gaussian_filter(np.eye(size), (sigma, 0), mode=mode, truncate=truncate)


def zoom(size: int, factor: float) -> np.ndarray:
    """The matrix that enlarges the middle by linear interpolation, between corners, and crops to the same size."""
    inside = math.ceil(size / factor)
    top = (size - inside) // 2
    enlarged = ndimage.zoom(np.eye(size)[top : top + inside], (factor, 1), order=1)
    trim = (len(enlarged) - size) // 2
    return enlarged[trim : trim + size]


def box(size: int, to: int) -> np.ndarray:
    """The matrix of Pillow's resize by a box filter, (to, size)."""
    scale = size / to
    reach = max(scale, 1.0)
    matrix = np.zeros((to, size))
    for row, weights in enumerate(matrix):
        center = (row + 0.5) * scale
        first, end = max(0, int(center - reach / 2 + 0.5)), min(size, int(center + reach / 2 + 0.5))
        at = (np.arange(first, end) - center + 0.5) / reach
        weights[first:end] = (at > -0.5) & (at <= 0.5)
        weights /= weights.sum()
    return matrix


def motion(x: tf.Tensor, radius: float, sigma: float, angles: tf.Tensor) -> tf.Tensor:
    """ImageMagick's motion blur: half a Gaussian of 2 ceil(radius) + 1 pixels, in whole pixels along a direction.

    Args:
        angles: float32 (batch,), degrees.
    """
    width = 2 * math.ceil(radius) + 1
    weights = np.exp(-(np.arange(width) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    radians = angles * (math.pi / 180)
    blurred = tf.zeros_like(x)
    for i, weight in enumerate(weights):
        down, right = (-tf.cast(tf.math.ceil(i * side - 0.5), tf.int32) for side in (tf.sin(radians), tf.cos(radians)))
        blurred += weight * shift(x, down, right)
    return blurred


def shift(x: tf.Tensor, down: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Each image moved by its own whole pixels, int32 (batch,); the edge's pixels fill what is left."""
    for axis, steps in ((1, down), (2, right)):
        size = x.shape[axis]
        places = tf.clip_by_value(tf.range(size)[None] - steps[:, None], 0, size - 1)
        x = tf.gather(x, places, axis=axis, batch_dims=1)
    return x


def sample(x: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor, symmetric: bool) -> tf.Tensor:
    """Images read at fractional places (batch, size, size) by bilinear interpolation, mirrored outside.

    Args:
        symmetric: whether the edge's own pixels are repeated by the mirror (dcba|abcd), or not (dcb|abcd).
    """
    size = x.shape[1]

    def mirrored(places):
        period = 2 * size if symmetric else 2 * size - 2
        places = tf.math.floormod(places, period)
        return tf.minimum(places, period - 1 - places if symmetric else period - places)

    top, left = tf.floor(rows), tf.floor(columns)
    below, beside = (rows - top)[..., None], (columns - left)[..., None]
    y, z = tf.cast(top, tf.int32), tf.cast(left, tf.int32)
    flat = tf.reshape(x, (-1, size * size, x.shape[3]))

    def read(i, j):
        places = tf.reshape(mirrored(y + i) * size + mirrored(z + j), (-1, size * size))
        return tf.reshape(tf.gather(flat, places, axis=1, batch_dims=1), tf.shape(x))

    upper = read(0, 0) * (1 - beside) + read(0, 1) * beside
    lower = read(1, 0) * (1 - beside) + read(1, 1) * beside
    return upper * (1 - below) + lower * below


def plasma(draws: Draws, size: int, decay: float) -> tf.Tensor:
    """Fractal noise by diamond-square on a torus, (batch, size, size) in [0, 1].

    Each halving of the step divides the amplitude by decay squared, as in the reference.
    """
    whole = 2 ** math.ceil(math.log2(max(size, 32)))
    noise = draws.uniform(whole, whole, low=-1.0)
    coarse, wibble, step = tf.zeros_like(noise[:, :1, :1]), 100.0, whole
    while step >= 2:
        half = step // 2
        amplitude = wibble**2
        corners = coarse + tf.roll(coarse, -1, 1)
        corners += tf.roll(corners, -1, 2)
        squares = corners / 4 + amplitude * noise[:, half::step, half::step]
        top = squares + tf.roll(squares, 1, 1) + coarse + tf.roll(coarse, -1, 2)
        top = top / 4 + amplitude * noise[:, ::step, half::step]
        left = squares + tf.roll(squares, 1, 2) + coarse + tf.roll(coarse, -1, 1)
        left = left / 4 + amplitude * noise[:, half::step, ::step]
        side = 2 * (whole // step)
        rows = [tf.reshape(tf.stack(pair, 3), (-1, side // 2, side)) for pair in ((coarse, top), (left, squares))]
        coarse = tf.reshape(tf.stack(rows, 2), (-1, side, side))
        step, wibble = half, wibble / decay
    low, high = (each(coarse, axis=(1, 2), keepdims=True) for each in (tf.reduce_min, tf.reduce_max))
    return ((coarse - low) / (high - low))[:, :size, :size]
