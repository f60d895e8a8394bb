"""Metrics of the same run with several seeds: their means and standard deviations, and what to leave as it is."""

import math
import re
from collections.abc import Callable, Mapping

import numpy as np

from tfxfer.runs.loading import Loaded

_OF_ONE_SEED = re.compile(r"(.*)[_/](?:low|high)|(.*)/p")  # ends of intervals, p-values: of one set of test images
_OF_THE_NETWORK = "test/"  # metrics of the saved network, which is that of the first seed

BySeed = Mapping[str, Mapping[str, float]]
"""Metrics by seed, the first of which is the one whose network is kept."""


def figures(metrics: Mapping[str, float]) -> dict[str, float]:
    """A run's metrics without the times of its phases."""
    return {key: value for key, value in metrics.items() if not key.startswith("seconds/")}


def summary(by_seed: BySeed) -> dict[str, float]:
    """What several seeds have in common as one set of metrics.

    - `<key>` is the mean over seeds, and `<key>_std` the standard deviation (of a sample: ddof 1).
    - `test/<key>` stays that of the saved network, which is the one of the first seed, with its interval; the mean and
      the standard deviation over seeds are `test/<key>_mean` and `test/<key>_std`.
    - What only the first seed has, such as figures of its explanations, stays as it is.
    - Ends of confidence intervals and p-values of means are left out: they are those of one seed's network.

    Example:
        >>> from tfxfer.runs import seed_statistics
        >>> by_seed = {"0": {"cost": 0.25, "test/accuracy": 1.0}, "1": {"cost": 0.75, "test/accuracy": 0.5}}
        >>> {key: round(value, 3) for key, value in seed_statistics.summary(by_seed).items()}
        {'cost': 0.5, 'cost_std': 0.354, 'test/accuracy': 1.0, 'test/accuracy_mean': 0.75, 'test/accuracy_std': 0.354}
    """
    first = next(iter(by_seed.values()))
    shared = [key for key in first if all(key in metrics for metrics in by_seed.values())]
    result: dict[str, float] = {}
    for key, value in first.items():
        if key not in shared:
            result[key] = value
            continue
        of_network = key.startswith(_OF_THE_NETWORK)
        if _OF_ONE_SEED.fullmatch(key):
            result |= {key: value} if of_network else {}
            continue
        column = [metrics[key] for metrics in by_seed.values()]
        result |= {key: value, f"{key}_mean": float(np.mean(column))} if of_network else {key: float(np.mean(column))}
        result[f"{key}_std"] = float(np.std(column, ddof=1))
    return result


def by_seed(run: Loaded) -> dict[str, dict[str, float]]:
    """The metrics of each seed of a run, NaN where run.json has null; empty for a run of one seed."""
    known = run.facts.get("by_seed", {})
    if len(known) < 2:
        return {}
    return {
        seed: {key: math.nan if value is None else float(value) for key, value in metrics.items()}
        for seed, metrics in known.items()
    }


def of_each(run: Loaded, figure: Callable[[Mapping[str, float]], float]) -> list[float]:
    """A figure of each seed, such as a difference of two metrics, which is then paired.

    Args:
        run: a run.
        figure: computes it from metrics.

    Returns:
        One value for each seed; empty for a run of one seed, or if a seed lacks one of the metrics.
    """
    try:
        return [float(figure(metrics)) for metrics in by_seed(run).values()]
    except KeyError:
        return []


def spread(metrics: Mapping[str, float], key: str, sign: str = "") -> str:
    """Mean and standard deviation of a metric, as `summary` has them; empty for a run of one seed.

    Args:
        metrics: of a run.
        key: of the metric.
        sign: "+" for a difference.
    """
    if f"{key}_std" not in metrics:
        return ""
    return f"{metrics.get(f'{key}_mean', metrics[key]):{sign}.4f} ± {metrics[f'{key}_std']:.4f}"


def text(values: list[float], form: str = "{:.4f}") -> str:
    """Mean and standard deviation of values, such as "0.8712 ± 0.0031".

    Args:
        values: at least two.
        form: of the mean.
    """
    return f"{form.format(np.mean(values))} ± {np.std(values, ddof=1):.4f}"
