"""Pieces of a report's page: its style, tables, and figures that are saved as PNG and shown from inside the file."""

import base64
import html
import io
from pathlib import Path

from matplotlib.figure import Figure

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p.lead { margin-top: .3rem; } p.note { font-size: .92rem; opacity: .85; } figure { margin: 0; overflow-x: auto; }
figure.confusion img { max-width: min(100%, 40rem); }
img { max-width: 100%; height: auto; background: #fff; border-radius: 6px; }
div.table { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; } thead { background: var(--soft); }
td.published, th.published { opacity: .7; font-style: italic; }
summary { cursor: pointer; } code { overflow-wrap: anywhere; }
"""


def page(title: str, sections: list[str]) -> str:
    """A whole HTML document that asks for nothing outside of itself."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>'
        f"<h1>{html.escape(title)}</h1>{''.join(sections)}</body></html>\n"
    )


def heading(text: str) -> str:
    return f"<h2>{html.escape(text)}</h2>"


def note(text: str) -> str:
    """A paragraph in small print."""
    return f'<p class="note">{html.escape(text)}</p>'


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table; columns headed "published" are set apart."""

    def line(cells, tag):
        kinds = ['class="published"' if name == "published" else "" for name in head]
        return "<tr>" + "".join(f"<{tag} {k}>{html.escape(str(c))}</{tag}>" for c, k in zip(cells, kinds)) + "</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f'<div class="table"><table><thead>{line(head, "th")}</thead><tbody>{body}</tbody></table></div>'


def figure(folder: Path, name: str, drawn: Figure) -> str:
    """Saves a figure as <folder>/<name>.png and returns it with the picture inside."""
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", dpi=130)
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.png").write_bytes(buffer.getvalue())
    encoded = base64.b64encode(buffer.getvalue()).decode()
    alt = html.escape(drawn.get_suptitle() or drawn.axes[0].get_title())
    return f'<figure class="{html.escape(name)}"><img alt="{alt}" src="data:image/png;base64,{encoded}"></figure>'
