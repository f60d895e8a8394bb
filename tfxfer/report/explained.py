"""Sections on where a network looks: class activation maps of right and wrong predictions, and what they are worth."""

import html

import matplotlib
import numpy as np
from PIL import Image

from tfxfer.analysis.attribution import METHODS
from tfxfer.loaded import Loaded
from tfxfer.report import figures, page
from tfxfer.report.charts import Panel, Series

_NAMES = {"gradcam": "Grad-CAM", "gradcam++": "Grad-CAM++", "layercam": "LayerCAM"}
_LEAST = 112  # pixels a side, so that a heat map is seen smooth


def sections(run: Loaded) -> list[str]:
    bank = run.banks.get("explained")
    if bank is None:
        return []
    facts, classes, folder = run.facts["explained"], run.facts["classes"], run.dir / "figures"
    right = bank["predicted"] == bank.labels
    captions = [
        f"{classes[label]} → {classes[predicted]} {sure:.2f}"
        for label, predicted, sure in zip(bank.labels, bank["predicted"], bank["sure"])
    ]
    title = "Where does it look? Maps speak for the predicted class"
    stacked = [caption.replace(" → ", "\n→ ") for caption in captions]
    page.save(
        folder, "explained", figures.explained(bank["image"], {_NAMES[m]: bank[m] for m in METHODS}, stacked, title)
    )
    options = "".join(f'<option value="{name}">{_NAMES[name]}</option>' for name in METHODS)
    groups = []
    for text, some in (("Right", right), ("Wrong", ~right)):
        panels = [_panel(bank, row, captions[row]) for row in np.flatnonzero(some)]
        groups += [f"<h3>{text}</h3>", f'<div class="cams">{"".join(panels)}</div>'] if panels else []
    return [
        page.heading("Where it looks"),
        page.note(
            f"Original, heat map, overlay; maps of the layer {facts['layer']} ({facts['side']} x {facts['side']}), "
            f"images at {facts['size']} pixels a side, weighed for the predicted class."
        ),
        f'<section><div class="controls"><label>method <select class="method">{options}</select></label></div>'
        f"{''.join(groups)}</section>",
        *_sanity(run),
    ]


def _panel(bank, row: int, caption: str) -> str:
    original = _enlarged(bank["image"][row])
    parts = [f'<img alt="original" src="{page.picture(original)}">']
    for method in METHODS:
        heat = _heat(bank[method][row], original.shape[:2])
        hidden = "" if method == METHODS[0] else " hidden"
        overlay = (0.5 * original.astype(float) + 0.5 * heat).round().astype(np.uint8)
        for name, pixels in (("heat map", heat), ("overlay", overlay)):
            parts.append(
                f'<img class="smooth" alt="{name}" data-method="{method}"{hidden} src="{page.picture(pixels)}">'
            )
    return f'<figure class="cam"><div>{"".join(parts)}</div><figcaption>{html.escape(caption)}</figcaption></figure>'


def _enlarged(image: np.ndarray) -> np.ndarray:
    """uint8 RGB, each pixel as a square of pixels where the image is small."""
    times = -(-_LEAST // max(image.shape[:2]))
    return np.broadcast_to(image, (*image.shape[:2], 3)).repeat(times, 0).repeat(times, 1)


def _heat(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    smooth = Image.fromarray(values.astype(np.float32)).resize(shape[::-1], Image.Resampling.BICUBIC)
    return (matplotlib.colormaps["inferno"](np.clip(np.asarray(smooth), 0, 1))[..., :3] * 255).round().astype(np.uint8)


def _sanity(run: Loaded) -> list[str]:
    found = {key.removeprefix("sanity/"): value for key, value in run.metrics.items() if key.startswith("sanity/")}
    found = {name: value for name, value in found.items() if not np.isnan(value)}
    if not found:
        return []
    text = (
        "Do maps depend on what was learned? Weights made random from the head downwards: a map that stays says nothing"
    )
    series = [Series("", ["none", *found], [1.0, *found.values()])]
    panel = Panel("", series, "random down to", "rank correlation with the first maps", span=(-0.5, 1.05))
    return [page.chart(run.dir / "figures", "sanity", text, [panel])]
