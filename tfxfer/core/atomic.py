"""Files and folders that are complete or absent: written beside their place under a name that starts with `.partial-`,
then renamed. The name holds host and process, so that `sweep` can remove what a killed process left."""

import contextlib
import errno
import os
import platform
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from tfxfer.core.errors import InputError

_KEYED = re.compile(r"\.partial-[0-9a-f]{64}-(.*)-(\d+)-[0-9a-f]{8}")  # a cache entry's key, host, process, random
_FILE = re.compile(r"\.partial-(.*?)-(\d+)-[0-9a-f]{8}-.+")  # host, process, random, the file's name
_WEEK = 7 * 24 * 3600
TAKEN = {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EISDIR}  # os.replace where the name is taken
ADVICE = "choose another folder"
_in_use: set[str] = set()  # names of the partial files and folders that this process is writing


@contextlib.contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Yields a path in the same folder, at which a file or folder can be prepared.

    The caller renames it; whatever is still there when the block ends is removed.
    """
    partial = _name(path)
    _in_use.add(partial.name)
    try:
        yield partial
    finally:
        _in_use.discard(partial.name)
        _remove(partial)


@contextlib.contextmanager
def file(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yields a path at which to write a file, which gets its own name, replacing another, when the block ends.

    After an error nothing is left of it. The path ends with the file's name, so that its suffix is the file's. Missing
    folders are made, and files of this kind that a killed process left in the folder are removed.

    Args:
        durable: waits until the content is on the disk before it gets its name: it survives a power failure.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(".partial-*"):
        if not left.is_dir():
            _sweep(left, _FILE)
    partial = path.with_name(f".partial-{host()}-{os.getpid()}-{uuid.uuid4().hex[:8]}-{path.name}")
    _in_use.add(partial.name)
    try:
        yield partial
        if durable:
            sync(partial)
        os.replace(partial, path)
    finally:
        _in_use.discard(partial.name)
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def workspace(path: Path, advice: str = ADVICE) -> Iterator[Path]:
    """Yields a new folder beside a path, removed when the block ends, for preparing what will get that path's name.

    Missing folders above it are made, and removed again if they are empty at the end.

    Args:
        path: what is to be made.
        advice: what to do if that is not possible; it ends the error message.

    Raises:
        InputError: the folder cannot be made.
    """
    missing = [folder for folder in path.parents if not folder.exists()]
    try:
        with beside(path) as folder:
            try:
                folder.parent.mkdir(parents=True, exist_ok=True)
                folder.mkdir()
            except OSError as error:
                raise InputError(f"cannot write {path} ({error.strerror}): {advice}") from None
            yield folder
    finally:
        for folder in missing:
            with contextlib.suppress(OSError):  # it holds something, or was never made
                folder.rmdir()


@contextlib.contextmanager
def new(path: Path, advice: str = ADVICE) -> Iterator[Path]:
    """Yields a path in a `workspace` with the same last part: what is made there becomes `path` when the block ends.

    Nothing is left after an error, and nothing is overwritten. Arguments as of `workspace`.

    Raises:
        InputError: `path` exists already, at the start or at the end, or cannot be written.
    """
    taken = InputError(f"{path} exists: {advice}, or move it away")
    if os.path.lexists(path):
        raise taken
    with workspace(path, advice) as folder:
        yield folder / path.name
        try:
            os.replace(folder / path.name, path)
        except OSError as error:
            raise taken if error.errno in TAKEN else error from None


def drop(folder: Path) -> bool:
    """Removes a folder, renamed first so that no other process opens half of it; returns whether it is gone.

    On Linux and macOS a process that has its files mapped keeps their content.
    """
    partial = _name(folder)
    try:
        os.replace(folder, partial)
    except OSError:
        return False
    _remove(partial)
    return True


def sweep(root: Path) -> None:
    """Removes the cache's partial folders whose process is gone; another host's after a week without a change."""
    for path in root.glob(".partial-*"):
        _sweep(path, _KEYED)


def _sweep(path: Path, pattern: re.Pattern) -> None:
    match = pattern.fullmatch(path.name)
    if match is None or path.name in _in_use or path.is_symlink():
        return
    with contextlib.suppress(OSError):
        members = path.iterdir() if path.is_dir() else ()
        changed = max(member.stat().st_mtime for member in (path, *members))
        if not _alive(int(match[2])) if match[1] == host() else time.time() - changed > _WEEK:
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def size(root: Path) -> int:
    """Bytes of the files in the cache's partial folders."""
    total = 0
    for path in root.glob(".partial-*"):
        with contextlib.suppress(OSError):  # it may go away meanwhile
            total += sum(member.lstat().st_size for member in path.iterdir()) if _KEYED.fullmatch(path.name) else 0
    return total


def sync(path: Path) -> None:
    """Waits until a file's content, or a folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def host() -> str:
    """Where process numbers have a meaning: the machine and, on Linux, the container on it."""
    try:
        return f"{platform.node()}-{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return platform.node()


def _name(path: Path) -> Path:
    return path.with_name(f".partial-{path.name}-{host()}-{os.getpid()}-{uuid.uuid4().hex[:8]}")


def _alive(process: int) -> bool:
    """Whether another process of this number runs; what this process itself is writing is in `_in_use`."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return process != os.getpid()
