"""Section on the data: images of each class, pixels, copies, labels that look wrong, outliers."""

import html
import math

import numpy as np

from tfxfer.report import figures, page
from tfxfer.report.charts import Panel, Series
from tfxfer.report.sections import look_alikes
from tfxfer.runs.loading import Loaded

_SUSPICIOUS_IMAGES = 24  # shown


def sections(run: Loaded) -> list[str]:
    """What a look at the data has found: the fact `dataset`, and the banks "samples" and "suspicious"."""
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
    if "samples" in run.banks:
        bank = run.banks["samples"]
        parts.append(page.figure(folder, "samples", figures.samples(np.asarray(bank["image"]), bank.labels, classes)))
    return parts + _duplicates(facts) + look_alikes.near_copies(run) + _suspicious(run) + look_alikes.outliers(run)


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


def _suspicious(run: Loaded) -> list[str]:
    bank, classes = run.banks.get("suspicious"), run.facts["classes"]
    if bank is None or not len(bank):
        return []
    images, others, scores = (np.asarray(bank[name][:_SUSPICIOUS_IMAGES]) for name in ("image", "other", "score"))
    thumbnails = "".join(
        f'<figure class="thumb"><img class="image" alt="" src="{page.picture(image)}"><figcaption>'
        + html.escape(f"{classes[label]}, or {classes[other]}? {score:+.2f} · {number}")
        + "</figcaption></figure>"
        for image, label, other, score, number in zip(images, bank.labels, others, scores, bank.ids)
    )
    return [
        page.note(
            "The labels that seem least likely to a logistic regression that has not seen the image (out of fold): the "
            "probability of the most likely other class minus that of the label. Look before you trust either."
        ),
        f'<div class="gallery">{thumbnails}</div>',
    ]
