"""The textures of frost: crops of photographs of ice, if the user has them, or textures generated after them.

CIFAR-10-C was made with five photographs, which tfxfer may not distribute. For each of the five there is a generated
texture with its measured colour, spread of brightness between crops and within them, and grain.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tensorflow as tf
from scipy import ndimage

from tfxfer.core.errors import InputError
from tfxfer.data import image_decoding
from tfxfer.data.corruptions.draws import Draws

SUFFIXES = (".jpg", ".jpeg", ".png")
BENCHMARK_NAMES = [f"frost{number}" for number in range(1, 7)]  # its code draws one of the first five
BENCHMARK_SHA256 = "c146cff9eab2397f71c47ee7c727e2f8a36cf7445b8daf1dad63a0ce34140861"  # of those five files
CROP_SIDE = 160  # pixels of a photograph along an image's side: 5 for each pixel of CIFAR-10's
MIN_SIDE = 165  # pixels per side of a photograph
MAX_PIXELS = 10_000_000  # of all photographs together

# Measured on 4,000 random crops of 32 x 32 from each of the benchmark's photographs (red, green, blue; 1 is white):
# mean colour, standard deviation within a crop, standard deviation of the crops' means, and k in their power spectrum,
# which is 1 + (k / f)^2 at f cycles per image, for grain and clouds. frost2 and frost3 are the same picture.
_ICE = (
    ((0.299, 0.579, 0.644), (0.085, 0.052, 0.049), (0.065, 0.037, 0.031), 6.7),
    ((0.780, 0.797, 0.833), (0.070, 0.071, 0.074), (0.033, 0.036, 0.038), 5.7),
    ((0.780, 0.797, 0.833), (0.070, 0.071, 0.074), (0.033, 0.036, 0.038), 5.7),
    ((0.565, 0.623, 0.673), (0.102, 0.102, 0.106), (0.037, 0.037, 0.040), 3.7),
    ((0.404, 0.448, 0.495), (0.139, 0.137, 0.134), (0.066, 0.063, 0.060), 6.5),
)


@dataclass(frozen=True)
class Photographs:
    """Photographs of ice. The same photographs have the same `repr`, whatever folder they are in.

    Attributes:
        sha256: of the files, one after another.
        decoder: the revision of `image_decoding` that decoded them.
        folder: where they are.
        pixels: uint8 (height, width, 3), by file name.
    """

    sha256: str
    decoder: int
    folder: str = field(repr=False, compare=False)
    pixels: dict[str, np.ndarray] = field(repr=False, compare=False)


FrostTextures = Photographs | str | Path | None
"""Photographs of ice, or their folder; None for generated textures."""


def remark(photographs: Photographs | None) -> str:
    """Says what frost is made with, and whether the benchmark was made with the same."""
    if photographs is None:
        return (
            "frost uses generated textures, as bright and as coarse as the benchmark's photographs of ice, but without "
            "their crystals: --frost-textures DIR uses photographs"
        )
    if photographs.sha256 == BENCHMARK_SHA256:
        return "frost uses the benchmark's photographs of ice"
    return f"frost uses the photographs in {photographs.folder}, which are not the benchmark's"


def as_photographs(source: FrostTextures) -> Photographs | None:
    """Reads photographs if given their folder; returns photographs, or None, unchanged."""
    return source if source is None or isinstance(source, Photographs) else read_photographs(source)


def read_photographs(folder: str | Path) -> Photographs:
    """Reads all JPEG and PNG files of a folder, in the order of their names.

    Of the benchmark's six files, frost1 to frost6, only the first five are read, because its code uses no more.

    Raises:
        InputError: the folder does not exist or contains no photographs, one of them cannot be read or is less than 165
            pixels wide or high, or together they have more than 10 million pixels.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise InputError(f"frost_textures {folder} is not a folder: expected one with photographs of ice")
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise InputError(f"frost_textures {folder} cannot be listed: {error.strerror}") from None
    if [path.stem for path in paths] == BENCHMARK_NAMES:
        paths = paths[:5]
    if not paths:
        raise InputError(
            f"frost_textures {folder}: no .jpg, .jpeg or .png files in it: expected photographs of ice, such as "
            "frost1.png to frost6.jpg in ImageNet-C/create_c of github.com/hendrycks/robustness"
        )
    pixels, digest, total = {}, hashlib.sha256(), 0
    for path in paths:
        picture = image_decoding.decode(str(path))
        total += picture.width * picture.height
        if min(picture.size) < MIN_SIDE:
            raise InputError(
                f"{path}: {picture.width} x {picture.height} pixels, expected a photograph of at least {MIN_SIDE} x "
                f"{MIN_SIDE}: take it out of the folder"
            )
        if total > MAX_PIXELS:
            raise InputError(
                f"frost_textures {folder}: more than {MAX_PIXELS:,} pixels in all: use fewer or smaller ones"
            )
        pixels[path.name] = np.asarray(picture)
        digest.update(path.read_bytes())
    return Photographs(digest.hexdigest(), image_decoding.REVISION, str(folder), pixels)


def random_crops(photographs: Photographs, draws: Draws, size: int) -> tf.Tensor:
    """Crops a random part of a random photograph for each image.

    Photographs are first reduced, for images of 32 x 32 to a fifth, by linear interpolation without smoothing, as
    OpenCV does for the benchmark: every fifth pixel remains.

    Returns:
        float32 (batch, size, size, 3) in [0, 1].
    """
    reduced = [_reduce(pixels, CROP_SIDE / size) for pixels in photographs.pixels.values()]
    shapes = np.array([photograph.shape[:2] for photograph in reduced])
    starts = np.cumsum([0, *shapes.prod(1)[:-1]])
    flat = tf.constant(np.concatenate([photograph.reshape(-1, 3) for photograph in reduced]))
    choice = draws.integers(low=0, high=len(reduced))
    heights, widths = tf.unstack(tf.gather(tf.constant(shapes, tf.int32), choice), axis=1)
    room = tf.cast(tf.stack([heights, widths]) - size, tf.float32)
    top, left = tf.unstack(tf.cast(room * tf.stack([draws.uniform(), draws.uniform()]), tf.int32))
    rows, columns = (first[:, None] + tf.range(size) for first in (top, left))
    start = tf.gather(tf.constant(starts, tf.int32), choice)[:, None, None]
    indices = start + rows[:, :, None] * widths[:, None, None] + columns[:, None, :]
    return tf.cast(tf.gather(flat, indices), tf.float32) / 255


def generate(draws: Draws, size: int) -> tf.Tensor:
    """Generates textures that look like crops of the benchmark's photographs: float32 (batch, size, size, 3) in [0, 1].

    Each is one of the photographs' mean colours with noise of the photograph's power spectrum and standard deviation.
    """
    colors, within, between, cloudiness = (tf.constant(column, tf.float32) for column in zip(*_ICE, strict=True))
    choice = draws.integers(low=0, high=len(_ICE))
    frequencies = np.hypot(*np.meshgrid(np.fft.fftfreq(size, 1 / size), np.fft.rfftfreq(size, 1 / size), indexing="ij"))
    frequencies[0, 0] = np.inf
    clouds = tf.gather(cloudiness, choice)[:, None, None] / tf.constant(frequencies, tf.float32)
    amplitude = tf.sqrt((32 / size) ** 2 + clouds**2)  # the grain's power is spread over all frequencies of this size
    spectrum = tf.signal.rfft2d(draws.normal(size, size)) * tf.cast(amplitude, tf.complex64)
    noise = tf.signal.irfft2d(spectrum, [size, size])
    mean, variance = tf.nn.moments(noise, (1, 2), keepdims=True)
    noise = ((noise - mean) / tf.sqrt(variance))[..., None]
    colors, within, between = (tf.gather(values, choice)[:, None, None] for values in (colors, within, between))
    lightness = draws.normal(1, 1, 1)
    return tf.clip_by_value(colors + within * noise + between * lightness, 0, 1)


def _reduce(pixels: np.ndarray, factor: float) -> np.ndarray:
    """A photograph reduced by a factor: linear interpolation between four pixels, rounded to whole levels."""
    sides = [round(side / factor) for side in pixels.shape[:2]]
    offset = (factor - 1) / 2
    reduced = ndimage.affine_transform(
        pixels, (factor, factor, 1), (offset, offset, 0), (*sides, 3), np.float32, order=1, mode="nearest"
    )
    return (reduced + 0.5).astype(np.uint8)
