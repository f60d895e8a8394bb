"""What the page knows of single images: label, prediction, and a small picture, packed into sheets."""

import base64
import io

import numpy as np
from PIL import Image

from tfxfer.report import page
from tfxfer.runs.loading import Loaded

SIDES = (64, 48, 32, 24)  # pixels of a thumbnail, the first that keeps all of them within BYTES
BYTES = 5_000_000
COLUMNS = ROWS = 32


def probabilities(bank) -> np.ndarray:
    """float64 (n, classes) of a bank with logits or probabilities."""
    if "logits" not in bank.values:
        return np.asarray(bank["probabilities"], np.float64)
    scores = np.exp(bank["logits"] - bank["logits"].max(1, keepdims=True), dtype=np.float64)
    return scores / scores.sum(1, keepdims=True)


def table(run: Loaded) -> str:
    """The element `examples`: every image that has a place in a projection or a picture, once, by id.

    Columns id, label, predicted (-1 where nothing was), sure (probability of the prediction), picture (-1: none; else
    its number in the sheets, `columns` x `rows` on each).
    """
    banks = run.banks
    labels: dict[int, int] = {}
    for bank in banks.values():
        if any(name in bank.values for name in ("pca", "image", "original")):
            labels |= zip(bank.ids.tolist(), bank.labels.tolist())
    labels = {number: label for number, label in labels.items() if label >= 0}
    given: dict[int, tuple[int, float]] = {}
    if "test" in banks:
        chances = probabilities(banks["test"])
        found = zip(chances.argmax(1).tolist(), chances.max(1).round(4).tolist())
        given = dict(zip(banks["test"].ids.tolist(), found))
    ids = list(labels)
    pictured = banks.get("pictures")
    places = {} if pictured is None else {number: row for row, number in enumerate(pictured.ids.tolist())}
    columns = {
        "id": ids,
        "label": [labels[number] for number in ids],
        "predicted": [given.get(number, (-1, 0))[0] for number in ids],
        "sure": [given.get(number, (-1, 0))[1] for number in ids],
        "picture": [places.get(number, -1) for number in ids],
    }
    pictures = [] if pictured is None else sheets(pictured["image"])
    shape = {"columns": COLUMNS, "rows": ROWS, "classes": run.facts["classes"], "sheets": pictures}
    return page.data(columns | shape, "examples")


def sheets(images: np.ndarray) -> list[str]:
    """uint8 images (n, height, width, 1 or 3) as WebP pictures of 32 x 32 thumbnails each, base64."""
    for side in SIDES:
        found = _sheets(images, side)
        if sum(map(len, found)) <= BYTES:
            break
    return found


def _sheets(images: np.ndarray, side: int) -> list[str]:
    scale = min(1, side / max(images.shape[1:3]))
    height, width = (max(1, round(pixels * scale)) for pixels in images.shape[1:3])
    grey, found = images.shape[3] == 1, []
    for first in range(0, len(images), COLUMNS * ROWS):
        some = images[first : first + COLUMNS * ROWS]
        sheet = Image.new("L" if grey else "RGB", (COLUMNS * width, ROWS * height))
        for number, pixels in enumerate(some):
            small = Image.fromarray(pixels[..., 0] if grey else pixels)
            small = small if scale == 1 else small.resize((width, height), Image.Resampling.BOX)
            sheet.paste(small, (number % COLUMNS * width, number // COLUMNS * height))
        file = io.BytesIO()
        sheet.save(file, "WEBP", quality=80, method=2)
        found.append(base64.b64encode(file.getvalue()).decode())
    return found
