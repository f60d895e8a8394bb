"""Where a run was made, recorded so that it can be repeated: machine, packages, and which tfxfer."""

import contextlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

MAIN = ("tfxfer", "tensorflow", "keras", "numpy", "scikit-learn")


def describe() -> dict[str, Any]:
    """The facts `machine`, `versions` of the most important packages and, for a checkout of tfxfer, `commit`."""
    facts = {
        "machine": {"system": platform.platform(), "cpus": os.cpu_count(), "python": platform.python_version()},
        "versions": {name: importlib.metadata.version(name) for name in MAIN},
    }
    checkout = commit()
    return facts | ({"commit": checkout} if checkout else {})


def requirements() -> str:
    """Every installed package, one per line as `pip install -r` reads them; tfxfer itself is a comment."""
    versions: dict[str, str] = {}
    for package in importlib.metadata.distributions():
        if name := package.metadata["Name"]:  # a half-removed package has none
            versions.setdefault(name, package.version)  # the first one on the path is the one that is imported
    own = f"# Python {platform.python_version()}, tfxfer {versions.pop('tfxfer', '')}"
    checkout = commit()
    lines = [f"{name}=={versions[name]}" for name in sorted(versions, key=str.lower)]
    return "\n".join([f"{own}{f', commit {checkout}' if checkout else ''}", *lines]) + "\n"


def commit(folder: Path = Path(__file__).parent) -> str | None:
    """The commit that a folder's files belong to, with "-dirty" appended if any has changed since.

    None where git cannot tell: it is not installed, or the folder is not part of a checkout but only inside one.
    """
    git = shutil.which("git")
    if git is None:
        return None
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}  # of a hook, say

    def ask(*words: str) -> str:
        done = subprocess.run(
            [git, "-C", str(folder), *words], capture_output=True, text=True, env=plain, timeout=30, check=True
        )
        return done.stdout.strip()

    with contextlib.suppress(OSError, subprocess.SubprocessError):
        ask("ls-files", "--error-unmatch", "__init__.py")
        return ask("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*") or None
    return None
