import base64
import dataclasses
import html.parser
import io

import matplotlib.image
import numpy as np
import pytest
from finished_run import finish
from PIL import Image
from scipy import stats

import tfxfer
from tfxfer import features, report, runs
from tfxfer.report import chart_html, charts, figures, paper_charts
from tfxfer.report.sections import confusion_matrix, examples, training

NASTY = '<script>alert("x")</script>'


class Page(html.parser.HTMLParser):
    """Tags with their sources, and the visible text."""

    def __init__(self, content):
        super().__init__()
        self.tags, self.links, self.text, self.hidden = [], [], "", False
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "srcset", "action")]
        self.hidden = tag in ("script", "style")

    def handle_endtag(self, tag):
        self.hidden = False

    def handle_data(self, data):
        self.text += "" if self.hidden else data


@pytest.fixture
def run_dir(tmp_path, pictures, small_cnn):
    return finish(tmp_path, pictures, small_cnn, recipe="trial").final


def test_report_is_one_file_that_asks_for_nothing(run_dir):
    path = report.write(run_dir)
    page = Page(path.read_text())
    assert all(link.startswith("#") for link in page.links)
    assert page.tags.count("img") == 0  # all are drawn by the page
    test = tfxfer.load(run_dir).banks["test"]
    right = int(np.sum(test["logits"].argmax(1) == test.labels))
    known = stats.binomtest(right, 100).proportion_ci(method="wilson")
    said = f"{right}.0% of 100 test images are classified correctly (95% interval {100 * known.low:.1f}% to "
    assert f"{said}{100 * known.high:.1f}%)." in page.text
    assert sorted(p.name for p in (run_dir / "figures").iterdir()) == ["confusion.png", "mistakes.png", "training.png"]
    for picture in (run_dir / "figures").iterdir():
        assert matplotlib.image.imread(picture).std() > 0.01
    assert not list(run_dir.glob(".partial*"))


def test_names_are_escaped(tmp_path, pictures, small_cnn):
    small_cnn.classes = [NASTY, *small_cnn.classes[1:]]
    splits = dataclasses.replace(pictures, classes=tuple(small_cnn.classes), name=NASTY)
    page = Page(report.write(finish(tmp_path, splits, small_cnn).final).read_text())
    assert page.text.count(NASTY) > 5
    # plotly, the page's own, and data: examples, curves' panels
    assert page.tags.count("script") == 2 + 1 + 2


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


def test_accuracies_before_and_after_have_intervals(tmp_path, pictures, small_cnn):
    with runs.Run("trial", {}, tmp_path) as run:
        run.describe(small_cnn, pictures)
        points = {"pca": np.random.default_rng(0).normal(size=(80, 2))}
        shown = features.Bank(points, np.arange(80) % 10, pictures.ids["test"][:80])
        run.metrics |= {"before/probe_accuracy": 0.5, "after/probe_accuracy": 1.0}
        run.save({"before": shown, "after": shown})
    page = Page(report.write(run.final).read_text())
    for right in (40, 80):
        known = stats.binomtest(right, 80).proportion_ci(method="wilson")
        assert f"{right / 80:.4f} ({known.low:.4f} to {known.high:.4f})" in page.text


def test_classes_without_test_images_have_no_scores(tmp_path, pictures, small_cnn):
    """All right, but of classes 0 to 7 alone: the mean over classes is 1, not 0.8."""
    with runs.Run("trial", {}, tmp_path) as run:
        run.describe(small_cnn, pictures)
        run.facts["classes"][9] = NASTY
        labels = np.arange(80) % 8
        run.metrics["test/accuracy"] = 1.0
        run.save_model(small_cnn, {})
        run.save({"test": features.Bank({"logits": np.eye(10)[labels]}, labels, pictures.ids["test"][:80])})
    content = report.write(run.final).read_text()
    text = Page(content).text
    low = 80 / (80 + 1.959964**2)
    assert f"100.0% of 80 test images are classified correctly (95% interval {100 * low:.1f}% to 100.0%)." in text
    assert "No image is classified wrongly." in text
    for name, *scores in (("7", "1.000", "1.000", "1.000", "10"), ("8", "—", "—", "—", "0")):
        assert f'<th scope="row">{name}</th>' + "".join(f"<td>{cell}</td>" for cell in scores) in content
        assert f"| {' | '.join((name, *scores))} |" in (run.final / "model_card.md").read_text()
    assert f"No test images of 8, {NASTY}: no scores (—), and not counted in the mean of classes." in text
    card = (run.final / "model_card.md").read_text()
    assert r"No test images of 8, \<script\>" in card
    assert "<script>" not in card
    assert "mean of classes</th><td>1.000</td><td>1.000</td><td>1.000</td><td>80</td>" in content


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
    assert len(set(charts.class_colors(classes))) == classes


def test_awkward_class_names_are_shown_as_they_are():
    names = ["_hidden", "$\\foo$", "plain"]
    bank = features.Bank({"pca": np.eye(3)[:, :2] * 1.0}, np.arange(3), np.arange(3))
    figure = figures.projections({"before": bank}, names, {"before": "untrained"})
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["_hidden", r"\$\foo\$", "plain"]
    for drawn in (figure, paper_charts.on_paper("", [confusion_matrix.chart(np.eye(3, dtype=int), names)])):
        drawn.savefig(io.BytesIO(), format="png")


def test_many_classes_fit_a_picture():
    heat = confusion_matrix.chart(np.eye(300, dtype=int), [f"class {i}" for i in range(300)])
    assert max(paper_charts.on_paper("", [heat]).get_size_inches()) < 60


def test_mistakes_are_the_most_confident_ones():
    images = np.zeros((3, 4, 4, 1), np.uint8)
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7]])
    figure = figures.mistakes(images, np.array([1, 1, 0]), probabilities, ["cat", "dog"])
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles == ["dog\n→ cat\np = 0.90", "cat\n→ dog\np = 0.70"]
    none = figures.mistakes(images, np.array([0, 1, 1]), probabilities, ["cat", "dog"])
    assert none.get_suptitle() == "No mistakes among these test images"


def test_curves_mark_the_best_epoch():
    history = {"loss": [3, 2, 1], "val_loss": [3, 2, 2.5], "accuracy": [0.1, 0.5, 0.9], "val_accuracy": [0.1, 0.5, 0.4]}
    loss, accuracy = training.curves(history)
    assert loss.marks == accuracy.marks == {2: "lowest validation loss: overfitting from here"}
    kept, _ = training.curves(history, kept=1)
    assert kept.marks == {2: "kept: lowest validation loss: overfitting from here"}
    last, _ = training.curves(history, kept=2)
    assert last.marks == {2: "lowest validation loss: overfitting from here", 3: "kept: epoch 3 (the last)"}
    assert accuracy.least == 0.1
    said = chart_html.panel(last, "")
    assert "epoch 2: lowest validation loss: overfitting from here</li>" in said
    assert "epoch 3: kept: epoch 3 (the last)</li>" in said
    falling = training.curves(history | {"val_loss": [3, 2, 1], "seconds": [4.0, 1.0, 1.0]})
    assert falling[0].marks == {3: "lowest validation loss"}
    assert falling[2].series[0].x == [4.0, 5.0, 6.0]
    further = training.curves(
        history | {"auc": [0.5, 0.6, 0.7], "val_auc": [0.5, 0.6, 0.5], "learning_rate": [1, 1, 1]}
    )
    assert [panel.title for panel in further] == ["loss", "accuracy", "auc"]
    assert [series.y for series in further[2].series] == [[0.5, 0.6, 0.7], [0.5, 0.6, 0.5]]


def test_sheets_hold_every_picture_in_its_place():
    rng = np.random.default_rng(0)
    images = np.repeat(np.repeat(rng.integers(0, 256, (1500, 2, 2, 1), np.uint8), 8, 1), 8, 2)
    packed, across = examples.sheets(images)
    first, second = (Image.open(io.BytesIO(base64.b64decode(sheet))) for sheet in packed)
    assert across == 32
    assert first.size == second.size == (32 * 16, 32 * 16)
    shown = np.asarray(second.convert("L"))[14 * 16 :, 27 * 16 :][:16, :16]  # number 1499
    assert np.abs(shown.astype(int) - images[1499, ..., 0]).mean() < 12


def test_large_pictures_are_made_small(monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (40, 400, 200, 3), np.uint8)
    (sheet,), across = examples.sheets(images)
    assert across == 12
    assert Image.open(io.BytesIO(base64.b64decode(sheet))).size == (12 * 80, 12 * 160)
    monkeypatch.setattr(examples, "BYTES", 1)
    (sheet,), across = examples.sheets(images)
    assert across == 32
    assert Image.open(io.BytesIO(base64.b64decode(sheet))).size == (32 * 10, 32 * 20)  # as small as it gets
