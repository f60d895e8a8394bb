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

from tfxfer.report import charts, fonts, plotly_charts
from tfxfer.report.charts import Heat, Panel, Panels

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"'`<>()\\,;]*", re.IGNORECASE)
_ASSETS = resources.files("tfxfer.report") / "assets"
# With this policy the browser itself makes sure that the page fetches nothing and sends nothing.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; form-action 'none'"
)


def page(title: str, sections: list[str]) -> str:
    """The whole HTML document; `sections` are pieces of HTML."""
    names = "report.css", "plotly.min.js", "report.js", "neighbours.js"
    style, plotly, *scripts = ((_ASSETS / name).read_text(encoding="utf-8") for name in names)
    title = html.escape(title)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style></head><body>'
        '<button id="theme" type="button" title="dark or light">◐</button>'
        f"<h1>{title}</h1>{''.join(sections)}"
        "<noscript><p>The charts need JavaScript; figures/ has them as PNG files too.</p></noscript>"
        f"<script>{plotly}</script>{''.join(f'<script>{script}</script>' for script in scripts)}</body></html>\n"
    )


def heading(text: str) -> str:
    """The heading of a section."""
    return f"<h2>{html.escape(text)}</h2>"


def note(text: str) -> str:
    """A paragraph in small print."""
    return f'<p class="note">{_text(text)}</p>'


def table(head: tuple[str, ...], rows: Sequence[tuple]) -> str:
    """A table; columns whose head begins with "published" are set apart."""

    def line(cells: Iterable[object], tag: str) -> str:
        kinds = [' class="published"' if name.startswith("published") else "" for name in head]
        return "<tr>" + "".join(f"<{tag}{k}>{_text(c)}</{tag}>" for c, k in zip(cells, kinds)) + "</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f'<div class="table"><table><thead>{line(head, "th")}</thead><tbody>{body}</tbody></table></div>'


def figure(folder: Path, name: str, figure: Figure) -> str:
    """Saves a figure as <folder>/<name>.png and returns HTML that contains the picture."""
    encoded = base64.b64encode(save(folder, name, figure)).decode()
    alt = html.escape(figure.get_suptitle() or figure.axes[0].get_title())
    return f'<figure class="{html.escape(name)}"><img alt="{alt}" src="data:image/png;base64,{encoded}"></figure>'


def chart(folder: Path, name: str, title: str, panels: Panels) -> str:
    """Saves a chart as <folder>/<name>.png and returns HTML from which the page draws one plot for each panel."""
    save(folder, name, charts.on_paper(title, panels))
    plots = "".join(f'<div class="plot">{data(_plot(panel))}</div>' for panel in panels)
    caption = f"<figcaption>{html.escape(title)}</figcaption>"
    return f'<figure class="chart" data-name="{html.escape(name)}">{caption}<div class="plots">{plots}</div></figure>'


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


def _plot(panel: Panel | Heat) -> dict:
    """A plotly figure without its template of 7 KB: the page has its own."""
    figure = json.loads(plotly_charts.on_page(panel).to_json())
    layout = {key: value for key, value in figure["layout"].items() if key != "template"}
    return {"data": figure["data"], "layout": layout}
