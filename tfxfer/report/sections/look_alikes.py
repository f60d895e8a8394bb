"""Parts of the section on the data: near-copies across splits, and images that are unlike all others."""

import html

import numpy as np

from tfxfer.report import page
from tfxfer.runs.loading import Loaded


def near_copies(run: Loaded) -> list[str]:
    """Pairs of near-copies: the bank "near_copies" and the list in the fact `dataset`; nothing in runs before 0.2."""
    pairs = run.facts["dataset"].get("near_copies")
    if pairs is None:
        return []
    test, validation = (int(run.metrics[f"data/near_copies_{split}"]) for split in ("test", "validation"))
    text = (
        f"Near-copies, shifted, cropped, mirrored or encoded anew: {test:,} test images have one in training or "
        f"validation, {validation:,} validation images have one in training"
    )
    if not pairs:
        return [page.note(f"{text}.")]
    rows = [
        (_name(pair), _name(pair["other"]), "yes" if pair["mirrored"] else "", f"{pair['difference']:.4f}")
        for pair in pairs
    ]
    head = ("image", "is like", "mirrored", "difference")
    parts = [
        page.note(f"{text}. A difference of 0 is a perfect match once the two are aligned. Look before you delete.")
    ]
    if "near_copies" in run.banks:
        bank = run.banks["near_copies"]
        images, others = np.asarray(bank["image"]), np.asarray(bank["other"])
        thumbnails = "".join(
            _thumbnail(np.concatenate([image, other], 1), f"{number} · {pair['difference']:.4f}", wide=True)
            for image, other, number, pair in zip(images, others, bank.ids, pairs)
        )
        parts.append(f'<div class="gallery">{thumbnails}</div>')
    table = page.table(head, rows)
    return [*parts, f"<details><summary>The {len(rows)} most alike pairs</summary>{table}</details>"]


def outliers(run: Loaded) -> list[str]:
    """The bank "outliers"."""
    if "outliers" not in run.banks:
        return []
    bank, classes, usual = run.banks["outliers"], run.facts["classes"], run.metrics["data/outlier_median"]
    thumbnails = "".join(
        _thumbnail(image, f"{classes[label]} {score:.1f} · {number}")
        for image, label, score, number in zip(bank["image"], bank.labels, bank["score"], bank.ids)
    )
    return [
        page.note(
            "The training images least like any class: Mahalanobis distance of their features from the nearest class "
            f"mean. The typical distance (median) is {usual:.1f}."
        ),
        f'<div class="gallery">{thumbnails}</div>',
    ]


def _name(member: dict) -> str:
    return f"{member['split']} {member['id']} ({member['class']})"


def _thumbnail(image: np.ndarray, caption: str, wide: bool = False) -> str:
    """A captioned picture; a wide one shows two images side by side."""
    style = ' style="width:11.2rem"' if wide else ""
    inner = ' style="width:10rem;height:5rem"' if wide else ""
    return (
        f'<figure class="thumb"{style}><img class="image" alt="" src="{page.picture(image)}"{inner}>'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )
