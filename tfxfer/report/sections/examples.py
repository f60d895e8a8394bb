"""What the page knows of single images: label, prediction, and a thumbnail, packed into sheets."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from tfxfer.features.bank import Bank
from tfxfer.report import page
from tfxfer.runs.loading import Loaded

SIDES = (64, 48, 32, 24)  # pixels of a thumbnail; the first that keeps all sheets together within BYTES is taken
BYTES = 5_000_000
COLUMNS = ROWS = 32  # thumbnails on a sheet


def probabilities(bank: Bank) -> np.ndarray:
    """Probabilities float64 (n, classes) from a bank with "logits" or "probabilities"."""
    if "logits" not in bank.values:
        return np.asarray(bank["probabilities"], np.float64)
    logits = np.asarray(bank["logits"])
    odds = np.exp(logits - logits.max(1, keepdims=True), dtype=np.float64)
    return odds / odds.sum(1, keepdims=True)


def table(run: Loaded) -> str:
    """The element `examples`: every image that has a place in a projection or a picture, once, by id.

    Its columns are id, label, predicted (-1 where nothing was), sure (probability of the prediction) and picture: the
    thumbnail's number in the sheets, `columns` x `rows` on each, or -1 where there is none.
    """
    banks = run.banks
    labels: dict[int, int] = {}
    for bank in banks.values():
        if any(name in bank.values for name in ("pca", "image", "original")):
            labels |= zip(bank.ids.tolist(), bank.labels.tolist())
    labels = {number: label for number, label in labels.items() if label >= 0}
    predictions: dict[int, tuple[int, float]] = {}
    if "test" in banks:
        shares = probabilities(banks["test"])
        pairs = zip(shares.argmax(1).tolist(), shares.max(1).round(4).tolist())
        predictions = dict(zip(banks["test"].ids.tolist(), pairs))
    ids, pictures = list(labels), banks.get("pictures")
    places = {} if pictures is None else {number: row for row, number in enumerate(pictures.ids.tolist())}
    columns = {
        "id": ids,
        "label": [labels[number] for number in ids],
        "predicted": [predictions.get(number, (-1, 0))[0] for number in ids],
        "sure": [predictions.get(number, (-1, 0))[1] for number in ids],
        "picture": [places.get(number, -1) for number in ids],
    }
    packed = [] if pictures is None else sheets(np.asarray(pictures["image"]))
    shape = {"columns": COLUMNS, "rows": ROWS, "classes": run.facts["classes"], "sheets": packed}
    return page.data(columns | shape, "examples")


def sheets(images: np.ndarray, sides: Sequence[int] = SIDES, most: int = BYTES) -> list[str]:
    """uint8 images (n, height, width, 1 or 3) as WebP pictures of 32 x 32 thumbnails each, base64.

    Args:
        sides: pixels of a thumbnail; the first is taken that keeps all sheets together within `most` bytes.
    """
    for side in sides:
        packed = _sheets(images, side)
        if sum(map(len, packed)) <= most:
            break
    return packed


def _sheets(images: np.ndarray, side: int) -> list[str]:
    scale = min(1, side / max(images.shape[1:3]))
    height, width = (max(1, round(pixels * scale)) for pixels in images.shape[1:3])
    grey, packed = images.shape[3] == 1, []
    for first in range(0, len(images), COLUMNS * ROWS):
        sheet = Image.new("L" if grey else "RGB", (COLUMNS * width, ROWS * height))
        for number, pixels in enumerate(images[first : first + COLUMNS * ROWS]):
            thumbnail = Image.fromarray(pixels[..., 0] if grey else pixels)
            if scale < 1:
                thumbnail = thumbnail.resize((width, height), Image.Resampling.BOX)
            sheet.paste(thumbnail, (number % COLUMNS * width, number // COLUMNS * height))
        file = io.BytesIO()
        sheet.save(file, "WEBP", quality=80, method=2)
        packed.append(base64.b64encode(file.getvalue()).decode())
    return packed
