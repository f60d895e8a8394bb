"""What is shown of a run's phases: which of how many it is, and how long it takes."""

import contextlib
import time
from collections.abc import Iterator, Sequence

from tfxfer.core import live_lines


@contextlib.contextmanager
def announced(name: str, planned: Sequence[str]) -> Iterator[None]:
    """Announces a phase before the block, on a terminal by a line with the time that has passed, and says how long it
    took after it.

    Args:
        name: of the phase; underscores become spaces.
        planned: names of all phases in their order; one that is not among them has no number.
    """
    number = f"{planned.index(name) + 1} of {len(planned)}, " if name in planned else ""
    title = f"{number}{name.replace('_', ' ')}"
    started = time.perf_counter()
    if not live_lines.possible():
        print(f"{title} ...", flush=True)
    with live_lines.line(title):
        yield
    print(f"{title}: {time.perf_counter() - started:.1f} s", flush=True)
