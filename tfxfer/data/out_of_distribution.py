"""Test images from outside the training distribution: inverted, tinted, on a texture; and images of something else.

Models that learned from images on black fail on coloured images with backgrounds; these make that measurable. Random
choices depend on the seed and the image's id alone, so that every model sees the same images.
"""

import colorsys

import numpy as np
import tensorflow as tf
from scipy import ndimage

from tfxfer.data import loading

BLACK = 16  # of 255: background is what is darker and touches the border
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601: what a grey model sees of a colour
SHIFTS = ("inverted", "tinted", "textured")


def invert(images: np.ndarray) -> np.ndarray:
    """255 - pixel; uint8 (n, height, width, channels), as everywhere here."""
    return 255 - images


def tint(images: np.ndarray, ids: np.ndarray, seed: int = 0) -> np.ndarray:
    """Each image in light of one pure colour of random hue; grey images are scaled by that colour's luminance."""
    colors = np.array([colorsys.hsv_to_rgb(_random(i, seed).random(), 1, 1) for i in ids])
    factors = colors if images.shape[-1] == 3 else (colors @ LUMA)[:, None]
    return np.round(images * factors[:, None, None, :]).astype(np.uint8)


def texture(images: np.ndarray, ids: np.ndarray, seed: int = 0) -> np.ndarray:
    """The black background replaced by smooth grey noise (Gaussian, sigma 1.5 pixels, stretched to 0-255)."""
    textured = images.copy()
    border = np.pad(np.zeros(np.array(images.shape[1:3]) - 2, bool), 1, constant_values=True)
    for image, number in zip(textured, ids):
        dark = image.max(-1) < BLACK
        background = ndimage.binary_propagation(border & dark, mask=dark)
        noise = ndimage.gaussian_filter(_random(number, seed).normal(size=dark.shape), 1.5, mode="wrap")
        noise = 255 * (noise - noise.min()) / max(np.ptp(noise), 1e-9)
        image[background] = np.round(noise[background, None])
    return textured


def variants(images: np.ndarray, ids: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """The images under each of the `SHIFTS`, by name."""
    shifted = (invert(images), tint(images, ids, seed), texture(images, ids, seed))
    return dict(zip(SHIFTS, shifted, strict=True))


def digits(image_shape: tuple[int, int, int]) -> np.ndarray:
    """scikit-learn's 1,797 handwritten digits, resized (bilinear): uint8 (1797, *image_shape)."""
    splits = loading.load("digits")
    images = np.concatenate([rows.images for rows in splits.rows.values()])
    resized = tf.image.resize(tf.repeat(images, image_shape[-1], axis=-1), image_shape[:2])
    return tf.cast(tf.round(resized), tf.uint8).numpy()


def _random(number: int, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, int(number)])
