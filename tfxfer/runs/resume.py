"""Continuing an interrupted run: finding its partial folder, its arguments, and locking it."""

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

from tfxfer.core.errors import InputError

ARGUMENTS = "arguments.json"
KEPT = {ARGUMENTS, "checkpoints", "logs"}  # what a resumed run continues from


def find(out: str | Path, recipe: str, which: str) -> Path:
    """Finds the partial folder of a run.

    Args:
        which: its path, its name, or "last".

    Raises:
        InputError: there is no such folder, the run is finished, or it belongs to another recipe.
    """
    home = Path(out).expanduser() / recipe
    started = (path for path in home.glob(f".partial-*/{ARGUMENTS}") if path.stat().st_size)  # empty: killed at once
    partial = sorted(path.parent for path in started)
    if which == "last":
        if not partial:
            raise InputError(f"no unfinished run in {home}: start one without --resume")
        return partial[-1]
    path = Path(which).expanduser().absolute()
    for folder in (path, home / which, home / f".partial-{which}", path.parent / f".partial-{path.name}"):
        if (folder / "run.json").is_file() and not folder.name.startswith(".partial-"):
            raise InputError(f"{folder} is finished: there is nothing to resume")
        if (folder / ARGUMENTS).is_file() and folder.name.startswith(".partial-"):
            if (owner := arguments(folder).get("recipe", folder.resolve().parent.name)) != recipe:
                raise InputError(f"{folder} is a run of {owner}, not of {recipe}: continue it with tfxfer {owner}")
            return folder
    names = ", ".join(folder.name.removeprefix(".partial-") for folder in partial) or "none"
    raise InputError(f"no unfinished run {which}: expected one of those in {home} ({names}), a path, or last")


def arguments(folder: Path) -> dict[str, Any]:
    """The arguments that a partial run was started with."""
    try:
        return dict(json.loads((folder / ARGUMENTS).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{folder} cannot be resumed ({error}): start a new run") from None


def take(folder: Path, options: dict[str, Any]) -> contextlib.ExitStack:
    """Locks a partial folder until the returned stack is closed or the process ends, and removes from it what a resumed
    run writes again.

    Raises:
        InputError: another process is working on it.
    """
    stack = contextlib.ExitStack()
    fresh = not (folder / ARGUMENTS).exists()
    file = stack.enter_context((folder / ARGUMENTS).open("a"))
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:  # Windows
        pass
    except OSError:
        stack.close()
        raise InputError(f"{folder} is in use by another process: wait for it, or start a new run") from None
    if fresh:
        json.dump(options, file)
        file.flush()
        return stack
    for path in folder.iterdir():
        if path.name not in KEPT:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return stack
