"""A report opened from disk in headless Chromium, without a network; an error on its console fails the test."""

import contextlib
import re
import shutil

from playwright.sync_api import Page, sync_playwright

# XML's namespaces are names: nothing fetches them
_NAMESPACES = {f"http://www.w3.org/{name}" for name in ("1999/xhtml", "1999/xlink", "2000/svg", "2000/xmlns/")}
_NAMESPACES |= {"http://www.w3.org/XML/1998/namespace"}


def outside(text: str) -> set[str]:
    """Addresses of other hosts that a file names: scheme://..., or //... where an attribute or a string begins."""
    found = re.findall(r"[a-z][a-z0-9+.-]*://[^\s\"'`<>()\\]*", text, re.IGNORECASE)
    return {*found, *re.findall(r"(?<=[\"'`=(])//[\w-]+\.\w[\w./-]*", text)} - _NAMESPACES


@contextlib.contextmanager
def opened(path, width=1200, phone=False, scheme="light", fragment=""):
    """The page, at a width in CSS pixels; a phone has a touch screen; a fragment, such as #verdict, is a section's."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "no Chromium: `make test` installs Debian's package where it may; else install a Chromium"
    faults, asked = [], []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        options = {"is_mobile": True, "has_touch": True} if phone else {}
        viewport = {"width": 390 if phone else width, "height": 844 if phone else 900}
        context = browser.new_context(offline=True, viewport=viewport, color_scheme=scheme, **options)
        page = context.new_page()
        context.on("page", lambda other: faults.append(f"a new tab: {other.url}"))
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: (faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        context.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri() + fragment)
        yield page
        browser.close()
    assert faults == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def wait(page: Page, condition: str) -> None:
    """Until a condition in JavaScript holds: Playwright's own wait evaluates text in the page, which the report's
    policy forbids."""
    # by the clock: a page that is not painted, on a busy machine, may wait for its next frame for ever
    look = f"({condition}) ? done() : Date.now() > end ? fail('timeout') : setTimeout(look, 30)"
    page.evaluate(f"new Promise((done, fail) => {{ const end = Date.now() + 30000, look = () => {look}; look(); }})")


def scroll(page: Page) -> None:
    """Through the whole page, with all that is folded, so that every chart is drawn."""
    page.evaluate("document.querySelectorAll('.fold').forEach((fold) => { fold.open = true; })")
    y = 0
    while y < page.evaluate("document.documentElement.scrollHeight"):  # which grows with what is drawn
        page.evaluate(f"scrollTo(0, {y})")
        page.wait_for_timeout(30)
        y += 500
    wait(page, "[...document.querySelectorAll('.plot, .map')].every((div) => 'drawn' in div.dataset)")


def check(path) -> None:
    """What every report must stand: all charts drawn, no error, no other host asked or named, no wider than a phone."""
    assert outside(path.read_text(encoding="utf-8")) == set()
    with opened(path) as page:
        scroll(page)
        assert page.locator(".plot").count() == page.locator(".plot .main-svg").count() / 3
    with opened(path, phone=True, scheme="dark") as page:
        scroll(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
