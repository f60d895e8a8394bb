"""The command `tfxfer runs`: a table of the finished runs in a folder."""

import os
from pathlib import Path

from tfxfer.core import text_table
from tfxfer.core.errors import InputError
from tfxfer.runs import loading, summary
from tfxfer.runs.loading import Loaded

HEAD = ("run", "recipe", "data", "backbone", "test accuracy", "started")
ORDERS = ("date", "accuracy", "recipe", "data", "backbone")


def listing(out: str | Path, sort: str = "date") -> str:
    """The finished runs below a folder, with test accuracy and its 95% interval; nothing but JSON is read.

    Args:
        out: the folder of the runs, `<out>/<recipe>/<time>`.
        sort: one of `ORDERS`: date, the last first; accuracy, the highest first; or a column, in the alphabet's order
            and by date. Runs that lack what is sorted by come last.

    Returns:
        The text to print. Below the table stand the folders that are not whole runs, if any.

    Raises:
        InputError: there is no finished run, or another order.
    """
    if sort not in ORDERS:
        raise InputError(f"sort {sort!r}: expected one of {', '.join(ORDERS)}")
    home = Path(os.path.expanduser(out))
    runs, broken = [], []
    for file in sorted(home.glob(f"*/[0-9]*/{loading.FILES[0]}"), key=lambda file: file.parent.name, reverse=True):
        try:
            runs.append(loading.load(file.parent))
        except InputError:
            broken.append(file.parent)
    if not runs:
        raise InputError(f"{home} contains no finished run: run a recipe first, or give another --out")
    if sort == "accuracy":
        runs.sort(key=lambda run: run.metrics.get("test/accuracy", -1.0), reverse=True)
    elif sort != "date":
        column = HEAD.index(sort)
        runs.sort(key=lambda run: (not cells(run)[column], cells(run)[column]))
    lines = [text_table.render(map(cells, runs), HEAD)]
    return "\n".join([*lines, *(f"not a whole run: {folder}" for folder in broken)])


def cells(run: Loaded) -> tuple[str, ...]:
    """A run's row, in the order of `HEAD`."""
    data = run.facts.get("data", {}).get("name") or run.facts["arguments"].get("dataset") or ""
    started = str(run.facts["started"])[:16].replace("T", " ")
    return run.dir.name, run.facts["recipe"], data, summary.network(run), summary.accuracy(run), started
