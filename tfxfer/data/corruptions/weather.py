"""Weather: x float32 (batch, size, size, channels) in [0, 1], the severity from 0, the images' random numbers."""

import tensorflow as tf

from tfxfer.data.corruptions import edges, filters, textures
from tfxfer.data.corruptions.draws import Draws
from tfxfer.data.corruptions.textures import Photographs

WATER, MUD = (175 / 255, 238 / 255, 238 / 255), (63 / 255, 42 / 255, 20 / 255)


def snow(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    mean, deviation, factor, threshold, radius, sigma, mix = (
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    )[severity]
    size = x.shape[1]
    flakes = filters.separable(mean + deviation * draws.normal(size, size), filters.zoom(size, factor))
    flakes = tf.where(flakes < threshold, 0.0, tf.minimum(flakes, 1.0))[..., None]
    scale = size / 32
    flakes = filters.motion(flakes, radius * scale, sigma * scale, draws.uniform(low=-135.0, high=-45.0))
    paler = tf.maximum(x, 1.5 * _grey(x) + 0.5)
    return mix * x + (1 - mix) * paler + flakes + flakes[:, ::-1, ::-1]


def frost(x: tf.Tensor, severity: int, draws: Draws, photographs: Photographs | None = None) -> tf.Tensor:
    """Ice on the image: a crop of a photograph, or a texture made like those of the benchmark."""
    share, ice = ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))[severity]
    size = x.shape[1]
    texture = textures.crops(photographs, draws, size) if photographs else textures.made(draws, size)
    return share * x + ice * (_grey(texture) if x.shape[3] == 1 else texture)


def fog(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    amount, decay = ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))[severity]
    brightest = tf.reduce_max(x, axis=(1, 2, 3), keepdims=True)
    foggy = x + amount * filters.plasma(draws, x.shape[1], decay)[..., None]
    return foggy * brightest / (brightest + amount)


def brightness(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    """More of the HSV value."""
    more = (0.05, 0.1, 0.15, 0.2, 0.3)[severity]
    if x.shape[3] == 1:
        return x + more
    hue, saturation, value = tf.unstack(tf.image.rgb_to_hsv(x), axis=-1)
    return tf.image.hsv_to_rgb(tf.stack([hue, saturation, tf.minimum(value + more, 1)], -1))


def spatter(x: tf.Tensor, severity: int, draws: Draws) -> tf.Tensor:
    """Drops of water, at severities 4 and 5 mud."""
    mean, deviation, sigma, threshold, strength = (
        (0.62, 0.1, 0.7, 0.7, 0.5),
        (0.65, 0.1, 0.8, 0.7, 0.5),
        (0.65, 0.3, 1, 0.69, 0.5),
        (0.65, 0.1, 0.7, 0.69, 0.6),
        (0.65, 0.1, 0.5, 0.68, 0.6),
    )[severity]
    size = x.shape[1]
    liquid = mean + deviation * draws.normal(size, size)
    liquid = filters.separable(liquid, filters.gaussian(size, sigma * size / 32))
    liquid = tf.where(liquid < threshold, 0.0, liquid)
    if severity < 3:
        liquid = tf.floor(255 * liquid) % 256  # bytes, which start again from 0
        drops = liquid * relief(liquid)
        highest = tf.reduce_max(drops, axis=(1, 2), keepdims=True)
        return x + strength * _colored(tf.math.divide_no_nan(drops, highest), WATER, x)
    mud = tf.cast(liquid > threshold, tf.float32)
    mud = filters.separable(mud, filters.gaussian(size, strength * size / 32))
    mud = tf.where(mud < 0.8, 0.0, mud)
    return x * (1 - mud[..., None]) + _colored(mud, MUD, x)


def relief(liquid: tf.Tensor) -> tf.Tensor:
    """How light falls on drops, levels (batch, size, size): the distance to their rims, equalised and embossed."""
    heights = edges.equalized(edges.distance(edges.canny(liquid)))
    emboss = tf.constant([[-2.0, -1, 0], [-1, 1, 1], [0, 1, 2]])[..., None, None]
    padded = tf.pad(heights, [(0, 0), (1, 1), (1, 1)], "REFLECT")[..., None]
    lit = tf.clip_by_value(tf.nn.conv2d(padded, emboss, 1, "VALID"), 0, 255)[..., 0]
    return tf.round(edges.sum_of_nine(lit) / 9)


def _grey(x: tf.Tensor) -> tf.Tensor:
    """Luminance (ITU-R BT.601), one channel."""
    return x if x.shape[3] == 1 else tf.image.rgb_to_grayscale(x)


def _colored(amount: tf.Tensor, color: tuple[float, float, float], like: tf.Tensor) -> tf.Tensor:
    """A map (batch, size, size) in a colour, or in its luminance where the images are grey."""
    shade = tf.constant(color)
    shade = _grey(shade[None, None, None]) if like.shape[3] == 1 else shade
    return amount[..., None] * shade
