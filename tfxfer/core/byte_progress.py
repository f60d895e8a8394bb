"""What is shown while files are downloaded, checked or unpacked: bytes, rate and time left."""

import datetime
import sys
import time
from types import TracebackType

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

PATIENCE = 2.0  # seconds that may pass in silence
INTERVAL = 30.0  # seconds between lines where there is no terminal


class ByteProgress:
    """Shows how far a wait has come once it has lasted two seconds: a bar on a terminal, elsewhere a line now and then.

    Args:
        title: what is waited for.
        total: bytes in all; None where that is not known.
    """

    def __init__(self, title: str, total: int | None = None):
        self.title, self.total = title, total
        self.bar: Progress | None = None

    def __enter__(self) -> "ByteProgress":
        self.started = time.monotonic()
        self.next = self.started + PATIENCE
        return self

    def update(self, done: int) -> None:
        """Takes the number of bytes done so far."""
        now = time.monotonic()
        if self.bar:
            self.bar.update(self.task, completed=done)
        elif now >= self.next:
            self.next = now + INTERVAL
            if sys.stdout.isatty():
                self._open(done)
            else:
                print(self._line(done, now - self.started), flush=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar:
            self.bar.stop()

    def _open(self, done: int) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), *self._columns(), TimeRemainingColumn())
        self.bar = Progress(*columns, transient=True)
        self.task = self.bar.add_task(self.title, total=self.total, completed=done)
        self.bar.start()

    def _columns(self) -> tuple[ProgressColumn, ...]:
        """What a bar shows between itself and the time left."""
        return DownloadColumn(), TransferSpeedColumn()

    def _amounts(self, done: int, rate: float) -> str:
        """What a line shows between the title and the time left."""
        return f"{done / 1e6:,.1f}{f' of {self.total / 1e6:,.1f}' if self.total else ''} MB, {rate / 1e6:,.2f} MB/s"

    def _line(self, done: int, seconds: float) -> str:
        rate = done / seconds
        line = f"{self.title}: {self._amounts(done, rate)}"
        if self.total and rate:
            line += f", {datetime.timedelta(seconds=round((self.total - done) / rate))} left"
        return line
