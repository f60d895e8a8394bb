"""The report as a person meets it: in a real browser, from disk, with the network off."""

from importlib import resources
from io import BytesIO

import browser
import numpy as np
import pytest
from conftest import make_pictures
from PIL import Image

from tfxfer import features, report, runs

NASTY = '<img src=x onerror=alert(1)></script><script>alert("x")</script>'


def project(folder, classes, n=120, seed=0, side=28):
    """A run of n test images, three classes, projected before and after; every tenth prediction is wrong."""
    images, labels = make_pictures(n, 3, side, seed=seed)
    ids = np.arange(1000, 1000 + n)
    predicted = (labels + (np.arange(n) % 10 == 0)) % 3
    points = {"before": np.stack([np.arange(n) % 12, np.arange(n) // 12], 1), "after": np.eye(3)[labels][:, :2]}
    with runs.Run("trial", {}, folder) as run:
        data = {"name": NASTY, "origin": NASTY, "sizes": {"train": 0, "validation": 0, "test": n}}
        run.facts |= {"data": data, "classes": classes}
        banks = {name: features.Bank({"pca": xy.astype(np.float32)}, labels, ids) for name, xy in points.items()}
        banks["test"] = features.Bank({"logits": np.eye(3)[predicted] * 4}, labels, ids)
        run.save(banks | {"pictures": features.Bank({"image": images[..., None]}, labels, ids)})
    return report.write(run.final), labels, predicted, points["before"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return project(tmp_path_factory.mktemp("browser"), ["cat", "dog", NASTY])


def selected(page, side):
    """Places of the selected points of one map, by class; null for a class of which all are."""
    return page.evaluate(f"document.querySelectorAll('.map')[{side}].data.map((trace) => trace.selectedpoints ?? null)")


def test_every_chart_is_drawn_and_nothing_is_asked_for(made):
    browser.check(made[0])


def test_no_button_of_a_chart_leaves_the_page(made):
    """Every button of Plotly's is pressed: none opens a tab, asks for anything or shows a link."""
    with browser.opened(made[0]) as page:
        browser.scroll(page)
        buttons = page.locator(".plotly .modebar-btn")
        titles = buttons.evaluate_all("all => all.map((button) => button.dataset.title)")
        assert {"Download plot as a PNG", "Zoom", "Pan", "Box Select", "Reset axes"} <= set(titles)
        assert [title for title in titles if "hare" in title or "loud" in title or "Edit in" in title] == []
        for number in range(len(titles)):
            buttons.nth(number).dispatch_event("click")
        page.wait_for_timeout(500)
        links = page.locator("[href], [src], [action]").evaluate_all(
            "all => all.flatMap((each) => ['href', 'src', 'action'].map((name) => each.getAttribute(name)))"
        )
        assert [link for link in links if link and not link.startswith(("data:", "blob:", "#"))] == []
        assert browser.outside(page.content()) == set()


def test_the_page_s_policy_lets_nothing_be_fetched_or_sent(made):
    """Even a script that got into the page could not send it: the browser refuses, and says so on its console."""
    address = "http://127.0.0.1:9/"
    tried = f"fetch('{address}').catch(() => 0); navigator.sendBeacon('{address}'); new Image().src = '{address}';"
    said = "addEventListener('securitypolicyviolation', (event) => said.push(event.effectiveDirective));"
    with pytest.raises(AssertionError), browser.opened(made[0]) as page:  # `opened` heeds the console
        page.evaluate(f"window.said = []; {said} {tried}")
        browser.wait(page, "said.length === 3")
        refused = page.evaluate("said.sort()")
    assert refused == ["connect-src", "connect-src", "img-src"]


def test_a_chart_is_saved_as_a_picture(made):
    with browser.opened(made[0]) as page:
        browser.scroll(page)
        with page.expect_download() as saved:
            page.locator("[data-title='Download plot as a PNG']").first.dispatch_event("click")
        with Image.open(saved.value.path()) as picture:
            assert np.asarray(picture).std() > 5


def test_the_bundle_of_plotly_has_no_cloud():
    """`make plotly` takes it out, and fails where an upgrade brings it back; this holds for the file as it is."""
    bundle = (resources.files("tfxfer.report") / "assets/plotly.min.js").read_text(encoding="utf-8")
    assert browser.outside(bundle) == set()
    for word in ("cloud", "chart-studio", "chart studio", "plot.ly", "plotly.com"):
        assert word not in bundle.lower()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('<a href="https://plot.ly/x">', {"https://plot.ly/x"}),
        ("url(//cdn.example.org/a.css)", {"//cdn.example.org/a.css"}),
        ("new WebSocket('wss://example.org')", {"wss://example.org"}),
        ('xmlns="http://www.w3.org/2000/svg" // comment "//8AAA+/" a//b', set()),
    ],
)
def test_an_outside_host_is_seen(text, found):
    assert browser.outside(text) == found


def test_the_tab_key_goes_by_plotlys_toolbars(made):
    focused = "document.activeElement.closest('.modebar') ? 'toolbar' : document.activeElement.tagName"
    with browser.opened(made[0]) as page:
        browser.scroll(page)
        page.get_by_role("button", name="dog", exact=True).click()  # and after a chart has changed
        page.locator("#theme").click()
        page.wait_for_timeout(200)
        assert page.locator(".modebar-btn").count() > 5
        page.locator("#theme").focus()
        reached = []
        while not reached or (reached[-1] != "BODY" and len(reached) < 150):
            page.keyboard.press("Tab")
            reached.append(page.evaluate(focused))
        assert "toolbar" not in reached
        assert reached[-1] == "BODY"  # there is a way out of everything
        assert reached.count("SELECT") == page.locator("select:visible").count() == 6  # of the images and the maps


def test_a_box_in_one_map_selects_the_same_images_in_the_other(made):
    path, labels, _, points = made
    with browser.opened(path) as page:
        browser.scroll(page)
        left = page.locator(".map").first
        left.scroll_into_view_if_needed()
        assert selected(page, 1) == [None] * 3
        box = left.locator(".nsewdrag").bounding_box()
        axes = page.evaluate(
            "(({xaxis, yaxis}) => [xaxis.range, yaxis.range])(document.querySelector('.map')._fullLayout)"
        )

        def at(x, y):
            (x0, x1), (y0, y1) = axes
            return box["x"] + box["width"] * (x - x0) / (x1 - x0), box["y"] + box["height"] * (y1 - y) / (y1 - y0)

        page.mouse.move(*at(1.5, 5.5))
        page.mouse.down()
        page.mouse.move(*at(4.5, 2.5), steps=5)
        page.mouse.up()
        browser.wait(page, "document.querySelectorAll('.map')[1].data[0].selectedpoints")
        inside = (points[:, 0] > 1.5) & (points[:, 0] < 4.5) & (points[:, 1] > 2.5) & (points[:, 1] < 5.5)
        assert inside.sum() == 9
        for side in (0, 1):
            for label, places in enumerate(selected(page, side)):
                np.testing.assert_array_equal(
                    np.flatnonzero(labels == label)[places], np.flatnonzero(inside & (labels == label))
                )
        shown = page.locator(".explorer .card").evaluate_all("all => all.map((card) => +card.dataset.id)")
        assert sorted(shown) == (1000 + np.flatnonzero(inside)).tolist()
        page.locator(".explorer .all").click()
        browser.wait(page, "!document.querySelectorAll('.map')[1].data[0].selectedpoints")
        assert page.locator(".explorer .card").count() == 0


def test_a_class_is_selected_by_its_name(made):
    path, labels, *_ = made
    with browser.opened(path, phone=True) as page:
        browser.scroll(page)
        page.get_by_role("button", name="dog", exact=True).tap()
        browser.wait(page, "document.querySelectorAll('.map')[1].data[1].selectedpoints")
        for side in (0, 1):
            assert [len(places) for places in selected(page, side)] == [0, int((labels == 1).sum()), 0]
        assert f"{(labels == 1).sum()} images: dog" in page.locator(".explorer .count").inner_text()


def test_hovering_shows_the_image_its_label_prediction_and_id(made):
    path, labels, predicted, _ = made
    with browser.opened(path) as page:
        browser.scroll(page)
        left = page.locator(".map").first
        left.scroll_into_view_if_needed()
        dot = left.locator(".points path").first.bounding_box()
        page.mouse.move(dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2, steps=3)
        page.wait_for_selector("#hover:not([hidden])")
        row = np.flatnonzero(labels == 0)[0]
        names = ["cat", "dog", NASTY]
        taken = [] if predicted[row] == 0 else [f"taken for {names[predicted[row]]}"]
        sure = f"{'✗' if taken else '✓'} p {np.e**4 / (np.e**4 + 2):.2f}"
        said = ["cat", *taken, sure, f"id {1000 + row}"]
        assert page.locator("#hover").inner_text().split("\n") == said
        style = page.locator("#hover .image").get_attribute("style")
        assert "blob:" in style


def test_a_click_on_the_confusion_matrix_shows_those_images(made):
    path, labels, predicted, _ = made
    with browser.opened(path) as page:
        page.locator("[data-name=confusion] button[data-row='0'][data-column='1']").click()  # true cat, predicted dog
        page.wait_for_selector("#cell .card")
        wrong = np.flatnonzero((labels == 0) & (predicted == 1))
        assert len(wrong) > 0
        assert f"cat taken for dog: {len(wrong)} images" in page.locator("#cell .count").inner_text()
        shown = page.locator("#cell .card").evaluate_all("all => all.map((card) => +card.dataset.id)")
        assert sorted(shown) == (1000 + wrong).tolist()


def test_a_large_confusion_matrix_is_drawn_and_clicked(tmp_path):
    """More classes than a table has room for."""
    path, labels, predicted, _ = project(tmp_path, ["cat", "dog", NASTY, *(f"class {number}" for number in range(60))])
    wrong = int(((labels == 0) & (predicted == 1)).sum())
    with browser.opened(path) as page:
        browser.scroll(page)
        chart = page.locator("[data-name=confusion] .plot")
        chart.scroll_into_view_if_needed()
        box = chart.locator(".nsewdrag").bounding_box()
        page.mouse.click(box["x"] + box["width"] * 1.5 / 63, box["y"] + box["height"] * 0.5 / 63)
        page.wait_for_selector("#cell .card")
        assert page.locator("#cell .count").inner_text().startswith(f"cat taken for dog: {wrong} images")


def test_the_page_turns_dark_and_back(made):
    with browser.opened(made[0], scheme="dark") as page:
        browser.scroll(page)
        back = "getComputedStyle(document.body).backgroundColor"
        ink = "document.querySelector('.map')._fullLayout.font.color"
        assert (page.evaluate(back), page.evaluate(ink)) == ("rgb(21, 24, 28)", "#e4e7eb")
        page.locator("#theme").click()
        assert (page.evaluate(back), page.evaluate(ink)) == ("rgb(255, 255, 255)", "#1b1f24")


def test_thumbnails_are_the_images(made):
    """The sprite's place, as the browser draws it, is the image: the bright square of the class stands out."""
    with browser.opened(made[0]) as page:
        browser.scroll(page)
        page.get_by_role("button", name="dog", exact=True).click()
        thumb = page.locator(".explorer .card .image").first
        thumb.scroll_into_view_if_needed()
        shot = np.asarray(Image.open(BytesIO(thumb.screenshot())).convert("L").resize((28, 28), Image.Resampling.BOX))
    square = shot[0:7, 7:14]  # class 1 is at place 1 of the grid
    assert square[1:-1, 1:-1].mean() > shot.mean() + 80


def test_ten_thousand_points_are_one_small_file(tmp_path):
    path, *_ = project(tmp_path, ["a", "b", "c"], n=10_000)
    assert path.stat().st_size < 5e6
    with browser.opened(path) as page:
        browser.wait(page, "document.querySelectorAll('.map .gl-canvas-focus').length == 2")
