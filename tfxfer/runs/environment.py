"""What a run has to say of where it was made, so that it can be made again: machine, packages, and which tfxfer."""

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
    """The facts `machine`, `versions` of the packages that matter most and, of a checkout of tfxfer, `commit`."""
    facts = {
        "machine": {"system": platform.platform(), "cpus": os.cpu_count(), "python": platform.python_version()},
        "versions": {name: importlib.metadata.version(name) for name in MAIN},
    }
    found = commit()
    return facts | ({"commit": found} if found else {})


def requirements() -> str:
    """Every installed package, a line each as `pip install -r` takes it, but for tfxfer, which is a comment."""
    found = {}
    for package in importlib.metadata.distributions():
        if name := package.metadata["Name"]:  # what is installed by halves has none
            found.setdefault(name, package.version)  # the first one on the path is the one that is imported
    own = f"# Python {platform.python_version()}, tfxfer {found.pop('tfxfer', '')}"
    known = commit()
    lines = [f"{name}=={found[name]}" for name in sorted(found, key=str.lower)]
    return "\n".join([f"{own}{f', commit {known}' if known else ''}", *lines]) + "\n"


def commit(folder: Path = Path(__file__).parent) -> str | None:
    """The commit that a folder's files are of, with "-dirty" behind it if any were changed since; None where git does
    not know them: it is not there, or the folder is not part of a checkout, only inside one."""
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
