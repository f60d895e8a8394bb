"""A chart drawn twice shows the same numbers twice."""

import numpy as np
import pytest

from tfxfer.report import chart_html, chart_sentences, charts, paper_charts, plotly_charts
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
    (ax,) = paper_charts.on_paper("What to see", [PANEL]).axes
    drawn = {line.get_label(): line for line in ax.lines}
    np.testing.assert_array_equal(drawn["training"].get_xydata(), [[1, 0.5], [2, 0.75], [3, 1]])
    assert drawn[r"<b>\$x\$</b>"].get_linestyle() == ":"
    assert drawn[r"<b>\$x\$</b>"].get_color() == "#ff0000"
    assert drawn["best"].get_xdata() == [2, 2]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_ylim()) == ("epoch", "share", (0, 1))
    assert [text.get_text() for text in ax.texts] == []


def test_lines_on_the_page():
    figure = plotly_charts.on_page(PANEL)
    first, second, third = figure.data
    assert (list(first.x), list(first.y), first.mode) == ([1, 2, 3], [0.5, 0.75, 1.0], "lines+markers")
    assert (second.name, second.line.dash, second.line.color) == ("&lt;b&gt;$x$&lt;/b&gt;", "dot", "#ff0000")
    assert (third.mode, third.hovertext) == ("markers", ("a &amp; b",))
    assert figure.layout.shapes[0].x0 == 2
    assert not figure.layout.annotations  # text over a plot may lie over other text: it stands in the legend
    assert figure.layout.yaxis.range == (0, 1)


def test_a_band_lies_between_its_ends():
    panel = Panel("", [Series("median", [1, 10], [0.5, 0.75], band=[(0.25, 0.5), (0.5, 1.0)])], log="x")
    (ax,) = paper_charts.on_paper("", [panel]).axes
    corners = ax.collections[0].get_paths()[0].vertices
    assert {*map(tuple, corners)} == {(1, 0.25), (1, 0.5), (10, 0.5), (10, 1.0)}
    low, high, line = plotly_charts.on_page(panel).data
    assert (list(low.y), list(high.y), high.fill) == ([0.25, 0.5], [0.5, 1.0], "tonexty")
    assert high.fillcolor == "rgba(31,119,180,0.15)"  # of #1f77b4, the line's colour
    assert (line.name, line.line.color, low.showlegend, high.showlegend) == ("median", "#1f77b4", False, False)


def test_bars_stand_side_by_side_under_names():
    panel = Panel("", [Series("a", ["1", "2"], [3, 4], "bars"), Series("b", ["1", "2"], [5, 6], "bars")])
    (ax,) = paper_charts.on_paper("", [panel]).axes
    places = [bar.get_x() + bar.get_width() / 2 for bar in ax.patches]
    np.testing.assert_allclose(places, [-0.2, 0.8, 0.2, 1.2])
    assert [bar.get_height() for bar in ax.patches] == [3, 4, 5, 6]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "2"]
    figure = plotly_charts.on_page(panel)
    assert figure.layout.barmode == "group"
    assert figure.layout.xaxis.ticktext == ("1", "2")  # names of digits are no numbers
    assert list(figure.data[0].x) == [0, 1]
    shapes = [trace.marker.pattern.shape for trace in figure.data]
    assert len(set(shapes)) == 2  # told apart without their colours


@pytest.mark.parametrize("axis", ["x", "y"])
def test_logarithmic_axes(axis):
    panel = Panel("", [Series("", [1, 10], [1, 10])], log=axis, marks={10: "ten"})
    (ax,) = paper_charts.on_paper("", [panel]).axes
    assert (ax.get_xscale(), ax.get_yscale()) == (("log", "linear") if axis == "x" else ("linear", "log"))
    figure = plotly_charts.on_page(panel)
    assert figure.layout[f"{axis}axis"].type == "log"
    assert figure.layout.shapes[0].x0 == 10


def test_heat_maps():
    values = np.array([[0.0, 0.5], [1.0, 0.25]])
    names = {"rows": ["a", "b"], "columns": ["1", "2"], "x": "x", "y": "y"}
    heat = Heat("change", values, text=np.char.mod("%.2f", values), low=-1, high=1, scale="RdBu", **names)
    ax, bar = paper_charts.on_paper("", [heat]).axes
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


def test_lines_differ_by_more_than_colour():
    panel = Panel("", [Series(str(n), [1, 2], [n, n + 1]) for n in range(4)])
    (ax,) = paper_charts.on_paper("", [panel]).axes
    assert len({(line.get_linestyle(), line.get_marker()) for line in ax.lines}) == 4
    figure = plotly_charts.on_page(panel)
    assert len({(trace.line.dash, trace.marker.symbol) for trace in figure.data}) == 4
    legend = chart_html.panel(panel, "")
    assert [mark in legend for mark in "●■▲◆"] == [True] * 4


def contrast(color, other):
    def luminance(text):
        parts = (int(text[at : at + 2], 16) / 255 for at in (1, 3, 5))
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(color), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_colours_stand_out_from_both_pages():
    for color in charts.class_colors(10):
        assert min(contrast(color, "#ffffff"), contrast(color, "#15181c")) >= 3, color


@pytest.mark.parametrize(
    ("values", "log", "least", "ends"),
    [
        ([0.500, 0.502], "", 0.1, (0.446, 0.556)),  # 0.05 of margin at both ends
        ([0.990, 0.992], "", 0.1, (0.895, 1.005)),  # no higher than 1
        ([0.3, 0.9], "", 0.1, None),
        ([10.0, 10.0], "y", 10, (10 / 10**0.5, 10 * 10**0.5)),
        ([1.0, 100.0], "y", 10, None),
        ([float("nan")], "", 0.1, None),
        ([0.5, 0.502], "", 0.0, None),
    ],
)
def test_small_differences_do_not_fill_an_axis(values, log, least, ends):
    panel = Panel("", [Series("", list(range(len(values))), values)], log=log, least=least)
    found = charts.y_range(panel)
    assert found == (None if ends is None else pytest.approx(ends))
    shown = plotly_charts.on_page(panel).layout.yaxis.range
    assert shown == (None if ends is None else pytest.approx(np.log10(ends) if log else ends))


def test_a_chart_says_what_it_shows():
    panel = Panel(
        "loss",
        [Series("training", [1, 2, 3], [2.0, 1.0, 0.5]), Series("validation", [1, 2, 3], [2.0, 1.25, 1.5])],
        "epoch",
    )
    assert chart_sentences.sentence(panel) == (
        "training: from 2 at 1 to 0.5 at 3; validation: from 2 at 1 to 1.5 at 3 (lowest 1.25 at 2)."
    )
    bars = Panel("", [Series("test", ["a", "b"], [3, 4], "bars"), Series("train", ["a", "b"], [5, 5], "bars")])
    assert chart_sentences.sentence(bars) == "test: 3 (a) to 4 (b); train: 5 everywhere."
    points = Panel("", [Series(n, [1], [y], "markers", text=[n]) for n, y in (("cnn", 0.5), ("svm", 0.75))], y="share")
    assert chart_sentences.sentence(points) == "share: highest 0.75 (svm), lowest 0.5 (cnn)."
    values = np.array([[0.5, np.nan], [1.0, 0.25]])
    heat = Heat(
        "", values, text=values.astype(str), rows=["a", "b"], columns=["1", "2"], low=0, high=1, scale="viridis"
    )
    assert chart_sentences.sentence(heat) == "Highest 1 (b, 1), lowest 0.25 (b, 2)."
    assert chart_sentences.sentence(Panel("", [Series("", [1, 2], [float("nan")] * 2)])) == ""


def test_a_logarithmic_axis_has_whole_numbers_beside_it():
    panel = charts.Panel("", [charts.Series("", [30, 250], [0.5, 0.7])], "images", "accuracy", log="x")
    axis = plotly_charts.on_page(panel).layout.xaxis
    shown = dict(zip(axis.tickvals, axis.ticktext, strict=True))
    assert {30.0, 3.0} & {*shown} == set()
    assert [shown[value] for value in (20, 50, 100, 200)] == ["20", "50", "100", "200"]
    assert min(shown) <= 30
    assert max(shown) >= 250
