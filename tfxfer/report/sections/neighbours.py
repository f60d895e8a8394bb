"""What a click on an image shows: the training images that are nearest to it in the features of the trained network."""

import base64

import numpy as np

from tfxfer.report import page
from tfxfer.report.sections import examples
from tfxfer.runs.loading import Loaded

SIDES = (32, 24, 20)  # pixels of a thumbnail, as `examples.SIDES`
BYTES = 1_000_000


def table(run: Loaded) -> str:
    """The element `neighbours` and the panel that the page's script shows; nothing for a run without them.

    The bank "neighbours" has for each test image `row` (k rows of the bank "references") and `distance`.
    """
    if not {"neighbours", "references"} <= run.banks.keys():
        return ""
    found, references = run.banks["neighbours"], run.banks["references"]
    rows = np.ascontiguousarray(found["row"], "<i4")
    columns = {
        "ids": found.ids.tolist(),
        "labels": found.labels.tolist(),
        "rows": base64.b64encode(rows.tobytes()).decode(),
        "distances": page.packed(np.asarray(found["distance"])),
        "id": references.ids.tolist(),
        "label": references.labels.tolist(),
        "classes": run.facts["classes"],
        "layout": {"columns": examples.COLUMNS, "per_sheet": examples.COLUMNS * examples.ROWS, "k": rows.shape[1]},
        "sheets": examples.sheets(np.asarray(references["thumbnail"]), SIDES, BYTES),
    }
    searched = f"{run.facts['neighbours']['searched']:,}"
    note = page.note(f"Euclidean distance in the features of the trained network, among {searched} training images.")
    return (
        page.data(columns, "neighbours")
        + '<aside id="near" hidden><button type="button" title="close">✕</button><p class="title"></p>'
        + f'<div class="gallery"></div>{note}</aside>'
    )
