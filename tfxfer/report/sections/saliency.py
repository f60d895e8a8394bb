"""Section on where a network looks: class activation maps of right and wrong predictions, and what they are worth."""

import html

import matplotlib
import numpy as np
from PIL import Image

from tfxfer.analysis.attribution import METHODS, empty
from tfxfer.analysis.deletion import MIDDLE
from tfxfer.features.bank import Bank
from tfxfer.report import figures, page
from tfxfer.report.charts import Panel, Series
from tfxfer.runs.loading import Loaded

_NAMES = {"gradcam": "Grad-CAM", "gradcam++": "Grad-CAM++", "layercam": "LayerCAM"}
_SMALLEST = 112  # pixels a side at which a heat map looks smooth


def sections(run: Loaded) -> list[str]:
    """Maps of the bank "explained", the deletion test, and the check that maps depend on the weights."""
    bank = run.banks.get("explained")
    if bank is None:
        return []
    facts, classes = run.facts["explained"], run.facts["classes"]
    predicted, probabilities = (np.asarray(bank[name]) for name in ("predicted", "sure"))
    chosen = facts.get("method", METHODS[0])
    captions = [
        f"{classes[label]} → {classes[prediction]} {probability:.2f}"
        for label, prediction, probability in zip(bank.labels, predicted, probabilities)
    ]
    _save_figure(run, bank, captions)
    options = "".join(
        f'<option value="{m}"{" selected" * (m == chosen)}>{_NAMES[m]}{_doubt(run, m)}</option>' for m in METHODS
    )
    notes = "".join(_only(method, chosen, "p", html.escape(_verdict(run, method)), "note") for method in METHODS)
    groups = []
    for title, rows in (("Right", predicted == bank.labels), ("Wrong", predicted != bank.labels)):
        panels = [_panel(bank, int(row), captions[row], chosen) for row in np.flatnonzero(rows)]
        groups += [f"<h3>{title}</h3>", f'<div class="cams">{"".join(panels)}</div>'] if panels else []
    return [
        page.heading("Where it looks"),
        page.note(
            f"Original, heat map, overlay; images of {facts['size']} pixels per side, explained for the predicted "
            "class."
        ),
        f'<section><div class="controls"><label>method <select class="method">{options}</select></label></div>'
        f"{''.join(groups)}{notes}</section>",
        *_deletion(run),
        *_sanity(run),
    ]


def _save_figure(run: Loaded, bank: Bank, captions: list[str]) -> None:
    stacked = [caption.replace(" → ", "\n→ ") for caption in captions]
    maps = {_NAMES[method]: np.asarray(bank[method]) for method in METHODS}
    title = "Where does it look? Maps explain the predicted class"
    page.save(run.dir / "figures", "explained", figures.explained(np.asarray(bank["image"]), maps, stacked, title))


def _only(method: str, chosen: str, tag: str, content: str, kind: str) -> str:
    """An element that is visible while its method is chosen."""
    hidden = "" if method == chosen else " hidden"
    return f'<{tag} class="{kind}" data-method="{method}"{hidden}>{content}</{tag}>'


def _panel(bank: Bank, row: int, caption: str, chosen: str) -> str:
    original = _enlarged(np.asarray(bank["image"])[row])
    parts = [f'<img alt="original" src="{page.picture(original)}">']
    for method in METHODS:
        saliency = np.asarray(bank[method])[row]
        if empty(saliency[None])[0]:
            text = "empty map: nothing in this layer supports the class"
            parts.append(_only(method, chosen, "p", text, "empty"))
            continue
        heat = _heat(saliency, original.shape[:2])
        hidden = "" if method == chosen else " hidden"
        overlay = (0.5 * original.astype(float) + 0.5 * heat).round().astype(np.uint8)
        for name, pixels in (("heat map", heat), ("overlay", overlay)):
            parts.append(
                f'<img class="smooth" alt="{name}" data-method="{method}"{hidden} src="{page.picture(pixels)}">'
            )
    return f'<figure class="cam"><div>{"".join(parts)}</div><figcaption>{html.escape(caption)}</figcaption></figure>'


def _verdict(run: Loaded, method: str) -> str:
    """What a method's maps are worth, in words: the layer, the deletion test, and how many maps here are empty."""
    facts, maps = run.facts["explained"], np.asarray(run.banks["explained"][method])
    at = facts["layers"][method] if "layers" in facts else facts  # version 0.1 had one layer for all methods
    text = f"{_NAMES[method]} of the layer {at['layer']} ({at['side']} x {at['side']})."
    if count := int(empty(maps).sum()):
        text += f" {count} of these {len(maps)} maps {'is' if count == 1 else 'are'} empty."
    test, middle = _deletion_test(run, method), _deletion_test(run, MIDDLE)
    if not test:
        return f"{text} This run made no deletion test: whether the maps beat chance is not known."
    text += (
        f" Deletion test on {test['images']:.0f} validation images: blurring the fifth of the pixels that a map ranks "
        f"highest costs the predicted class {test['top']:.2f} of its probability, the same regions moved at random "
        f"{test['random']:.2f}. The difference is {test['gain']:.2f} "
        f"(95% interval {test['low']:.2f} to {test['high']:.2f}): "
    )
    if test["low"] <= 0:
        return f"{text}these maps do not beat chance, so do not read reasons into them."
    text += "these maps beat chance."
    if middle["top"] >= test["top"]:
        text += (
            f" But a disc in the middle of every image, which needs no network, costs {middle['top']:.2f}: the maps "
            "may show only that what matters is in the middle."
        )
    return text


def _doubt(run: Loaded, method: str) -> str:
    return " (no better than chance)" if _deletion_test(run, method).get("low", 1) <= 0 else ""


def _deletion_test(run: Loaded, method: str) -> dict[str, float]:
    """Metrics `deletion/<method>/<name>` by name; none where the run made no such test."""
    start = f"deletion/{method}/"
    return {key.removeprefix(start): value for key, value in run.metrics.items() if key.startswith(start)}


def _deletion(run: Loaded) -> list[str]:
    tests = {name: _deletion_test(run, method) for method, name in (_NAMES | {MIDDLE: "disc in the middle"}).items()}
    tests = {name: test for name, test in tests.items() if test}
    if not tests:
        return []
    title = "Do maps mark what predictions rest on? Deletion test: a fifth of each image is blurred"
    parts = {"top": "highest fifth of the map", "random": "same regions, moved at random", "lowest": "lowest fifth"}
    series = [
        Series(label, list(tests), [test[part] for test in tests.values()], "bars") for part, label in parts.items()
    ]
    return [page.chart(run.dir / "figures", "deletion", title, [Panel("", series, y="probability lost")])]


def _enlarged(image: np.ndarray) -> np.ndarray:
    """uint8 RGB, each pixel as a square of pixels where the image is small."""
    times = -(-_SMALLEST // max(image.shape[:2]))
    return np.broadcast_to(image, (*image.shape[:2], 3)).repeat(times, 0).repeat(times, 1)


def _heat(saliency: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A map in [0, 1] as smooth colours, uint8 (*shape, 3)."""
    smooth = Image.fromarray(saliency.astype(np.float32)).resize(shape[::-1], Image.Resampling.BICUBIC)
    return (matplotlib.colormaps["inferno"](np.clip(np.asarray(smooth), 0, 1))[..., :3] * 255).round().astype(np.uint8)


def _sanity(run: Loaded) -> list[str]:
    prefix = "sanity/"
    correlations = {
        key.removeprefix(prefix): value
        for key, value in run.metrics.items()
        if key.startswith(prefix) and not np.isnan(value)
    }
    if not correlations:
        return []
    name = _NAMES[run.facts["explained"].get("method", METHODS[0])]
    title = (
        f"Do maps depend on what was learned? {name} with weights randomised from the head downwards: "
        "a map that stays the same says nothing"
    )
    series = [Series("", ["none", *correlations], [1.0, *correlations.values()])]
    panel = Panel("", series, "randomised down to", "rank correlation with the first maps", span=(-0.5, 1.05))
    return [page.chart(run.dir / "figures", "sanity", title, [panel])]
