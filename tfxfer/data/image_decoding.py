"""Decodes image files of any kind to upright RGB pixels with Pillow: the same for training and for prediction.

TensorFlow's own decoders do not know EXIF orientation, TIFF and some kinds of BMP, and show colours that are hidden by
transparency. Nor would they or libjpeg-turbo without Pillow (simplejpeg) be much faster. Milliseconds of one core for a
JPEG to 224 x 224, decoded and resized with antialiasing, 29 November 2026: of 500 x 375, Pillow 2.2, simplejpeg with
Pillow's resizing 2.1, TensorFlow 3.0; of 2,000 x 1,500 at 1/4, 9.7, 9.1 and 9.5. Pillow releases the interpreter's lock
while it decodes and while it resizes, so threads share the work.
"""

import contextlib
import io
import os
import stat
import struct
import threading
import warnings
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from tfxfer.core import memory
from tfxfer.core.errors import InputError
from tfxfer.data import aspect_ratio

REVISION = 3  # raise it when pixels change: cached features are known by it
KINDS = {  # with their readers, which Pillow knows once they are imported
    "JPEG": JpegImagePlugin,
    "PNG": PngImagePlugin,
    "WebP": WebPImagePlugin,
    "BMP": BmpImagePlugin,
    "GIF": GifImagePlugin,
    "TIFF": TiffImagePlugin,
}
SCALES = (8, 4, 2, 1)  # by which JPEGs can be reduced while they are decoded
LARGE = 1 << 25  # pixels, 5,793 x 5,793: a picture of more is reduced while it is decoded
MOST = 1 << 28  # and one of more than this is refused
_BYTES = 1 << 29  # of a file
_BYTES_HELD = {"WEBP": 16}  # for a pixel of a large picture, measured; of other kinds 6 at most
_ROWS = 256  # of a large picture that are converted at once
_TURNED = {"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"}  # where Pillow looks for an orientation
_large_picture = threading.Lock()


def pixels(path: str, shape: tuple[int, int, int], content: bytes | None = None, aspect: str = "squash") -> np.ndarray:
    """Reads an image as a network sees it: decoded, resized (bilinear, antialiased), and grey if it has one channel.

    This defines the pixels, for training, evaluation and prediction. A JPEG is decoded at the scale that `reduction`
    gives for the larger of height and width. `export.image_ops` does the same in TensorFlow, to a level: Pillow rounds
    to 8 bits after the horizontal and after the vertical pass and so is off by 1/2 + 1/2 at most, TensorFlow rounds
    once and is off by 1/2, and whole numbers that differ by 3/2 at most differ by 1. Grey is rounded once more.

    Args:
        path: a file, as `decode` takes it.
        shape: (height, width, channels), 1 or 3 channels.
        content: as `decode` takes it.
        aspect: how a picture of another aspect ratio fills the shape, one of `aspect_ratio.ASPECTS`.

    Returns:
        uint8 (height, width, channels).
    """
    height, width, channels = shape
    picture = aspect_ratio.fit(decode(path, max(height, width), content, aspect), (height, width), aspect)
    return np.asarray(picture) if channels == 3 else np.asarray(picture.convert("L"))[..., None]


def decode(path: str, least: int | None = None, content: bytes | None = None, aspect: str = "squash") -> Image.Image:
    """Reads an image file, or the first image of several in it. Its kind is recognised by its content, not its name.

    Args:
        path: a regular file.
        least: if given, a JPEG is reduced by its own transform while its height and width stay at least so many pixels;
            see `reduction`.
        content: what is read in place of a file; `path` then only names it in errors.
        aspect: as `reduction` takes it.

    Returns:
        An image of mode RGB, turned as its EXIF orientation says. Grey becomes three equal channels; palettes are
        looked up; transparent parts lie on white; 16-bit values keep their high byte; CMYK is converted without its
        colour profile. An image of more than `LARGE` pixels is reduced to half its height and width, or to a quarter if
        that is still more: a JPEG by its own transform, others by the mean of 2 x 2 or 4 x 4 pixels.

    Raises:
        InputError: the file cannot be read; the message has the path and the reason.
    """
    try:
        with _file(path) if content is None else io.BytesIO(content) as file:
            picture = _opened(file, path if content is None else "")  # Pillow maps files of that name
            factor = _factor(picture, least, aspect)
            with _alone() if picture.width * picture.height > LARGE else contextlib.nullcontext():
                return _rgb(_upright(_loaded(picture, factor)))
    except Exception as error:  # whatever a decoder makes of damage: OSError, SyntaxError, ValueError, struct.error
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: {reason}") from None


def _file(path: str) -> BinaryIO:
    facts = os.stat(path)
    if not stat.S_ISREG(facts.st_mode):
        raise ValueError("is not a regular file")
    if facts.st_size > _BYTES:
        raise ValueError(f"has {facts.st_size:,} bytes, expected at most {_BYTES:,}")
    return open(path, "rb")


def _opened(file: BinaryIO, name: str) -> Image.Image:
    """Does what Image.open does, without its warnings about large images, which have limits of their own here."""
    start = file.read(16)
    for kind in KINDS:
        read, begins = Image.OPEN[kind.upper()]
        if begins is not None and begins(start):
            file.seek(0)
            with contextlib.suppress(SyntaxError, IndexError, TypeError, struct.error):
                return read(file, name)
    *names, last = KINDS
    raise ValueError(f"not a {', '.join(names)} or {last} file, or cut off in its header")


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Decodes one large image at a time, whatever the number of threads; Pillow's warnings about them are off."""
    with _large_picture, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


def reduction(height: int, width: int, least: int, aspect: str = "squash") -> int:
    """By what factor a JPEG is reduced while it is decoded: the largest of 1, 2, 4 and 8 that leaves `least` pixels.

    The transform of a JPEG's blocks of 8 x 8 pixels gives blocks of 4 x 4, 2 x 2 or 1 pixel at a fraction of the cost,
    without the frequencies that these cannot hold. The image remains at least as large as it will be resized to, on
    both sides and whichever way up it is: for 224 x 224, an image of 500 x 375 is decoded whole (at 1/2 it would have
    250 x 188) and one of 2,000 x 1,500 at 1/4, which gives 500 x 375. If it will be padded, only its longer side has to
    remain as large: the first is decoded at 1/2, the second at 1/8, which gives 250 x 188.
    """
    side = max(height, width) if aspect == "pad" else min(height, width)
    return next(factor for factor in SCALES if side >= factor * least or factor == 1)


def _factor(picture: Image.Image, least: int | None, aspect: str) -> int:
    """By what factor to reduce an image whose header has been read."""
    width, height = picture.size
    whole = width * height
    wanted = reduction(height, width, least, aspect) if least and _is_jpeg(picture) else 1
    if whole <= LARGE:
        return wanted
    factor = 2 if whole <= 4 * LARGE else 4
    held = _BYTES_HELD.get(picture.format or "", 6) * whole
    if _is_jpeg(picture) and "progressive" not in picture.info:
        held //= factor**2
    if whole > MOST or not memory.fits(held):
        raise ValueError(f"has {width:,} x {height:,} pixels, more than can be decoded here: make it smaller")
    return max(factor, wanted)


def _is_jpeg(picture: Image.Image) -> bool:
    return isinstance(picture, JpegImagePlugin.JpegImageFile)  # also those that hold several, which say MPO


def _loaded(picture: Image.Image, factor: int) -> Image.Image:
    if _is_jpeg(picture) and factor > 1:
        picture.draft(None, (picture.width // factor, picture.height // factor))
    picture.load()
    if picture.mode in ("I", "F") and picture.format != "PNG":
        raise ValueError("has signed, 32-bit or fractional values of unknown range: save it with 8 or 16 bits")
    if _is_jpeg(picture) or factor == 1:
        return picture
    reduced = Image.new("RGB", (-(-picture.width // factor), -(-picture.height // factor)))
    for top in range(0, picture.height, _ROWS):  # what is converted takes several times the memory
        rows = picture.crop((0, top, picture.width, min(top + _ROWS, picture.height)))
        reduced.paste(_rgb(rows).reduce(factor), (0, top // factor))
    reduced.info = {name: picture.info[name] for name in _TURNED & picture.info.keys()}
    return reduced


def _upright(picture: Image.Image) -> Image.Image:
    if not _TURNED & picture.info.keys():
        return picture
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # broken EXIF data says nothing about the image
        return picture


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "RGB" and not picture.has_transparency_data:
        return picture  # `convert` would copy it, which takes a fifth as long as decoding it
    if picture.mode.startswith("I"):  # 16-bit grey, which Pillow would clip at 255
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return picture.convert("RGB")
