"""Runs side by side: what differs, every figure they share, curves, and which difference could be chance."""

import datetime
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfxfer.analysis import paired
from tfxfer.core import atomic
from tfxfer.core.errors import InputError
from tfxfer.report import page
from tfxfer.report.charts import Panel, Series
from tfxfer.report.sections import examples
from tfxfer.runs import loading
from tfxfer.runs.loading import Loaded

Table = list[tuple[str, ...]]


def compare(run_dirs: Sequence[str | Path], out: str | Path = "saved_models") -> tuple[Path, str]:
    """Writes `<out>/comparisons/<time>/report.html`, with its figures as PNG.

    Args:
        run_dirs: at least two finished runs, as `tfxfer.load` takes them, with names looked for in `out`.

    Returns:
        Path of report.html, and its tables as text.

    Raises:
        InputError: fewer than two runs, the same run twice, or no finished runs.
    """
    paths = [loading.find(folder, out).resolve() for folder in run_dirs]
    if len(paths) < 2 or len(set(paths)) < len(paths):
        raise InputError(f"{len(paths)} runs, {len(set(paths))} different ones: expected at least two, each once")
    runs = {str(number): loading.described(path) for number, path in enumerate(paths, start=1)}
    tables = {
        "Runs": [("", *runs), *_facts(runs)],
        "Figures": [("", *runs), *_figures(runs)],
        "Differences on the same test images": [_HEAD, *_differences(runs)],
    }
    sections = [page.heading(title) + page.table(head, rows) for title, (head, *rows) in tables.items()]
    clustered = any(len(np.unique(bank.bases)) < len(bank) for run in runs.values() if (bank := run.banks.get("test")))
    remark = f"{_REMARK} {_CLUSTERED}" if clustered else _REMARK
    sections.append(page.note(remark))
    final = _free(Path(out).expanduser() / "comparisons" / datetime.datetime.now().strftime("%Y%m%d-%H%M%S"))
    with atomic.new(final) as folder:
        folder.mkdir()
        if panels := _curves(runs):
            drawn = page.chart(folder / "figures", "curves", "Validation accuracy", panels)
            sections += [page.heading("Training"), drawn]
        (folder / "report.html").write_text(page.page(f"{len(runs)} runs compared", sections), encoding="utf-8")
    text = "\n\n".join(f"{title}\n{plain(rows)}" for title, rows in tables.items())
    return final / "report.html", f"{text}\n\n{remark}"


def _free(path: Path) -> Path:
    names = (path.with_name(f"{path.name}-{number}") for number in itertools.count(1))
    return path if not path.exists() else next(name for name in names if not name.exists())


def plain(rows: Table) -> str:
    """Rows of cells in columns, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ([name.ljust(widths[0]), *(c.rjust(w) for c, w in zip(cells, widths[1:]))] for name, *cells in rows)
    return "\n".join("  ".join(line).rstrip() for line in lines)


def _facts(runs: dict[str, Loaded]) -> Table:
    """Recipe, time, data; and those arguments that are not the same in all."""
    given = {name: run.facts["arguments"] for name, run in runs.items()}
    names = dict.fromkeys(key for arguments in given.values() for key in arguments)
    differing = [key for key in names if len({str(arguments.get(key)) for arguments in given.values()}) > 1]
    common = {
        "recipe": lambda run: run.facts["recipe"],
        "run": lambda run: run.dir.name,
        "data": lambda run: run.facts["data"]["name"],
        "test images": _tested,
    }
    rows = [(title, *(fact(run) for run in runs.values())) for title, fact in common.items()]
    return rows + [(key, *(str(each.get(key, "")) for each in given.values())) for key in differing]


def _figures(runs: dict[str, Loaded]) -> Table:
    """Figures that at least two runs have; all if no two share any."""
    keys = dict.fromkeys(key for run in runs.values() for key in run.metrics if not key.startswith("layers/"))
    shared = [key for key in keys if sum(key in run.metrics for run in runs.values()) > 1]
    return [
        (key, *(_figure(run.metrics, key) if key in run.metrics else "" for run in runs.values()))
        for key in shared or keys
        if not key.endswith(("_low", "_high"))
    ]


def _figure(metrics: dict[str, float], key: str) -> str:
    """A figure, with the ends of its interval where it has some."""
    ends = [f"{metrics[end]:.4g}" for end in (f"{key}_low", f"{key}_high") if end in metrics]
    return f"{metrics[key]:.4g}" + (f" ({' to '.join(ends)})" if ends else "")


_HEAD = ("runs", "images", "first", "second", "only first", "only second", "difference", "95 % interval", "p", "Holm")
_FORMAT = (
    "{images}|{first_accuracy:.4f}|{second_accuracy:.4f}|{only_first:,}|{only_second:,}|{difference:+.4f}|"
    "{low:+.4f} to {high:+.4f}|{p:.2g}|{holm:.2g}"
)
_REMARK = (
    "Difference: accuracy of the second run less that of the first, on test images that both have; only first, only "
    "second: images that one alone tells right. p: McNemar's exact test; Holm: adjusted for the number of pairs. "
    "In brackets behind a figure, its 95 % interval (of an accuracy Wilson's)."
)
_CLUSTERED = (
    "n of m images: n corrupted versions of m base images. Versions of one image are mostly right or wrong together: "
    "intervals are clustered by base image, and p is of an exact sign-flip test over base images, in McNemar's place."
)


def _differences(runs: dict[str, Loaded]) -> Table:
    """Every pair of runs with predictions of the same images."""
    found = {}
    for (one, first), (two, second) in itertools.combinations(runs.items(), 2):
        if (both := _shared(first, second)) is not None:
            found[f"{one}, {two}"] = row = paired.difference(*both)
            row["images"] = _images(row["n"], row["clusters"])
    adjusted = paired.holm([row["p"] for row in found.values()])
    return [(pair, *_FORMAT.format(**row, holm=each).split("|")) for (pair, row), each in zip(found.items(), adjusted)]


def _images(n: int, bases: int) -> str:
    return f"{n:,}" if n == bases else f"{n:,} of {bases:,}"


def _tested(run: Loaded) -> str:
    bank = run.banks.get("test")
    return f"{run.facts['data']['sizes']['test']:,}" if bank is None else _images(len(bank), len(np.unique(bank.bases)))


def _shared(first: Loaded, second: Loaded) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Whether each run tells right the test images that both have, and of which image each was made; None if there are
    none that are the same."""
    banks = [run.banks.get("test") for run in (first, second)]
    same = (
        first.facts["data"]["name"] == second.facts["data"]["name"]
        and first.facts["classes"] == second.facts["classes"]
    )
    if None in banks or not same:
        return None
    _, a, b = np.intersect1d(banks[0].ids, banks[1].ids, return_indices=True)
    labels = banks[0].labels[a], banks[1].labels[b]
    if not len(a) or (labels[0] != labels[1]).any():
        return None
    right = [examples.probabilities(bank).argmax(1) == bank.labels for bank in banks]
    return right[0][a], right[1][b], banks[0].bases[a]


def _curves(runs: dict[str, Loaded]) -> list[Panel]:
    by_epoch, by_seconds = [], []
    for number, run in enumerate(runs):
        for column, values in runs[run].history.items():
            fit, _, what = column.rpartition("/")
            if what != "val_accuracy":
                continue
            values = [value for value in values if not np.isnan(value)]
            name = f"{run} {fit}".strip()
            by_epoch.append(Series(name, list(range(1, len(values) + 1)), values, color=number))
            seconds = runs[run].history.get(f"{fit}/seconds" if fit else "seconds")
            if seconds is not None:
                spent = np.nancumsum(seconds)[: len(values)].round(2).tolist()
                by_seconds.append(Series(name, spent, values, color=number))
    return [
        Panel(f"by {unit}", series, unit) for unit, series in (("epoch", by_epoch), ("seconds", by_seconds)) if series
    ]
