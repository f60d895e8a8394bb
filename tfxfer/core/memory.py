"""How much memory is available: what the machine has free, or what a container or a job may still use of it."""

from collections.abc import Iterator
from pathlib import Path

import psutil

from tfxfer.core.errors import InputError

SHARE = 0.5  # of the available memory, that one thing may take without being asked to
_CGROUPS = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")
_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_V2 = ("memory.max", "memory.current", "inactive_file")


def available() -> int:
    """Bytes that this process can take without swapping and without being killed.

    The minimum of what the kernel has free and what each control group of this process has left: its limit minus its
    use, not counting file caches that can be dropped. Docker, Kubernetes and Slurm limit jobs this way, which the
    kernel's own figure does not show. https://docs.kernel.org/admin-guide/cgroup-v2.html#memory
    """
    return max(0, min([psutil.virtual_memory().available, *_left()]))


def room() -> float:
    """Bytes that may be taken by default: `SHARE` of the available memory."""
    return SHARE * available()


def fits(nbytes: int) -> bool:
    """Whether so many bytes may be taken by default."""
    return nbytes <= room()


def need(nbytes: float, what: str) -> None:
    """Refuses a computation that needs more memory than is available, before it starts.

    Args:
        nbytes: the least that it needs at its peak.
        what: its name, with the sizes that make it large.

    Raises:
        InputError: there is not enough memory.
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
