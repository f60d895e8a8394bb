"""Digital: x float32 (batch, size, size, channels) in [0, 1], the severity from 0, the images' random numbers."""

import numpy as np
import tensorflow as tf

from tfxfer.data.corruptions import filters
from tfxfer.data.corruptions.draws import Draws


def contrast(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    means = tf.reduce_mean(x, axis=(1, 2), keepdims=True)
    return (x - means) * (0.75, 0.5, 0.4, 0.3, 0.15)[severity] + means


def saturate(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    """HSV saturation scaled and shifted; grey images have none and stay as they are."""
    factor, more = ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2))[severity]
    if x.shape[3] == 1:
        return x
    hue, saturation, value = tf.unstack(tf.image.rgb_to_hsv(x), axis=-1)
    return tf.image.hsv_to_rgb(tf.stack([hue, tf.clip_by_value(saturation * factor + more, 0, 1), value], -1))


def jpeg_compression(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    quality = (80, 65, 58, 50, 40)[severity]

    def there_and_back(image):
        return tf.io.decode_jpeg(tf.io.encode_jpeg(image, quality=quality), x.shape[3], dct_method="INTEGER_ACCURATE")

    pixels = tf.cast(tf.round(255 * x), tf.uint8)
    found = tf.map_fn(there_and_back, pixels, fn_output_signature=tf.TensorSpec(x.shape[1:], tf.uint8))
    return tf.cast(found, tf.float32) / 255


def pixelate(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    """Pillow's box filter down and up again, whole numbers after each pass as there."""
    size = x.shape[1]
    smaller = int(size * (0.95, 0.9, 0.85, 0.75, 0.65)[severity])
    x = 255 * x
    for matrix in (filters.box(size, smaller), filters.box(smaller, size)):
        for letters in ("nijc,qj->niqc", "nijc,pi->npjc"):
            x = tf.floor(tf.einsum(letters, x, tf.constant(matrix, tf.float32)) + 0.5)
    return x / 255


def elastic_transform(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    """Three points moved at random give an affine map; then smooth random displacements of every pixel."""
    size = x.shape[1]
    alpha, sigma, reach = (
        size * c
        for c in ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03))[severity]
    )
    middle, third = size // 2, size // 3
    points = np.array([(1, 1), (1, -1), (-1, -1)]) * third + middle  # (column, row)
    moved = points + draws.uniform(3, 2, low=-reach, high=reach)
    # the map from moved places to those they come from: [column, row, 1] of three points to their originals
    known = tf.concat([moved, tf.ones_like(moved[..., :1])], -1)
    back = tf.linalg.solve(known, tf.broadcast_to(tf.constant(points, tf.float32), tf.shape(moved)))
    grid = np.stack([*np.meshgrid(np.arange(size), np.arange(size)), np.ones((size, size))], -1)
    places = tf.einsum("hwi,nij->nhwj", tf.constant(grid, tf.float32), back)
    x = filters.sample(x, places[..., 1], places[..., 0], symmetric=False)
    smooth = filters.gaussian(size, sigma, mode="reflect", truncate=3.0)
    rows, columns = (
        alpha * filters.separable(draws.uniform(size, size, low=-1.0), smooth) + tf.constant(grid[..., i], tf.float32)
        for i in (1, 0)
    )
    return filters.sample(x, rows, columns, symmetric=True)
