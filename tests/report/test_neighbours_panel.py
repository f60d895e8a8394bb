"""A click on an image shows its nearest training images, in a real browser."""

from dataclasses import replace

import browser
import numpy as np
import pytest
from conftest import make_pictures

from tfxfer import features, model, report, runs
from tfxfer.recipes.shared import neighbour_study, run_artifacts
from tfxfer.report.sections import neighbours
from tfxfer.runs import loading


@pytest.fixture(scope="module")
def finished(tmp_path_factory, pictures):
    """A report with one map, a confusion matrix and pictures of 100 test images."""
    net = model.build("cnn", pictures, weights="none")
    bank = features.extract(net, pictures.test, ("embedding", "logits"))
    shown = run_artifacts.images(pictures, "test", np.arange(100))
    found = neighbour_study.neighbours(net, pictures, shown, {})
    with runs.Run("trial", {}, tmp_path_factory.mktemp("near")) as run:
        run.describe(None, pictures)
        run.facts |= {"sections": ["projections", "predictions"]} | found.facts
        points = np.stack([np.arange(100) % 10, np.arange(100) // 10], 1).astype(np.float32)
        banks = {
            "test": bank.only("logits"),
            "pictures": shown,
            "map": features.Bank({"pca": points}, bank.labels, bank.ids),
        }
        run.save(banks | found.banks)
    return report.write(run.final), found, bank, features.extract(net, pictures.train)


def test_neighbours_are_the_nearest(finished):
    _, found, bank, known = finished
    near, references = found.banks["neighbours"], found.banks["references"]
    distances = np.linalg.norm(bank["embedding"][:, None] - known["embedding"], axis=2)
    rows = np.argsort(distances, 1)[:, : neighbour_study.COUNT]
    np.testing.assert_array_equal(references.ids[near["row"]], known.ids[rows])
    np.testing.assert_allclose(near["distance"], np.take_along_axis(distances, rows, 1), rtol=1e-4)
    assert found.facts == {"neighbours": {"searched": 270, "count": 6}}


def test_pictures_of_neighbours_are_small(pictures):
    large = make_pictures(300, side=64)[0]
    rows = pictures.rows["train"]
    splits = replace(
        pictures, image_shape=(64, 64, 1), rows=pictures.rows | {"train": replace(rows, images=large[:270, ..., None])}
    )
    made = neighbour_study._pictures(splits, np.arange(5))
    assert made.shape == (5, 32, 32, 1)
    np.testing.assert_allclose(made[..., 0], large[:5].reshape(5, 32, 2, 32, 2).mean((2, 4)), atol=1)


def test_a_picture_that_is_opened_shows_them(finished):
    path, found, _, _ = finished
    near, references = found.banks["neighbours"], found.banks["references"]
    rows = {number: row for row, number in enumerate(near.ids.tolist())}
    with browser.opened(path) as page:
        browser.scroll(page)
        page.evaluate("document.querySelector('.chip').click()")
        card = page.locator(".explorer button.card").first
        card.click()
        row = rows[int(card.get_attribute("data-id"))]
        shown = page.locator("#viewer .near li")
        assert shown.count() == 6
        names = [name.removeprefix("id ") for name in page.locator("#viewer .near .name").all_inner_texts()]
        assert names == [str(number) for number in references.ids[near["row"][row]]]
        assert f"distance {near['distance'][row, 0]:.3g}"[:12] in shown.first.inner_text()
        assert "among 270 training images" in page.locator("#viewer .near .note").inner_text()
        page.keyboard.press("Escape")
        assert page.locator("#viewer").is_hidden()


def test_a_point_that_is_clicked_shows_them(finished):
    with browser.opened(finished[0]) as page:
        browser.scroll(page)
        chart = page.locator(".map").first
        chart.scroll_into_view_if_needed()
        page.evaluate(
            "document.querySelector('.map').emit('plotly_click', {points: [{curveNumber: 0, pointIndex: 0}]})"
        )
        assert page.locator("#viewer .near li").count() == 6


def test_a_run_without_them_has_no_panel(tmp_path):
    with runs.Run("trial", {}, tmp_path) as run:
        run.save({})
    assert neighbours.table(loading.load(run.final)) == ""
