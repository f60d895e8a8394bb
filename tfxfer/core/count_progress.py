"""What is shown while things such as images are gone through one by one: how many, how fast, and the time left."""

from rich.progress import MofNCompleteColumn, ProgressColumn, Task
from rich.text import Text

from tfxfer.core.byte_progress import ByteProgress


class CountProgress(ByteProgress):
    """Like `ByteProgress`, for a number of things: `update` takes how many are done.

    Args:
        title: what is waited for.
        total: how many things there are; None where that is not known.
        unit: what they are, in the plural.
    """

    def __init__(self, title: str, total: int | None = None, unit: str = "images"):
        super().__init__(title, total)
        self.unit = unit

    def _columns(self) -> tuple[ProgressColumn, ...]:
        return MofNCompleteColumn(), RateColumn(self.unit)

    def _amounts(self, done: int, rate: float) -> str:
        return f"{done:,}{f' of {self.total:,}' if self.total else ''} {self.unit}, {rate:,.0f} {self.unit}/s"


class RateColumn(ProgressColumn):
    """How many things per second, lately."""

    def __init__(self, unit: str):
        self.unit = unit
        super().__init__()

    def render(self, task: Task) -> Text:
        """The rate as text, empty before there is one."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {self.unit}/s" if speed else "", style="progress.data.speed")
