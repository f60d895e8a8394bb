"""Section on labels that look wrong: images that seem to be of another class than their label says."""

import numpy as np

from tfxfer.report import page, picture_cards
from tfxfer.runs.loading import Loaded

_SHOWN = 24


def sections(run: Loaded) -> list[str]:
    """The images of the bank "suspicious", the most doubtful first."""
    bank, classes = run.banks.get("suspicious"), run.facts["classes"]
    if bank is None or not len(bank):
        return []
    images, others, scores = (np.asarray(bank[name][:_SHOWN]) for name in ("image", "other", "score"))
    cards = [
        picture_cards.card(
            image,
            (f"labelled {classes[label]}", f"{classes[other]}? {score:+.2f}", picture_cards.name(run, number)),
            int(number),
        )
        for image, label, other, score, number in zip(images, bank.labels, others, scores, bank.ids)
    ]
    doubted = int((scores > 0).sum())
    which = f"each of the {len(cards)}" if doubted == len(cards) else f"{doubted} of the {len(cards)}"
    return [
        page.heading("Suspicious labels"),
        page.note(
            f"For {which} training images shown, another class seems likelier than the label. "
            "The figure is the probability of the likeliest other class minus that of the label, by a logistic "
            "regression that has not seen the image (out of fold). Look before you trust either."
        ),
        picture_cards.gallery(cards),
    ]
