"""Blur corruptions.

Each function takes images x, float32 (batch, size, size, channels) in [0, 1], a severity from 1 to 5, and the images'
random numbers. It returns float32 images of the same shape.
"""

import math

import numpy as np
import tensorflow as tf
from scipy import ndimage

from tfxfer.data.corruptions import filters
from tfxfer.data.corruptions.draws import Draws


def gaussian_blur(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    """Blurs with scikit-image's Gaussian."""
    size = x.shape[1]
    sigma = (0.4, 0.6, 0.7, 0.8, 1)[severity - 1]
    return filters.apply_separable(x, filters.gaussian_matrix(size, sigma * size / 32))


def defocus_blur(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    """Blurs with a disk.

    Below 32 pixels per side the disk keeps its radius, because one of less than 1 would be a single pixel and no blur.
    """
    radius, sigma = ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))[severity - 1]
    scale, channels = max(1.0, x.shape[1] / 32), x.shape[3]
    kernel = disk_kernel(radius * scale, sigma * scale)
    margin = len(kernel) // 2
    padded = tf.pad(x, [(0, 0), (margin, margin), (margin, margin), (0, 0)], "REFLECT")
    weights = tf.constant(np.repeat(kernel[:, :, None, None], channels, axis=2), tf.float32)
    return tf.nn.depthwise_conv2d(padded, weights, (1, 1, 1, 1), "VALID")


def disk_kernel(radius: float, sigma: float) -> np.ndarray:
    """A disk, smoothed by a Gaussian of 3 x 3 pixels, or of 5 x 5 if the radius exceeds 8.

    Args:
        radius: of the disk, in pixels.
        sigma: of the Gaussian, in pixels.

    Returns:
        float64 weights (side, side) that sum to 1, where side is 17 or, for a radius above 8, just holds the disk.
    """
    margin = max(8, math.ceil(radius))
    grid = np.arange(-margin, margin + 1)
    disk = (grid[:, None] ** 2 + grid**2 <= radius**2).astype(np.float64)
    offsets = np.arange(3) - 1 if radius <= 8 else np.arange(5) - 2
    gaussian = np.exp(-(offsets**2) / (2 * sigma**2))
    gaussian /= gaussian.sum()
    for axis in (0, 1):
        disk = ndimage.correlate1d(disk, gaussian, axis, mode="mirror")
    return disk / disk.sum()


def glass_blur(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    """Blurs, replaces each pixel by one near it, and blurs again.

    The reference means to exchange two pixels but copies one onto the other; so does this function.
    """
    sigma, reach, iterations = ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2))[severity - 1]
    size = x.shape[1]
    gaussian = filters.gaussian_matrix(size, sigma * size / 32)
    reach = max(1, round(reach * size / 32))
    x = filters.quantize(filters.apply_separable(x, gaussian)) / 255
    movable = (np.arange(size) > reach) & (np.arange(size) <= size - reach)  # the reference skips the border
    movable = tf.constant(movable[:, None] & movable, tf.int32)
    for _ in range(iterations):
        steps = movable[..., None] * draws.integers(size, size, 2, low=-reach, high=reach)
        rows, columns = tf.range(size)[:, None] + steps[..., 0], tf.range(size) + steps[..., 1]
        x = tf.gather_nd(x, tf.stack([rows, columns], -1), batch_dims=1)
    return filters.apply_separable(x, gaussian)


def motion_blur(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    """Blurs along a random direction, at most 45 degrees from the horizontal."""
    radius, sigma = ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))[severity - 1]
    scale = x.shape[1] / 32
    return filters.motion_blur(x, radius * scale, sigma * scale, draws.uniform(low=-45.0, high=45.0))


def zoom_blur(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    """Averages each image with copies of it enlarged by factors of 1, 1.01, 1.02 and so on.

    At the first two severities, rounding lets the reference's `arange` reach its end, and so it does here.
    """
    factors = np.arange(1, (1.06, 1.11, 1.16, 1.21, 1.26)[severity - 1], 0.01)
    enlarged = [filters.apply_separable(x, filters.zoom_matrix(x.shape[1], factor)) for factor in factors]
    return (x + tf.add_n(enlarged)) / (len(factors) + 1)
