"""What is shown while files are downloaded, checked or unpacked: bytes, rate and time left."""

import datetime
import time
from types import TracebackType

from tfxfer.core import live_lines
from tfxfer.core.live_lines import PATIENCE

INTERVAL = 30.0  # seconds between lines where there is no terminal


class ByteProgress:
    """Shows how far a wait has come once it has lasted two seconds: a bar on a terminal, elsewhere a line now and then.

    Args:
        title: what is waited for.
        total: bytes in all; None where that is not known.
    """

    def __init__(self, title: str, total: int | None = None):
        self.title, self.total = title, total
        self.bar: live_lines.Line | None = None

    def __enter__(self) -> "ByteProgress":
        self.started = time.monotonic()
        self.next = self.started + self._patience()
        return self

    def update(self, done: int) -> None:
        """Takes the number of bytes done so far."""
        now = time.monotonic()
        if self.bar is None and now < self.next:
            return
        rate = done / max(now - self.started, 1e-9)
        left = (self.total - done) / rate if self.total and rate else None
        if live_lines.possible():
            self.bar = self.bar or live_lines.Line(self.title, self.total)
            self.bar.update(done, self._amounts(done, rate), left)
        else:
            self.next = now + INTERVAL
            time_left = "" if left is None else f", {datetime.timedelta(seconds=round(left))} left"
            print(f"{self.title}: {self._amounts(done, rate)}{time_left}", flush=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar:
            self.bar.close()
            self.bar = None

    def _patience(self) -> float:
        """Seconds before anything is shown."""
        return PATIENCE

    def _amounts(self, done: int, rate: float) -> str:
        """What stands between the title or the bar and the time left."""
        return f"{done / 1e6:,.1f}{f' of {self.total / 1e6:,.1f}' if self.total else ''} MB, {rate / 1e6:,.2f} MB/s"
