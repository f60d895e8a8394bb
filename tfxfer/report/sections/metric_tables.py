"""Tables of metrics, with published values beside them and the uncertainty of accuracies."""

from collections.abc import Callable, Collection, Mapping

import numpy as np

from tfxfer.analysis import intervals
from tfxfer.report import page, published
from tfxfer.runs import metric_names, seed_statistics
from tfxfer.runs.loading import Loaded

SPREAD = "± is the standard deviation over seeds"
_CONSTANT = ("count", "bytes")  # units of what no seed changes, or hardly
_FORMATS = {"count": "{:,.0f}", "bytes": "{:,.0f}", "seconds": "{:.1f}"}


def table(run: Loaded, names: Collection[str], keys: Collection[str], titles: Mapping[str, str] | None = None) -> str:
    """A table of the metrics `<name>/<key>`.

    Args:
        names: one row for each that has any of the metrics.
        keys: one column for each that any of the names has, followed by the published values where there are any.
        titles: of columns, by key; by default the labels of `metric_names`.
    """
    publication = published.for_run(run)
    rows = [name for name in names if any(f"{name}/{key}" in run.metrics for key in keys)]
    head: list[str] = [""]
    columns: list[tuple[Mapping[str, float], str]] = []
    for key in keys:
        if any(f"{name}/{key}" in run.metrics for name in rows):
            columns.append((run.metrics, key))
            head.append((titles or {}).get(key) or metric_names.label(f"{rows[0]}/{key}"))
            if any(f"{name}/{key}" in publication.figures for name in rows):
                columns.append((publication.figures, key))
                head.append(publication.head)
    cells = [(name, *(_cell(values, f"{name}/{key}") for values, key in columns)) for name in rows]
    return page.table(tuple(head), cells)


def _cell(values: Mapping[str, float], key: str) -> str:
    metric = metric_names.meaning(key)
    unit = metric.unit if metric else ""
    deviation = None if unit in _CONSTANT else values.get(f"{key}_std")
    return number(values.get(key), unit) + (f" ± {number(deviation)}" if deviation is not None else "")


def figure(run: Loaded, value: Callable[[Mapping[str, float]], float], form: str = "{:.4f}") -> str:
    """A figure computed from metrics; of several seeds the mean of what it is for each, ± the standard deviation.

    A difference of two metrics is thus paired by seed.

    Args:
        run: the run.
        value: computes the figure from metrics.
        form: of the figure.
    """
    each = seed_statistics.of_each(run, value)
    return seed_statistics.text(each, form) if each else form.format(value(run.metrics))


def number(value: float | None, unit: str = "") -> str:
    """A value as tables show it; empty where there is none."""
    if value is None or np.isnan(value):
        return ""
    return _FORMATS.get(unit, "{:.4f}" if abs(value) < 1000 else "{:.3g}").format(value)


def metric(run: Loaded, key: str, form: str = "{:.4f}") -> str:
    """A metric as `figure` shows it."""
    return figure(run, lambda metrics: metrics[key], form)


def test_images(run: Loaded) -> int:
    """How many images were tested. Several versions of one image count once: intervals are then rather too wide."""
    bank = run.banks.get("test")
    return run.facts["data"]["sizes"]["test"] if bank is None else len(np.unique(bank.bases))


def accuracy(run: Loaded, key: str) -> str:
    """An accuracy with its standard deviation over seeds or, of one seed, with its 95% interval (Wilson)."""
    value, deviation = run.metrics[key], run.metrics.get(f"{key}_std")
    if deviation is not None:
        return f"{value:.4f} ± {deviation:.4f}"
    return intervals.text(value, intervals.wilson(value, test_images(run)))


def uncertainty(run: Loaded, names: Collection[str], keys: Collection[str]) -> list[str]:
    """A note on what chance alone does to the accuracies `<name>/<key>`: 95% intervals of the lowest and highest, or of
    several seeds what ± means."""
    if seed_statistics.by_seed(run):
        return [page.note(f"{SPREAD}.")]
    accuracies = [run.metrics.get(f"{name}/{key}", np.nan) for name in names for key in keys]
    if not (values := [value for value in accuracies if not np.isnan(value)]):
        return []
    n = test_images(run)
    texts = [intervals.text(value, intervals.wilson(value, n)) for value in sorted({min(values), max(values)})]
    return [
        page.note(
            f"95% interval (Wilson) of the lowest accuracy in this table, on {n:,} test images: "
            f"{', of the highest '.join(texts)}."
        )
    ]


def left_out(run: Loaded) -> list[str]:
    """Notes on the parts that were not available, and why."""
    return [page.note(f"Left out: {name}. {reason}") for name, reason in run.facts.get("left_out", {}).items()]


def published_note(run: Loaded) -> list[str]:
    """A note on how the published values came about, if there are any."""
    remark = published.for_run(run).remark
    return [page.note(f"Published: {remark}")] if remark else []
