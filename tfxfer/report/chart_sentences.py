"""What a chart shows, in a sentence made from its own numbers: for those who do not see it."""

from collections.abc import Sequence

import numpy as np

from tfxfer.report.charts import Heat, Panel, Series

_FEW = 4  # series that are each described


def sentence(panel: Panel | Heat) -> str:
    """Where the values begin, end, and are highest and lowest; empty where there are none."""
    return _of_heat(panel) if isinstance(panel, Heat) else _of_panel(panel)


def number(value: float) -> str:
    """A value with three digits."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _of_panel(panel: Panel) -> str:
    shown = [series for series in panel.series if series.kind != "dotted" and _known(series)]
    lines = [series for series in shown if series.kind != "markers" and len(series.x) > 1]
    if not shown:
        return ""
    if not lines:
        points = [point for series in shown for point in _points(series)]
        return _extremes(panel, points) if len(points) > 1 else ""
    if len(lines) > _FEW:
        return _extremes(panel, [(f"{s.name}, {at}" if s.name else at, y) for s in lines for at, y in _points(s)])
    described = [_of_bars(series) if series.kind == "bars" else _of_line(series) for series in lines]
    return f"{'; '.join(described)}." if described else ""


def _of_line(series: Series) -> str:
    points = _points(series)
    (first, start), (last, end) = points[0], points[-1]
    text = f"{f'{series.name}: ' if series.name else ''}from {number(start)} at {first} to {number(end)} at {last}"
    (at, top), (below, bottom) = max(points, key=lambda point: point[1]), min(points, key=lambda point: point[1])
    beyond = [f"highest {number(top)} at {at}"] if top > max(start, end) else []
    beyond += [f"lowest {number(bottom)} at {below}"] if bottom < min(start, end) else []
    return text + (f" ({', '.join(beyond)})" if beyond else "")


def _of_bars(series: Series) -> str:
    points = _points(series)
    (at, top), (below, bottom) = max(points, key=lambda point: point[1]), min(points, key=lambda point: point[1])
    name = f"{series.name}: " if series.name else ""
    if number(top) == number(bottom):
        return f"{name}{number(top)} everywhere"
    return f"{name}{number(bottom)} ({below}) to {number(top)} ({at})"


def _extremes(panel: Panel, points: Sequence[tuple[str, float]]) -> str:
    (at, top), (below, bottom) = max(points, key=lambda point: point[1]), min(points, key=lambda point: point[1])
    what = f"{panel.y}: " if panel.y else ""
    return f"{what}highest {number(top)} ({at}), lowest {number(bottom)} ({below})."


def _known(series: Series) -> bool:
    return bool(np.isfinite(np.asarray(series.y, np.float64)).any())


def _points(series: Series) -> list[tuple[str, float]]:
    names = series.text if len(series.text) else series.x
    shown = [str(name) if isinstance(name, str) else number(float(name)) for name in names]
    return [(name, float(y)) for name, y in zip(shown, series.y, strict=True) if np.isfinite(y)]


def _of_heat(heat: Heat) -> str:
    if not np.isfinite(heat.values).any():
        return ""

    def place(index: int) -> str:
        row, column = divmod(index, heat.values.shape[1])
        return f"{number(float(heat.values[row, column]))} ({heat.rows[row]}, {heat.columns[column]})"

    top, bottom = int(np.nanargmax(heat.values)), int(np.nanargmin(heat.values))
    return f"Highest {place(top)}, lowest {place(bottom)}."
