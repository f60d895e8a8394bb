"""A lock between processes: one does what all of them need, such as a download, while the others wait."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from tfxfer.core.byte_progress import ByteProgress

_POLL = 0.2  # seconds


@contextlib.contextmanager
def hold(path: Path, task: str, done: Callable[[], int] = lambda: 0) -> Iterator[None]:
    """Within the block no other process holds the same lock. Until then it waits, and shows so after two seconds.

    It holds between the processes of a machine, and on shared disks that support flock. Where there are no such locks
    (Windows, some network disks) or the file cannot be written, nothing is locked. The lock ends with the process.

    Args:
        path: a file that stands for the lock; it is made, and removed at the end. Missing folders are made.
        task: what the lock is held for, such as "download weights.h5".
        done: returns how many bytes of it another process has done.
    """
    file = _take(path, task, done)
    try:
        yield
    finally:
        if file is not None:
            path.unlink(missing_ok=True)  # while it is locked, so that it is this process's own
            file.close()


def _take(path: Path, task: str, done: Callable[[], int]) -> TextIO | None:
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    with ByteProgress(f"waiting for another process to {task}") as shown:
        while True:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                file = path.open("a")
            except OSError:  # whoever writes beside it will say so
                return None
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                shown.update(done())
                time.sleep(_POLL)
                continue
            except OSError:  # no locks on this disk
                file.close()
                return None
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    return file
            file.close()  # the one before removed the file after it had been opened here
