"""Charts as plotly figures, for the page: the same descriptions that `charts` draws on paper."""

import plotly.graph_objects as go
from matplotlib.colors import to_rgb

from tfxfer.report.charts import Heat, Panel, markup, series_color


def on_page(panel: Panel | Heat) -> go.Figure:
    """One panel as a plotly figure; the page sets the colours of text and grid, and the width."""
    return _heat(panel) if isinstance(panel, Heat) else _plot(panel)


def _plot(panel: Panel) -> go.Figure:
    figure = go.Figure()
    for number, series in enumerate(panel.series):
        color = series_color(panel, number)
        x = markup(series.x) if any(isinstance(value, str) for value in series.x) else list(series.x)
        common = {"x": x, "y": list(series.y), "name": markup([series.name])[0], "showlegend": bool(series.name)}
        if series.kind == "bars":
            figure.add_bar(**common, marker={"color": color})
            continue
        mode = "lines" if series.kind == "dotted" else series.kind.replace("line", "lines")
        marker = {"color": color, "size": [6 + 16 * share**0.5 for share in series.size] if len(series.size) else 8}
        line = {"color": color, "dash": "dot" if series.kind == "dotted" else "solid"}
        text = {"text": markup(series.text), "textposition": "top center"} if len(series.text) else {}
        for end, fill in zip(zip(*series.band, strict=True), (None, "tonexty"), strict=False):
            edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
            figure.add_scatter(x=x, y=list(end), fill=fill, fillcolor=_light(color), **edge)
        figure.add_scatter(**common, **text, mode=mode + ("+text" if text else ""), marker=marker, line=line)
    for place in panel.marks:
        figure.add_vline(place, line={"dash": "dot", "color": "grey"})
    if panel.marks:
        middle = {"x": 0.5, "xref": "paper", "y": 1, "yref": "paper"}  # text at the line's place would widen the axis
        caption = "; ".join(markup([*panel.marks.values()]))
        figure.add_annotation(text=caption, showarrow=False, yanchor="bottom", **middle)
    named = any(isinstance(value, str) for series in panel.series for value in series.x)
    for axis, label in (("xaxis", panel.x), ("yaxis", panel.y)):
        kind = "log" if axis[0] in panel.log else "category" if named and axis == "xaxis" else None
        figure.update_layout({axis: {"title": {"text": label}, "type": kind}})
    figure.update_layout(yaxis_range=panel.span, barmode="group", title_text=panel.title)
    figure.update_layout(showlegend=len(panel.series) > 1 and not any(len(s.text) for s in panel.series))
    return figure


def _light(color: str) -> str:
    """A colour at 15% opacity, as plotly takes it."""
    red, green, blue = (round(255 * share) for share in to_rgb(color))
    return f"rgba({red},{green},{blue},0.15)"


def _heat(heat: Heat) -> go.Figure:
    readable = max(heat.values.shape) <= 50  # cells large enough for their text
    figure = go.Figure(
        go.Heatmap(
            z=heat.values,  # over numbers, not names: two classes of one name would be one row
            text=heat.text if readable else None,
            texttemplate="%{text}" if readable else None,
            customdata=heat.text,
            zmin=heat.low,
            zmax=heat.high,
            colorscale=heat.scale,
            hovertemplate="%{y} → %{x}: %{customdata}<extra></extra>"
            if heat.x
            else "%{y}, %{x}: %{z:.4f}<extra></extra>",
            xgap=1,
            ygap=1,
        )
    )
    for axis, names, label in (("xaxis", heat.columns, heat.x), ("yaxis", heat.rows, heat.y)):
        ticks = {"tickvals": list(range(len(names))), "ticktext": markup(names), "title": {"text": label}}
        figure.update_layout({axis: ticks | {"showgrid": False, "zeroline": False}})
    figure.update_layout(title_text=heat.title, yaxis_autorange="reversed", height=max(360, 26 * len(heat.rows) + 150))
    return figure
