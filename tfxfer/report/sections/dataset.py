"""Section on the data: images of each class, pixels, samples, copies, outliers."""

import math

import numpy as np

from tfxfer.report import figures, page, picture_cards
from tfxfer.report.charts import Panel, Series
from tfxfer.report.sections import look_alikes
from tfxfer.runs.loading import Loaded

_SAMPLES = 160  # shown at most


def sections(run: Loaded) -> list[str]:
    """What a look at the data has found: the fact `dataset`, and the bank "samples"."""
    facts, classes, folder = run.facts.get("dataset"), run.facts["classes"], run.dir / "figures"
    if facts is None:
        return []
    counts = [Series(split, classes, numbers, "bars") for split, numbers in facts["counts"].items()]
    histogram = [count or math.nan for count in facts["histogram"]]  # no logarithm of 0
    panels = [
        Panel("images of each class", counts),
        Panel(
            "pixel values, training and validation",
            [Series("", list(range(256)), histogram, "markers")],
            "value, 0 to 255",
            "pixels",
            log="y",
        ),
    ]
    mean, median, std = (run.metrics[f"data/{name}"] for name in ("mean", "median", "std"))
    parts = [
        page.heading("The data"),
        page.note(
            f"Pixels of training and validation images, 0 to 255: mean {mean:.2f}, median {median:.0f}, standard "
            f"deviation {std:.2f}."
        ),
        page.chart(folder, "dataset", "What is there to learn from", panels),
    ]
    return [*parts, *_samples(run), *_duplicates(facts), *look_alikes.near_copies(run), *look_alikes.outliers(run)]


def _samples(run: Loaded) -> list[str]:
    """Some images of each class, as many of each as there is room for."""
    bank, classes = run.banks.get("samples"), run.facts["classes"]
    if bank is None or not len(bank):
        return []
    images = np.asarray(bank["image"])
    page.save(run.dir / "figures", "samples", figures.samples(images, bank.labels, classes))
    each = max(1, _SAMPLES // len(classes))
    rows = [row for label in range(len(classes)) for row in np.flatnonzero(bank.labels == label)[:each]]
    cards = [
        picture_cards.card(images[row], (classes[bank.labels[row]], picture_cards.name(run, number)), int(number))
        for row, number in zip(rows[:_SAMPLES], bank.ids[rows[:_SAMPLES]])
    ]
    return [page.note("Samples of each class, of the training images."), picture_cards.gallery(cards, "small")]


def _duplicates(facts: dict) -> list[str]:
    """Groups of images equal in every pixel, those that leak into the test first."""
    number, leaking = facts["duplicate_groups"], facts["leaking_groups"]
    text = f"Images equal in every pixel: {number:,} groups, {leaking:,} of them in the test split and in another"
    if not number:
        return [page.note(f"{text}.")]
    rows = [
        (", ".join(f"{member['split']} {member['id']} ({member['class']})" for member in group),)
        for group in facts["duplicates"]
    ]
    return [
        page.note(f"{text}: a model may have memorised those."),
        f"<details><summary>The first {len(rows)} groups</summary>{page.table(('split, id, label',), rows)}</details>",
    ]
