"""Section of a report on what another seed would have given: figures over seeds, and differences paired by seed."""

import functools
import re
from collections.abc import Mapping

from tfxfer.report import page
from tfxfer.report.sections.metric_tables import SPREAD, figure, metric
from tfxfer.runs import metric_names, seed_statistics
from tfxfer.runs.loading import Loaded

_PAIRS = (("before", "after"), ("before", "adapted"), ("after", "interpolated"))  # states whose metrics are compared
_UNITS = ("share", "difference", "collapse", "ratio", "relative ratio")  # of the figures that are listed
_CELLS = re.compile(r"layers/.*|data/.*|scale/.*|interpolation/.*|\w+/grid/.*_[1-5]")  # too many, or of the data alone


def sections(run: Loaded) -> list[str]:
    """Test accuracy and differences between states over seeds, and every figure of each seed."""
    seeds = seed_statistics.by_seed(run)
    if not seeds:
        return []
    first, *_ = names = list(seeds)
    keys = [key for key in seeds[first] if f"{key}_std" in run.metrics and _listed(key)]
    rows = [(_title(key), *(f"{of_one[key]:.4f}" for of_one in seeds.values()), metric(run, key)) for key in keys]
    note = (
        f"{SPREAD} (of a sample). A seed draws the splits that the data set does not fix, the initial weights and the "
        f"order of the batches. The saved network is that of seed {first}, and so are all pictures and curves, "
        "predictions, scores by class and confusion matrices; tables of metrics show means over seeds."
    )
    shown = [row for key, row in zip(keys, rows, strict=True) if key.startswith("test/")]
    return [
        page.heading(f"Over {len(seeds)} seeds"),
        *([page.table(("", *(f"seed {name}" for name in names), "mean"), shown)] if shown else []),
        *_differences(run, keys),
        page.note(note),
        "<details><summary>Every figure of each seed</summary>"
        f"{page.table(('', *(f'seed {name}' for name in names), 'mean'), rows)}</details>",
    ]


def _listed(key: str) -> bool:
    row = metric_names.meaning(key)
    return row is not None and row.unit in _UNITS and not _CELLS.fullmatch(key)


def _title(key: str) -> str:
    row = metric_names.meaning(key)
    if row is None:
        return key
    of_network = key.startswith("test/")  # each seed's, of which one is saved
    return f"{row.label if of_network else row.text} ({key})"


def _differences(run: Loaded, keys: list[str]) -> list[str]:
    """What one state has more than the other, the same figure of the same seed each time."""
    rows = []
    for before, after in _PAIRS:
        for key in keys:
            prefix, _, name = key.partition(f"{before}/")
            other = f"{prefix}{after}/{name}"
            if key == f"{prefix}{before}/{name}" and other in keys:
                difference = figure(run, functools.partial(_difference, first=key, second=other), "{:+.4f}")
                rows.append((key, other, metric(run, key), metric(run, other), difference))
    head = ("first", "second", "first, mean", "second, mean", "second less first, paired by seed")
    return [page.table(head, rows)] if rows else []


def _difference(metrics: Mapping[str, float], first: str, second: str) -> float:
    return metrics[second] - metrics[first]
