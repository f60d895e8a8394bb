"""A chart described once and drawn twice: by matplotlib for paper, by plotly for the page."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import matplotlib
import numpy as np
import plotly.graph_objects as go
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from tfxfer.report import fonts

_STYLES = {"line": "-", "dotted": ":", "markers": "", "line+markers": "-"}


@dataclass(frozen=True)
class Series:
    """Values y at x (numbers or names). `kind` is line, line+markers, dotted, markers, or bars side by side with those
    of other series; `text` stands beside each marker, `size` is each marker's share, to 1, of the largest area."""

    name: str
    x: Sequence
    y: Sequence[float]
    kind: str = "line+markers"
    color: int | str | None = None  # a place in the palette, or a colour; by default its place among the series
    text: Sequence[str] = ()
    size: Sequence[float] = ()


@dataclass(frozen=True)
class Panel:
    """Series that share two axes; `log` names the logarithmic ones; `marks` are vertical lines, x -> what is there."""

    title: str
    series: Sequence[Series]
    x: str = ""
    y: str = ""
    log: str = ""
    marks: dict[float, str] = field(default_factory=dict)
    span: tuple[float, float] | None = None  # of y


@dataclass(frozen=True)
class Heat:
    """A map of values (rows, columns), from `low` to `high`, each cell with its text; `scale` is a colour map that
    both libraries know."""

    title: str
    values: np.ndarray
    rows: Sequence[str]
    columns: Sequence[str]
    text: np.ndarray
    low: float
    high: float
    scale: str
    x: str = ""
    y: str = ""


def class_colors(n: int) -> list[str]:
    """n colours that differ, as #rrggbb."""
    name = "tab10" if n <= 10 else "tab20" if n <= 20 else "turbo"
    cmap = matplotlib.colormaps[name]
    return [to_hex(cmap(i) if n <= 20 else cmap(i / (n - 1))) for i in range(n)]


def plain(names: Sequence[str]) -> list[str]:
    """Names for matplotlib: a dollar sign would start a formula, which may not parse; long ones would leave no room;
    what no font draws would be a box."""
    short = (text if len(text) <= 30 else f"{text[:29]}…" for text in (fonts.drawable(str(name)) for name in names))
    return [text.replace("$", r"\$") for text in short]


def markup(names: Sequence[str]) -> list[str]:
    """Names as they are, for plotly, which takes a part of HTML."""
    return [escape(str(name), quote=False) for name in names]


def _color(panel: Panel, number: int) -> str:
    color = panel.series[number].color
    color = number if color is None else color
    return color if isinstance(color, str) else class_colors(max(len(panel.series), color + 1, 10))[color]


def on_paper(title: str, panels: Sequence[Panel | Heat]) -> Figure:
    """All panels in one matplotlib figure, heat maps in a row that shares its names."""
    if isinstance(panels[0], Heat):
        return _heats_on_paper(title, panels)
    columns = min(4, len(panels))
    rows = -(-len(panels) // columns)
    wide = max((len(s.x) for p in panels for s in p.series if s.kind == "bars"), default=0)
    figure = Figure(figsize=(max(4.6 * columns, 0.9 * wide + 3), 3.6 * rows + 0.4), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[len(panels) :]:
        ax.axis("off")
    for ax, panel in zip(axes, panels, strict=False):
        bars = [s for s in panel.series if s.kind == "bars"]
        for number, series in enumerate(panel.series):
            label, color = plain([series.name])[0].removeprefix("_") or None, _color(panel, number)
            names = [isinstance(value, str) for value in series.x]
            x = plain(series.x) if any(names) else np.asarray(series.x)
            if series.kind == "bars":
                width = 0.8 / len(bars)
                shift = (bars.index(series) - (len(bars) - 1) / 2) * width
                ax.bar(np.arange(len(x)) + shift, series.y, 0.92 * width, color=color, label=label)
                ax.set_xticks(range(len(x)), x)
            elif "markers" in series.kind and len(series.size):
                ax.scatter(x, series.y, s=8 + 90 * np.asarray(series.size), color=color, alpha=0.8, label=label)
            else:
                marker = "o" if "markers" in series.kind else ""
                ax.plot(x, series.y, marker=marker, linestyle=_STYLES[series.kind], color=color, label=label)
            for place, value, text in zip(x, series.y, plain(series.text), strict=False):
                ax.annotate(text, (place, value), xytext=(6, 4), textcoords="offset points")
        for place, text in panel.marks.items():
            ax.axvline(place, color="grey", linestyle=":", label=text)
        ax.set(title=panel.title, xlabel=panel.x, ylabel=panel.y, **{f"{axis}scale": "log" for axis in panel.log})
        if "x" not in panel.log and all(isinstance(value, int) for s in panel.series for value in s.x):
            ax.xaxis.get_major_locator().set_params(integer=True)
        if any(len(series.text) for series in panel.series):
            ax.margins(x=0.2, y=0.12)
        if panel.span:
            ax.set_ylim(*panel.span)
        if any(len(str(label.get_text())) > 8 for label in ax.get_xticklabels()) and not panel.log:
            ax.tick_params(axis="x", rotation=30)
        ax.grid(alpha=0.3)
        if len(panel.series) + len(panel.marks) > 1 and not any(len(series.text) for series in panel.series):
            ax.legend(fontsize=8)
    figure.suptitle(title)
    return figure


def _heats_on_paper(title: str, maps: Sequence[Heat]) -> Figure:
    rows, columns = len(maps[0].rows), max(len(each.columns) for each in maps)
    side = min(max(4.5, 0.6 * columns + 2.5), 40)
    figure = Figure(figsize=(side * len(maps) + 0.8, min(max(4.5, 0.42 * rows + 1.5), 40)), layout="constrained")
    for ax, each in zip(figure.subplots(1, len(maps), sharey=True, squeeze=False)[0], maps, strict=True):
        image = ax.imshow(each.values, aspect="auto", cmap=each.scale, vmin=each.low, vmax=each.high)
        figure.colorbar(image, ax=ax, shrink=0.6)
        for (row, column), value in np.ndenumerate(each.values if max(rows, columns) <= 50 else np.empty((0, 0))):
            r, g, b, _ = image.cmap(image.norm(value))
            dark = 0.3 * r + 0.59 * g + 0.11 * b < 0.5
            text = each.text[row, column]
            ax.text(column, row, text, ha="center", va="center", fontsize=8, color="w" if dark else "k")
        short = max(map(len, each.columns)) < 4
        ax.set(xticks=range(len(each.columns)), yticks=range(rows), xlabel=each.x, ylabel=each.y, title=each.title)
        ax.set_xticklabels(plain(each.columns), rotation=0 if short else 45, ha="center" if short else "right")
        ax.set_yticklabels(plain(each.rows))
    figure.suptitle(title)
    return figure


def on_page(panel: Panel | Heat) -> go.Figure:
    """One panel as a plotly figure; the page gives it colours of the text and the grid, and its width."""
    if isinstance(panel, Heat):
        return _heat_on_page(panel)
    figure = go.Figure()
    for number, series in enumerate(panel.series):
        color = _color(panel, number)
        x = markup(series.x) if any(isinstance(value, str) for value in series.x) else list(series.x)
        common = {"x": x, "y": list(series.y), "name": markup([series.name])[0], "showlegend": bool(series.name)}
        if series.kind == "bars":
            figure.add_bar(**common, marker={"color": color})
            continue
        mode = "lines" if series.kind == "dotted" else series.kind.replace("line", "lines")
        marker = {"color": color, "size": [6 + 16 * share**0.5 for share in series.size] if len(series.size) else 8}
        line = {"color": color, "dash": "dot" if series.kind == "dotted" else "solid"}
        text = {"text": markup(series.text), "textposition": "top center"} if len(series.text) else {}
        figure.add_scatter(**common, **text, mode=mode + ("+text" if text else ""), marker=marker, line=line)
    for place in panel.marks:
        figure.add_vline(place, line={"dash": "dot", "color": "grey"})
    if panel.marks:
        text = "; ".join(markup([*panel.marks.values()]))
        middle = {"x": 0.5, "xref": "paper", "y": 1, "yref": "paper"}  # text at the line's place would widen the axis
        figure.add_annotation(text=text, showarrow=False, yanchor="bottom", **middle)
    named = any(isinstance(value, str) for series in panel.series for value in series.x)
    for axis, label in (("xaxis", panel.x), ("yaxis", panel.y)):
        kind = "log" if axis[0] in panel.log else "category" if named and axis == "xaxis" else None
        figure.update_layout({axis: {"title": {"text": label}, "type": kind}})
    figure.update_layout(yaxis_range=panel.span, barmode="group", title_text=panel.title)
    figure.update_layout(showlegend=len(panel.series) > 1 and not any(len(s.text) for s in panel.series))
    return figure


def _heat_on_page(each: Heat) -> go.Figure:
    figure = go.Figure(
        go.Heatmap(
            z=each.values,
            # numbers, not names: two classes of one name would be one row
            text=each.text if max(each.values.shape) <= 50 else None,
            texttemplate="%{text}" if max(each.values.shape) <= 50 else None,
            customdata=each.text,
            zmin=each.low,
            zmax=each.high,
            colorscale=each.scale,
            hovertemplate="%{y} → %{x}: %{customdata}<extra></extra>"
            if each.x
            else "%{y}, %{x}: %{z:.4f}<extra></extra>",
            xgap=1,
            ygap=1,
        )
    )
    for axis, names, label in (("xaxis", each.columns, each.x), ("yaxis", each.rows, each.y)):
        ticks = {"tickvals": list(range(len(names))), "ticktext": markup(names), "title": {"text": label}}
        figure.update_layout({axis: ticks | {"showgrid": False, "zeroline": False}})
    figure.update_layout(title_text=each.title, yaxis_autorange="reversed", height=max(360, 26 * len(each.rows) + 150))
    return figure
