"""The textures of frost: crops of photographs of ice, if the user has them, or textures generated after them.

CIFAR-10-C was made with five photographs, which tfxfer may not distribute. The generated textures have, for each of
the five, its measured colour, spread of brightness between crops and within them, and grain.
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
SIX = [f"frost{number}" for number in range(1, 7)]  # the benchmark's, of which its code draws one of the first five
BENCHMARK = "c146cff9eab2397f71c47ee7c727e2f8a36cf7445b8daf1dad63a0ce34140861"  # sha256 of those five files
SIDE = 160  # pixels of a photograph that make an image's side: 5 to a pixel of CIFAR-10's
LEAST, MOST = 165, 10_000_000  # pixels a side of a photograph; pixels of all together

# Means over 4,000 random crops of 32 x 32 from each of the benchmark's photographs (red, green, blue; 1 is white):
# colour, standard deviation within a crop, and of the crops' means, and k in their power spectrum, 1 + (k / f)^2 at f
# cycles an image: grain and clouds. frost2 and frost3 are the same picture.
_ICE = (
    ((0.299, 0.579, 0.644), (0.085, 0.052, 0.049), (0.065, 0.037, 0.031), 6.7),
    ((0.780, 0.797, 0.833), (0.070, 0.071, 0.074), (0.033, 0.036, 0.038), 5.7),
    ((0.780, 0.797, 0.833), (0.070, 0.071, 0.074), (0.033, 0.036, 0.038), 5.7),
    ((0.565, 0.623, 0.673), (0.102, 0.102, 0.106), (0.037, 0.037, 0.040), 3.7),
    ((0.404, 0.448, 0.495), (0.139, 0.137, 0.134), (0.066, 0.063, 0.060), 6.5),
)


@dataclass(frozen=True)
class Photographs:
    """Photographs of ice; equal photographs have an equal `repr`, whatever their folder.

    Attributes:
        sha256: of the files, one after another.
        decoder: the revision of `image_decoding`.
        folder: where they are.
        pixels: by a file's name, uint8 (height, width, 3).
    """

    sha256: str
    decoder: int
    folder: str = field(repr=False, compare=False)
    pixels: dict[str, np.ndarray] = field(repr=False, compare=False)


def remark(photographs: Photographs | None) -> str:
    """What frost is made with, and whether the benchmark is made with the same."""
    if photographs is None:
        return (
            "frost uses generated textures, as bright and as coarse as the benchmark's photographs of ice, but without "
            "their crystals: --frost-textures DIR uses photographs"
        )
    if photographs.sha256 == BENCHMARK:
        return "frost uses the benchmark's photographs of ice"
    return f"frost uses the photographs in {photographs.folder}, which are not the benchmark's"


def photographs(source: Photographs | str | Path | None) -> Photographs | None:
    """Photographs as they are, or read from their folder."""
    return source if source is None or isinstance(source, Photographs) else read_photographs(source)


def read_photographs(folder: str | Path) -> Photographs:
    """Reads all JPEG and PNG files of a folder, by name; of the benchmark's frost1 to frost6 the first five, as there.

    Raises:
        InputError: there is no such folder or no photograph in it, one cannot be read or is less than 165 pixels wide
            or high, or they have more than 10 million pixels in all.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise InputError(f"frost_textures {folder} is not a folder: expected one with photographs of ice")
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise InputError(f"frost_textures {folder} cannot be listed: {error.strerror}") from None
    if [path.stem for path in paths] == SIX:
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
        if min(picture.size) < LEAST:
            raise InputError(
                f"{path}: {picture.width} x {picture.height} pixels, expected a photograph of at least {LEAST} x "
                f"{LEAST}: take it out of the folder"
            )
        if total > MOST:
            raise InputError(f"frost_textures {folder}: more than {MOST:,} pixels in all: use fewer or smaller ones")
        pixels[path.name] = np.asarray(picture)
        digest.update(path.read_bytes())
    return Photographs(digest.hexdigest(), image_decoding.REVISION, str(folder), pixels)


def crops(photographs: Photographs, draws: Draws, size: int) -> tf.Tensor:
    """A random crop of a random photograph for each image: float32 (batch, size, size, 3) in [0, 1].

    Photographs are reduced to a fifth, for images of 32 x 32, by linear interpolation without smoothing, as OpenCV does
    for the benchmark: every fifth pixel.
    """
    small = [_reduced(pixels, SIDE / size) for pixels in photographs.pixels.values()]
    shapes = np.array([each.shape[:2] for each in small])
    starts = np.cumsum([0, *shapes.prod(1)[:-1]])
    flat = tf.constant(np.concatenate([each.reshape(-1, 3) for each in small]))
    which = draws.integers(low=0, high=len(small))
    heights, widths = tf.unstack(tf.gather(tf.constant(shapes, tf.int32), which), axis=1)
    room = tf.cast(tf.stack([heights, widths]) - size, tf.float32)
    top, left = tf.unstack(tf.cast(room * tf.stack([draws.uniform(), draws.uniform()]), tf.int32))
    rows, columns = (first[:, None] + tf.range(size) for first in (top, left))
    start = tf.gather(tf.constant(starts, tf.int32), which)[:, None, None]
    places = start + rows[:, :, None] * widths[:, None, None] + columns[:, None, :]
    return tf.cast(tf.gather(flat, places), tf.float32) / 255


def made(draws: Draws, size: int) -> tf.Tensor:
    """Textures like crops of the benchmark's photographs: float32 (batch, size, size, 3) in [0, 1]."""
    colors, within, between, reach = (tf.constant(column, tf.float32) for column in zip(*_ICE, strict=True))
    which = draws.integers(low=0, high=len(_ICE))
    frequencies = np.hypot(*np.meshgrid(np.fft.fftfreq(size, 1 / size), np.fft.rfftfreq(size, 1 / size), indexing="ij"))
    frequencies[0, 0] = np.inf
    clouds = tf.gather(reach, which)[:, None, None] / tf.constant(frequencies, tf.float32)
    spectrum = tf.sqrt((32 / size) ** 2 + clouds**2)  # the grain's power is shared by all frequencies that there are
    waves = tf.signal.rfft2d(draws.normal(size, size)) * tf.cast(spectrum, tf.complex64)
    grain = tf.signal.irfft2d(waves, [size, size])
    mean, variance = tf.nn.moments(grain, (1, 2), keepdims=True)
    grain = ((grain - mean) / tf.sqrt(variance))[..., None]
    colors, within, between = (tf.gather(each, which)[:, None, None] for each in (colors, within, between))
    lighter = draws.normal(1, 1, 1)
    return tf.clip_by_value(colors + within * grain + between * lighter, 0, 1)


def _reduced(pixels: np.ndarray, times: float) -> np.ndarray:
    """A photograph reduced by a factor: linear interpolation between four pixels, rounded to whole levels."""
    sides = [round(side / times) for side in pixels.shape[:2]]
    shift = (times - 1) / 2
    reduced = ndimage.affine_transform(
        pixels, (times, times, 1), (shift, shift, 0), (*sides, 3), np.float32, order=1, mode="nearest"
    )
    return (reduced + 0.5).astype(np.uint8)
