"""The lines at the bottom of a terminal that show what is waited for: one display for all of them, as rich needs it."""

import contextlib
import datetime
import sys
import time
from collections.abc import Iterator
from typing import Any

from rich.console import RenderableType
from rich.errors import LiveError
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

PATIENCE = 2.0  # seconds that may pass in silence
_REFRESH = 5  # times a second


def possible() -> bool:
    """Whether standard output is a terminal: elsewhere there are no such lines."""
    return sys.stdout.isatty()


class Line:
    """One of the lines: a title, a bar if there is a total, and the time left or, where it is not known, passed.

    It is there until it is closed, and leaves nothing behind. What is printed meanwhile appears above the lines.

    Args:
        title: what is waited for.
        total: how much there is to do; None where that is not known.
        after: seconds before it is there.
    """

    def __init__(self, title: str, total: float | None = None, after: float = 0.0):
        global _shown
        if _shown is None:
            title_column = TextColumn("{task.description}", markup=False)
            columns = (title_column, _Bar(bar_width=20), TextColumn("{task.fields[text]}", markup=False), _Time())
            # what goes to a file does so meanwhile
            options: dict[str, Any] = {"redirect_stderr": sys.stderr.isatty(), "refresh_per_second": _REFRESH}
            display = _Display(*columns, transient=True, **options)
            with contextlib.suppress(LiveError):  # the program that uses tfxfer has a display of its own
                display.start()
                _shown = display
        self._display = _shown
        self._task = None if _shown is None else _shown.add_task(title, total=total, text="", end=None, after=after)

    @property
    def task(self) -> Task | None:
        """What rich shows; None where another display has the terminal."""
        return next((task for task in self._display.tasks if task.id == self._task), None) if self._display else None

    def update(self, done: float, text: str = "", left: float | None = None) -> None:
        """Shows how much is done now.

        Args:
            done: how much of the total.
            text: what stands behind the bar.
            left: seconds that the rest will take, counted down until the next update; None where that is not known.
        """
        if self._display is not None and self._task is not None:
            end = None if left is None else time.monotonic() + left
            self._display.update(self._task, completed=done, text=text, end=end)

    def close(self) -> None:
        """Removes the line, and with the last one the display."""
        global _shown
        if self._display is None or self._task is None:
            return
        self._display.remove_task(self._task)
        if not self._display.tasks:
            self._display.stop()
            if _shown is self._display:
                _shown = None


@contextlib.contextmanager
def line(title: str, text: str = "", after: float = 0.0) -> Iterator[None]:
    """Within the block, or in a function that it decorates, a line shows what is waited for and the time that has
    passed, if standard output is a terminal.

    Args:
        title, after: as `Line` takes them.
        text: stands behind the title.
    """
    shown = Line(title, after=after) if possible() else None
    if shown:
        shown.update(0, text)
    try:
        yield
    finally:
        if shown:
            shown.close()


@contextlib.contextmanager
def hidden() -> Iterator[None]:
    """Within the block the lines are away, for a library that shows its own progress."""
    display = _shown
    if display is None:
        yield
        return
    display.stop()
    try:
        yield
    finally:
        display.start()


class _Display(Progress):
    def get_renderables(self) -> Iterator[RenderableType]:
        yield self.make_tasks_table([task for task in self.tasks if (task.elapsed or 0) >= task.fields["after"]])


_shown: _Display | None = None  # while there are lines


class _Bar(BarColumn):
    def render(self, task: Task):
        return Text() if task.total is None else super().render(task)  # a bar that only pulses says nothing


class _Time(ProgressColumn):
    def render(self, task: Task) -> Text:
        end = task.fields["end"]
        seconds = task.elapsed or 0 if end is None else max(0, end - time.monotonic())
        return Text(f"{datetime.timedelta(seconds=round(seconds))}{'' if end is None else ' left'}")
