"""Names that matplotlib's font cannot draw: in another font that can, else as codes; never as boxes with warnings."""

import dataclasses
import io

import matplotlib.image
import numpy as np
import pytest
from conftest import make_pictures
from finished_run import finish
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.figure import Figure

from tfxfer import features, report
from tfxfer.report import charts, figures, fonts, page, paper_charts
from tfxfer.report.charts import Heat, Panel, Series

NAMES = ["猫 cat", "🐕", "ক্ষ", "\x07"]


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """A machine with no fonts but those that matplotlib brings."""
    brought = [each for each in font_manager.fontManager.ttflist if "mpl-data" in str(each.fname)]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", brought)
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    monkeypatch.setattr(fonts, "_family", {})
    monkeypatch.setattr(fonts, "_spelled", set())


@pytest.fixture
def square(tmp_path):
    """A font whose cat is a full square and whose dog, as in fonts of colour emoji, has no shape."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 1000), (1000, 1000), (1000, 0)):
        pen.lineTo(corner)
    pen.closePath()
    empty, glyphs = TTGlyphPen(None).glyph(), [".notdef", "cat", "dog"]
    builder = FontBuilder(1000)
    builder.setupGlyphOrder(glyphs)
    builder.setupCharacterMap({ord("猫"): "cat", ord("🐕"): "dog"})
    builder.setupGlyf({".notdef": empty, "cat": pen.glyph(), "dog": empty})
    builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (1000, 0)))
    builder.setupHorizontalHeader(ascent=1000, descent=0)
    builder.setupNameTable({"familyName": "Square", "styleName": "Regular"})
    builder.setupOS2(usWeightClass=400)
    builder.setupPost()
    builder.save(tmp_path / "square.ttf")
    return tmp_path / "square.ttf"


def dark(figure, folder):
    """Black pixels of a figure as it is saved."""
    shown = matplotlib.image.imread(io.BytesIO(page.save(folder, "figure", figure)))
    return int((shown[..., :3].sum(-1) < 0.1).sum())


def test_names_that_the_usual_font_has_stay():
    assert [fonts.drawable(name) for name in ("cat", "naïve", "Ω", "😀", "two\nlines")] == [
        "cat",
        "naïve",
        "Ω",
        "😀",
        "two\nlines",
    ]
    fonts.warn_of_missing()


def test_what_no_font_has_is_its_code_and_said_once():
    shown = ["[U+732B] cat", "[U+1F415]", "[U+0995][U+09CD][U+09B7]", "[U+0007]"]
    assert [fonts.drawable(name) for name in NAMES] == shown
    assert fonts.drawable("\udcff") == "[U+DCFF]"  # of a file's name that is not UTF-8
    with pytest.warns(UserWarning, match=r"no installed font has U\+0007, ক \(U\+0995\).* and 2 other") as said:
        fonts.warn_of_missing()
    fonts.warn_of_missing()
    assert len(said) == 1


@pytest.mark.parametrize("installed", ["before", "since matplotlib listed its fonts"])
def test_another_font_draws_what_the_usual_one_lacks(square, tmp_path, monkeypatch, installed):
    if installed == "before":
        font_manager.fontManager.addfont(square)
    else:
        monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(square)])
    assert charts.plain(["猫 cat", "🐕"]) == ["猫 cat", "[U+1F415]"]  # a glyph without a shape does not count
    figure = Figure(figsize=(2, 2))
    figure.text(0.1, 0.1, "猫", size=36)
    side = 36 / 72 * 130  # in pixels, at 130 dpi
    assert dark(figure, tmp_path) == pytest.approx(side**2, rel=0.1)


def test_names_on_axes_take_the_other_font(square, tmp_path):
    """Also where matplotlib makes the ticks only when it draws."""
    font_manager.fontManager.addfont(square)
    pixels = []
    for name in ("猫猫猫猫", "...."):
        bars = Panel("", [Series("", [name, "b"], [1.0, 2.0], "markers", color="#ff0000")])
        pixels.append(dark(paper_charts.on_paper("", [bars]), tmp_path))
    assert pixels[0] - pixels[1] > 4 * (10 / 72 * 130) ** 2 * 0.6


def test_every_figure_with_such_names_is_drawn_without_a_warning(tmp_path):
    images, labels = make_pictures(40, 4, 28)
    images, points = images[..., None], np.random.default_rng(0).normal(size=(40, 2))
    bank = features.Bank({"pca": points, "original": points, "tuned": points}, labels, np.arange(40))
    names = {"rows": NAMES, "columns": NAMES, "x": "predicted", "y": "true"}
    heat = Heat("", np.eye(4), text=np.full((4, 4), "1"), low=0, high=1, scale="Blues", **names)
    drawn = [
        paper_charts.on_paper("", [heat]),
        paper_charts.on_paper("", [Panel("", [Series(name, NAMES, [1.0] * 4, "bars") for name in NAMES])]),
        paper_charts.on_paper("", [Panel("", [Series(NAMES[0], [0, 1], [1.0, 2.0], text=NAMES[:2])])]),
        figures.samples(images, labels, NAMES),
        figures.mistakes(images, labels, np.eye(4)[(labels + 1) % 4], NAMES),
        figures.explained(images[:4], {"gradcam": images[:4, ..., 0] / 255}, NAMES, ""),
        figures.projections({"before": bank}, NAMES, {"before": ""}),
        figures.planes({"corrupted": bank, "clean": bank}, NAMES, "fog"),
    ]
    for number, figure in enumerate(drawn):
        page.save(tmp_path, f"figure{number}", figure)


def test_a_report_shows_the_names_and_says_once_what_its_figures_cannot(tmp_path, pictures, small_cnn):
    small_cnn.classes = ["猫", "🐕", *small_cnn.classes[2:]]
    run = finish(tmp_path, dataclasses.replace(pictures, classes=tuple(small_cnn.classes)), small_cnn)
    with pytest.warns(UserWarning, match="no installed font") as said:
        path = report.write(run.final)
    assert len(said) == 1
    assert "猫" in path.read_text(encoding="utf-8")
