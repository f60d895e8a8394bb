"""Linked projections: two maps of the same images side by side, by matplotlib and as a tool on the page."""

import html

import numpy as np

from tfxfer.analysis.projection import METHODS
from tfxfer.features.bank import Bank
from tfxfer.report import figures, page
from tfxfer.report.charts import class_colors
from tfxfer.report.sections import models
from tfxfer.runs.loading import Loaded

_NAMES = {"pca": "PCA", "tsne": "t-SNE", "lle": "LLE"}


def sections(run: Loaded) -> list[str]:
    """Features of test images, before and after or set by set, each panel fitted to its own features."""
    found = {name: bank for name, bank in run.banks.items() if any(m in bank.values for m in METHODS)}
    order = ["before", "after", *models.having(run, "/nc1")]
    banks = {name: found[name] for name in sorted(found, key=lambda name: order.index(name) if name in order else 99)}
    if not banks:
        return []
    pair = set(banks) == {"before", "after"}
    said = {name: f"{name} fine-tuning" if pair else name.replace("_tuned", ", fine-tuned") for name in banks}
    said |= {"final": f"{run.facts.get('best', 'the network')}, trained"}
    captions = {name: f"{said[name]} ({len(bank):,} test images)" for name, bank in banks.items()}
    page.save(run.dir / "figures", "projections", figures.projections(banks, run.facts["classes"], captions))
    maps = [
        _map(captions[name], bank, {m: bank[m] for m in METHODS if m in bank.values}) for name, bank in banks.items()
    ]
    text = "Do classes separate? Each map is fitted to its own features: compare clusters, not positions."
    return [page.heading("Features"), page.note(text), explorer(maps, len(run.facts["classes"]))]


def planes(run: Loaded) -> str:
    """Both sides of a shift under both networks; a clean image and its corrupted twin are selected together."""
    sides = {side: run.banks[side] for side in ("corrupted", "clean")}
    networks = "original", "tuned"
    frames = {when: figures.frame(np.concatenate([bank[when] for bank in sides.values()])) for when in networks}
    maps = [
        _map(f"{side} images, {when} network", bank, {"pca": bank[when]}, frames[when])
        for side, bank in sides.items()
        for when in frames
    ]
    return explorer(maps, len(run.facts["classes"]))


def _map(title: str, bank: Bank, points: dict[str, np.ndarray], frame=None) -> dict:
    bounds = {name: [[float(v) for v in end] for end in frame or figures.frame(p)] for name, p in points.items()}
    return {
        "title": title,
        "ids": bank.ids.tolist(),
        "keys": bank.bases.tolist(),  # the image that a twin was made of
        "labels": bank.labels.tolist(),
        "points": {name: page.packed(values) for name, values in points.items()},
        "frames": bounds,
    }


def explorer(maps: list[dict], classes: int) -> str:
    """Two of the maps side by side: hovering shows an image, selecting in one selects in the other."""

    def menu(label: str, options: dict[str, str], chosen: str) -> str:
        inside = "".join(
            f'<option value="{value}"{" selected" if value == chosen else ""}>{html.escape(text)}</option>'
            for value, text in options.items()
        )
        return f"<label{' hidden' if len(options) < 2 else ''}>{label} <select>{inside}</select></label>"

    titles = {str(number): each["title"] for number, each in enumerate(maps)}
    methods = {name: _NAMES[name] for name in METHODS if any(name in each["points"] for each in maps)}
    second = str(min(1, len(maps) - 1))
    controls = menu("left", titles, "0") + menu("right", titles, second)
    controls += menu("method", methods, "tsne" if "tsne" in methods else "pca")
    sides = '<div class="map"></div>' * min(2, len(maps))
    return (
        f'<section class="explorer"><div class="controls">{controls}'
        '<button type="button" class="all">select none</button></div><div class="chips"></div>'
        f'<div class="maps">{sides}</div><p class="note count"></p><div class="gallery"></div>'
        f"{page.data({'maps': maps, 'colors': class_colors(classes)})}</section>"
    )
