"""The report for every reader: axe-core, keyboard, phone, dark, print, and names that never lie over each other."""

import csv
import io
import re
import warnings
from importlib import resources
from pathlib import Path

import browser
import full_run
import numpy as np
import pytest

from tfxfer import report
from tfxfer.report import heat_table

AXE = Path(__file__).parent / "assets" / "axe-core" / "axe.min.js"
OVERLAPPING = """
[...document.querySelectorAll('.plot .main-svg')].flatMap((svg) => {
  const boxes = [...svg.querySelectorAll('text')].filter((text) => text.textContent.trim())
    .map((text) => [text.textContent, text.getBoundingClientRect()]).filter(([, box]) => box.width > 0);
  return boxes.flatMap(([name, a], place) => boxes.slice(place + 1).filter(([, b]) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1)
    .map(([other]) => `${name} / ${other}`));
})
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # of characters that no font here has
        return report.write(full_run.make(tmp_path_factory.mktemp("full")))


def unfold(page):
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    browser.scroll(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("phone", [False, True])
def test_axe_finds_nothing(path, phone, scheme):
    with browser.opened(path, width=1280, phone=phone, scheme=scheme) as page:
        unfold(page)
        page.locator(".chip").first.click()
        page.locator("[data-name=confusion] button").first.click()
        page.evaluate(AXE.read_text(encoding="utf-8"))
        for dialog in (False, True):
            if dialog:
                page.locator("#cell .card").first.click()
            found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            said = [f"{each['id']}: {node['html'][:150]}" for each in found["violations"] for node in each["nodes"]]
            assert said == []
            assert len(found["passes"]) > 10
        assert page.evaluate(OVERLAPPING) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= (390 if phone else 1280)


def test_the_verdict_is_first_and_research_is_folded(path):
    with browser.opened(path) as page:
        titles = page.locator("#contents a").all_inner_texts()
        assert titles == [
            *("Verdict", "Predictions", "Mistakes", "Suspicious labels", "Features before and after"),
            *("How many layers to unfreeze", "Training", "Where it looks", "The data"),
            *("Collapse by depth", "How alike layers are", "Sanity check of the maps", "How it was made"),
        ]
        folded = page.locator(".fold:not([open]) h2").all_inner_texts()
        assert folded == ["Collapse by depth", "How alike layers are", "Sanity check of the maps"]
        assert page.locator(".fold > .about").count() == 3


def test_the_contents_stay_in_sight_and_links_open_what_is_folded(path):
    for phone in (False, True):
        with browser.opened(path, width=1280, phone=phone) as page:
            page.locator("#contents a", has_text="How alike layers are").click()
            browser.wait(page, "document.querySelector('#how-alike-layers-are details').open")
            browser.wait(page, "document.querySelector('#contents a[aria-current]')?.hash === '#how-alike-layers-are'")
            box = page.locator("#contents").bounding_box()
            assert 0 <= box["y"] < 100
            top = page.locator("#how-alike-layers-are h2").bounding_box()["y"]
            assert (box["y"] + box["height"] if phone else 0) <= top < 600


def test_a_link_from_elsewhere_opens_its_section(path):
    with browser.opened(path, fragment="#collapse-by-depth") as page:
        browser.wait(page, "document.querySelector('#collapse-by-depth details').open")
        assert page.locator("#collapse-by-depth .about").is_visible()


def test_on_a_phone_no_picture_is_small_and_tables_show_that_there_is_more(path):
    with browser.opened(path, phone=True) as page:
        unfold(page)
        sides = page.locator(".image:visible").evaluate_all(
            "all => all.map((image) => Math.min(image.clientWidth, image.clientHeight))"
        )
        assert len(sides) > 50
        assert min(sides) >= 40
        wide = page.locator(".table").evaluate_all(
            "all => all.map((each) => [each.scrollWidth > each.clientWidth + 1, each.classList.contains('scrolls'), "
            "each.tabIndex])"
        )
        assert {tuple(each) for each in wide} == {(True, True, 0), (False, False, -1)}
        cards = page.locator(".browser .card").evaluate_all("all => all.map((card) => card.clientWidth)")
        assert min(cards) > 300  # one below the other


def test_nothing_is_white_in_the_dark(path):
    with browser.opened(path, scheme="dark") as page:
        unfold(page)
        light = page.evaluate(
            "[...document.querySelectorAll('body, body *')].filter((each) => each.offsetWidth > 20 && "
            r"/^rgb\(2[2-5]\d, 2[2-5]\d, 2[2-5]\d\)$/.test(getComputedStyle(each).backgroundColor))"
            ".map((each) => each.outerHTML.slice(0, 80))"
        )
        assert light == []
        assert page.locator("main img[src^='data:image/png']").count() == 0


def test_cells_of_the_confusion_matrix_are_reached_by_keyboard(path):
    with browser.opened(path) as page:
        buttons = page.locator("[data-name=confusion] button")
        assert buttons.evaluate_all("all => all.filter((button) => button.tabIndex === 0).length") == 1
        buttons.first.focus()
        place = "[document.activeElement.dataset.row, document.activeElement.dataset.column].map(Number)"
        assert page.evaluate(place) == [0, 0]
        page.keyboard.press("ArrowRight")
        assert page.evaluate(place) == [0, 1]
        page.keyboard.press("ArrowDown")
        assert page.evaluate(place) == [1, 1]
        page.keyboard.press("ArrowLeft")  # no image there: the focus stays
        assert page.evaluate(place) == [1, 1]
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Enter")
        page.wait_for_selector("#cell .card")
        assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
        said = page.locator("#cell .count").inner_text()
        assert said.startswith(f"{full_run.CLASSES[0]} taken for {full_run.CLASSES[1]}: 3 images")


def test_a_class_is_a_switch_and_a_picture_opens_larger_and_closes(path):
    with browser.opened(path) as page:
        unfold(page)
        chip = page.locator(".chip").nth(1)
        for pressed in ("true", "false"):
            chip.focus()
            page.keyboard.press("Enter")
            assert chip.get_attribute("aria-pressed") == pressed
        for gallery in (".browser", "#suspicious-labels", "#the-data", ".cams"):
            card = page.locator(f"{gallery} .card").first
            small = card.locator(".image").first.bounding_box()["width"]
            card.focus()
            page.keyboard.press("Enter")
            assert page.locator("#viewer").is_visible()
            assert page.locator("#viewer .image").first.bounding_box()["width"] > 2 * small
            said = [told.inner_text().strip() for told in (page.locator("#viewer .told .told"), card.locator(".told"))]
            assert said[0] == said[1] != ""
            page.keyboard.press("Escape")
            assert not page.locator("#viewer").is_visible()
            assert page.evaluate("document.activeElement.dataset.id") == card.get_attribute("data-id")


def test_images_are_filtered_sorted_and_saved(path):
    with browser.opened(path) as page:
        browser.scroll(page)
        label, predicted, which, order = page.locator(".browser select").all()
        assert page.locator(".browser .count").inner_text() == "28 images, 28 shown"
        losses = "all => all.map((card) => examples.given[rowOf.get(+card.dataset.id)])"
        shown = page.locator(".browser .card").evaluate_all(losses)
        assert shown == sorted(shown)
        which.select_option("")
        assert page.locator(".browser .count").inner_text() == "140 images, 60 shown"
        page.locator(".browser .more").click()
        assert page.locator(".browser .count").inner_text() == "140 images, 120 shown"
        label.select_option(label=full_run.CLASSES[5])
        predicted.select_option(label=full_run.CLASSES[6])
        order.select_option("id")
        assert page.locator(".browser .count").inner_text() == "3 images, 3 shown"
        with page.expect_download() as saved:
            page.locator(".browser .save").click()
        rows = list(csv.DictReader(io.StringIO(Path(saved.value.path()).read_text(encoding="utf-8"))))
    with (path.parent / "predictions.csv").open(newline="", encoding="utf-8") as file:
        known = {row["id"]: row for row in csv.DictReader(file)}
    assert [int(row["id"]) for row in rows] == sorted(int(row["id"]) for row in rows)
    assert len(rows) == 3
    for row in rows:
        expected = known[row["id"]]
        assert row.keys() == expected.keys()
        for name in ("file", "label", "predicted", "correct"):
            assert row[name] == expected[name]
        assert float(row["probability"]) == pytest.approx(float(expected["probability"]), abs=1e-4)
        assert float(row["label_probability"]) == pytest.approx(float(expected["label_probability"]), rel=0.01)


def test_on_paper_everything_is_open_and_drawn_on_white(path):
    with browser.opened(path, scheme="dark") as page:
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("details:not([open])").count() == 0
        browser.wait(page, "all('.plot, .map').every((div) => div.querySelector('.main-svg'))")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.evaluate("document.querySelector('.plot')._fullLayout.font.color") == "#1b1f24"
        for hidden in ("#contents", "#theme", ".controls"):
            assert not page.locator(hidden).first.is_visible()
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        page.emulate_media(media="screen")
        assert page.locator("details:not([open])").count() > 3
        assert page.evaluate("document.querySelector('.plot')._fullLayout.font.color") == "#e4e7eb"


def test_tables_name_their_rows_and_columns(path):
    with browser.opened(path) as page:
        bare = page.locator("table").evaluate_all(
            "all => all.filter((each) => each.querySelector('th:not([scope])') || !each.querySelector('thead'))"
            ".map((each) => each.outerHTML.slice(0, 99))"
        )
        assert bare == []
        silent = page.evaluate("all('figure.chart').filter((each) => !each.querySelector('.says')).length")
        assert (page.locator("figure.chart").count() > 5, silent) == (True, 0)


def test_contrast_of_cells_is_high():
    """As axe sees it for the maps here; for every colour of the scales, from the formula of WCAG 2.1."""
    luminance = heat_table.luminance

    def contrast(shade, ink):
        dark, light = sorted((luminance(shade), 1.0 if ink == "#fff" else luminance(np.array(ink) / 255)))
        return (light + 0.05) / (dark + 0.05)

    for scale in ("Blues", "viridis", "RdBu"):
        for place in np.linspace(0, 1, 200):
            style = heat_table._style(scale, place)
            if found := re.fullmatch(r"background:#(\w{6});color:(#fff|#000)", style):
                shade = np.array([int(found[1][at : at + 2], 16) for at in (0, 2, 4)]) / 255
                assert contrast(shade, found[2] if found[2] == "#fff" else (0, 0, 0)) >= 4.5
                continue
            parts = re.fullmatch(r".*rgb\((\d+), ?(\d+), ?(\d+)\) (\d+)%,var\(--back\)\)(;color:#fff)?", style)
            share, hue = int(parts[4]) / 100, np.array([int(parts[n]) for n in (1, 2, 3)]) / 255
            for page, ink in (((255, 255, 255), (0, 0, 0)), ((21, 24, 28), (255, 255, 255))):
                shade = share * hue + (1 - share) * np.array(page) / 255
                assert contrast(shade, "#fff" if parts[5] else ink) >= 4.5, (scale, place, page)


def test_no_style_or_script_is_left_out():
    names = {path.name for path in (resources.files("tfxfer.report") / "assets").iterdir() if path.name != "plotly"}
    content = (Path(report.__file__).parent / "page.py").read_text(encoding="utf-8")
    assert [name for name in sorted(names) if f'"{name}"' not in content] == []
