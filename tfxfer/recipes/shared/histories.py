"""Histories of several fits as one table."""

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
