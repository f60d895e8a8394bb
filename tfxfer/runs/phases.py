"""What is shown of a run's phases: which of how many it is, and how long it takes."""

import contextlib
import datetime
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfxfer.core import live_lines

_PAST = 20  # runs that are looked at, the newest
_ALIKE = ("seed", "seeds", "out", "resume", "quiet")  # arguments on which times do not depend


def last_time(name: str, home: Path, arguments: Mapping[str, Any]) -> float | None:
    """Seconds that a phase took in the last finished run with the same arguments; None where there is none.

    Args:
        name: of the phase.
        home: the folder of the recipe's runs.
        arguments: those of the run, except for its seed and where it is written.
    """

    def compared(values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if name not in _ALIKE}

    for file in sorted(home.glob("[0-9]*/run.json"), reverse=True)[:_PAST]:
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
            facts = json.loads(file.read_text(encoding="utf-8"))
            if compared(facts["arguments"]) == compared(arguments):
                return float(facts["timings"][f"seconds/{name}"])
    return None


@contextlib.contextmanager
def announced(name: str, planned: Sequence[str], expected: float | None = None) -> Iterator[None]:
    """Announces a phase before the block, on a terminal by a line with the time that has passed, and says how long it
    took after it.

    Args:
        name: of the phase; underscores become spaces.
        planned: names of all phases in their order; one that is not among them has no number.
        expected: seconds that it took the last time.
    """
    number = f"{planned.index(name) + 1} of {len(planned)}, " if name in planned else ""
    title = f"{number}{name.replace('_', ' ')}"
    started = time.perf_counter()
    if not live_lines.possible():
        print(f"{title} ...", flush=True)
    last = "" if expected is None else f"last time {datetime.timedelta(seconds=round(expected))}"
    with live_lines.line(title, last):
        yield
    print(f"{title}: {time.perf_counter() - started:.1f} s", flush=True)
