"""Files and folders in the making, beside their place, and folders on their way out: named by host and process, and
swept when those died."""

import contextlib
import os
import platform
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

_NAME = re.compile(r"\.partial-[0-9a-f]{64}-(.*)-(\d+)-[0-9a-f]{8}")  # key, host, process, any
_WEEK = 7 * 24 * 3600
_writing: set[str] = set()  # names of this process's


@contextlib.contextmanager
def beside(folder: Path) -> Iterator[Path]:
    """A path beside the folder to make it at; what is there when the block is left is removed."""
    path = _name(folder)
    _writing.add(path.name)
    try:
        yield path
    finally:
        _writing.discard(path.name)
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def file(path: Path) -> Iterator[Path]:
    """A path beside a file to write it at; it has the file's name when the block ends, or is removed after an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".partial-{os.getpid()}-{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def drop(folder: Path) -> bool:
    """Removes a folder, renamed first so that nobody opens half of it; whether it is gone.

    On Linux and macOS a process that has it mapped keeps its data.
    """
    path = _name(folder)
    try:
        os.replace(folder, path)
    except OSError:
        return False
    shutil.rmtree(path, ignore_errors=True)
    return True


def sweep(root: Path) -> None:
    """Removes partial folders whose process is gone; another host's, once nothing was written for a week."""
    for path in root.glob(".partial-*"):
        match = _NAME.fullmatch(path.name)
        if match is None or path.name in _writing or path.is_symlink():
            continue
        with contextlib.suppress(OSError):
            written = max(file.stat().st_mtime for file in (path, *path.iterdir()))
            if not _alive(int(match[2])) if match[1] == host() else time.time() - written > _WEEK:
                shutil.rmtree(path, ignore_errors=True)


def size(root: Path) -> int:
    """Bytes of the files in partial folders."""
    total = 0
    for path in root.glob(".partial-*"):
        with contextlib.suppress(OSError):  # it ends meanwhile
            total += sum(file.lstat().st_size for file in path.iterdir()) if _NAME.fullmatch(path.name) else 0
    return total


def host() -> str:
    """Where numbers of processes mean something: the machine and, on Linux, the container on it."""
    try:
        return f"{platform.node()}-{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return platform.node()


def _name(folder: Path) -> Path:
    return folder.with_name(f".partial-{folder.name}-{host()}-{os.getpid()}-{uuid.uuid4().hex[:8]}")


def _alive(process: int) -> bool:
    """Whether another process of this number runs; what this one writes is in `_writing`."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return process != os.getpid()
