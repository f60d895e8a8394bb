"""Sections on the data: what there is of each class, pixels, equal images, labels that look wrong."""

import html

from tfxfer.report import figures, page
from tfxfer.report.charts import Panel, Series
from tfxfer.runs.loading import Loaded

_SHOWN = 24


def sections(run: Loaded) -> list[str]:
    facts, classes, folder = run.facts.get("dataset"), run.facts["classes"], run.dir / "figures"
    if facts is None:
        return []
    counts = [Series(split, classes, values, "bars") for split, values in facts["counts"].items()]
    values = [count or None for count in facts["histogram"]]
    pixels = [Series("", list(range(256)), values, "markers")]
    panels = [
        Panel("images of each class", counts),
        Panel("values of pixels, training and validation", pixels, "value, 0 to 255", "pixels", log="y"),
    ]
    mean, median, std = (run.metrics[f"data/{name}"] for name in ("mean", "median", "std"))
    found = [
        page.heading("The data"),
        page.note(
            f"Pixels 0 to 255 of training and validation images: mean {mean:.2f}, median {median:.0f}, std {std:.2f}."
        ),
        page.chart(folder, "dataset", "What is there to learn from", panels),
    ]
    if "samples" in run.banks:
        bank = run.banks["samples"]
        found.append(page.figure(folder, "samples", figures.samples(bank["image"], bank.labels, classes)))
    return found + _equal(facts) + _suspicious(run)


def _equal(facts: dict) -> list[str]:
    """Groups of images equal in every pixel, those that leak into the test first."""
    many, leaking = facts["duplicate_groups"], facts["leaking_groups"]
    said = f"Images equal in every pixel: {many:,} groups, {leaking:,} of them on both sides of the test"
    if not many:
        return [page.note(f"{said}.")]
    rows = [
        (", ".join(f"{member['split']} {member['id']} ({member['class']})" for member in group),)
        for group in facts["duplicates"]
    ]
    return [
        page.note(f"{said}: a model may remember those."),
        f"<details><summary>The first {len(rows)} groups</summary>{page.table(('split, id, label',), rows)}</details>",
    ]


def _suspicious(run: Loaded) -> list[str]:
    bank, classes = run.banks.get("suspicious"), run.facts["classes"]
    if bank is None or not len(bank):
        return []
    rows = zip(bank["image"][:_SHOWN], bank.labels, bank["other"], bank["score"], bank.ids)
    thumbs = "".join(
        f'<figure class="thumb"><img class="image" alt="" src="{page.picture(image)}"><figcaption>'
        + html.escape(f"{classes[label]}, or {classes[other]}? {score:+.2f} · {number}")
        + "</figcaption></figure>"
        for image, label, other, score, number in rows
    )
    return [
        page.note(
            "Labels least believed by a logistic regression that has not seen the image (out of fold): probability of "
            "the likeliest other class less that of the label. Look before you trust either."
        ),
        f'<div class="gallery">{thumbs}</div>',
    ]
