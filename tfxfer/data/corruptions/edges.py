"""Edges of a map, and how far each pixel is from them: Canny's method, a chamfer distance and equalisation of the
histogram, level for level as OpenCV computes them and CIFAR-10-C's spatter uses them, for batches of maps at once.

Maps are float32 (batch, size, size) of whole numbers.
"""

import numpy as np
import tensorflow as tf

FAR = 20  # distances end there
_UNIT = 10_000  # distances are added in whole numbers of 1 / _UNIT, which float32 holds exactly
_STEPS = {(0, 1): 1.0, (1, 1): 1.4, (1, 2): 2.1969}  # Borgefors 1986, Distance transformations in digital images
_TURN = 13573  # tan(22.5 degrees), times 2^15
_SOBEL = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])


def canny(levels: tf.Tensor, low: float = 50, high: float = 150) -> tf.Tensor:
    """Edges (Canny 1986): crests of the gradient above `high`, and those above `low` that are connected to them.

    The gradient is Sobel's of 3 x 3 pixels, the edge's pixels repeated outside; its length |horizontal| + |vertical|.

    Args:
        levels: 0 to 255.

    Returns:
        bool (batch, size, size).
    """
    padded = tf.pad(levels, [(0, 0), (1, 1), (1, 1)], "SYMMETRIC")[..., None]
    kernels = tf.constant(np.stack([_SOBEL, _SOBEL.T], -1)[:, :, None], tf.float32)
    gradient = tf.nn.conv2d(padded, kernels, 1, "VALID")
    across, down = tf.unstack(gradient, axis=-1)
    flat, steep = tf.abs(across), tf.abs(down)
    length = flat + steep
    around = tf.pad(length, [(0, 0), (1, 1), (1, 1)])
    size = levels.shape[1]

    def beside(rows, columns):
        return around[:, 1 + rows : 1 + rows + size, 1 + columns : 1 + columns + size]

    wide, tall = (2**15 * tf.cast(each, tf.int32) for each in (flat, steep))  # float32 would round the products
    turn = _TURN * tf.cast(flat, tf.int32)
    horizontal, vertical = tall < turn, tall > turn + 2 * wide  # tan(67.5 degrees) is 2 + tan(22.5 degrees)
    falling = across * down < 0
    diagonal = tf.where(
        falling,
        (length > beside(-1, 1)) & (length > beside(1, -1)),
        (length > beside(-1, -1)) & (length > beside(1, 1)),
    )
    level = (length > beside(0, -1)) & (length >= beside(0, 1))
    upright = (length > beside(-1, 0)) & (length >= beside(1, 0))
    crest = tf.where(horizontal, level, tf.where(vertical, upright, diagonal)) & (length > low)
    weak, strong = (tf.cast(each, tf.float32)[..., None] for each in (crest, crest & (length > high)))

    def grow(edges, _):
        grown = weak * tf.nn.max_pool2d(edges, 3, 1, "SAME")
        return grown, tf.reduce_any(grown != edges)

    edges, _ = tf.while_loop(lambda _, changed: changed, grow, (strong, tf.constant(True)))
    return edges[..., 0] > 0


def distance(edges: tf.Tensor) -> tf.Tensor:
    """How far the nearest edge is, at most `FAR`, by steps of 1 along an axis, 1.4 and, as a knight moves, 2.1969.

    Args:
        edges: bool (batch, size, size).

    Returns:
        Smoothed by a mean of 3 x 3 pixels and cut to whole numbers, as float32.
    """
    costs = np.zeros((5, 5, 1))
    for (near, far), cost in _STEPS.items():
        for rows, columns in ((near, far), (far, near)):
            for signs in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
                costs[2 + signs[0] * rows, 2 + signs[1] * columns] = round(cost * _UNIT)
    costs[::4, ::4] = 2 * costs[1, 1]
    costs[::4, 2] = costs[2, ::4] = 2 * costs[2, 1]
    found = tf.where(edges, 0.0, float(FAR * _UNIT))[..., None]
    for _ in range(FAR // 2):  # each reaches two pixels further
        found = tf.nn.erosion2d(found, tf.constant(-costs, tf.float32), (1,) * 4, "SAME", "NHWC", (1,) * 4)
    return tf.floor(sum_of_nine(found[..., 0]) / (9 * _UNIT))


def sum_of_nine(levels: tf.Tensor) -> tf.Tensor:
    """The sum over 3 x 3 pixels, mirrored outside without the edge's own."""
    padded = tf.pad(levels, [(0, 0), (1, 1), (1, 1)], "REFLECT")
    rows = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]


def equalized(levels: tf.Tensor) -> tf.Tensor:
    """Levels 0 to `FAR` spread over 0 to 255, as often one as another; a map of a single level stays as it is."""
    pixels = levels.shape[1] * levels.shape[2]
    places = tf.cast(levels, tf.int32)
    counts = tf.reduce_sum(tf.one_hot(tf.reshape(places, (-1, pixels)), FAR + 1), axis=1)
    total = tf.cumsum(counts, axis=1)
    first = tf.gather(total, tf.reduce_min(places, axis=(1, 2)), axis=1, batch_dims=1)[:, None]
    lookup = tf.round((total - first) * tf.math.divide_no_nan(255.0, pixels - first))
    spread = tf.gather(lookup, places, axis=1, batch_dims=1)
    return tf.where(first[..., None] == pixels, levels, spread)
