"""The report inside a notebook: a frame that holds the whole page, so that Jupyter and Colab need no file for it."""

import html
from dataclasses import dataclass
from pathlib import Path

from tfxfer.core.errors import InputError
from tfxfer.runs import loading


@dataclass(frozen=True)
class Frame:
    """A page to show in a notebook, as its last line or with `display`.

    Attributes:
        title: what it is, for readers of the screen.
        content: the HTML document.
        height: of the frame, in pixels.
    """

    title: str
    content: str
    height: int

    def _repr_html_(self) -> str:
        title, content = html.escape(self.title), html.escape(self.content)
        style = f"width: 100%; height: {self.height}px; border: 1px solid #8888"
        return f'<iframe title="{title}" style="{style}" srcdoc="{content}"></iframe>'


def inline(run: str | Path | loading.Loaded, height: int = 800) -> Frame:
    """Shows the report of a run in a notebook.

    Args:
        run: what `tfxfer.load` returns, or a run as it takes it.
        height: of the frame that the report is in, in pixels.

    Returns:
        A frame that Jupyter, Colab and VS Code show where it is the last line of a cell. It holds the whole page, as
        report.html has it, and so the notebook grows by the size of that file when it is saved.

    Raises:
        InputError: it is not a finished run, or it has no report.

    Example:
        >>> report.inline("last", height=600)  # doctest: +SKIP
    """
    loaded = run if isinstance(run, loading.Loaded) else loading.load(run)
    path = loaded.dir / "report.html"
    if not path.exists():
        raise InputError(f"{loaded.dir} has no report: tfxfer report {loaded.dir} writes it")
    page = path.read_text(encoding="utf-8")
    return Frame(f"Report of {loaded.facts['recipe']}", page, height)
