"""A chart drawn twice shows the same numbers twice."""

import numpy as np
import pytest

from tfxfer.report import charts, plotly_charts
from tfxfer.report.charts import Heat, Panel, Series

PANEL = Panel(
    "accuracy",
    [
        Series("training", [1, 2, 3], [0.5, 0.75, 1.0]),
        Series("<b>$x$</b>", [1, 2, 3], [0.5, 0.25, 0.5], "dotted", "#ff0000"),
        Series("points", [2], [0.3], "markers", text=["a & b"]),
    ],
    "epoch",
    "share",
    marks={2: "best"},
    span=(0, 1),
)


def test_lines_on_paper():
    (ax,) = charts.on_paper("What to see", [PANEL]).axes
    drawn = {line.get_label(): line for line in ax.lines}
    np.testing.assert_array_equal(drawn["training"].get_xydata(), [[1, 0.5], [2, 0.75], [3, 1]])
    assert drawn[r"<b>\$x\$</b>"].get_linestyle() == ":"
    assert drawn[r"<b>\$x\$</b>"].get_color() == "#ff0000"
    assert drawn["best"].get_xdata() == [2, 2]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_ylim()) == ("epoch", "share", (0, 1))
    assert [text.get_text() for text in ax.texts] == ["a & b"]


def test_lines_on_the_page():
    figure = plotly_charts.on_page(PANEL)
    first, second, third = figure.data
    assert (list(first.x), list(first.y), first.mode) == ([1, 2, 3], [0.5, 0.75, 1.0], "lines+markers")
    assert (second.name, second.line.dash, second.line.color) == ("&lt;b&gt;$x$&lt;/b&gt;", "dot", "#ff0000")
    assert (third.mode, third.text) == ("markers+text", ("a &amp; b",))
    assert figure.layout.shapes[0].x0 == 2
    assert figure.layout.annotations[0].text == "best"
    assert figure.layout.annotations[0].xref == "paper"  # else its width counts as data's
    assert figure.layout.yaxis.range == (0, 1)


def test_a_band_lies_between_its_ends():
    panel = Panel("", [Series("median", [1, 10], [0.5, 0.75], band=[(0.25, 0.5), (0.5, 1.0)])], log="x")
    (ax,) = charts.on_paper("", [panel]).axes
    corners = ax.collections[0].get_paths()[0].vertices
    assert {*map(tuple, corners)} == {(1, 0.25), (1, 0.5), (10, 0.5), (10, 1.0)}
    low, high, line = plotly_charts.on_page(panel).data
    assert (list(low.y), list(high.y), high.fill) == ([0.25, 0.5], [0.5, 1.0], "tonexty")
    assert high.fillcolor == "rgba(31,119,180,0.15)"  # of #1f77b4, the line's colour
    assert (line.name, line.line.color, low.showlegend, high.showlegend) == ("median", "#1f77b4", False, False)


def test_bars_stand_side_by_side_under_names():
    panel = Panel("", [Series("a", ["1", "2"], [3, 4], "bars"), Series("b", ["1", "2"], [5, 6], "bars")])
    (ax,) = charts.on_paper("", [panel]).axes
    places = [bar.get_x() + bar.get_width() / 2 for bar in ax.patches]
    np.testing.assert_allclose(places, [-0.2, 0.8, 0.2, 1.2])
    assert [bar.get_height() for bar in ax.patches] == [3, 4, 5, 6]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "2"]
    figure = plotly_charts.on_page(panel)
    assert figure.layout.barmode == "group"
    assert figure.layout.xaxis.type == "category"  # names of digits are no numbers


@pytest.mark.parametrize("axis", ["x", "y"])
def test_logarithmic_axes(axis):
    panel = Panel("", [Series("", [1, 10], [1, 10])], log=axis, marks={10: "ten"})
    (ax,) = charts.on_paper("", [panel]).axes
    assert (ax.get_xscale(), ax.get_yscale()) == (("log", "linear") if axis == "x" else ("linear", "log"))
    figure = plotly_charts.on_page(panel)
    assert figure.layout[f"{axis}axis"].type == "log"
    assert figure.layout.shapes[0].x0 == 10


def test_heat_maps():
    values = np.array([[0.0, 0.5], [1.0, 0.25]])
    names = {"rows": ["a", "b"], "columns": ["1", "2"], "x": "x", "y": "y"}
    heat = Heat("change", values, text=np.char.mod("%.2f", values), low=-1, high=1, scale="RdBu", **names)
    ax, bar = charts.on_paper("", [heat]).axes
    np.testing.assert_array_equal(ax.images[0].get_array(), values)
    assert [text.get_text() for text in ax.texts] == ["0.00", "0.50", "1.00", "0.25"]
    assert bar.get_ylim() == (-1, 1)
    (trace,) = plotly_charts.on_page(heat).data
    np.testing.assert_array_equal(trace.z, values)
    assert (trace.zmin, trace.zmax) == (-1, 1)
    red = "rgb(103,0,31)"
    assert trace.colorscale[0][1] == red  # as matplotlib has it: low is red
    assert plotly_charts.on_page(heat).layout.yaxis.autorange == "reversed"


def test_undefined_values_are_gaps():
    panel = Panel("", [Series("", [1, 2], [float("nan"), 2.0])])
    assert "NaN" not in plotly_charts.on_page(panel).to_json()
