"""Section on where a network looks: class activation maps of right and wrong predictions, and what they are worth."""

import html

import matplotlib
import numpy as np
from PIL import Image

from tfxfer.analysis.attribution import METHODS, empty
from tfxfer.analysis.deletion import MIDDLE
from tfxfer.features.bank import Bank
from tfxfer.report import figures, page, picture_cards
from tfxfer.report.charts import Panel, Series
from tfxfer.runs.loading import Loaded

_NAMES = {"gradcam": "Grad-CAM", "gradcam++": "Grad-CAM++", "layercam": "LayerCAM"}
_SMALLEST = 112  # pixels a side at which a heat map looks smooth


def sections(run: Loaded) -> list[str]:
    """Maps of the bank "explained", and the deletion test."""
    bank = run.banks.get("explained")
    if bank is None:
        return []
    facts, classes = run.facts["explained"], run.facts["classes"]
    predicted, probabilities = (np.asarray(bank[name]) for name in ("predicted", "sure"))
    chosen = facts.get("method", METHODS[0])
    captions = [
        f"{classes[label]}\n→ {classes[prediction]}\np = {probability:.2f}"
        for label, prediction, probability in zip(bank.labels, predicted, probabilities)
    ]
    _save_figure(run, bank, captions)
    options = "".join(
        f'<option value="{m}"{" selected" * (m == chosen)}>{_NAMES[m]}{_doubt(run, m)}</option>' for m in METHODS
    )
    notes = "".join(_only(method, chosen, "p", html.escape(_verdict(run, method)), "note") for method in METHODS)
    groups = []
    for title, rows in (("Right", predicted == bank.labels), ("Wrong", predicted != bank.labels)):
        panels = [f"<li>{_panel(run, int(row), chosen)}</li>" for row in np.flatnonzero(rows)]
        groups += [f"<h3>{title}</h3>", f'<ul class="cams">{"".join(panels)}</ul>'] if panels else []
    return [
        page.heading("Where it looks"),
        page.note(
            f"Original, heat map, overlay; images of {facts['size']} pixels per side, explained for the predicted "
            "class."
        ),
        '<div class="cam-study"><div class="controls">'
        f'<label>method <select class="method">{options}</select></label></div>'
        f"{''.join(groups)}{notes}</div>",
        *_deletion(run),
    ]


def _save_figure(run: Loaded, bank: Bank, captions: list[str]) -> None:
    maps = {_NAMES[method]: np.asarray(bank[method]) for method in METHODS}
    title = "Where does it look? Maps explain the predicted class"
    page.save(run.dir / "figures", "explained", figures.explained(np.asarray(bank["image"]), maps, captions, title))


def _only(method: str, chosen: str, tag: str, content: str, kind: str) -> str:
    """An element that is visible while its method is chosen."""
    hidden = "" if method == chosen else " hidden"
    return f'<{tag} class="{kind}" data-method="{method}"{hidden}>{content}</{tag}>'


def _panel(run: Loaded, row: int, chosen: str) -> str:
    """A card with the image, and the heat map and overlay of the method that is chosen."""
    bank, classes = run.banks["explained"], run.facts["classes"]
    original = _enlarged(np.asarray(bank["image"])[row])
    parts = [picture_cards.image(original, original.shape[0])]
    for method in METHODS:
        saliency = np.asarray(bank[method])[row]
        if empty(saliency[None])[0]:
            text = "empty map: nothing in this layer supports the class"
            parts.append(_only(method, chosen, "span", text, "empty"))
            continue
        heat = _heat(saliency, original.shape[:2])
        overlay = (0.5 * original.astype(float) + 0.5 * heat).round().astype(np.uint8)
        shown = f' data-method="{method}"{"" if method == chosen else " hidden"}'
        parts += [picture_cards.image(pixels, pixels.shape[0], shown) for pixels in (heat, overlay)]
    label, predicted = bank.labels[row], int(bank["predicted"][row])
    told = "" if label == predicted else f"<span>taken for <strong>{html.escape(classes[predicted])}</strong></span>"
    mark = "✓" if label == predicted else "✗"
    told += f"<span>{mark} p {float(bank['sure'][row]):.2f}</span>"
    number = int(bank.ids[row])
    return (
        f'<button type="button" class="card{"" if label == predicted else " wrong"}" data-id="{number}">'
        f'<span class="row">{"".join(parts)}</span>'
        f'<span class="told"><strong>{html.escape(classes[label])}</strong>{told}'
        f'<span class="name">{html.escape(picture_cards.name(run, number))}</span></span></button>'
    )


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


def sanity(run: Loaded) -> list[str]:
    """The check that maps depend on the weights: metrics `sanity/<stage>`."""
    prefix = "sanity/"
    correlations = {
        key.removeprefix(prefix): value
        for key, value in run.metrics.items()
        if key.startswith(prefix) and not np.isnan(value)
    }
    if not correlations or "explained" not in run.facts:
        return []
    name = _NAMES[run.facts["explained"].get("method", METHODS[0])]
    about = (
        "Sanity check (Adebayo et al. 2018): the network's weights are replaced by random ones, stage after stage from "
        "the head downwards, and each time the maps are compared with the first ones by rank correlation. Look for a "
        "line that falls towards 0: maps that stay the same without the learned weights show edges of the image, not "
        "what the network has learned."
    )
    (last, end) = list(correlations.items())[-1]
    says = (
        f"With all weights down to {last} random, the maps of {name} have a rank correlation of {end:.2f} with the "
        f"first ones: they {'depend on what was learned' if end < 0.5 else 'hardly depend on what was learned'}."
    )
    title = f"Do maps depend on what was learned? {name} with weights randomised from the head downwards"
    series = [Series("", ["none", *correlations], [1.0, *correlations.values()])]
    panel = Panel("", series, "randomised down to", "rank correlation with the first maps", span=(-0.5, 1.05))
    return [
        page.heading("Sanity check of the maps", about),
        page.chart(run.dir / "figures", "sanity", title, [panel], says),
    ]
