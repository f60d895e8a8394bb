"""What the page knows of single images: label, prediction, and a thumbnail, packed into sheets."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from tfxfer.report import page, picture_cards
from tfxfer.runs.loading import Loaded
from tfxfer.runs.tested_scores import probabilities

SIDES = (160, 128, 96, 64, 48, 32, 24, 20)  # pixels of a thumbnail; the first for which BYTES are enough is taken
BYTES = 2_200_000  # of all sheets
ACROSS = 32  # thumbnails across a sheet and down, at most
_LARGEST = 2048  # pixels a side of a sheet, which a phone has to keep in memory
_TRIED = 64  # thumbnails from which the bytes of all are estimated


def table(run: Loaded) -> str:
    """The element `examples`: every image that has a place in a projection or a picture, once, by id.

    Its columns are id, label, predicted (-1 where nothing was), sure and given (probabilities of the prediction and of
    the label), files (empty if images are not files) and picture: the thumbnail's number in the sheets, `columns` x
    `rows` on each, or -1 where there is none.
    """
    banks = run.banks
    labels: dict[int, int] = {}
    for bank in banks.values():
        if any(name in bank.values for name in ("pca", "image", "original")):
            labels |= zip(bank.ids.tolist(), bank.labels.tolist())
    labels = {number: label for number, label in labels.items() if label >= 0}
    predictions: dict[int, tuple[int, float, float]] = {}
    if "test" in banks:
        test, shares = banks["test"], probabilities(banks["test"])
        given = shares[np.arange(len(test)), test.labels]
        # three digits where it is small: the order of losses is in them
        known = zip(shares.argmax(1).tolist(), shares.max(1).round(4).tolist(), (float(f"{v:.3g}") for v in given))
        predictions = dict(zip(test.ids.tolist(), known))
    ids, pictures = list(labels), banks.get("pictures")
    places = {} if pictures is None else {number: row for row, number in enumerate(pictures.ids.tolist())}
    columns = {
        "id": ids,
        "label": [labels[number] for number in ids],
        "predicted": [predictions.get(number, (-1, 0, 0))[0] for number in ids],
        "sure": [predictions.get(number, (-1, 0, 0))[1] for number in ids],
        "given": [predictions.get(number, (-1, 0, 0))[2] for number in ids],
        "files": [run.files.get(number, "") for number in ids] if run.files else [],
        "picture": [places.get(number, -1) for number in ids],
    }
    packed, across = ([], 1) if pictures is None else sheets(np.asarray(pictures["image"]))
    height, width = (1, 1) if pictures is None else np.asarray(pictures["image"]).shape[1:3]
    shape = {"columns": across, "rows": across, "classes": run.facts["classes"], "sheets": packed}
    shape |= {"ratio": f"{width} / {height}", "coarse": max(height, width) <= picture_cards.COARSE}
    return page.data(columns | shape, "examples")


def sheets(images: np.ndarray, sides: Sequence[int] = SIDES, most: int | None = None) -> tuple[list[str], int]:
    """Thumbnails packed together.

    Args:
        images: uint8 (n, height, width, 1 or 3).
        sides: pixels of a thumbnail; the first is taken that keeps all sheets together within `most` bytes.
        most: bytes of all sheets, `BYTES` unless stated otherwise.

    Returns:
        WebP pictures, base64; and how many thumbnails each has across and down.
    """
    most = BYTES if most is None else most
    for side in sides:
        some = images[:: max(1, len(images) // _TRIED)]
        if side > sides[-1] and sum(map(len, _sheets(some, side)[0])) * len(images) / max(1, len(some)) > most:
            continue  # most likely: packing all to find out would take long
        packed, across = _sheets(images, side)
        if sum(map(len, packed)) <= most:
            break
    return packed, across


def _sheets(images: np.ndarray, side: int) -> tuple[list[str], int]:
    scale = min(1, side / max(images.shape[1:3]))
    height, width = (max(1, round(pixels * scale)) for pixels in images.shape[1:3])
    across = min(ACROSS, max(1, _LARGEST // max(height, width)))
    grey, packed = images.shape[3] == 1, []
    for first in range(0, len(images), across**2):
        part = images[first : first + across**2]
        sheet = Image.new("L" if grey else "RGB", (across * width, across * height))
        for number, pixels in enumerate(part):
            thumbnail = Image.fromarray(pixels[..., 0] if grey else pixels)
            if scale < 1:
                thumbnail = thumbnail.resize((width, height), Image.Resampling.BOX)
            sheet.paste(thumbnail, (number % across * width, number // across * height))
        file = io.BytesIO()
        sheet.save(file, "WEBP", quality=80, method=2)
        packed.append(base64.b64encode(file.getvalue()).decode())
    return packed, across
