"""Sections on where a network looks: class activation maps of right and wrong predictions, and what they are worth."""

import html

import matplotlib
import numpy as np
from PIL import Image

from tfxfer.analysis.attribution import METHODS, empty
from tfxfer.analysis.deletion import MIDDLE
from tfxfer.report import figures, page
from tfxfer.report.charts import Panel, Series
from tfxfer.runs.loading import Loaded

_NAMES = {"gradcam": "Grad-CAM", "gradcam++": "Grad-CAM++", "layercam": "LayerCAM"}
_LEAST = 112  # pixels a side, so that a heat map is seen smooth


def sections(run: Loaded) -> list[str]:
    bank = run.banks.get("explained")
    if bank is None:
        return []
    facts, classes, folder = run.facts["explained"], run.facts["classes"], run.dir / "figures"
    right, best = bank["predicted"] == bank.labels, facts.get("method", METHODS[0])
    captions = [
        f"{classes[label]} → {classes[predicted]} {sure:.2f}"
        for label, predicted, sure in zip(bank.labels, bank["predicted"], bank["sure"])
    ]
    title = "Where does it look? Maps speak for the predicted class"
    stacked = [caption.replace(" → ", "\n→ ") for caption in captions]
    page.save(
        folder, "explained", figures.explained(bank["image"], {_NAMES[m]: bank[m] for m in METHODS}, stacked, title)
    )
    options = "".join(
        f'<option value="{m}"{" selected" * (m == best)}>{_NAMES[m]}{_doubt(run, m)}</option>' for m in METHODS
    )
    notes = "".join(_only(method, best, "p", html.escape(_verdict(run, method)), "note") for method in METHODS)
    groups = []
    for text, some in (("Right", right), ("Wrong", ~right)):
        panels = [_panel(bank, row, captions[row], best) for row in np.flatnonzero(some)]
        groups += [f"<h3>{text}</h3>", f'<div class="cams">{"".join(panels)}</div>'] if panels else []
    return [
        page.heading("Where it looks"),
        page.note(
            f"Original, heat map, overlay; images at {facts['size']} pixels a side, weighed for the predicted class."
        ),
        f'<section><div class="controls"><label>method <select class="method">{options}</select></label></div>'
        f"{''.join(groups)}{notes}</section>",
        *_deletion(run),
        *_sanity(run),
    ]


def _only(method: str, best: str, tag: str, content: str, kind: str) -> str:
    """An element that is seen while its method is chosen."""
    hidden = "" if method == best else " hidden"
    return f'<{tag} class="{kind}" data-method="{method}"{hidden}>{content}</{tag}>'


def _panel(bank, row: int, caption: str, best: str) -> str:
    original = _enlarged(bank["image"][row])
    parts = [f'<img alt="original" src="{page.picture(original)}">']
    for method in METHODS:
        if empty(bank[method][row][None])[0]:
            parts.append(
                _only(method, best, "p", "empty map: this layer has nothing that speaks for the class", "empty")
            )
            continue
        heat = _heat(bank[method][row], original.shape[:2])
        hidden = "" if method == best else " hidden"
        overlay = (0.5 * original.astype(float) + 0.5 * heat).round().astype(np.uint8)
        for name, pixels in (("heat map", heat), ("overlay", overlay)):
            parts.append(
                f'<img class="smooth" alt="{name}" data-method="{method}"{hidden} src="{page.picture(pixels)}">'
            )
    return f'<figure class="cam"><div>{"".join(parts)}</div><figcaption>{html.escape(caption)}</figcaption></figure>'


def _verdict(run: Loaded, method: str) -> str:
    """What a method's maps are worth, in words: the layer, the deletion test, and how many maps here are empty."""
    facts, maps = run.facts["explained"], run.banks["explained"][method]
    at = facts["layers"][method] if "layers" in facts else facts  # one layer for all before version 0.2
    text = f"{_NAMES[method]} of the layer {at['layer']} ({at['side']} x {at['side']})."
    if count := int(empty(maps).sum()):
        text += f" {count} of these {len(maps)} maps are empty."
    found, middle = _figures(run, method), _figures(run, MIDDLE)
    if not found:
        return f"{text} No deletion test was made when this run was: whether the maps beat chance is not known."
    text += (
        f" Deletion test on {found['images']:.0f} validation images: blurring the fifth of the pixels that a map ranks "
        f"highest costs the predicted class {found['top']:.2f} of its probability, the same regions moved at random "
        f"{found['random']:.2f}. The difference is {found['gain']:.2f} "
        f"(95 % interval {found['low']:.2f} to {found['high']:.2f}): "
    )
    if found["low"] <= 0:
        return f"{text}these maps do not beat chance, so do not read reasons into them."
    text += "these maps beat chance."
    if middle["top"] >= found["top"]:
        text += (
            f" But a disc in the middle of every image, which needs no network, costs {middle['top']:.2f}: the maps "
            "may only show that what matters is in the middle."
        )
    return text


def _doubt(run: Loaded, method: str) -> str:
    return " (no better than chance)" if _figures(run, method).get("low", 1) <= 0 else ""


def _figures(run: Loaded, method: str) -> dict[str, float]:
    start = f"deletion/{method}/"
    return {key.removeprefix(start): value for key, value in run.metrics.items() if key.startswith(start)}


def _deletion(run: Loaded) -> list[str]:
    found = {name: _figures(run, method) for method, name in (_NAMES | {MIDDLE: "disc in the middle"}).items()}
    found = {name: figures for name, figures in found.items() if figures}
    if not found:
        return []
    text = "Do maps mark what predictions rest on? Deletion test: a fifth of each image is blurred"
    parts = {"top": "highest fifth of the map", "random": "same regions, moved at random", "lowest": "lowest fifth"}
    series = [
        Series(what, list(found), [figures[part] for figures in found.values()], "bars") for part, what in parts.items()
    ]
    return [page.chart(run.dir / "figures", "deletion", text, [Panel("", series, y="probability lost")])]


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
    name = _NAMES[run.facts["explained"].get("method", METHODS[0])]
    text = (
        f"Do maps depend on what was learned? {name}, weights made random from the head downwards: "
        "a map that stays says nothing"
    )
    series = [Series("", ["none", *found], [1.0, *found.values()])]
    panel = Panel("", series, "random down to", "rank correlation with the first maps", span=(-0.5, 1.05))
    return [page.chart(run.dir / "figures", "sanity", text, [panel])]
