"""Building blocks of the corruptions: separable filters as matrices, shifts, bilinear sampling, fractal noise.

Images are float32 (batch, size, size, channels), maps float32 (batch, size, size).
"""

import math

import numpy as np
import tensorflow as tf
from scipy import ndimage

from tfxfer.data.corruptions.draws import Draws


def apply_separable(x: tf.Tensor, matrix: np.ndarray) -> tf.Tensor:
    """Filters images or maps along both axes.

    Args:
        x: images or maps.
        matrix: (output size, size), multiplied from the left and, transposed, from the right.
    """
    weights = tf.constant(matrix, tf.float32)
    equation = "nijc,pi,qj->npqc" if x.shape.rank == 4 else "nij,pi,qj->npq"
    return tf.einsum(equation, x, weights, weights, optimize="optimal")


def quantize(x: tf.Tensor) -> tf.Tensor:
    """Converts values in [0, 1] to whole levels 0 to 255, truncated as in CIFAR-10-C.

    A small constant makes up for float32, which may round a value to just below a whole level.
    """
    return tf.floor(255 * x + 1.5e-4)


def gaussian_matrix(size: int, sigma: float, mode: str = "nearest", truncate: float = 4.0) -> np.ndarray:
    """The matrix (size, size) of a Gaussian blur; by default scikit-image's, with the border's pixels repeated outside.

    Args:
        size: pixels per side.
        sigma: of the Gaussian, in pixels.
        mode: SciPy's name for what lies outside.
        truncate: the radius at which the Gaussian ends, in sigmas.
    """
    return ndimage.gaussian_filter(np.eye(size), (sigma, 0), mode=mode, truncate=truncate)


def zoom_matrix(size: int, factor: float) -> np.ndarray:
    """The matrix (size, size) that enlarges the centre by linear interpolation, corners aligned, and crops it."""
    crop = math.ceil(size / factor)
    top = (size - crop) // 2
    enlarged = ndimage.zoom(np.eye(size)[top : top + crop], (factor, 1), order=1)
    trim = (len(enlarged) - size) // 2
    return enlarged[trim : trim + size]


def box_matrix(size: int, new_size: int) -> np.ndarray:
    """The matrix (new size, size) of Pillow's resizing with a box filter."""
    scale = size / new_size
    support = max(scale, 1.0)
    matrix = np.zeros((new_size, size))
    for row, weights in enumerate(matrix):
        center = (row + 0.5) * scale
        first, end = max(0, int(center - support / 2 + 0.5)), min(size, int(center + support / 2 + 0.5))
        offsets = (np.arange(first, end) - center + 0.5) / support
        weights[first:end] = (offsets > -0.5) & (offsets <= 0.5)
        weights /= weights.sum()
    return matrix


def motion_blur(x: tf.Tensor, radius: float, sigma: float, angles: tf.Tensor) -> tf.Tensor:
    """ImageMagick's motion blur: half a Gaussian of 2 ceil(radius) + 1 pixels along a direction, in whole pixels.

    Args:
        x: images.
        radius: in pixels.
        sigma: of the Gaussian, in pixels.
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
    """Moves each image by its own number of whole pixels, and repeats the border's pixels in the gap.

    Args:
        x: images.
        down: int32 (batch,).
        right: int32 (batch,).
    """
    for axis, steps in ((1, down), (2, right)):
        size = x.shape[axis]
        indices = tf.clip_by_value(tf.range(size)[None] - steps[:, None], 0, size - 1)
        x = tf.gather(x, indices, axis=axis, batch_dims=1)
    return x


def sample_bilinear(x: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor, symmetric: bool) -> tf.Tensor:
    """Samples images at fractional coordinates by bilinear interpolation, mirrored outside.

    Args:
        x: images.
        rows: float32 (batch, size, size).
        columns: float32 (batch, size, size).
        symmetric: whether the mirror repeats the border's own pixels (dcba|abcd) or not (dcb|abcd).
    """
    size = x.shape[1]

    def mirror(indices):
        period = 2 * size if symmetric else 2 * size - 2
        indices = tf.math.floormod(indices, period)
        return tf.minimum(indices, period - 1 - indices if symmetric else period - indices)

    top, left = tf.floor(rows), tf.floor(columns)
    down, right = (rows - top)[..., None], (columns - left)[..., None]
    row, column = tf.cast(top, tf.int32), tf.cast(left, tf.int32)
    flat = tf.reshape(x, (-1, size * size, x.shape[3]))

    def read(i, j):
        indices = tf.reshape(mirror(row + i) * size + mirror(column + j), (-1, size * size))
        return tf.reshape(tf.gather(flat, indices, axis=1, batch_dims=1), tf.shape(x))

    upper = read(0, 0) * (1 - right) + read(0, 1) * right
    lower = read(1, 0) * (1 - right) + read(1, 1) * right
    return upper * (1 - down) + lower * down


def plasma_fractal(draws: Draws, size: int, decay: float) -> tf.Tensor:
    """Fractal noise by the diamond-square algorithm on a torus, (batch, size, size) in [0, 1].

    Each halving of the step divides the amplitude by the square of decay, as in the reference.
    """
    full_size = 2 ** math.ceil(math.log2(max(size, 32)))
    noise = draws.uniform(full_size, full_size, low=-1.0)
    coarse, roughness, step = tf.zeros_like(noise[:, :1, :1]), 100.0, full_size
    while step >= 2:
        half = step // 2
        amplitude = roughness**2
        corners = coarse + tf.roll(coarse, -1, 1)
        corners += tf.roll(corners, -1, 2)
        squares = corners / 4 + amplitude * noise[:, half::step, half::step]
        top = squares + tf.roll(squares, 1, 1) + coarse + tf.roll(coarse, -1, 2)
        top = top / 4 + amplitude * noise[:, ::step, half::step]
        left = squares + tf.roll(squares, 1, 2) + coarse + tf.roll(coarse, -1, 1)
        left = left / 4 + amplitude * noise[:, half::step, ::step]
        side = 2 * (full_size // step)
        rows = [tf.reshape(tf.stack(pair, 3), (-1, side // 2, side)) for pair in ((coarse, top), (left, squares))]
        coarse = tf.reshape(tf.stack(rows, 2), (-1, side, side))
        step, roughness = half, roughness / decay
    low, high = (reduce(coarse, axis=(1, 2), keepdims=True) for reduce in (tf.reduce_min, tf.reduce_max))
    return ((coarse - low) / (high - low))[:, :size, :size]
