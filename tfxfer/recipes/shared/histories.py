"""Histories of fits: several as one table, and where one starts to overfit."""

import math
from collections.abc import Mapping

from tfxfer.train import History


def joined(histories: Mapping[str, History]) -> History:
    """Joins the histories of several fits: columns `<fit>/<column>`, short ones filled with NaN, and facts by fit."""
    longest = max((len(column) for history in histories.values() for column in history.values()), default=0)
    history_of_all = History(
        (f"{fit}/{what}", column + [math.nan] * (longest - len(column)))
        for fit, history in histories.items()
        for what, column in history.items()
    )
    history_of_all.facts = {fit: history.facts for fit, history in histories.items()}
    return history_of_all


def overfitting(history: History) -> dict[str, float]:
    """The metric `overfits_after_epoch`: the epoch, counted from 1, after which the validation loss was never lower."""
    losses = history["val_loss"]
    return {"overfits_after_epoch": float(losses.index(min(losses)) + 1)}
