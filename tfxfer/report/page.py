"""Pieces of a report's page, and the page: one HTML file that requests nothing from outside."""

import base64
import html
import io
import json
import re
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from tfxfer.report import chart_html, document, fonts, heat_table, paper_charts, plotly_charts
from tfxfer.report.charts import Heat, Panel, Panels

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"'`<>()\\,;]*", re.IGNORECASE)
_ASSETS = resources.files("tfxfer.report") / "assets"
_FILES = (
    "report.css",
    "plotly.min.js",
    "page.js",
    "charts.js",
    "examples.js",
    "browser.js",
    "neighbours.js",
    "projections.js",
)
# With this policy the browser itself makes sure that the page fetches nothing and sends nothing.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; form-action 'none'"
)


def page(title: str, sections: list[str]) -> str:
    """The whole HTML document; `sections` are pieces of HTML, and each that `heading` made begins a section."""
    style, plotly, *scripts = ((_ASSETS / name).read_text(encoding="utf-8") for name in _FILES)
    title = html.escape(title)
    contents, body = document.assemble(sections)
    script = "\n".join(scripts)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style></head><body>'
        '<a class="skip" href="#main">Skip to the report</a>'
        f'<header><h1>{title}</h1><button id="theme" type="button" aria-label="Switch between dark and light" '
        'title="dark or light">◐</button></header>'
        f'<div class="columns">{contents}<main id="main">{body}'
        "<noscript><p>Charts and pictures need JavaScript; figures/ has them as PNG files too.</p></noscript>"
        f"</main></div><script>{plotly}</script><script>{script}</script></body></html>\n"
    )


def heading(text: str, about: str = "") -> str:
    """The heading of a section; given what it is about and what to look for, the section is folded."""
    return document.heading(text, about)


def note(text: str) -> str:
    """A paragraph in small print."""
    return f'<p class="note">{_text(text)}</p>'


def table(head: tuple[str, ...], rows: Sequence[tuple]) -> str:
    """A table, whose first column names the rows; columns whose head begins with "published" are set apart."""

    def line(cells: Iterable[object], tag: str) -> str:
        kinds = [' class="published"' if name.startswith("published") else "" for name in head]
        return "<tr>" + "".join(_cell(c, tag, k, first=not n) for n, (c, k) in enumerate(zip(cells, kinds))) + "</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f'<div class="table"><table><thead>{line(head, "th")}</thead><tbody>{body}</tbody></table></div>'


def _cell(content: object, tag: str, kind: str, first: bool) -> str:
    """A cell; those of the head name columns, the first of each row names the row."""
    text = _text(content)
    if tag == "th" and text:
        return f'<th scope="col"{kind}>{text}</th>'
    return f'<th scope="row"{kind}>{text}</th>' if first and text and tag == "td" else f"<td{kind}>{text}</td>"


def chart(folder: Path, name: str, title: str, panels: Panels, says: str = "") -> str:
    """Saves a chart as <folder>/<name>.png and returns HTML from which the page draws one plot for each panel.

    Args:
        title: what to look for.
        says: what the chart shows, from its numbers; by default a sentence for each panel says where its values begin,
            end, and are highest and lowest.
    """
    save(folder, name, paper_charts.on_paper(title, panels))
    tables = all(isinstance(panel, Heat) and heat_table.fits(panel) for panel in panels)
    plots = "".join(chart_html.panel(panel, _plot(panel), says=not says) for panel in panels)
    caption = f"<figcaption>{html.escape(title)}</figcaption>"
    said = f'<p class="says">{html.escape(says)}</p>' if says else ""
    return (
        f'<figure class="chart" data-name="{html.escape(name)}">{caption}'
        f'<div class="{"heats" if tables else "plots"}">{plots}</div>{said}</figure>'
    )


def data(value: object, name: str = "") -> str:
    """A value for the page's script to read, as JSON that cannot end the element it stands in."""
    text = json.dumps(value, allow_nan=False).replace("<", "\\u003c")
    return f'<script type="application/json"{f" id={name!r}" if name else ""}>{text}</script>'


def packed(values: np.ndarray) -> str:
    """float32 numbers as base64, little-endian."""
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode()


def picture(pixels: np.ndarray, quality: int = 80) -> str:
    """uint8 (height, width, 1 or 3) as the data URL of a WebP picture."""
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(file, "WEBP", quality=quality)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def save(folder: Path, name: str, figure: Figure) -> bytes:
    """Saves a figure as <folder>/<name>.png and returns the file's content."""
    file = io.BytesIO()
    fonts.fall_back(figure)
    figure.savefig(file, format="png", dpi=130)
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.png").write_bytes(file.getvalue())
    return file.getvalue()


def _text(value: object) -> str:
    """A value as HTML; run.json has the addresses in it, because a report names no other host."""
    return html.escape(_ADDRESS.sub("an address that run.json names", str(value)))


def _plot(panel: Panel | Heat) -> str:
    """The element that plotly draws a panel in, without plotly's template of 7 KB: the page has its own; empty for a
    map that is a table."""
    if isinstance(panel, Heat) and heat_table.fits(panel):
        return ""
    figure = json.loads(plotly_charts.on_page(panel).to_json())
    layout = {key: value for key, value in figure["layout"].items() if key != "template"}
    return f'<div class="plot">{data({"data": figure["data"], "layout": layout})}</div>'
