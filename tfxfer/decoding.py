"""A JPEG or PNG file of any kind to RGB pixels, upright, by Pillow.

TensorFlow's own decoder is as fast, but knows no EXIF orientation, and shows colours that are hidden where a picture is
transparent.
"""

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tfxfer.errors import InputError

REVISION = 1  # raise it when pixels change: cached features are known by it
_TURNED = {"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"}  # where Pillow looks for an orientation


def decode(path: str) -> Image.Image:
    """Reads a picture.

    Returns:
        Mode RGB, turned as its EXIF orientation says. Grey gets three equal channels; palettes are looked up; what is
        transparent lies on white; 16-bit values keep their high byte; CMYK is converted without its colour profile.

    Raises:
        InputError: with the path and the reason why it cannot be read.
    """
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as picture:
            picture.load()
            return _rgb(_upright(picture) if _TURNED & picture.info.keys() else picture)
    except UnidentifiedImageError:
        raise InputError(f"{path}: neither JPEG nor PNG, or cut off in its header") from None
    except Exception as error:  # whatever a decoder makes of damage: OSError, SyntaxError, ValueError, struct.error
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: {reason}") from None


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # EXIF data that is no EXIF data says nothing about the picture
        return picture


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16-bit grey, which Pillow would clip at 255
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return picture.convert("RGB")
