"""Edges of a map and each pixel's distance from them: Canny's edge detector, a chamfer distance transform and histogram
equalisation for batches of maps, level for level as OpenCV computes them for CIFAR-10-C's spatter.

Maps are float32 (batch, size, size) and contain whole numbers.
"""

import numpy as np
import tensorflow as tf

MAX_DISTANCE = 20  # pixels; longer distances are cut off there
_UNIT = 10_000  # distances are added up as whole numbers of 1 / _UNIT, which float32 represents exactly
_STEP_LENGTHS = {(0, 1): 1.0, (1, 1): 1.4, (1, 2): 2.1969}  # Borgefors 1986, Distance transformations in digital images
_TANGENT = 13573  # tan(22.5 degrees), times 2^15
_SOBEL = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])


def canny(levels: tf.Tensor, low: float = 50, high: float = 150) -> tf.Tensor:
    """Finds edges (Canny 1986): crests of the gradient above `high`, and those above `low` connected to them.

    The gradient is Sobel's, of 3 x 3 pixels, with the border's pixels repeated outside; its magnitude is
    |horizontal| + |vertical|.

    Args:
        levels: maps of levels 0 to 255.
        low: the threshold of the magnitude for weak edges.
        high: the threshold of the magnitude for strong edges.

    Returns:
        bool (batch, size, size), True on edges.
    """
    padded = tf.pad(levels, [(0, 0), (1, 1), (1, 1)], "SYMMETRIC")[..., None]
    kernels = tf.constant(np.stack([_SOBEL, _SOBEL.T], -1)[:, :, None], tf.float32)
    gradient = tf.nn.conv2d(padded, kernels, 1, "VALID")
    across, down = tf.unstack(gradient, axis=-1)
    magnitude = tf.abs(across) + tf.abs(down)
    surrounded = tf.pad(magnitude, [(0, 0), (1, 1), (1, 1)])
    size = levels.shape[1]

    def neighbour(rows, columns):
        return surrounded[:, 1 + rows : 1 + rows + size, 1 + columns : 1 + columns + size]

    # whole numbers, because float32 would round the products
    width, height = (tf.cast(tf.abs(component), tf.int32) for component in (across, down))
    horizontal = 2**15 * height < _TANGENT * width
    vertical = 2**15 * height > _TANGENT * width + 2**16 * width  # tan(67.5 degrees) is 2 + tan(22.5 degrees)
    diagonal_crest = tf.where(
        across * down < 0,
        (magnitude > neighbour(-1, 1)) & (magnitude > neighbour(1, -1)),
        (magnitude > neighbour(-1, -1)) & (magnitude > neighbour(1, 1)),
    )
    horizontal_crest = (magnitude > neighbour(0, -1)) & (magnitude >= neighbour(0, 1))
    vertical_crest = (magnitude > neighbour(-1, 0)) & (magnitude >= neighbour(1, 0))
    crest = tf.where(horizontal, horizontal_crest, tf.where(vertical, vertical_crest, diagonal_crest))
    crest &= magnitude > low
    weak, strong = (tf.cast(mask, tf.float32)[..., None] for mask in (crest, crest & (magnitude > high)))

    def grow(edges, _):
        grown = weak * tf.nn.max_pool2d(edges, 3, 1, "SAME")
        return grown, tf.reduce_any(grown != edges)

    edges, _ = tf.while_loop(lambda _, changed: changed, grow, (strong, tf.constant(True)))
    return edges[..., 0] > 0


def distance_transform(edges: tf.Tensor) -> tf.Tensor:
    """Each pixel's distance from the nearest edge, at most `MAX_DISTANCE`.

    Steps cost 1 along an axis, 1.4 along a diagonal and 2.1969 for a knight's move in chess.

    Args:
        edges: bool (batch, size, size).

    Returns:
        Maps of distances in pixels, averaged over 3 x 3 pixels and rounded down.
    """
    costs = np.zeros((5, 5, 1))
    for (short, long), length in _STEP_LENGTHS.items():
        for rows, columns in ((short, long), (long, short)):
            for signs in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
                costs[2 + signs[0] * rows, 2 + signs[1] * columns] = round(length * _UNIT)
    costs[::4, ::4] = 2 * costs[1, 1]
    costs[::4, 2] = costs[2, ::4] = 2 * costs[2, 1]
    distances = tf.where(edges, 0.0, float(MAX_DISTANCE * _UNIT))[..., None]
    for _ in range(MAX_DISTANCE // 2):  # each iteration reaches two pixels further
        distances = tf.nn.erosion2d(distances, tf.constant(-costs, tf.float32), (1,) * 4, "SAME", "NHWC", (1,) * 4)
    return tf.floor(sum_3x3(distances[..., 0]) / (9 * _UNIT))


def sum_3x3(levels: tf.Tensor) -> tf.Tensor:
    """Sums over 3 x 3 pixels; outside, maps are mirrored without repeating the border's own pixels."""
    padded = tf.pad(levels, [(0, 0), (1, 1), (1, 1)], "REFLECT")
    rows = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]


def equalize_histogram(levels: tf.Tensor) -> tf.Tensor:
    """Spreads levels 0 to `MAX_DISTANCE` over 0 to 255 so that they are about equally frequent.

    A map of a single level stays as it is.
    """
    pixels = levels.shape[1] * levels.shape[2]
    bins = tf.cast(levels, tf.int32)
    counts = tf.reduce_sum(tf.one_hot(tf.reshape(bins, (-1, pixels)), MAX_DISTANCE + 1), axis=1)
    total = tf.cumsum(counts, axis=1)
    first = tf.gather(total, tf.reduce_min(bins, axis=(1, 2)), axis=1, batch_dims=1)[:, None]
    lookup = tf.round((total - first) * tf.math.divide_no_nan(255.0, pixels - first))
    equalized = tf.gather(lookup, bins, axis=1, batch_dims=1)
    return tf.where(first[..., None] == pixels, levels, equalized)
