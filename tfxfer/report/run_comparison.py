"""Runs side by side: what differs, every metric they share, curves, and which differences could be chance."""

import datetime
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfxfer.analysis import paired
from tfxfer.core import atomic
from tfxfer.core.errors import InputError
from tfxfer.report import page, same_images, seed_differences
from tfxfer.report.charts import Panel, Series
from tfxfer.report.sections import examples, layer_similarity
from tfxfer.runs import loading
from tfxfer.runs.loading import Loaded

Table = list[tuple[str, ...]]


def compare(run_dirs: Sequence[str | Path], out: str | Path = "saved_models") -> tuple[Path, str]:
    """Compares finished runs, and writes `<out>/comparisons/<time>/report.html` with its figures as PNG.

    Args:
        run_dirs: at least two finished runs, as `tfxfer.load` takes them; names are looked for in `out`.
        out: the folder of the runs.

    Returns:
        Path of report.html, and its tables as text.

    Raises:
        InputError: fewer than two runs, the same run twice, or a run that is not finished.
    """
    paths = [loading.find(folder, out).resolve() for folder in run_dirs]
    if len(paths) < 2 or len(set(paths)) < len(paths):
        raise InputError(f"{len(paths)} runs, {len(set(paths))} different ones: expected at least two, each once")
    runs = {str(number): loading.described(path) for number, path in enumerate(paths, start=1)}
    tables = {
        "Runs": [("", *runs), *_facts(runs)],
        "Metrics": [("", *runs), *_metrics(runs)],
        "Differences on the same test images": [_HEAD, *_differences(runs)],
    }
    if by_seed := seed_differences.rows(runs):
        tables["Differences of the same seeds"] = [seed_differences.HEAD, *by_seed]
    sections = [page.heading(title) + page.table(head, rows) for title, (head, *rows) in tables.items()]
    clustered = any(len(np.unique(bank.bases)) < len(bank) for run in runs.values() if (bank := run.banks.get("test")))
    remark = f"{_REMARK} {_CLUSTERED}" if clustered else _REMARK
    sections.append(page.note(remark))
    final = _free(Path(out).expanduser() / "comparisons" / datetime.datetime.now().strftime("%Y%m%d-%H%M%S"))
    with atomic.new(final) as folder:
        folder.mkdir()
        if panels := _curves(runs):
            chart = page.chart(folder / "figures", "curves", "Validation accuracy", panels)
            sections += [page.heading("Training"), chart]
        sections += layer_similarity.of_runs(runs, folder / "figures")
        (folder / "report.html").write_text(page.page(f"{len(runs)} runs compared", sections), encoding="utf-8")
    text = "\n\n".join(f"{title}\n{plain(rows)}" for title, rows in tables.items())
    return final / "report.html", f"{text}\n\n{remark}"


def _free(path: Path) -> Path:
    """The path, or if it is taken the first of path-1, path-2, ... that is free."""
    names = (path.with_name(f"{path.name}-{number}") for number in itertools.count(1))
    return path if not path.exists() else next(name for name in names if not name.exists())


def plain(rows: Table) -> str:
    """Rows of cells as aligned text: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ([name.ljust(widths[0]), *(c.rjust(w) for c, w in zip(cells, widths[1:]))] for name, *cells in rows)
    return "\n".join("  ".join(line).rstrip() for line in lines)


def _facts(runs: dict[str, Loaded]) -> Table:
    """Recipe, time, data, and those arguments that differ between runs."""
    arguments = {name: run.facts["arguments"] for name, run in runs.items()}
    keys = dict.fromkeys(key for options in arguments.values() for key in options)
    differing = [key for key in keys if len({str(options.get(key)) for options in arguments.values()}) > 1]
    common = {
        "recipe": lambda run: run.facts["recipe"],
        "run": lambda run: run.dir.name,
        "data": lambda run: run.facts["data"]["name"],
        "test images": _test_images,
    }
    rows = [(title, *(fact(run) for run in runs.values())) for title, fact in common.items()]
    return rows + [(key, *(str(options.get(key, "")) for options in arguments.values())) for key in differing]


def _metrics(runs: dict[str, Loaded]) -> Table:
    """Metrics that at least two runs have; all metrics if no two runs share any."""
    keys = dict.fromkeys(key for run in runs.values() for key in run.metrics if not key.startswith("layers/"))
    shared = [key for key in keys if sum(key in run.metrics for run in runs.values()) > 1]
    return [
        (key, *(_value(run.metrics, key) if key in run.metrics else "" for run in runs.values()))
        for key in shared or keys
        if not key.endswith(("_low", "_high", "_std"))
    ]


def _value(metrics: dict[str, float], key: str) -> str:
    """A metric, with the ends of its interval where it has some, or its standard deviation over seeds."""
    mean = key.removesuffix("_mean")
    if f"{mean}_std" in metrics and (mean != key or f"{key}_mean" not in metrics):
        return f"{metrics[key]:.4g} ± {metrics[f'{mean}_std']:.4g}"
    ends = [f"{metrics[end]:.4g}" for end in (f"{key}_low", f"{key}_high") if end in metrics]
    return f"{metrics[key]:.4g}" + (f" ({' to '.join(ends)})" if ends else "")


_HEAD = ("runs", "images", "first", "second", "only first", "only second", "difference", "95% interval", "p", "Holm")
_FORMAT = (
    "{images}|{first_accuracy:.4f}|{second_accuracy:.4f}|{only_first:,}|{only_second:,}|{difference:+.4f}|"
    "{low:+.4f} to {high:+.4f}|{p:.2g}|{holm:.2g}"
)
_REMARK = (
    "Difference: accuracy of the second run minus that of the first, on the test images that both have. Only first, "
    "only second: images that only this run classifies correctly. p: McNemar's exact test. Holm: p adjusted for the "
    "number of pairs. The 95% interval of a metric is in brackets after it (of an accuracy, Wilson's); ± is the "
    "standard deviation over the seeds of a run."
)
_CLUSTERED = (
    "n of m images: n corrupted versions of m base images. Versions of one image are mostly right or wrong together: "
    "intervals are clustered by base image, and p is from an exact sign-flip test over base images, not McNemar's."
)


def _differences(runs: dict[str, Loaded]) -> Table:
    """One row for every pair of runs with predictions for the same images."""
    results = {}
    for (number, first), (other, second) in itertools.combinations(runs.items(), 2):
        if (both := _shared(first, second)) is not None:
            results[f"{number}, {other}"] = paired.difference(*both)
    adjusted = paired.holm([result["p"] for result in results.values()])
    return [
        (pair, *_FORMAT.format(**result, images=_count(result["n"], result["clusters"]), holm=holm).split("|"))
        for (pair, result), holm in zip(results.items(), adjusted)
    ]


def _count(images: float, bases: float) -> str:
    return f"{images:,}" if images == bases else f"{images:,} of {bases:,}"


def _test_images(run: Loaded) -> str:
    bank = run.banks.get("test")
    return f"{run.facts['data']['sizes']['test']:,}" if bank is None else _count(len(bank), len(np.unique(bank.bases)))


def _shared(first: Loaded, second: Loaded) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Results on the test images that both runs have; None if there are none, or if the data are not the same.

    Returns:
        Whether each run is right, bool (n,) both, and ids of the images that these were made from, int64 (n,).
    """
    if (rows := same_images.rows(first, second, "test")) is None:
        return None
    (a, b), bank, other = rows, first.banks["test"], second.banks["test"]
    right, other_right = (examples.probabilities(each).argmax(1) == each.labels for each in (bank, other))
    return right[a], other_right[b], bank.bases[a]


def _curves(runs: dict[str, Loaded]) -> list[Panel]:
    """Validation accuracy of every fit of every run, by epoch and, where times are known, by seconds."""
    by_epoch, by_seconds = [], []
    for number, (name, run) in enumerate(runs.items()):
        for column, values in run.history.items():
            fit, _, metric = column.rpartition("/")
            if metric != "val_accuracy":
                continue
            accuracy = [value for value in values if not np.isnan(value)]
            title = f"{name} {fit}".strip()
            by_epoch.append(Series(title, list(range(1, len(accuracy) + 1)), accuracy, color=number))
            seconds = run.history.get(f"{fit}/seconds" if fit else "seconds")
            if seconds is not None:
                spent = np.nancumsum(seconds)[: len(accuracy)].round(2).tolist()
                by_seconds.append(Series(title, spent, accuracy, color=number))
    return [
        Panel(f"by {unit}", series, unit) for unit, series in (("epoch", by_epoch), ("seconds", by_seconds)) if series
    ]
