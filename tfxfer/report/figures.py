"""Figures of images and projections on paper, by matplotlib: one function each, arrays in, a Figure out."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tfxfer.analysis.attribution import empty
from tfxfer.analysis.projection import METHODS
from tfxfer.data.corruptions import NAMES
from tfxfer.features.bank import Bank
from tfxfer.report.charts import MARKERS, class_colors, plain

_TITLES = {"pca": "PCA", "tsne": "t-SNE (after PCA to 50)", "lle": "LLE"}


def frame(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest place to show of points (n, 2), each (2,): one stray point must not squeeze the rest."""
    low, high = np.percentile(points, [0.5, 99.5], axis=0)
    margin = 0.08 * np.maximum(high - low, 1e-9)
    return low - margin, high + margin


def projections(banks: Mapping[str, Bank], classes: Sequence[str], captions: Mapping[str, str]) -> Figure:
    """One row for each bank, one column for each projection that all of them have, one colour for each class.

    Args:
        banks: with projections (n, 2) under the names of their methods.
        classes: names, in the labels' order.
        captions: bank name -> what its row shows.
    """
    methods = [m for m in METHODS if all(m in bank.values for bank in banks.values())]
    shape = (len(banks), len(methods))
    figure = Figure(figsize=(4.2 * shape[1] + 1.6, 4.1 * shape[0]), layout="constrained")
    axes = figure.subplots(*shape, squeeze=False)
    for row, (name, bank) in zip(axes, banks.items(), strict=True):
        row[0].set_ylabel(captions[name], fontsize=11)
        for ax, method in zip(row, methods, strict=True):
            points = np.asarray(bank[method])
            _scatter(ax, points, bank.labels, len(classes))
            low, high = frame(points)
            outside = int(((points < low) | (points > high)).any(1).sum())
            ax.set(title=_TITLES[method] + (f" ({outside} outside)" if outside else ""))
            ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    _legend(figure, axes[0, 0], classes)
    figure.suptitle("Do classes separate? Each panel is fitted to its own features: compare clusters, not positions")
    return figure


def _scatter(ax: Axes, points: np.ndarray, labels: np.ndarray, classes: int) -> None:
    """Points (n, 2) in the colours of their classes."""
    for label, color in enumerate(class_colors(classes)):
        x, y = points[labels == label].T
        ax.scatter(x, y, s=9, color=color, marker=MARKERS[label % len(MARKERS)][0], linewidths=0, alpha=0.75)
    ax.set(xticks=[], yticks=[])


def _legend(figure: Figure, ax: Axes, classes: Sequence[str]) -> None:
    """Which colour is which class, beside the panels, in columns of 30."""
    figure.legend(
        ax.collections,
        plain(classes),
        loc="outside right upper",
        markerscale=2.5,
        frameon=False,
        title="class",
        ncols=-(-len(classes) // 30),
    )


def mistakes(images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]) -> Figure:
    """The most confident wrong predictions, at most 16.

    Args:
        images: uint8 (n, height, width, 1 or 3); labels (n,); probabilities (n, classes).
    """
    names, predicted, confidence = plain(classes, 17), probabilities.argmax(1), probabilities.max(1)
    wrong = np.flatnonzero(predicted != labels)
    wrong = wrong[np.argsort(-confidence[wrong])][:16]
    rows = max(1, -(-len(wrong) // 8))
    figure = Figure(figsize=(12, 1.95 * rows + 0.5), layout="constrained")
    for ax in (axes := figure.subplots(rows, 8, squeeze=False).ravel()):
        ax.axis("off")
    for ax, i in zip(axes, wrong, strict=False):
        ax.imshow(images[i].squeeze(), cmap="gray", vmin=0, vmax=255)
        ax.set_title(f"{names[labels[i]]}\n→ {names[predicted[i]]}\np = {confidence[i]:.2f}", fontsize=9)
    figure.suptitle("Most confident mistakes" if len(wrong) else "No mistakes among these test images")
    return figure


def planes(banks: Mapping[str, Bank], classes: Sequence[str], corruption: str) -> Figure:
    """2 x 2: corrupted images above, clean ones below; the original network on the left, the tuned one on the right.

    Each network has one PCA, fitted to both of its sides, so the panels of a column share their axes.

    Args:
        banks: "corrupted" and "clean", each with "original" and "tuned" (n, 2).
    """
    figure = Figure(figsize=(10.5, 8.4), layout="constrained")
    axes = figure.subplots(2, 2)
    for column, network in enumerate(("original", "tuned")):
        low, high = frame(np.concatenate([np.asarray(bank[network]) for bank in banks.values()]))
        for ax, (side, bank) in zip(axes[:, column], banks.items(), strict=True):
            _scatter(ax, np.asarray(bank[network]), bank.labels, len(classes))
            ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
            ax.set(title=f"{side} images, {network} network")
    _legend(figure, axes[0, 0], classes)
    figure.suptitle(f"What does {corruption} do to features? PCA; above and below share their axes")
    return figure


def contact_sheet(images: np.ndarray) -> Figure:
    """One image under 19 corruptions (columns) at five severities (rows).

    Args:
        images: uint8 (95, height, width, 1 or 3), by corruption and then by severity.
    """
    figure = Figure(figsize=(19, 5.6), layout="constrained")
    grid = _Grid(figure, 5, len(NAMES))
    for number, image in enumerate(images):
        grid.show(image.squeeze(), number % 5, number // 5)
    for column, name in enumerate(NAMES):
        grid.title(name.replace("_", "\n"), column, 10)
    figure.suptitle("The corruptions: severity increases downwards")
    return figure


def explained(images: np.ndarray, maps: Mapping[str, np.ndarray], captions: Sequence[str], title: str) -> Figure:
    """Each image, and below it for each method the heat map and the overlay.

    Args:
        images: uint8 (n, height, width, 1 or 3).
        maps: method -> float (n, height, width) in [0, 1]; an empty one is marked as such.
        captions: n of them, each of a few lines.
    """
    rows = 1 + 2 * len(maps)
    figure = Figure(figsize=(1.35 * len(images) + 0.8, 1.35 * rows + 0.9), layout="constrained")
    grid = _Grid(figure, rows, len(images))
    for column, (image, caption) in enumerate(zip(images, map(_stacked, captions), strict=True)):
        grid.title(caption, column, 8)
        for row in (0, *range(2, rows, 2)):
            grid.show(image.squeeze(), row, column)
        for row, method in zip(range(1, rows, 2), maps.values()):
            if empty(method[column][None])[0]:
                grid.ax.text(column + 0.5, row + 0.5, "empty", ha="center", va="center", fontsize=8)
                continue
            grid.show(method[column], row, column, cmap="inferno", vmax=1)
            grid.show(method[column], row + 1, column, cmap="inferno", vmax=1, alpha=0.5)
    for row, name in zip(range(1, rows, 2), maps):
        grid.ax.text(0, row + 0.5, name, ha="right", va="center", fontsize=8, rotation=90)
    figure.suptitle(title)
    return figure


def _stacked(caption: str) -> str:
    """A caption, each line of which is no wider than its picture."""
    return "\n".join(plain(caption.split("\n"), 18))


def samples(images: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> Figure:
    """Some images of each class, one column for each.

    Args:
        images: uint8 (n, height, width, 1 or 3); labels (n,).
    """
    rows = max(1, *np.bincount(labels))
    figure = Figure(figsize=(1.1 * len(classes) + 0.3, 1.05 * rows + 0.8), layout="constrained")
    grid = _Grid(figure, rows, len(classes))
    for label, name in enumerate(plain(classes, 13)):
        grid.title(name, label, 9)
        for row, image in enumerate(images[labels == label]):
            grid.show(image.squeeze(), row, label)
    figure.suptitle("Samples of each class")
    return figure


class _Grid:
    """Pictures in rows and columns within one pair of axes: matplotlib needs 20 ms for each pair, which 80 add up."""

    def __init__(self, figure: Figure, rows: int, columns: int):
        self.ax = figure.subplots()
        self.ax.set(xlim=(0, columns), ylim=(rows, 0), aspect="equal", autoscale_on=False)
        self.ax.axis("off")

    def show(self, picture: np.ndarray, row: int, column: int, cmap: str = "gray", vmax: float = 255, **look) -> None:
        """Draws a picture (height, width) or (height, width, 3) in the middle of a cell of side 1."""
        height, width = 0.94 * np.divide(picture.shape[:2], max(picture.shape[:2]))
        left, top = column + (1 - width) / 2, row + (1 - height) / 2
        extent = (left, left + width, top + height, top)
        self.ax.imshow(picture, extent=extent, cmap=cmap, vmin=0, vmax=vmax, **look)

    def title(self, text: str, column: int, size: int) -> None:
        """Writes above a column."""
        self.ax.text(column + 0.5, -0.03, text, ha="center", va="bottom", fontsize=size)
