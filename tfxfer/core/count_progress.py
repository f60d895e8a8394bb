"""What is shown while things such as images are gone through one by one: how many, how fast, and the time left."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from tfxfer.core import byte_progress, live_lines
from tfxfer.core.byte_progress import ByteProgress

_T = TypeVar("_T")


class CountProgress(ByteProgress):
    """Like `ByteProgress`, for a number of things: `update` takes how many are done.

    Args:
        title: what is waited for.
        total: how many things there are; None where that is not known.
        unit: what they are, in the plural.
        terse: where there is no terminal, whether half a minute may pass in silence in place of two seconds.
    """

    def __init__(self, title: str, total: int | None = None, unit: str = "images", terse: bool = False):
        super().__init__(title, total)
        self.unit, self.terse = unit, terse

    def _patience(self) -> float:
        return byte_progress.INTERVAL if self.terse and not live_lines.possible() else byte_progress.PATIENCE

    def _amounts(self, done: int, rate: float) -> str:
        count = f"{done:,}{f' of {self.total:,}' if self.total else ''} {self.unit}"
        return f"{count}, {rate:,.0f} {self.unit}/s" if rate >= 1 else count


def track(
    things: Iterable[_T], title: str, total: int | None = None, unit: str = "images", each: int = 1
) -> Iterator[_T]:
    """Yields things one after another and shows how far that is, by `CountProgress`, which is terse.

    Args:
        things: such as batches.
        title: what is waited for.
        total: how many units there are; None where that is not known.
        unit: what is counted, in the plural.
        each: how many of them one thing is, such as the images in a batch; the last may be fewer.
    """
    with CountProgress(title, total, unit, terse=True) as shown:
        for number, thing in enumerate(things):
            shown.update(number * each)
            yield thing
