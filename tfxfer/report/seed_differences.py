"""What one run has more than another, paired by the seeds that both were run with."""

import itertools
from collections.abc import Mapping

import numpy as np

from tfxfer.runs import seed_statistics
from tfxfer.runs.loading import Loaded

HEAD = ("runs", "metric", "seeds", "first", "second", "difference", "std")


def rows(runs: Mapping[str, Loaded]) -> list[tuple[str, ...]]:
    """A row for each pair of runs and each accuracy that both have for at least two seeds, on data of the same name.

    Args:
        runs: by the name that the page calls them.

    Returns:
        Rows of `HEAD`: means over the common seeds, and of the difference also the standard deviation.
    """
    found: list[tuple[str, ...]] = []
    for (name, first), (other, second) in itertools.combinations(runs.items(), 2):
        if first.facts["data"]["name"] != second.facts["data"]["name"]:
            continue
        ours, theirs = seed_statistics.by_seed(first), seed_statistics.by_seed(second)
        seeds = [seed for seed in ours if seed in theirs]
        if len(seeds) < 2:
            continue
        for key in ours[seeds[0]]:
            if not key.endswith("accuracy") or not all(key in side[seed] for side in (ours, theirs) for seed in seeds):
                continue
            a, b = (np.array([side[seed][key] for seed in seeds]) for side in (ours, theirs))
            means = f"{a.mean():.4f}", f"{b.mean():.4f}", f"{(b - a).mean():+.4f}", f"{(b - a).std(ddof=1):.4f}"
            found.append((f"{name}, {other}", key, ", ".join(seeds), *means))
    return found
