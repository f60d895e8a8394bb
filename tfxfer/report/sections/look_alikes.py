"""Parts of the section on the data: near-copies across splits, and images that are unlike all others."""

import numpy as np

from tfxfer.report import page, picture_cards
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
        cards = [
            picture_cards.card(np.concatenate(pair_of, 1), (f"difference {pair['difference']:.4f}", *_names(run, pair)))
            for *pair_of, pair in zip(images, others, pairs)
        ]
        parts.append(picture_cards.gallery(cards))
    table = page.table(head, rows)
    return [*parts, f"<details><summary>The {len(rows)} most alike pairs</summary>{table}</details>"]


def outliers(run: Loaded) -> list[str]:
    """The bank "outliers"."""
    if "outliers" not in run.banks:
        return []
    bank, classes, usual = run.banks["outliers"], run.facts["classes"], run.metrics["data/outlier_median"]
    cards = [
        picture_cards.card(
            image, (classes[label], f"distance {score:.1f}", picture_cards.name(run, number)), int(number)
        )
        for image, label, score, number in zip(bank["image"], bank.labels, bank["score"], bank.ids)
    ]
    return [
        page.note(
            "The training images least like any class: Mahalanobis distance of their features from the nearest class "
            f"mean. The typical distance (median) is {usual:.1f}."
        ),
        picture_cards.gallery(cards),
    ]


def _names(run: Loaded, pair: dict) -> tuple[str, str]:
    """What the two images of a pair are known by."""
    return picture_cards.name(run, pair["id"]), picture_cards.name(run, pair["other"]["id"])


def _name(member: dict) -> str:
    return f"{member['split']} {member['id']} ({member['class']})"
