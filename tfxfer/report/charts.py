"""A chart described once and drawn twice: in `paper_charts` by matplotlib, in `plotly_charts` for the page."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from html import escape

import matplotlib
import numpy as np
from matplotlib.colors import to_hex

from tfxfer.report import fonts

# Each line has a dash and a marker of its own, so that it can be told from others without its colour.
DASHES = (
    ("-", "solid", ""),
    ((0, (5, 2)), "dash", "7 3"),
    ("-.", "dashdot", "7 3 2 3"),
    ((0, (9, 3)), "longdash", "12 4"),
)
"""Of lines: for matplotlib, for plotly, and for SVG."""
MARKERS = (
    ("o", "circle", "●"),
    ("s", "square", "■"),
    ("^", "triangle-up", "▲"),
    ("D", "diamond", "◆"),
    ("v", "triangle-down", "▼"),
    ("P", "cross", "✚"),
    ("X", "x", "✖"),
    ("*", "star", "★"),
)
"""Of points: for matplotlib, for plotly, and as a character."""
HATCHES = (("", ""), ("///", "/"), ("...", "."), ("xxx", "x"), ("\\\\\\", "\\"), ("---", "-"))
"""Of bars: for matplotlib and for plotly."""

# as matplotlib's tab10, but each at a contrast of 3 or more with white and with the dark page
_PALETTE = (
    "#1f77b4",
    "#d06a00",
    "#2a9a2a",
    "#d83a3b",
    "#9467bd",
    "#a0634f",
    "#d05aa8",
    "#7f7f7f",
    "#8c8c1a",
    "#0f95a5",
)


@dataclass(frozen=True)
class Series:
    """Values y over x.

    Attributes:
        name: for the legend; empty for none.
        x: numbers or names.
        y: as many numbers; NaN leaves a gap.
        kind: "line", "line+markers", "dotted", "markers", or "bars", which stand side by side with those of other
            series.
        color: a place in the palette, or a colour; by default its place among the series.
        text: says what each marker is, when one points at it.
        size: area of each marker, as a share of the largest, in [0, 1].
        band: lowest and highest value at each x, between which there is a light band.
    """

    name: str
    x: Sequence
    y: Sequence[float]
    kind: str = "line+markers"
    color: int | str | None = None
    text: Sequence[str] = ()
    size: Sequence[float] = ()
    band: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True)
class Panel:
    """Series that share two axes.

    Attributes:
        x, y: labels of the axes.
        log: names of the logarithmic axes: "", "x", "y" or "xy".
        marks: vertical lines, x -> what is there.
        span: lowest and highest y.
        least: the height of the y axis is at least this, so that chance does not look like a trend; of a logarithmic
            axis, the highest value over the lowest.
    """

    title: str
    series: Sequence[Series]
    x: str = ""
    y: str = ""
    log: str = ""
    marks: dict[float, str] = field(default_factory=dict)
    span: tuple[float, float] | None = None
    least: float = 0.0


@dataclass(frozen=True)
class Heat:
    """A map of values.

    Attributes:
        values: float (rows, columns).
        rows, columns: their names.
        text: what stands in each cell, (rows, columns).
        low, high: values at the ends of the colour scale.
        scale: a colour map that both libraries know.
        x, y: labels of the axes.
        buttons: each cell shows its images when it is pressed (of a confusion matrix).
    """

    title: str
    values: np.ndarray
    _: KW_ONLY
    rows: Sequence[str]
    columns: Sequence[str]
    text: np.ndarray
    low: float
    high: float
    scale: str
    x: str = ""
    y: str = ""
    buttons: bool = False


Panels = Sequence[Panel] | Sequence[Heat]


def class_colors(n: int) -> list[str]:
    """n different colours, as #rrggbb."""
    if n <= len(_PALETTE):
        return list(_PALETTE[:n])
    name = "tab20" if n <= 20 else "turbo"
    cmap = matplotlib.colormaps[name]
    return [to_hex(cmap(i) if n <= 20 else cmap(i / (n - 1))) for i in range(n)]


def plain(names: Sequence[str], longest: int = 30) -> list[str]:
    """Names for matplotlib: without formulas (a dollar sign would start one), of at most so many characters, and with
    the codes of characters that no installed font has."""
    drawn = (fonts.drawable(str(name)) for name in names)
    return [(text if len(text) <= longest else f"{text[: longest - 1]}…").replace("$", r"\$") for text in drawn]


def markup(names: Sequence[str]) -> list[str]:
    """Names for plotly, which would take parts of them for HTML."""
    return [escape(str(name), quote=False) for name in names]


def y_range(panel: Panel) -> tuple[float, float] | None:
    """Ends of a panel's y axis: its `span`, or where its values span less than `least`, so much around their middle,
    within [0, 1] where they are. None: as wide as the values are."""
    if panel.span or not panel.least:
        return panel.span
    values = np.array([value for series in panel.series for value in series.y], np.float64)
    values = values[np.isfinite(values) & (values > 0)] if "y" in panel.log else values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = float(values.min()), float(values.max())
    if "y" in panel.log:
        middle, reach = np.sqrt(low * high), np.sqrt(panel.least)
        return None if high >= low * panel.least else (float(middle / reach), float(middle * reach))
    if high - low >= panel.least:
        return None
    bottom, top = (low + high - panel.least) / 2, (low + high + panel.least) / 2
    shift = max(0.0, -bottom) if low >= 0 else 0.0
    shift -= max(0.0, top - 1) if high <= 1 else 0.0
    margin = 0.05 * panel.least
    return bottom + shift - margin, top + shift + margin


def series_color(panel: Panel, number: int) -> str:
    """Colour of a panel's series, as #rrggbb or a name."""
    color = panel.series[number].color
    color = number if color is None else color
    return color if isinstance(color, str) else class_colors(max(len(panel.series), color + 1, 10))[color]
