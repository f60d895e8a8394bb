"""Reading a finished run back: `tfxfer.load`."""

import contextlib
import csv
import functools
import glob
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfxfer.core.errors import InputError, shown

if TYPE_CHECKING:
    import keras

    from tfxfer.features.bank import Bank


FILES = ("run.json", "dataset.json")
NAMES = "a finished run's folder or name, a recipe's name for its last run, or last"
_FACTS = ("recipe", "arguments", "started", "versions")


@dataclass(frozen=True)
class Loaded:
    """A finished run: facts (run.json and dataset.json), metrics, history (a list per column) and, when asked for,
    model and banks.

    Metrics that are not finite, null in metrics.json, are NaN.
    """

    dir: Path
    facts: dict[str, Any]
    metrics: dict[str, float]
    history: dict[str, list[float]]

    @property
    def model(self) -> "keras.Model":
        """The trained network, as `model.build` made it."""
        net = network(self.dir / "model.keras")
        net.classes = net.classes or self.facts["classes"]  # runs of version 0.1 have the names in run.json alone
        return net

    @functools.cached_property
    def files(self) -> dict[int, str]:
        """Files of images by id, relative to the data set's folder; nothing where images are not files."""
        from tfxfer.runs import image_files

        return image_files.read(self.dir)

    @functools.cached_property
    def banks(self) -> "dict[str, Bank]":
        """Feature banks by name, such as "before" and "after"."""
        from tfxfer.features.bank import Bank

        return {path.stem: Bank.load(path) for path in sorted((self.dir / "banks").glob("*.npz"))}


def latest(recipe: str, out: str | Path = "saved_models") -> Path:
    """The folder of a recipe's last finished run.

    Raises:
        InputError: no run of the recipe has finished.
    """
    home = Path(out).expanduser() / recipe
    if newest := _newest(home, "[0-9]*"):
        return newest
    raise InputError(f"{home} contains no finished run of {recipe}: run the recipe first, or give another out")


def find(run: str | Path, out: str | Path = "saved_models") -> Path:
    """Finds the folder of a run.

    Args:
        run: its path, its name, a recipe's name or folder for the last run of that recipe, or "last" for the last run
            of all. Anything else is returned as a path.
        out: where names are looked up.

    Raises:
        InputError: "last" where no run has finished, or something other than text or a path.
    """
    if not isinstance(run, str | os.PathLike) or not os.fspath(run):
        raise InputError(f"run {shown(run)}: expected {NAMES}")
    path, home, word = Path(os.path.expanduser(run)), Path(os.path.expanduser(out)), os.fspath(run)
    if word == "last":
        if newest := _newest(home, "*/[0-9]*"):
            return newest
        raise InputError(
            f"{home} contains no finished run: run a recipe first, go to the folder where one was run, or give a run's "
            "folder"
        )
    if os.path.exists(path / FILES[0]):
        return path
    named = word if os.sep not in word and word not in ("", ".", "..") else None
    places = [(path, "[0-9]*"), *([(home / named, "[0-9]*"), (home, f"*/{glob.escape(named)}")] if named else [])]
    return next((newest for place in places if (newest := _newest(*place))), path)


def _newest(folder: Path, pattern: str) -> Path | None:
    """The run finished last among the folders that fit."""
    with contextlib.suppress(OSError, ValueError):  # a name that cannot be a file's
        finished = [path for path in folder.glob(pattern) if (path / FILES[0]).exists()]
        return max(finished, key=lambda path: (path / FILES[0]).stat().st_mtime, default=None)
    return None


def network(path: str | Path) -> "keras.Model":
    """A network that was saved as `.keras`, as `model.load` loads it: model cards of version 0.1 name this function.

    Raises:
        InputError: it is not such a network, or it holds code (a Lambda layer), which is never run.
    """
    from tfxfer import model

    return model.load(path)


def divide(facts: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A run's facts, divided between its `FILES`: what people read, and what is long, which may be empty."""
    short = {name: value for name, value in facts.items() if name != "dataset"}
    long = dict(facts.get("dataset", {}))
    if unreadable := facts.get("data", {}).get("unreadable"):
        short["data"] = {name: value for name, value in facts["data"].items() if name != "unreadable"}
        long["unreadable"] = unreadable
    return short, long


def _joined(short: dict[str, Any], long: dict[str, Any]) -> dict[str, Any]:
    """Facts put together again, the reverse of `divide`."""
    unreadable = {"unreadable": long["unreadable"]} if "unreadable" in long else {}
    dataset = {name: value for name, value in long.items() if name != "unreadable"}
    facts = short | ({"dataset": dataset} if dataset else {})
    return facts | ({"data": facts["data"] | unreadable} if unreadable else {})


def load(run_dir: str | Path, out: str | Path = "saved_models") -> Loaded:
    """Reads a run's folder.

    Args:
        run_dir, out: as `find` takes them: a path, a name, a recipe's name, or "last".

    Raises:
        InputError: it is not a finished run.
    """
    folder = find(run_dir, out)
    try:
        facts, metrics = (json.loads((folder / name).read_text()) for name in ("run.json", "metrics.json"))
        if missing := [name for name in _FACTS if name not in facts]:
            raise ValueError(f"run.json lacks {', '.join(missing)}")
        if (folder / FILES[1]).exists():  # the first runs had everything in run.json
            facts = _joined(facts, json.loads((folder / FILES[1]).read_text()))
        metrics = {name: math.nan if value is None else float(value) for name, value in metrics.items()}
        with (folder / "history.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        history = {name: [float(row[name]) for row in rows] for name in rows[0] if name != "epoch"} if rows else {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, csv.Error) as error:
        raise InputError(f"{folder} is not a finished run ({error}): give {NAMES}") from None
    return Loaded(folder, facts, metrics, history)


def described(run_dir: str | Path, out: str | Path = "saved_models") -> Loaded:
    """Reads a run's folder as `load` does, if it names its data and classes.

    Raises:
        InputError: it is not a finished run, or it does not name its data.
    """
    run = load(run_dir, out)
    if missing := [name for name in ("data", "classes") if name not in run.facts]:
        raise InputError(f"{run.dir} is not a finished run (run.json lacks {', '.join(missing)}): give a recipe's run")
    return run
