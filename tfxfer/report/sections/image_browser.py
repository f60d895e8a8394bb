"""The test images as cards: sorted by loss, filtered by class and by right or wrong, saved as CSV."""

from tfxfer.report import page
from tfxfer.runs.loading import Loaded

_WHICH = {"wrong": "wrong", "right": "right", "": "all"}
_ORDERS = {"loss": "highest loss", "sure": "most confident", "unsure": "least confident", "id": "lowest id"}


def browser(run: Loaded) -> str:
    """The element that the page's script fills with the images of the table `examples`."""
    kept, tested = len(run.banks["pictures"]), len(run.banks["test"])
    part = f" Of the {tested:,} test images, {kept:,} are in this page; predictions.csv lists all." * (kept < tested)
    menus = "".join(
        (
            _menu("class", {"": "all"}),
            _menu("predicted", {"": "all"}),
            _menu("show", _WHICH),
            _menu("first", _ORDERS),
        )
    )
    return (
        f'<div class="browser"><div class="controls">{menus}'
        '<button type="button" class="save">Save as CSV</button></div>'
        '<p class="note count" role="status"></p><ul class="gallery"></ul>'
        '<button type="button" class="more" hidden>Show more</button>'
        + page.note(
            "The loss of an image is -log of the probability of its label: at the top are those that the network is "
            f"most sure of and wrong about. A picture opens larger.{part}"
        )
        + "</div>"
    )


def _menu(label: str, options: dict[str, str]) -> str:
    items = "".join(f'<option value="{value}">{text}</option>' for value, text in options.items())
    return f"<label>{label} <select>{items}</select></label>"
