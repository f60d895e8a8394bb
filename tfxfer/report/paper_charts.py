"""Charts on paper, by matplotlib: the same descriptions that `plotly_charts` draws on the page."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from tfxfer.report.charts import DASHES, HATCHES, MARKERS, Heat, Panel, Panels, plain, series_color, y_range


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
    figure.suptitle(_wrapped(title, figure))
    return figure


def _wrapped(title: str, figure: Figure) -> str:
    """A title on as many lines as it needs: about ten characters of it are an inch."""
    return "\n".join(textwrap.wrap(title, max(20, int(10 * figure.get_figwidth()))))


def _draw(ax: Axes, panel: Panel) -> None:
    bars = [series for series in panel.series if series.kind == "bars"]
    for number, series in enumerate(panel.series):
        label, color = plain([series.name])[0].removeprefix("_") or None, series_color(panel, number)
        x = plain(series.x) if any(isinstance(value, str) for value in series.x) else np.asarray(series.x)
        if series.kind == "bars":
            width = 0.8 / len(bars)
            shift = (bars.index(series) - (len(bars) - 1) / 2) * width
            hatch, places = HATCHES[bars.index(series) % len(HATCHES)][0], np.arange(len(x)) + shift
            ax.bar(places, series.y, 0.92 * width, label=label, color=color, hatch=hatch, edgecolor="white", lw=0)
            ax.set_xticks(range(len(x)), [str(value) for value in x])
        elif "markers" in series.kind and len(series.size):
            ax.scatter(x, series.y, s=8 + 90 * np.asarray(series.size), color=color, alpha=0.8, label=label)
        else:
            marker, dash = MARKERS[number % len(MARKERS)][0], DASHES[number % len(DASHES)][0]
            style = {"dotted": ":", "markers": ""}.get(series.kind, dash)
            ax.plot(x, series.y, marker=marker if "markers" in series.kind else "", ls=style, color=color, label=label)
        if len(series.band):
            low, high = np.transpose(series.band)
            ax.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)
    for place, text in panel.marks.items():
        ax.axvline(place, color="grey", linestyle=":", label=text)
    ax.set(title=panel.title, xlabel=panel.x, ylabel=panel.y, **{f"{axis}scale": "log" for axis in panel.log})
    for axis in (getattr(ax, f"{name}axis") for name in panel.log):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))  # labels of 8 and 9 would lie over each other
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())
    locator = ax.xaxis.get_major_locator()
    if isinstance(locator, MaxNLocator) and all(isinstance(value, int) for s in panel.series for value in s.x):
        locator.set_params(integer=True)
    if ends := y_range(panel):
        ax.set_ylim(*ends)
    if any(len(str(label.get_text())) > 8 for label in ax.get_xticklabels()) and not panel.log:
        for tick in ax.get_xticklabels():
            tick.set(rotation=45, ha="right", rotation_mode="anchor")
    ax.grid(alpha=0.3)
    if len(panel.series) + len(panel.marks) > 1:
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
    figure.suptitle(_wrapped(title, figure))
    return figure
