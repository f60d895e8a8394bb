"""How much memory there is to take: what the machine has free, or what a container or a job may still use of it."""

from collections.abc import Iterator
from pathlib import Path

import psutil

from tfxfer.core.errors import InputError

SHARE = 0.5  # of what is available, that one thing may take unasked
_CGROUPS = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")
_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_V2 = ("memory.max", "memory.current", "inactive_file")


def available() -> int:
    """Bytes that can be taken without swapping and without being killed for it.

    The least of what the kernel has free and what each control group that this process is in has left: its limit, less
    what is used, but for files read that can be dropped. Docker, Kubernetes and Slurm limit jobs so; the kernel's own
    figure knows nothing of it. https://docs.kernel.org/admin-guide/cgroup-v2.html#memory
    """
    return max(0, min([psutil.virtual_memory().available, *_left()]))


def room() -> float:
    """Bytes that may be taken unasked: `SHARE` of what is available."""
    return SHARE * available()


def fits(nbytes: int) -> bool:
    """Whether so many bytes may be taken unasked."""
    return nbytes <= room()


def need(nbytes: float, what: str) -> None:
    """Refuses, before it is begun, what takes more memory than there is.

    Args:
        nbytes: what it takes at least, at its peak.
        what: names it, with the sizes that make it large.

    Raises:
        InputError: there is not so much.
    """
    if nbytes > (free := available()):
        raise InputError(
            f"{what} needs {nbytes / 1e9:,.1f} GB of memory, and {free / 1e9:,.1f} GB are free: use fewer features (a "
            "smaller image_size, a network's embedding instead of pixels or scattering) or fewer images (limit)"
        )


def _left() -> Iterator[int]:
    try:
        lines = _CGROUPS.read_text().splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            home, names = (_MOUNT / "memory", _V1) if controllers else (_MOUNT, _V2)
            own = Path(path.lstrip("/"))
            for group in (own, *own.parents):  # in a container the group's own path may not be mounted, but its root is
                yield from _left_of(home / group, *names)


def _left_of(group: Path, limit: str, used: str, droppable: str) -> Iterator[int]:
    try:
        most, now = (int((group / name).read_text()) for name in (limit, used))
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        yield most - now + int(stat.get(droppable, 0))
    except (OSError, ValueError):  # there is none, or "max"
        return
