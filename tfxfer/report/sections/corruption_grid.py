"""Accuracy under every corruption at every severity: a part of the section on corrupted images."""

import functools
from collections.abc import Mapping, Sequence

import numpy as np

from tfxfer.analysis import intervals
from tfxfer.data.corruptions import BENCHMARK, FAMILIES, NAMES, SEVERITIES
from tfxfer.report import page
from tfxfer.report.charts import Heat
from tfxfer.report.sections.metric_tables import figure, metric
from tfxfer.runs import corruption_facts
from tfxfer.runs.loading import Loaded

_MEANS = {"mean over 15": BENCHMARK, "mean over 19": NAMES}


def parts(run: Loaded) -> list[str]:
    """Accuracy under all corruptions at all severities, where the run has measured it."""
    if "before/grid/mean_19" not in run.metrics:
        return []
    states = [state for state in ("before", "adapted", "after") if f"{state}/grid/mean_19" in run.metrics]
    grids = {state: under(run, f"{state}/grid/") for state in states}
    n = min(run.facts["arguments"]["grid_images"], run.facts["data"]["sizes"]["test"])
    low, high = intervals.wilson(0.5, n)
    groups = {**_MEANS, **FAMILIES}
    rows = []
    for title, names in groups.items():
        means = [figure(run, functools.partial(_mean, state=state, names=names)) for state in states]
        drops = [figure(run, functools.partial(_drop, state=state, names=names)) for state in states]
        rows.append((title, *means, *drops))
    return [
        page.heading(f"All {len(NAMES)} corruptions"),
        page.table(("", *states, *(f"drop from clean, {state}" for state in states)), rows),
        page.note(
            "Accuracy is a plain mean over five severities, as CIFAR-10-C is reported; the drop is relative. Each cell "
            f"of the charts is measured on the same {n:,} images: an accuracy of 0.5 has the 95% interval {low:.3f} to "
            f"{high:.3f} (Wilson). The means over 15, over 19 and of weather include frost: "
            f"{corruption_facts.remark(run.facts)}."
        ),
        *_relative_errors(run, states),
        *_most_severe(run, states),
        page.chart(
            run.dir / "figures",
            "grid",
            "Accuracy under every corruption (the last four are the extras)",
            heat_maps(grids),
        ),
    ]


def _mean(
    metrics: Mapping[str, float], state: str, names: Sequence[str], severities: Sequence[int] = SEVERITIES
) -> float:
    """The mean accuracy over some corruptions and severities."""
    return float(np.mean([metrics[f"{state}/grid/{name}_{severity}"] for name in names for severity in severities]))


def _drop(metrics: Mapping[str, float], state: str, names: Sequence[str]) -> float:
    """What that mean lacks of the accuracy on clean images, as a share of it."""
    return 1 - _mean(metrics, state, names) / metrics[f"{state}/clean_accuracy"]


def _relative_errors(run: Loaded, states: list[str]) -> list[str]:
    """mCE and relative mCE, which runs of earlier versions do not have."""
    keys = [f"{kind}mce_vs_before_{number}" for number in (15, 19) for kind in ("", "relative_")]
    states = [state for state in states if f"{state}/grid/{keys[0]}" in run.metrics]
    if not states:
        return []
    rows = [
        (key.partition("_vs")[0].replace("_", " ").replace("mce", "mCE") + f" over {key[-2:]}", "1", *cells)
        for key in keys
        if (cells := [metric(run, f"{state}/grid/{key}") for state in states])
    ]
    return [
        page.table(("errors relative to this network before tuning", "before", *states), rows),
        page.note(
            "mCE and relative mCE as ImageNet-C defines them (Hendrycks and Dietterich 2019): errors under a "
            "corruption, or what it adds to those on clean images, over the same of a reference; then the mean over "
            "corruptions. Less is better. The reference is this run's network before tuning, not AlexNet: do not "
            "compare these figures with published ones. nan: before tuning, the network loses nothing under one of the "
            "corruptions."
        ),
    ]


def _most_severe(run: Loaded, states: list[str]) -> list[str]:
    """What adaptation and tuning gain or lose under each corruption at its highest severity, and on average."""
    if "adapted" not in states:
        return []
    others = [state for state in states if state != "before"]
    rows = []
    for title, names in {**{name.replace("_", " "): (name,) for name in NAMES}, **_MEANS}.items():
        mean = functools.partial(_mean, names=names, severities=SEVERITIES[-1:])
        accuracies = [figure(run, functools.partial(mean, state=state)) for state in states]
        gains = [figure(run, functools.partial(_gain, state=state, names=names), "{:+.4f}") for state in others]
        rows.append((title, *accuracies, *gains))
    return [page.table((f"severity {SEVERITIES[-1]}", *states, *(f"{state} less before" for state in others)), rows)]


def _gain(metrics: Mapping[str, float], state: str, names: Sequence[str]) -> float:
    """What the mean accuracy at the highest severity has gained on the one before tuning."""
    now, before = (_mean(metrics, each, names, SEVERITIES[-1:]) for each in (state, "before"))
    return now - before


def heat_maps(grids: dict[str, dict[str, float]]) -> list[Heat]:
    """Accuracy by corruption and severity, one map for each network, and the change from the first to the last.

    Args:
        grids: network -> "<corruption>_<severity>" -> accuracy.
    """
    maps = {
        title: np.array([[grid[f"{name}_{severity}"] for severity in SEVERITIES] for name in NAMES])
        for title, grid in grids.items()
    }
    first, *_, last = maps.values()
    lowest, change = float(min(values.min() for values in maps.values())), last - first
    largest = float(max(np.abs(change).max(), 0.1))  # less is chance on the few images of a cell
    names, severities = [name.replace("_", " ") for name in NAMES], [str(severity) for severity in SEVERITIES]

    def heat(title: str, values: np.ndarray, cell: str, low: float, high: float, scale: str) -> Heat:
        text = np.char.mod(cell, values)
        return Heat(title, values, rows=names, columns=severities, text=text, low=low, high=high, scale=scale)

    return [
        *(heat(title, values, "%.2f", min(lowest, 0.5), 1.0, "viridis") for title, values in maps.items()),
        heat("change", change, "%+.2f", -largest, largest, "RdBu"),
    ]


def under(run: Loaded, prefix: str) -> dict[str, float]:
    """Metrics by what follows a prefix; of several seeds their means."""
    return {
        key.removeprefix(prefix): value
        for key, value in run.metrics.items()
        if key.startswith(prefix) and not key.endswith("_std")
    }
