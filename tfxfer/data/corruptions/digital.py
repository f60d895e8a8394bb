"""Digital corruptions.

Each function takes images x, float32 (batch, size, size, channels) in [0, 1], a severity from 1 to 5, and the images'
random numbers. It returns float32 images of the same shape, whose values may lie outside [0, 1].
"""

import numpy as np
import tensorflow as tf

from tfxfer.data.corruptions import filters
from tfxfer.data.corruptions.draws import Draws


def contrast(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    """Moves all values towards the mean of their channel."""
    means = tf.reduce_mean(x, axis=(1, 2), keepdims=True)
    return (x - means) * (0.75, 0.5, 0.4, 0.3, 0.15)[severity - 1] + means


def saturate(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    """Scales and shifts the HSV saturation; grey images have none and stay as they are."""
    factor, increase = ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2))[severity - 1]
    if x.shape[3] == 1:
        return x
    hue, saturation, value = tf.unstack(tf.image.rgb_to_hsv(x), axis=-1)
    return tf.image.hsv_to_rgb(tf.stack([hue, tf.clip_by_value(saturation * factor + increase, 0, 1), value], -1))


def jpeg_compression(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    """Encodes each image as JPEG and decodes it."""
    quality = (80, 65, 58, 50, 40)[severity - 1]

    def compress(image):
        return tf.io.decode_jpeg(tf.io.encode_jpeg(image, quality=quality), x.shape[3], dct_method="INTEGER_ACCURATE")

    pixels = tf.cast(tf.round(255 * x), tf.uint8)
    compressed = tf.map_fn(compress, pixels, fn_output_signature=tf.TensorSpec(x.shape[1:], tf.uint8))
    return tf.cast(compressed, tf.float32) / 255


def pixelate(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    """Shrinks and enlarges each image with Pillow's box filter, which rounds to whole levels after each pass."""
    size = x.shape[1]
    reduced_size = int(size * (0.95, 0.9, 0.85, 0.75, 0.65)[severity - 1])
    x = 255 * x
    for matrix in (filters.box_matrix(size, reduced_size), filters.box_matrix(reduced_size, size)):
        for equation in ("nijc,qj->niqc", "nijc,pi->npjc"):
            x = tf.floor(tf.einsum(equation, x, tf.constant(matrix, tf.float32)) + 0.5)
    return x / 255


def elastic_transform(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    """Moves three points at random, which gives an affine map, and then every pixel by a smooth random displacement."""
    size = x.shape[1]
    alpha, sigma, reach = (
        size * c
        for c in ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03))[
            severity - 1
        ]
    )
    middle, third = size // 2, size // 3
    points = np.array([(1, 1), (1, -1), (-1, -1)]) * third + middle  # (column, row)
    moved = points + draws.uniform(3, 2, low=-reach, high=reach)
    # the map from moved points back to where they come from: [column, row, 1] of three points to the original ones
    homogeneous = tf.concat([moved, tf.ones_like(moved[..., :1])], -1)
    inverse = tf.linalg.solve(homogeneous, tf.broadcast_to(tf.constant(points, tf.float32), tf.shape(moved)))
    grid = np.stack([*np.meshgrid(np.arange(size), np.arange(size)), np.ones((size, size))], -1)
    coordinates = tf.einsum("hwi,nij->nhwj", tf.constant(grid, tf.float32), inverse)
    x = filters.sample_bilinear(x, coordinates[..., 1], coordinates[..., 0], symmetric=False)
    gaussian = filters.gaussian_matrix(size, sigma, mode="reflect", truncate=3.0)
    rows, columns = (
        alpha * filters.apply_separable(draws.uniform(size, size, low=-1.0), gaussian)
        + tf.constant(grid[..., i], tf.float32)
        for i in (1, 0)
    )
    return filters.sample_bilinear(x, rows, columns, symmetric=True)
