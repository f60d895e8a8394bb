"""Weather corruptions.

Each function takes images x, float32 (batch, size, size, channels) in [0, 1], a severity from 1 to 5, and the images'
random numbers. It returns float32 images of the same shape, whose values may lie outside [0, 1].
"""

import tensorflow as tf

from tfxfer.data.corruptions import edges, filters, textures
from tfxfer.data.corruptions.draws import Draws
from tfxfer.data.corruptions.textures import Photographs

WATER, MUD = (175 / 255, 238 / 255, 238 / 255), (63 / 255, 42 / 255, 20 / 255)


def snow(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    """Makes images paler and adds motion-blurred flakes, together with the same flakes turned by 180 degrees."""
    mean, deviation, factor, threshold, radius, sigma, weight = (
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    )[severity - 1]
    size = x.shape[1]
    flakes = filters.apply_separable(mean + deviation * draws.normal(size, size), filters.zoom_matrix(size, factor))
    flakes = tf.where(flakes < threshold, 0.0, tf.minimum(flakes, 1.0))[..., None]
    scale = size / 32
    flakes = filters.motion_blur(flakes, radius * scale, sigma * scale, draws.uniform(low=-135.0, high=-45.0))
    paler = tf.maximum(x, 1.5 * _luminance(x) + 0.5)
    return weight * x + (1 - weight) * paler + flakes + flakes[:, ::-1, ::-1]


def frost(x: tf.Tensor, severity: int, draws: Draws, photographs: Photographs | None = None) -> tf.Tensor:
    """Adds ice: crops of photographs, or textures generated after those of the benchmark."""
    image_weight, ice_weight = ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))[severity - 1]
    size = x.shape[1]
    ice = textures.random_crops(photographs, draws, size) if photographs else textures.generate(draws, size)
    return image_weight * x + ice_weight * (_luminance(ice) if x.shape[3] == 1 else ice)


def fog(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    """Adds fractal noise and rescales each image so that it gets no brighter than it was."""
    amount, decay = ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))[severity - 1]
    brightest = tf.reduce_max(x, axis=(1, 2, 3), keepdims=True)
    foggy = x + amount * filters.plasma_fractal(draws, x.shape[1], decay)[..., None]
    return foggy * brightest / (brightest + amount)


def brightness(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    """Increases the HSV value."""
    increase = (0.05, 0.1, 0.15, 0.2, 0.3)[severity - 1]
    if x.shape[3] == 1:
        return x + increase
    hue, saturation, value = tf.unstack(tf.image.rgb_to_hsv(x), axis=-1)
    return tf.image.hsv_to_rgb(tf.stack([hue, saturation, tf.minimum(value + increase, 1)], -1))


def spatter(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    """Adds drops of water or, at severities 4 and 5, splashes of mud."""
    mean, deviation, sigma, threshold, strength = (
        (0.62, 0.1, 0.7, 0.7, 0.5),
        (0.65, 0.1, 0.8, 0.7, 0.5),
        (0.65, 0.3, 1, 0.69, 0.5),
        (0.65, 0.1, 0.7, 0.69, 0.6),
        (0.65, 0.1, 0.5, 0.68, 0.6),
    )[severity - 1]
    size = x.shape[1]
    liquid = mean + deviation * draws.normal(size, size)
    liquid = filters.apply_separable(liquid, filters.gaussian_matrix(size, sigma * size / 32))
    liquid = tf.where(liquid < threshold, 0.0, liquid)
    if severity <= 3:
        liquid = tf.floor(255 * liquid) % 256  # as bytes, which wrap around to 0
        drops = liquid * emboss_drops(liquid)
        highest = tf.reduce_max(drops, axis=(1, 2), keepdims=True)
        return x + strength * _colored(tf.math.divide_no_nan(drops, highest), WATER, x)
    mud = tf.cast(liquid > threshold, tf.float32)
    mud = filters.apply_separable(mud, filters.gaussian_matrix(size, strength * size / 32))
    mud = tf.where(mud < 0.8, 0.0, mud)
    return x * (1 - mud[..., None]) + _colored(mud, MUD, x)


def emboss_drops(liquid: tf.Tensor) -> tf.Tensor:
    """How light falls on drops: the distance to their rims, equalised and embossed.

    Args:
        liquid: float32 (batch, size, size), whole numbers from 0 to 255.

    Returns:
        Whole numbers from 0 to 255, of the same shape and dtype.
    """
    heights = edges.equalize_histogram(edges.distance_transform(edges.canny(liquid)))
    emboss = tf.constant([[-2.0, -1, 0], [-1, 1, 1], [0, 1, 2]])[..., None, None]
    padded = tf.pad(heights, [(0, 0), (1, 1), (1, 1)], "REFLECT")[..., None]
    lit = tf.clip_by_value(tf.nn.conv2d(padded, emboss, 1, "VALID"), 0, 255)[..., 0]
    return tf.round(edges.sum_3x3(lit) / 9)


def _luminance(x: tf.Tensor) -> tf.Tensor:
    """ITU-R BT.601 luminance, one channel; grey images are returned as they are."""
    return x if x.shape[3] == 1 else tf.image.rgb_to_grayscale(x)


def _colored(amount: tf.Tensor, color: tuple[float, float, float], images: tf.Tensor) -> tf.Tensor:
    """A map (batch, size, size) in a colour, or in the colour's luminance where the images are grey."""
    shade = tf.constant(color)
    shade = _luminance(shade[None, None, None]) if images.shape[3] == 1 else shade
    return amount[..., None] * shade
