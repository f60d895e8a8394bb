"""What opens beside a larger picture: the training images that are nearest to it in the trained features."""

import base64

import numpy as np

from tfxfer.report import page
from tfxfer.report.sections import examples
from tfxfer.runs.loading import Loaded

SIDES = (32, 24, 20)  # pixels of a thumbnail, as `examples.SIDES`
BYTES = 1_000_000


def table(run: Loaded) -> str:
    """The element `neighbours`, from which the page's script shows them beside a larger picture; nothing for a run
    without them.

    The bank "neighbours" has for each test image `row` (k rows of the bank "references") and `distance`.
    """
    if not {"neighbours", "references"} <= run.banks.keys():
        return ""
    found, references = run.banks["neighbours"], run.banks["references"]
    rows = np.ascontiguousarray(found["row"], "<i4")
    thumbnails = np.asarray(references["thumbnail"])
    packed, across = examples.sheets(thumbnails, SIDES, BYTES)
    height, width = thumbnails.shape[1:3]
    columns = {
        "ids": found.ids.tolist(),
        "labels": found.labels.tolist(),
        "rows": base64.b64encode(rows.tobytes()).decode(),
        "distances": page.packed(np.asarray(found["distance"])),
        "id": references.ids.tolist(),
        "label": references.labels.tolist(),
        "classes": run.facts["classes"],
        "across": across,
        "k": rows.shape[1],
        "ratio": f"{width} / {height}",
        "sheets": packed,
    }
    columns["searched"] = run.facts["neighbours"]["searched"]
    return page.data(columns, "neighbours")
