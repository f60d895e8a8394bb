"""Charts as the page has them: title, legend and a sentence in HTML, around what plotly draws or a table of values."""

import html

from tfxfer.report import heat_table
from tfxfer.report.chart_sentences import sentence
from tfxfer.report.charts import DASHES, MARKERS, Heat, Panel, series_color


def panel(shown: Panel | Heat, plot: str, says: bool = True) -> str:
    """One panel.

    Args:
        plot: the element that plotly draws in.
        says: add the sentence of `chart_sentences`.
    """
    table = isinstance(shown, Heat) and heat_table.fits(shown)
    words = html.escape(sentence(shown)) if says else ""
    title = f'<p class="title">{html.escape(shown.title)}</p>' if shown.title and not table else ""
    drawn = heat_table.table(shown) if isinstance(shown, Heat) and table else plot
    legend = "" if isinstance(shown, Heat) else _legend(shown)
    said = f'<p class="says">{words}</p>' if words else ""
    return f'<div class="panel">{title}{drawn}{legend}{said}</div>'


def _legend(shown: Panel) -> str:
    """Which line is which, by dash, marker and colour; and what the vertical lines mark."""
    named = [(number, series) for number, series in enumerate(shown.series) if series.name]
    items, bars = [], 0
    for number, series in named if len(shown.series) > 1 else []:
        color, dash, mark = (
            series_color(shown, number),
            DASHES[number % len(DASHES)][2],
            MARKERS[number % len(MARKERS)][2],
        )
        if series.kind == "bars":
            key = f'<rect x="6" y="2" width="14" height="10" fill="{color}"/>{_stripes(bars)}'
            bars += 1
        else:
            dash = "2 3" if series.kind == "dotted" else dash
            line = f'<path d="M0 7H26" stroke="{color}" stroke-width="2" stroke-dasharray="{dash}"/>'
            point = f'<text x="13" y="11" text-anchor="middle" font-size="11" fill="{color}">{mark}</text>'
            key = (line if "line" in series.kind or series.kind == "dotted" else "") + (
                point if "markers" in series.kind else ""
            )
        items.append(f'<li><svg aria-hidden="true" viewBox="0 0 26 14">{key}</svg>{html.escape(series.name)}</li>')
    for place, text in shown.marks.items():
        line = '<path d="M13 0V14" stroke="grey" stroke-width="2" stroke-dasharray="2 2"/>'
        said = f"{shown.x} {place:g}: {text}".strip()
        items.append(f'<li><svg aria-hidden="true" viewBox="0 0 26 14">{line}</svg>{html.escape(said)}</li>')
    return f'<ul class="legend">{"".join(items)}</ul>' if items else ""


def _stripes(number: int) -> str:
    """The pattern of the nth bars, as a sign of it: white lines over their colour."""
    lines = ("", "M8 12L18 2", "M9 7h1m3 0h1m3 0h1", "M8 12L18 2M8 2L18 12", "M8 2L18 12", "M6 7h14")
    return f'<path d="{lines[number % len(lines)]}" stroke="#fff" stroke-width="1.6" fill="none"/>'
