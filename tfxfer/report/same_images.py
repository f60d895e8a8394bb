"""Which images two runs have in common."""

import numpy as np

from tfxfer.runs.loading import Loaded


def rows(first: Loaded, second: Loaded, name: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Rows of the images that both runs have in their banks of a name, by id.

    Returns:
        int64 (n,) for each run; None if there are none, or if the data are not the same.
    """
    bank, other = first.banks.get(name), second.banks.get(name)
    same_data = (
        first.facts["data"]["name"] == second.facts["data"]["name"]
        and first.facts["classes"] == second.facts["classes"]
    )
    if bank is None or other is None or not same_data:
        return None
    _, a, b = np.intersect1d(bank.ids, other.ids, return_indices=True)
    return (a, b) if len(a) and (bank.labels[a] == other.labels[b]).all() else None
