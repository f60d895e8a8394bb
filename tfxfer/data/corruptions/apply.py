"""CIFAR-10-C's 19 corruptions, with five severities each, as batched TensorFlow operations (Hendrycks and Dietterich
2019, arXiv:1903.12261), so that any data set can have its "-C" version.

The constants are those of CIFAR-10-C, for 32 x 32 images; at other sizes, lengths in pixels are multiplied by
size / 32. Frost needs photographs of ice, which are not part of tfxfer: `read_photographs` reads them from a folder.
Without them, frost uses generated textures that change images as much; `textures.remark` says so.
"""

import zlib

import tensorflow as tf

from tfxfer.core.errors import InputError
from tfxfer.data.corruptions import blur, digital, filters, noise, textures, weather
from tfxfer.data.corruptions.draws import Draws
from tfxfer.data.corruptions.textures import FrostTextures

__all__ = ["BENCHMARK", "EXTRA", "FAMILIES", "NAMES", "REVISION", "SEVERITIES", "SMALLEST"]
__all__ += ["check", "corrupt"]

FAMILIES = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "gaussian_blur"),
    "weather": ("snow", "frost", "fog", "brightness", "spatter"),
    "digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression", "saturate"),
}
EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
BENCHMARK = tuple(name for family in FAMILIES.values() for name in family if name not in EXTRA)
NAMES = (*BENCHMARK, *EXTRA)
SEVERITIES = (1, 2, 3, 4, 5)
SMALLEST = 28  # pixels per side
REVISION = 2  # of the corrupted pixels: raise it when they change, because cached features depend on it

_FUNCTIONS = {
    name: getattr(module, name)
    for module, names in zip((noise, blur, weather, digital), FAMILIES.values())
    for name in names
}


def corrupt(
    images: tf.Tensor, ids: tf.Tensor, name: str, severity: int, seed: int = 0, frost_textures: FrostTextures = None
) -> tf.Tensor:
    """Corrupts images; also works inside `Dataset.map` and `tf.function`.

    Random choices depend only on the seed, the corruption and the image's id. An image is therefore always corrupted in
    the same way, to rounding, whatever batch it is in, and its five severities are one snowfall at five strengths.

    Args:
        images: uint8 (batch, size, size, 1 or 3), size at least 28.
        ids: int64 (batch,), the images' ids.
        name: one of `NAMES`.
        severity: 1 to 5.
        seed: the random seed.
        frost_textures: photographs of ice for frost, or a folder of them, which is then read at each call; None for
            generated textures.

    Returns:
        uint8 images of the same shape, with values truncated to whole numbers as in CIFAR-10-C.

    Raises:
        InputError: the name or the severity is unknown, the images have another shape or dtype, or the folder contains
            no photographs.
    """
    check(name, severity, images.shape[1:])
    if images.dtype != tf.uint8:
        raise InputError(f"images {images.dtype.name}: expected uint8 pixels 0-255")
    draws = Draws(ids, zlib.crc32(f"{name} {seed}".encode()))
    x = tf.cast(images, tf.float32) / 255
    extra = {"photographs": textures.as_photographs(frost_textures)} if name == "frost" else {}
    x = _FUNCTIONS[name](x, severity, draws, **extra)
    return tf.cast(filters.quantize(tf.clip_by_value(x, 0, 1)), tf.uint8)


def check(name: str, severity: int, shape: tuple[int | None, ...]) -> None:
    """Raises InputError unless this corruption exists and applies to images of this shape (height, width, channels)."""
    if name not in NAMES:
        raise InputError(f"corruption {name!r}: expected one of {', '.join(NAMES)}")
    if severity not in SEVERITIES:
        raise InputError(f"severity {severity} of {name}: expected 1 to 5")
    height, width, channels = shape if len(shape) == 3 else (None, None, None)
    if height is None or height != width or height < SMALLEST or channels not in (1, 3):
        raise InputError(
            f"images of {' x '.join(map(str, shape))}: corruptions are for square ones of at least {SMALLEST} pixels a "
            "side, grey or RGB"
        )
