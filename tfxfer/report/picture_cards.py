"""Pictures as cards: each says what it shows and opens larger when it is pressed."""

import html
from collections.abc import Sequence

import numpy as np
from PIL import Image

from tfxfer.data.image_ids import ID_STEP
from tfxfer.report import page
from tfxfer.runs.loading import Loaded

SIDE = 128  # pixels of the longer side, at most
COARSE = 64  # pixels of the longer side up to which single pixels are shown as squares


def name(run: Loaded, number: int) -> str:
    """What an image is known by: its file, or its id; of a corrupted copy the id too, as its file is the original's."""
    file, other = run.files.get(int(number)), f"id {number}"
    if file is None:
        return other
    return f"{file}, {other}" if number >= ID_STEP else file


def card(pixels: np.ndarray, lines: Sequence[str], number: int | None = None, kind: str = "card") -> str:
    """A picture with some lines on it, the first of which stands out; the last is its name.

    Args:
        pixels: uint8 (height, width, 1 or 3).
        number: the image's id.
        kind: the class of the element in the page's style.
    """
    first, *others = (html.escape(line) for line in lines)
    kinds = [""] * (len(others) - 1) + [' class="name"']
    rest = "".join(f"<span{of}>{line}</span>" for line, of in zip(others, kinds))
    which = "" if number is None else f' data-id="{number}"'
    return (
        f'<button type="button" class="card {kind}"{which}>{image(pixels)}'
        f'<span class="told"><strong>{first}</strong>{rest}</span></button>'
    )


def image(pixels: np.ndarray, side: int = SIDE, more: str = "") -> str:
    """The element of a picture, made smaller if it is larger than `side`; `more` are attributes."""
    coarse = " coarse" if max(pixels.shape[:2]) <= COARSE else ""
    return f'<img class="image{coarse}" alt="" src="{page.picture(smaller(pixels, side))}"{more}>'


def gallery(cards: Sequence[str], kind: str = "") -> str:
    """Cards as a list."""
    items = "".join(f"<li>{one}</li>" for one in cards)
    return f'<ul class="{kind} gallery">{items}</ul>'


def smaller(pixels: np.ndarray, side: int) -> np.ndarray:
    """uint8 (height, width, 1 or 3), its longer side at most `side` pixels."""
    scale = side / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    height, width = (max(1, round(length * scale)) for length in pixels.shape[:2])
    thumbnail = Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)
    return np.asarray(thumbnail.resize((width, height), Image.Resampling.BOX)).reshape(height, width, -1)
