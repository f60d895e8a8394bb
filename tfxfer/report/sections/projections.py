"""Linked projections: two maps of the same images side by side, by matplotlib and as a tool on the page."""

import html

import numpy as np

from tfxfer.analysis import intervals
from tfxfer.analysis.projection import METHODS
from tfxfer.features.bank import Bank
from tfxfer.report import figures, page
from tfxfer.report.charts import class_colors
from tfxfer.report.sections import contents
from tfxfer.runs import metric_names
from tfxfer.runs.loading import Loaded

_CHANGES = ("probe_accuracy", "silhouette", "knn_purity")  # metrics before and after fine-tuning
_NAMES = {"pca": "PCA", "tsne": "t-SNE", "lle": "LLE"}

Frame = tuple[np.ndarray, np.ndarray]  # lowest and highest point to show, (2,) each


def sections(run: Loaded) -> list[str]:
    """Features of test images, before and after or set by set; each panel is fitted to its own features."""
    projected = {name: bank for name, bank in run.banks.items() if any(m in bank.values for m in METHODS)}
    if not projected:
        return []
    order = ["before", "after", *contents.subjects(run, "feature_sets")]
    banks = {
        name: projected[name]
        for name in sorted(projected, key=lambda name: order.index(name) if name in order else len(order))
    }
    pair = set(banks) == {"before", "after"}
    titles = {name: f"{name} fine-tuning" if pair else name.replace("_tuned", ", fine-tuned") for name in banks}
    titles |= {"final": f"{run.facts.get('best', 'the network')}, trained"}
    captions = {name: f"{titles[name]} ({len(bank):,} test images)" for name, bank in banks.items()}
    page.save(run.dir / "figures", "projections", figures.projections(banks, run.facts["classes"], captions))
    maps = [
        _map(captions[name], bank, {m: np.asarray(bank[m]) for m in METHODS if m in bank.values})
        for name, bank in banks.items()
    ]
    text = "Do classes separate? Each map is fitted to its own features: compare clusters, not positions."
    title = "Features before and after" if pair else "Features"
    return [page.heading(title), page.note(text), *_changes(run), explorer(maps, len(run.facts["classes"]))]


def _changes(run: Loaded) -> list[str]:
    """What fine-tuning changes in the features, as a sentence and a table, where it was measured before and after."""
    names = [name for name in _CHANGES if {f"before/{name}", f"after/{name}"} <= run.metrics.keys()]
    if not names:
        return []
    rows, said = [], []
    for name in names:
        metric = metric_names.meaning(f"before/{name}")
        text = f"{metric.text if metric else name} ({name})"
        rows.append((text, *(_value(run, when, name) for when in ("before", "after"))))
        before, after = (run.metrics[f"{when}/{name}"] for when in ("before", "after"))
        said.append(f"{metric_names.label(f'before/{name}')} from {before:.2f} to {after:.2f}")
    head = ("what fine-tuning changes in the features of test images", "before", "after")
    return [page.note(f"Fine-tuning changes {', '.join(said)}; higher is better."), page.table(head, rows)]


def _value(run: Loaded, when: str, name: str) -> str:
    """A metric of the features before or after fine-tuning; an accuracy has its 95% interval."""
    value = run.metrics[f"{when}/{name}"]
    if name != "probe_accuracy" or when not in run.banks:
        return f"{value:.4f}"
    return intervals.text(value, intervals.wilson(value, len(np.unique(run.banks[when].bases))))


def planes(run: Loaded) -> str:
    """Both sides of a shift under both networks; an image and its corrupted copy are selected together."""
    banks = {side: run.banks[side] for side in ("corrupted", "clean")}
    points = {
        network: {side: np.asarray(bank[network]) for side, bank in banks.items()} for network in ("original", "tuned")
    }
    maps = [
        _map(
            f"{side} images, {network} network",
            bank,
            {"pca": sides[side]},
            figures.frame(np.concatenate(list(sides.values()))),
        )
        for side, bank in banks.items()
        for network, sides in points.items()
    ]
    return explorer(maps, len(run.facts["classes"]))


def _map(title: str, bank: Bank, points: dict[str, np.ndarray], frame: Frame | None = None) -> dict:
    """One map for the page's script: points (n, 2) by method, in a common frame or each method in its own."""
    frames = {method: frame or figures.frame(places) for method, places in points.items()}
    return {
        "title": title,
        "ids": bank.ids.tolist(),
        "keys": bank.bases.tolist(),  # ids of the images that corrupted copies were made from
        "labels": bank.labels.tolist(),
        "points": {method: page.packed(places) for method, places in points.items()},
        "frames": {method: [[float(value) for value in end] for end in ends] for method, ends in frames.items()},
    }


def explorer(maps: list[dict], classes: int) -> str:
    """Two of the maps side by side: hovering shows an image, selecting in one selects in the other."""

    def menu(label: str, options: dict[str, str], chosen: str) -> str:
        items = "".join(
            f'<option value="{value}"{" selected" if value == chosen else ""}>{html.escape(text)}</option>'
            for value, text in options.items()
        )
        return f"<label{' hidden' if len(options) < 2 else ''}>{label} <select>{items}</select></label>"

    titles = {str(number): one_map["title"] for number, one_map in enumerate(maps)}
    methods = {name: _NAMES[name] for name in METHODS if any(name in one_map["points"] for one_map in maps)}
    second = str(min(1, len(maps) - 1))
    controls = menu("left", titles, "0") + menu("right", titles, second)
    controls += menu("method", methods, "tsne" if "tsne" in methods else "pca")
    side = '<div class="side"><p class="title"></p><div class="map"></div></div>'
    sides = side * min(2, len(maps))
    return (
        f'<div class="explorer"><div class="controls">{controls}'
        '<button type="button" class="all">select none</button></div>'
        '<div class="chips" role="group" aria-label="Select a class"></div>'
        f'<div class="maps">{sides}</div><p class="note count" role="status"></p><ul class="gallery"></ul>'
        f"{page.data({'maps': maps, 'colors': class_colors(classes)})}</div>"
    )
