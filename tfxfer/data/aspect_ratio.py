"""How a picture of any aspect ratio fills an image of a fixed one: squashed, cropped or padded.

These are the choices of `keras.utils.image_dataset_from_directory`. "squash", its default, resizes height and width by
a factor each. "crop" (`crop_to_aspect_ratio`) resizes both by one factor, so that the image is covered, and cuts off
what lies outside, as much on either side. "pad" (`pad_to_aspect_ratio`) resizes both by one factor, so that the whole
picture fits in, and fills the rest with black, Keras's `fill_value` of 0. A mean colour would depend on the data set or
on the picture; black does not, and so is nothing that an exported network has to know.
"""

from typing import NamedTuple

from PIL import Image

from tfxfer.core.errors import InputError, shown

ASPECTS = ("squash", "crop", "pad")


class Placed(NamedTuple):
    """A picture in an image: the size to which the whole picture is resized, and where its upper left corner then lies
    in the image, in pixels; negative, where the picture is cut off."""

    height: int
    width: int
    top: int
    left: int


def check(aspect: object) -> None:
    """Raises InputError unless it is one of the `ASPECTS`."""
    if not isinstance(aspect, str) or aspect not in ASPECTS:
        raise InputError(f"aspect {shown(aspect)}: expected one of {', '.join(ASPECTS)}")


def place(picture: tuple[int, int], image: tuple[int, int], aspect: str) -> Placed:
    """Where a picture lies in an image.

    Args:
        picture: its height and width.
        image: height and width.
        aspect: one of the `ASPECTS`.
    """
    if aspect == "squash":
        return Placed(*image, 0, 0)
    factors = [whole / size for size, whole in zip(picture, image, strict=True)]
    factor = max(factors) if aspect == "crop" else min(factors)
    height, width = (max(1, round(size * factor)) for size in picture)
    # whole pixels, towards zero as in Keras: an odd one is cut off, or added, at the lower or right edge
    return Placed(height, width, int((image[0] - height) / 2), int((image[1] - width) / 2))


def fit(picture: Image.Image, image: tuple[int, int], aspect: str) -> Image.Image:
    """Resizes a picture (bilinear, antialiased) to fill an image; nothing that is cut off is computed.

    Args:
        picture: of mode RGB.
        image: height and width.
        aspect: one of the `ASPECTS`.
    """
    height, width = image
    whole = place((picture.height, picture.width), image, aspect)
    if aspect == "pad":
        padded = Image.new(picture.mode, (width, height))  # black
        inside = picture.resize((whole.width, whole.height), Image.Resampling.BILINEAR)
        padded.paste(inside, (whole.left, whole.top))
        return padded
    columns = [(edge - whole.left) * picture.width / whole.width for edge in (0, width)]
    rows = [(edge - whole.top) * picture.height / whole.height for edge in (0, height)]
    box = columns[0], rows[0], columns[1], rows[1]
    return picture.resize((width, height), Image.Resampling.BILINEAR, box)
