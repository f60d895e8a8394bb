import dataclasses
import html.parser
import io

import matplotlib.image
import numpy as np
import pytest
from test_runs import finish

from tfxfer import features, figures, report, runs

NASTY = '<script>alert("x")</script>'


class Page(html.parser.HTMLParser):
    """Tags with their sources, and the visible text."""

    def __init__(self, content):
        super().__init__()
        self.tags, self.links, self.text = [], [], ""
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "srcset", "action")]

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def run_dir(tmp_path, pictures, small_cnn):
    return finish(tmp_path, pictures, small_cnn, recipe="trial").final


def test_report_is_one_file_that_asks_for_nothing(run_dir):
    path = report.write(run_dir)
    page = Page(path.read_text())
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    assert page.tags.count("img") == len(page.links) == 3
    assert "0.5000 ± 0.0500 (standard error)" in page.text
    assert "100 test" in page.text
    assert sorted(p.name for p in (run_dir / "figures").iterdir()) == ["confusion.png", "mistakes.png", "training.png"]
    for picture in (run_dir / "figures").iterdir():
        assert matplotlib.image.imread(picture).std() > 0.01
    assert not list(run_dir.glob(".partial*"))


def test_names_are_escaped(tmp_path, pictures, small_cnn):
    small_cnn.classes = [NASTY, *small_cnn.classes[1:]]
    splits = dataclasses.replace(pictures, classes=tuple(small_cnn.classes), name=NASTY)
    page = Page(report.write(finish(tmp_path, splits, small_cnn).final).read_text())
    assert "script" not in page.tags
    assert NASTY in page.text


def test_before_and_after_stand_side_by_side(tmp_path, pictures, small_cnn):
    with runs.Run("trial", {}, tmp_path) as run:
        run.describe(small_cnn, pictures)
        bank = features.extract(small_cnn, pictures.test)
        for when, value in (("before", 0.25), ("after", 0.75)):
            run.metrics[f"{when}/silhouette"] = value
        points = {"pca": np.random.default_rng(0).normal(size=(100, 2))}
        shown = features.Bank({**bank.values, **points}, bank.labels, bank.ids)
        run.save_model(small_cnn, {})
        run.save({"before": shown, "after": shown})
    page = Page(report.write(run.final).read_text())
    assert "0.2500" in page.text
    assert "0.7500" in page.text
    assert (run.final / "figures/projections.png").exists()
    assert not (run.final / "figures/training.png").exists()


def test_projection_panels_show_every_class_in_its_color():
    labels = np.arange(30) % 3
    points = {"pca": np.eye(3)[labels][:, :2] + np.arange(30)[:, None] * 1e-3}
    bank = features.Bank(points, labels, np.arange(30))
    figure = figures.projections({"before": bank}, ["a", "b", "c"], {"before": "untrained"})
    dots = figure.axes[0].collections
    assert [len(dot.get_offsets()) for dot in dots] == [10, 10, 10]
    assert len({tuple(dot.get_facecolor()[0]) for dot in dots}) == 3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b", "c"]


@pytest.mark.parametrize("classes", [2, 10, 15, 30])
def test_colors_differ(classes):
    assert len({tuple(color) for color in figures.class_colors(classes)}) == classes


def test_awkward_class_names_are_shown_as_they_are():
    names = ["_hidden", "$\\foo$", "plain"]
    bank = features.Bank({"pca": np.eye(3)[:, :2] * 1.0}, np.arange(3), np.arange(3))
    figure = figures.projections({"before": bank}, names, {"before": "untrained"})
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["_hidden", r"\$\foo\$", "plain"]
    for drawn in (figure, figures.confusion(np.eye(3, dtype=int), names)):
        drawn.savefig(io.BytesIO(), format="png")


def test_many_classes_fit_a_picture():
    figure = figures.confusion(np.eye(300, dtype=int), [f"class {i}" for i in range(300)])
    assert max(figure.get_size_inches()) < 60


def test_mistakes_are_the_most_confident_ones():
    images = np.zeros((3, 4, 4, 1), np.uint8)
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7]])
    figure = figures.mistakes(images, np.array([1, 1, 0]), probabilities, ["cat", "dog"])
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles == ["dog\ntaken for cat\np = 0.90", "cat\ntaken for dog\np = 0.70"]
    none = figures.mistakes(images, np.array([0, 1, 1]), probabilities, ["cat", "dog"])
    assert none.get_suptitle() == "No mistakes among these test images"


def test_curves_mark_the_best_epoch():
    history = {"loss": [3, 2, 1], "val_loss": [3, 2, 2.5], "accuracy": [0.1, 0.5, 0.9], "val_accuracy": [0.1, 0.5, 0.4]}
    figure = figures.curves(history)
    assert [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_linestyle() == ":"] == [2]
