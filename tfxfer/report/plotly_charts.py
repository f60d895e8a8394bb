"""Charts as plotly figures, for the page: the same descriptions that `charts` draws on paper.

Titles and legends are the page's own HTML (`chart_html`), where they never lie over each other.
"""

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from matplotlib.colors import to_rgb

from tfxfer.report.charts import DASHES, HATCHES, MARKERS, Heat, Panel, Series, markup, series_color, y_range

ACROSS, DOWN = 20, 50  # names beside an axis, at most, so that a phone has room for them
LONGEST = 16  # characters of a name beside an axis; the whole name is shown by pointing at it


def on_page(panel: Panel | Heat) -> go.Figure:
    """One panel as a plotly figure; the page sets the colours of text and grid, and the width."""
    return _heat(panel) if isinstance(panel, Heat) else _plot(panel)


def shortened(name: str) -> str:
    """A name of at most `LONGEST` characters, without its middle if it is longer."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 7]}…{name[-6:]}"


def _plot(panel: Panel) -> go.Figure:
    figure = go.Figure()
    names = _names(panel)
    bars = 0
    for number, series in enumerate(panel.series):
        color = series_color(panel, number)
        x = _places(series, names) if names else list(series.x)
        common: dict[str, Any] = {"x": x, "y": list(series.y), "name": markup([series.name])[0], "showlegend": False}
        told = series.text if len(series.text) else [str(value) for value in series.x] if names else ()
        if len(told):
            common |= {
                "hovertext": markup(told),
                "hovertemplate": "%{hovertext}: %{y:.4g}<extra>%{fullData.name}</extra>",
            }
        if series.kind == "bars":
            figure.add_bar(**common, marker={"color": color, "pattern": {"shape": HATCHES[bars % len(HATCHES)][1]}})
            bars += 1
            continue
        mode = "lines" if series.kind == "dotted" else series.kind.replace("line", "lines")
        size = [6 + 16 * share**0.5 for share in series.size] if len(series.size) else 8
        marker = {"color": color, "size": size, "symbol": MARKERS[number % len(MARKERS)][1]}
        line = {"color": color, "dash": "dot" if series.kind == "dotted" else DASHES[number % len(DASHES)][1]}
        for end, fill in zip(zip(*series.band, strict=True), (None, "tonexty"), strict=False):
            edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
            figure.add_scatter(x=x, y=list(end), fill=fill, fillcolor=_light(color), **edge)
        figure.add_scatter(**common, mode=mode, marker=marker, line=line)
    for place in panel.marks:
        figure.add_vline(place, line={"dash": "dot", "color": "grey"})
    for axis, label in (("xaxis", panel.x), ("yaxis", panel.y)):
        scale = _log_scale(panel, axis[0]) if axis[0] in panel.log else {}
        figure.update_layout({axis: {"title": {"text": label}} | scale})
    if names:
        figure.update_xaxes(**_ticks(names, ACROSS))
    if ends := y_range(panel):
        figure.update_layout(yaxis_range=[math.log10(end) for end in ends] if "y" in panel.log else ends)
    figure.update_layout(barmode="group", showlegend=False)
    return figure


def _log_scale(panel: Panel, axis: str) -> dict[str, Any]:
    """A logarithmic axis with ticks at 1, 2, 5, 10, written out: plotly itself writes 2 for 200."""
    values = [value for series in panel.series for value in getattr(series, axis) if value > 0]
    first, last = (math.floor(math.log10(end)) for end in (min(values, default=1), max(values, default=1)))
    ticks = [float(f"{digit}e{power}") for power in range(first - 1, last + 2) for digit in (1, 2, 5)]
    return {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:,g}" for tick in ticks]}


def _light(color: str) -> str:
    """A colour at 15% opacity, as plotly takes it."""
    red, green, blue = (round(255 * share) for share in to_rgb(color))
    return f"rgba({red},{green},{blue},0.15)"


def _ticks(names: Sequence[str], most: int) -> dict[str, Any]:
    """Names beside an axis, no more than there is room for; upright where they do not fit, as slanted ones may lie
    over each other."""
    step = -(-len(names) // most)
    shown = range(0, len(names), step)
    return {
        "tickvals": list(shown),
        "ticktext": markup([shortened(str(names[at])) for at in shown]),
        "autotickangles": [0, 90],
    }


def _names(panel: Panel) -> list[str]:
    """What stands at 0, 1, ... of the x axis, where it has names: those of the series, or of all together."""
    if not any(isinstance(value, str) for series in panel.series for value in series.x):
        return []
    alike = all(list(series.x) == list(panel.series[0].x) for series in panel.series)
    every = panel.series[0].x if alike else dict.fromkeys(value for series in panel.series for value in series.x)
    return [str(value) for value in every]


def _places(series: Series, names: list[str]) -> list[int]:
    """Where a series stands among names; two classes of one name are two places."""
    x = [str(value) for value in series.x]
    return list(range(len(x))) if x == names else [names.index(value) for value in x]


def _heat(heat: Heat) -> go.Figure:
    """A map too large for `heat_table`: without numbers, which its cells have no room for."""
    figure = go.Figure(
        go.Heatmap(
            z=heat.values,  # over numbers, not names: two classes of one name would be one row
            customdata=heat.text,
            zmin=heat.low,
            zmax=heat.high,
            colorscale=heat.scale,
            hovertemplate="%{y} → %{x}: %{customdata}<extra></extra>"
            if heat.x
            else "%{y}, %{x}: %{z:.4f}<extra></extra>",
        )
    )
    bare = {"showgrid": False, "zeroline": False}
    figure.update_xaxes(**_ticks(heat.columns, ACROSS), **bare, title_text=heat.x)
    figure.update_yaxes(**_ticks(heat.rows, DOWN), **bare, title_text=heat.y)
    figure.update_layout(yaxis_autorange="reversed", height=max(360, min(900, 14 * len(heat.rows) + 150)))
    return figure
