"""Runs side by side: which is better, how they differ, where they disagree, and every metric they share."""

import datetime
import html
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from tfxfer.core import atomic, text_table
from tfxfer.core.errors import InputError
from tfxfer.report import disagreements, page, run_decisions, seed_differences
from tfxfer.report.charts import Panel, Series
from tfxfer.report.sections import layer_similarity
from tfxfer.runs import loading, metric_names, summary
from tfxfer.runs.loading import Loaded

Table = list[tuple[str, ...]]

_RUNS = ("", "run", "recipe", "data", "network", "test images", "accuracy (95% interval)")
_NOT_OF_THE_RUN = ("out", "resume", "quiet")  # arguments that say nothing about what was done
_ASIDE = ("layers/", "deletion/", "sanity/", "data/", "scale/")  # metrics of checks and of the data


def compare(run_dirs: Sequence[str | Path], out: str | Path = "saved_models") -> tuple[Path, str]:
    """Compares finished runs, and writes `<out>/comparisons/<time>/report.html` with its figures as PNG.

    First come accuracies with their intervals, and for each pair whether one is better, by a test on the images that
    both were tested on; then arguments that differ, images on which they disagree (all of them in disagreements.csv),
    and the metrics that they share. Timings and checks are folded on the page, and not in the text.

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
    results = run_decisions.results(runs)
    decisions = run_decisions.sentences(list(runs), results)
    other = disagreements.find(runs)
    tables: dict[str, Table] = {
        "Arguments that differ": [("", *runs), *_arguments(runs)],
        "Differences on the same test images": [run_decisions.HEAD, *run_decisions.rows(results)],
    }
    if by_seed := seed_differences.rows(runs):
        tables["Differences of the same seeds"] = [seed_differences.HEAD, *by_seed]
    metrics: Table = [("", *runs), *_metrics(runs)]
    clustered = any(len(np.unique(bank.bases)) < len(bank) for run in runs.values() if (bank := run.banks.get("test")))
    remark = f"{_REMARK} {_CLUSTERED}" if clustered else _REMARK
    final = _free(Path(out).expanduser() / "comparisons" / datetime.datetime.now().strftime("%Y%m%d-%H%M%S"))
    with atomic.new(final) as folder:
        folder.mkdir()
        sections = [page.heading("Which is better?"), page.table(_RUNS, _facts(runs))]
        sections += [f'<p class="lead">{html.escape(sentence)}</p>' for sentence in decisions]
        for title, (head, *rows) in tables.items():
            sections += [page.heading(title), page.table(head, rows)] if rows else []
        sections += disagreements.sections(other, folder) if other else []
        sections += [page.heading("Metrics"), page.table(metrics[0], metrics[1:]), page.note(remark)]
        sections += _folded([("", *runs), *_metrics(runs, aside=True)])
        if panels := _curves(runs):
            chart = page.chart(folder / "figures", "curves", "Validation accuracy", panels)
            sections += [page.heading("Training"), chart]
        sections += layer_similarity.of_runs(runs, folder / "figures")
        (folder / "report.html").write_text(page.page(f"{len(runs)} runs compared", sections), encoding="utf-8")
    parts = [text_table.render(_facts(runs), _RUNS), "\n".join(decisions)]
    listed = {other.title: other.table()} if other else {}
    shown = tables | listed | {"Metrics": metrics}
    parts += [f"{title}\n{plain(rows)}" for title, rows in shown.items() if len(rows) > 1]
    return final / "report.html", "\n\n".join([*parts, remark])


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
    """A row for each run: its name, recipe, data, network, test images and accuracy."""
    return [
        (
            number,
            run.dir.name,
            run.facts["recipe"],
            run.facts["data"]["name"],
            summary.network(run),
            _test_images(run),
            summary.accuracy(run) or "-",
        )
        for number, run in runs.items()
    ]


def _arguments(runs: dict[str, Loaded]) -> Table:
    """Those arguments that differ between runs."""
    arguments = {name: run.facts["arguments"] for name, run in runs.items()}
    keys = dict.fromkeys(key for options in arguments.values() for key in options if key not in _NOT_OF_THE_RUN)
    differing = [key for key in keys if len({str(options.get(key)) for options in arguments.values()}) > 1]
    return [(key, *(str(options.get(key, "")) for options in arguments.values())) for key in differing]


def _metrics(runs: dict[str, Loaded], aside: bool = False) -> Table:
    """Metrics that at least two runs have; all metrics if no two runs share any.

    Args:
        aside: gives timings, checks and figures of the data, which are left out otherwise.
    """
    keys = dict.fromkeys(key for run in runs.values() for key in run.metrics)
    shared = [key for key in keys if sum(key in run.metrics for run in runs.values()) > 1]
    return [
        (key, *(_value(run.metrics, key) if key in run.metrics else "" for run in runs.values()))
        for key in _wanted(shared, aside) or _wanted(keys, aside)
        if not key.endswith(("_low", "_high", "_std"))
    ]


def _wanted(keys: Iterable[str], aside: bool) -> list[str]:
    return [key for key in keys if aside == (key.startswith(_ASIDE) or _of_time(key))]


def _of_time(key: str) -> bool:
    metric = metric_names.meaning(key)
    return metric is not None and metric.unit == "seconds"


def _folded(table: Table) -> list[str]:
    head, *rows = table
    if not rows:
        return []
    return [f"<details><summary>Timings, checks and data</summary>{page.table(head, rows)}</details>"]


def _value(metrics: dict[str, float], key: str) -> str:
    """A metric, with the ends of its interval where it has some, or its standard deviation over seeds."""
    mean = key.removesuffix("_mean")
    if f"{mean}_std" in metrics and (mean != key or f"{key}_mean" not in metrics):
        return f"{metrics[key]:.4g} ± {metrics[f'{mean}_std']:.4g}"
    ends = [f"{metrics[end]:.4g}" for end in (f"{key}_low", f"{key}_high") if end in metrics]
    return f"{metrics[key]:.4g}" + (f" ({' to '.join(ends)})" if ends else "")


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


def _test_images(run: Loaded) -> str:
    bank = run.banks.get("test")
    if bank is None:
        return f"{run.facts['data']['sizes']['test']:,}"
    return run_decisions.count(len(bank), len(np.unique(bank.bases)))


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
