"""Blur: x float32 (batch, size, size, channels) in [0, 1], the severity from 0, the images' random numbers."""

import math

import numpy as np
import tensorflow as tf
from scipy import ndimage

from tfxfer.data.corruptions import filters
from tfxfer.data.corruptions.draws import Draws


def gaussian_blur(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    size = x.shape[1]
    return filters.separable(x, filters.gaussian(size, (0.4, 0.6, 0.7, 0.8, 1)[severity] * size / 32))


def defocus_blur(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    """A disk. Below 32 pixels it keeps its radius: one of less than 1 would be a single pixel, no blur."""
    radius, sigma = ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))[severity]
    scale, channels = max(1.0, x.shape[1] / 32), x.shape[3]
    kernel = disk(radius * scale, sigma * scale)
    reach = len(kernel) // 2
    padded = tf.pad(x, [(0, 0), (reach, reach), (reach, reach), (0, 0)], "REFLECT")
    weights = tf.constant(np.repeat(kernel[:, :, None, None], channels, axis=2), tf.float32)
    return tf.nn.depthwise_conv2d(padded, weights, (1, 1, 1, 1), "VALID")


def disk(radius: float, sigma: float) -> np.ndarray:
    """The pixels within radius, of sum 1, smoothed by a Gaussian of 3 x 3 pixels, 5 x 5 beyond a radius of 8."""
    reach = max(8, math.ceil(radius))
    grid = np.arange(-reach, reach + 1)
    inside = (grid[:, None] ** 2 + grid**2 <= radius**2).astype(np.float64)
    taps = np.arange(3) - 1 if radius <= 8 else np.arange(5) - 2
    smooth = np.exp(-(taps**2) / (2 * sigma**2))
    smooth /= smooth.sum()
    for axis in (0, 1):
        inside = ndimage.correlate1d(inside, smooth, axis, mode="mirror")
    return inside / inside.sum()


def glass_blur(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    """Blurred, each pixel replaced by one near it, blurred again.

    The reference means to exchange two pixels, but copies one onto the other; so does this.
    """
    sigma, reach, times = ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2))[severity]
    size = x.shape[1]
    smooth = filters.gaussian(size, sigma * size / 32)
    reach = max(1, round(reach * size / 32))
    x = filters.levels(filters.separable(x, smooth)) / 255
    moves = (np.arange(size) > reach) & (np.arange(size) <= size - reach)  # the reference leaves out an edge
    moves = tf.constant(moves[:, None] & moves, tf.int32)
    for _ in range(times):
        steps = moves[..., None] * draws.integers(size, size, 2, low=-reach, high=reach)
        rows, columns = tf.range(size)[:, None] + steps[..., 0], tf.range(size) + steps[..., 1]
        x = tf.gather_nd(x, tf.stack([rows, columns], -1), batch_dims=1)
    return filters.separable(x, smooth)


def motion_blur(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    radius, sigma = ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))[severity]
    scale = x.shape[1] / 32
    return filters.motion(x, radius * scale, sigma * scale, draws.uniform(low=-45.0, high=45.0))


def zoom_blur(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    """The mean of the picture and of it enlarged by 1, 1.01, 1.02, ...; rounding lets the reference's `arange` reach
    its end at the first two severities, and so it does here."""
    factors = np.arange(1, (1.06, 1.11, 1.16, 1.21, 1.26)[severity], 0.01)
    return (x + tf.add_n([filters.separable(x, filters.zoom(x.shape[1], each)) for each in factors])) / (
        len(factors) + 1
    )
