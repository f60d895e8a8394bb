"""Test images from outside the training distribution: inverted, tinted, on a textured background; and other images.

Models trained on images with a black background fail on coloured images with other backgrounds; these images make that
measurable. Random choices depend only on the seed and the image's id, so that every model sees the same images.

Images are uint8 (n, height, width, 1 or 3), ids int64 (n,).
"""

import colorsys

import numpy as np
import tensorflow as tf
from scipy import ndimage

from tfxfer.data import loading

BLACK_LEVEL = 16  # pixels below this level that are connected to the border are background
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601: how light a colour is on a grey image
SHIFTS = ("inverted", "tinted", "textured")


def invert(images: np.ndarray) -> np.ndarray:
    """Inverts images: 255 - pixel."""
    return 255 - images


def tint(images: np.ndarray, ids: np.ndarray, seed: int = 0) -> np.ndarray:
    """Shows each image in light of a pure colour of random hue; grey images are scaled by the colour's luminance."""
    colors = np.array([colorsys.hsv_to_rgb(_generator(image_id, seed).random(), 1, 1) for image_id in ids])
    factors = colors if images.shape[-1] == 3 else (colors @ LUMA)[:, None]
    return np.round(images * factors[:, None, None, :]).astype(np.uint8)


def texture(images: np.ndarray, ids: np.ndarray, seed: int = 0) -> np.ndarray:
    """Replaces the black background by smooth grey noise (Gaussian, sigma 1.5 pixels, stretched to 0-255)."""
    textured = images.copy()
    border = np.pad(np.zeros(np.array(images.shape[1:3]) - 2, bool), 1, constant_values=True)
    for image, image_id in zip(textured, ids):
        dark = image.max(-1) < BLACK_LEVEL
        background = ndimage.binary_propagation(border & dark, mask=dark)
        noise = ndimage.gaussian_filter(_generator(image_id, seed).normal(size=dark.shape), 1.5, mode="wrap")
        noise = 255 * (noise - noise.min()) / max(np.ptp(noise), 1e-9)
        image[background] = np.round(noise[background, None])
    return textured


def apply_shifts(images: np.ndarray, ids: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """Applies each of the `SHIFTS` to the images; returns the shifted images by name."""
    shifted = (invert(images), tint(images, ids, seed), texture(images, ids, seed))
    return dict(zip(SHIFTS, shifted, strict=True))


def load_digits(image_shape: tuple[int, int, int]) -> np.ndarray:
    """Loads scikit-learn's 1,797 handwritten digits, resized (bilinear): uint8 (1797, *image_shape)."""
    splits = loading.load("digits")
    images = np.concatenate([rows.images for rows in splits.rows.values()])
    resized = tf.image.resize(tf.repeat(images, image_shape[-1], axis=-1), image_shape[:2])
    return tf.cast(tf.round(resized), tf.uint8).numpy()


def _generator(image_id: int, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, int(image_id)])
