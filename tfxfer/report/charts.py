"""A chart described once and drawn twice: here by matplotlib for paper, in `plotly_charts` for the page."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from html import escape

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tfxfer.report import fonts

_STYLES = {"line": "-", "dotted": ":", "markers": "", "line+markers": "-"}


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
        text: stands beside each marker.
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
    """

    title: str
    series: Sequence[Series]
    x: str = ""
    y: str = ""
    log: str = ""
    marks: dict[float, str] = field(default_factory=dict)
    span: tuple[float, float] | None = None


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


Panels = Sequence[Panel] | Sequence[Heat]


def class_colors(n: int) -> list[str]:
    """n different colours, as #rrggbb."""
    name = "tab10" if n <= 10 else "tab20" if n <= 20 else "turbo"
    cmap = matplotlib.colormaps[name]
    return [to_hex(cmap(i) if n <= 20 else cmap(i / (n - 1))) for i in range(n)]


def plain(names: Sequence[str]) -> list[str]:
    """Names for matplotlib: without formulas (a dollar sign would start one), shortened to 30 characters, and with
    the codes of characters that no installed font has."""
    short = (text if len(text) <= 30 else f"{text[:29]}…" for text in (fonts.drawable(str(name)) for name in names))
    return [text.replace("$", r"\$") for text in short]


def markup(names: Sequence[str]) -> list[str]:
    """Names for plotly, which would take parts of them for HTML."""
    return [escape(str(name), quote=False) for name in names]


def series_color(panel: Panel, number: int) -> str:
    """Colour of a panel's series, as #rrggbb or a name."""
    color = panel.series[number].color
    color = number if color is None else color
    return color if isinstance(color, str) else class_colors(max(len(panel.series), color + 1, 10))[color]


def on_paper(title: str, panels: Panels) -> Figure:
    """All panels in one matplotlib figure, four in a row; heat maps in one row that shares its names."""
    if heats := [panel for panel in panels if isinstance(panel, Heat)]:
        return _heats_on_paper(title, heats)
    plots = [panel for panel in panels if isinstance(panel, Panel)]
    columns = min(4, len(plots))
    rows = -(-len(plots) // columns)
    bars = max((len(s.x) for panel in plots for s in panel.series if s.kind == "bars"), default=0)
    figure = Figure(figsize=(max(4.6 * columns, 0.9 * bars + 3), 3.6 * rows + 0.4), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[len(plots) :]:
        ax.axis("off")
    for ax, panel in zip(axes, plots, strict=False):
        _draw(ax, panel)
    figure.suptitle(title)
    return figure


def _draw(ax: Axes, panel: Panel) -> None:
    bars = [series for series in panel.series if series.kind == "bars"]
    for number, series in enumerate(panel.series):
        label, color = plain([series.name])[0].removeprefix("_") or None, series_color(panel, number)
        x = plain(series.x) if any(isinstance(value, str) for value in series.x) else np.asarray(series.x)
        if series.kind == "bars":
            width = 0.8 / len(bars)
            shift = (bars.index(series) - (len(bars) - 1) / 2) * width
            ax.bar(np.arange(len(x)) + shift, series.y, 0.92 * width, color=color, label=label)
            ax.set_xticks(range(len(x)), [str(value) for value in x])
        elif "markers" in series.kind and len(series.size):
            ax.scatter(x, series.y, s=8 + 90 * np.asarray(series.size), color=color, alpha=0.8, label=label)
        else:
            marker = "o" if "markers" in series.kind else ""
            ax.plot(x, series.y, marker=marker, linestyle=_STYLES[series.kind], color=color, label=label)
        if len(series.band):
            low, high = np.transpose(series.band)
            ax.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)
        for place, value, text in zip(x, series.y, plain(series.text), strict=False):
            ax.annotate(text, (place, value), xytext=(6, 4), textcoords="offset points")
    for place, text in panel.marks.items():
        ax.axvline(place, color="grey", linestyle=":", label=text)
    ax.set(title=panel.title, xlabel=panel.x, ylabel=panel.y, **{f"{axis}scale": "log" for axis in panel.log})
    locator = ax.xaxis.get_major_locator()
    if isinstance(locator, MaxNLocator) and all(isinstance(value, int) for s in panel.series for value in s.x):
        locator.set_params(integer=True)
    if any(len(series.text) for series in panel.series):
        ax.margins(x=0.2, y=0.12)
    if panel.span:
        ax.set_ylim(*panel.span)
    if any(len(str(label.get_text())) > 8 for label in ax.get_xticklabels()) and not panel.log:
        ax.tick_params(axis="x", rotation=30)
    ax.grid(alpha=0.3)
    if len(panel.series) + len(panel.marks) > 1 and not any(len(series.text) for series in panel.series):
        ax.legend(fontsize=8)


def _heats_on_paper(title: str, heats: Sequence[Heat]) -> Figure:
    rows, columns = len(heats[0].rows), max(len(heat.columns) for heat in heats)
    side = min(max(4.5, 0.6 * columns + 2.5), 40)
    figure = Figure(figsize=(side * len(heats) + 0.8, min(max(4.5, 0.42 * rows + 1.5), 40)), layout="constrained")
    for ax, heat in zip(figure.subplots(1, len(heats), sharey=True, squeeze=False)[0], heats, strict=True):
        image = ax.imshow(heat.values, aspect="auto", cmap=heat.scale, vmin=heat.low, vmax=heat.high)
        figure.colorbar(image, ax=ax, shrink=0.6)
        for (row, column), value in np.ndenumerate(heat.values if max(rows, columns) <= 50 else np.empty((0, 0))):
            r, g, b, _ = image.cmap(image.norm(value))
            dark = 0.3 * r + 0.59 * g + 0.11 * b < 0.5
            text = heat.text[row, column]
            ax.text(column, row, text, ha="center", va="center", fontsize=8, color="w" if dark else "k")
        short = max(map(len, heat.columns)) < 4
        ax.set(xticks=range(len(heat.columns)), yticks=range(rows), xlabel=heat.x, ylabel=heat.y, title=heat.title)
        ax.set_xticklabels(plain(heat.columns), rotation=0 if short else 45, ha="center" if short else "right")
        ax.set_yticklabels(plain(heat.rows))
    figure.suptitle(title)
    return figure
