"""Tables as text: for a terminal in bold and lines, for a pipe the same without them, each row on one line."""

import io
import re
import sys
from collections.abc import Collection, Iterable, Sequence

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def render(
    rows: Iterable[Sequence[object]], head: Sequence[str] = (), title: str = "", right: Collection[int] = ()
) -> str:
    """A table as text, as wide as it needs to be: a terminal that is narrower wraps its lines, and paths stay whole.

    Args:
        rows: of cells; control characters in them become spaces.
        head: names of the columns; empty for none.
        title: a line above the table.
        right: the columns, counted from 0, whose cells are aligned to the right.

    Returns:
        Lines without a line break at the end. Only where standard output is a terminal are they styled.
    """
    table = Table(box=box.SIMPLE_HEAD if head else None, show_header=bool(head), show_edge=False, pad_edge=False)
    cells = [[_clean(cell) for cell in row] for row in rows]
    for number in range(max(map(len, [head, *cells]), default=0)):
        title_of_column = _clean(head[number]) if head else ""
        table.add_column(title_of_column, justify="right" if number in right else "left", no_wrap=True)
    for row in cells:
        table.add_row(*row)
    terminal = sys.stdout.isatty()
    console = Console(file=io.StringIO(), width=10_000, force_terminal=terminal, force_jupyter=False)
    needed = Measurement.get(console, console.options, table).maximum
    with console.capture() as captured:
        if title:
            console.print(_clean(title), style="bold", width=10_000, no_wrap=True)
        console.print(table, width=max(needed, 1))
    lines = captured.get().split("\n")
    return _encodable("\n".join(line.rstrip() for line in lines).rstrip("\n"))


def _clean(cell: object) -> Text:
    return Text(_CONTROL.sub(" ", str(cell)))


def _encodable(text: str) -> str:
    """The text as standard output can write it: what its encoding lacks becomes an escape, and lines hyphens."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.replace("─", "-").encode(encoding, "backslashreplace").decode(encoding)
    return text
