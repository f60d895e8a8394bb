"""Maps of values as tables: read by everyone, at any width, in the light and in the dark."""

import html

import matplotlib
import numpy as np

from tfxfer.report.charts import Heat

LARGEST = 40  # rows or columns; larger ones are drawn by plotly
_HUES = {"Blues": ((), (8, 81, 156)), "RdBu": ((178, 24, 43), (33, 102, 172))}  # below and above the middle, in RGB


def fits(heat: Heat) -> bool:
    """Whether a map is small enough to be a table."""
    return max(heat.values.shape) <= LARGEST


def table(heat: Heat) -> str:
    """A table with a cell for each value, coloured much as on paper, its text black or white, whichever reads better.

    What is white on paper has the page's own colour.
    """
    head = "".join(f'<th scope="col">{_name(name)}</th>' for name in heat.columns)
    corner = f"{html.escape(heat.y)} ↓ {html.escape(heat.x)} →" if heat.x else ""
    rows = []
    for i, name in enumerate(heat.rows):
        cells = "".join(_cell(heat, i, j) for j in range(len(heat.columns)))
        rows.append(f'<tr><th scope="row">{_name(name)}</th>{cells}</tr>')
    first = f'<td class="corner">{corner}</td>'
    upright = " upright" if max(len(str(name)) for name in heat.columns) <= 4 else ""
    title = f"<caption>{html.escape(heat.title)}</caption>" if heat.title else ""
    kind = f'class="heat{upright}" style="--columns:{len(heat.columns)}"'
    return (
        f'<div class="table"><table {kind}>{title}<thead><tr>{first}{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _name(name: str) -> str:
    text = html.escape(str(name))
    return f'<span title="{text}">{text}</span>'


def _cell(heat: Heat, row: int, column: int) -> str:
    text, value = html.escape(str(heat.text[row, column])), float(heat.values[row, column])
    if np.isnan(value):
        return f"<td>{text}</td>"
    style = f' style="{_style(heat.scale, (value - heat.low) / max(heat.high - heat.low, 1e-12))}"'
    if not heat.buttons or not value:
        return f"<td{style}>{text}</td>"
    said = f"{text} images: {heat.rows[row]} taken for {heat.columns[column]}"
    if row == column:
        said = f"{text} images: {heat.rows[row]} recognised"
    places = f'data-row="{row}" data-column="{column}" aria-label="{html.escape(said)}"'
    return f'<td{style}><button type="button" {places}>{text}</button></td>'


def luminance(rgb: np.ndarray) -> float:
    """Relative luminance of a colour in [0, 1] (WCAG 2.1); below 0.179 white has more contrast with it than black."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ np.array([0.2126, 0.7152, 0.0722]))


def _style(scale: str, place: float) -> str:
    """The look of a cell at a place of a colour scale, in [0, 1]."""
    place = min(max(place, 0.0), 1.0)
    if scale not in _HUES:
        shade = np.array(matplotlib.colormaps[scale](place)[:3])
        return f"background:#{''.join(f'{round(255 * part):02x}' for part in shade)};color:{_ink(shade)}"
    low, high = _HUES[scale]
    hue, share = (high, place) if not low else (high if place >= 0.5 else low, abs(2 * place - 1))
    share = round(share, 2)
    color = f"background:color-mix(in srgb,rgb{hue} {100 * share:.0f}%,var(--back))"
    return color + (";color:#fff" if _ink(1 - share * (1 - np.array(hue) / 255)) == "#fff" else "")


def _ink(shade: np.ndarray) -> str:
    """White or black, whichever has more contrast with a colour."""
    return "#fff" if luminance(shade) < 0.179 else "#000"
