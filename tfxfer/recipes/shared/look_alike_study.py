"""What a run keeps of images that are near-copies of others, and of images that are unlike all others."""

from collections.abc import Mapping

import numpy as np

from tfxfer.analysis import outliers
from tfxfer.core.errors import InputError
from tfxfer.data import Splits, near_duplicates, split_rows
from tfxfer.data.splits import SPLITS
from tfxfer.features.bank import Bank
from tfxfer.recipes.shared.artifacts import Artifacts

LISTED = 50  # pairs of near-copies
SHOWN = 12  # of them, as pictures
OUTLIERS = 24  # pictures


def near_copies(splits: Splits, features: Mapping[str, Bank], strict: bool = False) -> Artifacts:
    """Looks for near-copies across splits, and warns of them or refuses them.

    Args:
        features: by split, "embedding" of its first images; may be empty.
        strict: whether to refuse near-copies.

    Returns:
        The bank "near_copies", of the first pairs: "image" and "other", uint8 (n, height, width, channels), where the
        other is mirrored if it is a mirrored copy; the metrics `data/near_copies_<split>`; and the fact `near_copies`
        within `dataset`, the list of pairs.

    Raises:
        InputError: there are near-copies, and `strict` is set.
    """
    copies = near_duplicates.find(splits, {split: bank["embedding"] for split, bank in features.items()})
    near_duplicates.check(splits, copies, strict)
    pairs = copies.pairs()[:LISTED]
    shown = slice(SHOWN)
    image = split_rows.pixels(splits, copies.split[shown], copies.row[shown])
    other = split_rows.pixels(splits, copies.other_split[shown], copies.other_row[shown])
    flips = copies.mirrored[shown]
    other[flips] = other[flips, :, ::-1]
    labels = copies.column(lambda split: splits.rows[split].labels)[shown]
    ids = copies.column(lambda split: splits.ids[split])[shown]
    metrics = {f"data/near_copies_{name}": float(copies.summary()[f"across_{name}"]) for name in ("test", "validation")}
    banks = {"near_copies": Bank({"image": image, "other": other}, labels, ids)} if pairs else {}
    return Artifacts(banks, metrics, {"dataset": {"near_copies": pairs}})


def unusual(splits: Splits, known: Bank) -> Artifacts:
    """Scores how unlike all classes the first training images are (`analysis.outliers`).

    Args:
        known: their features, "embedding".

    Returns:
        The bank "outliers": the most unusual images with their score, and the typical score, the median, as a metric,
        `data/outlier_median`. Only the fact `no_outliers` within
        `dataset`, the reason, where there are too few images or features that do not vary.
    """
    try:
        scores = outliers.outlier_scores(known["embedding"], known.labels, len(splits.classes))
    except InputError as reason:
        return Artifacts(facts={"dataset": {"no_outliers": str(reason)}})
    worst = np.argsort(-scores, kind="stable")[:OUTLIERS]
    image = split_rows.pixels(splits, np.full(len(worst), SPLITS.index("train")), worst)
    bank = Bank({"image": image, "score": scores[worst]}, known.labels[worst], known.ids[worst])
    return Artifacts({"outliers": bank}, {"data/outlier_median": float(np.median(scores))})
