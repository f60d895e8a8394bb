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


def test_a_click_shows_them(finished):
    path, found, bank, _ = finished
    near, references = found.banks["neighbours"], found.banks["references"]
    first = references.ids[near["row"][0, 0]]
    with browser.opened(path) as page:
        panel = page.locator("#near")
        assert panel.is_hidden()
        browser.scroll(page)
        page.evaluate(f"document.dispatchEvent(new CustomEvent('example', {{detail: {bank.ids[0]}}}))")
        assert panel.is_visible()
        assert f"image {bank.ids[0]} " in panel.locator(".title").inner_text()
        captions = panel.locator("figcaption").all_inner_texts()
        assert len(captions) == 6
        assert captions[0].endswith(f"· {first}")
        assert f"{near['distance'][0, 0]:.3g}"[:3] in captions[0]
        page.keyboard.press("Escape")
        assert panel.is_hidden()
        page.evaluate("document.querySelector('.chip').click()")
        thumb = page.locator(".explorer .thumb").first
        thumb.click()
        assert panel.is_visible()
        assert f"image {thumb.get_attribute('data-id')} " in panel.locator(".title").inner_text()
        panel.locator("button").click()
        assert panel.is_hidden()


def test_a_click_on_a_point_shows_them(finished):
    with browser.opened(finished[0]) as page:
        browser.scroll(page)
        chart = page.locator(".map").first
        chart.scroll_into_view_if_needed()
        page.evaluate(
            "document.querySelector('.map').emit('plotly_click', {points: [{curveNumber: 0, pointIndex: 0}]})"
        )
        assert page.locator("#near").is_visible()


def test_a_run_without_them_has_no_panel(tmp_path):
    with runs.Run("trial", {}, tmp_path) as run:
        run.save({})
    assert neighbours.table(loading.load(run.final)) == ""
