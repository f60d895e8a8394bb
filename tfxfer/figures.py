"""Figures on paper, by matplotlib: a function each, arrays in, a Figure out."""

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from tfxfer.analysis import metrics
from tfxfer.analysis.projection import METHODS

_TITLES = {"pca": "PCA", "tsne": "t-SNE (after PCA to 50)", "lle": "LLE"}


def class_colors(n: int) -> list:
    name = "tab10" if n <= 10 else "tab20" if n <= 20 else "turbo"
    cmap = matplotlib.colormaps[name]
    return [cmap(i) if n <= 20 else cmap(i / (n - 1)) for i in range(n)]


def plain(names: list[str]) -> list[str]:
    """Names as they are: a dollar sign would start a formula, which may not parse."""
    return [name.replace("$", r"\$") for name in names]


def frame(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest place to show of points (n, 2): one stray point must not squeeze the rest."""
    low, high = np.percentile(points, [0.5, 99.5], axis=0)
    margin = 0.08 * np.maximum(high - low, 1e-9)
    return low - margin, high + margin


def projections(banks: dict, classes: list[str], captions: dict[str, str]) -> Figure:
    """One row per bank, one column per projection found in it, classes by colour.

    Args:
        banks: name -> mapping with `labels` (n,) and projections (n, 2) under their method's name.
        classes: names, in the labels' order.
        captions: bank name -> what its row shows.
    """
    methods = [m for m in METHODS if all(m in bank.values for bank in banks.values())]
    shape = (len(banks), len(methods))
    figure = Figure(figsize=(4.2 * shape[1] + 1.6, 4.1 * shape[0]), layout="constrained")
    axes = figure.subplots(*shape, squeeze=False)
    colors = class_colors(len(classes))
    names = plain(classes)
    for row, (name, bank) in zip(axes, banks.items(), strict=True):
        row[0].set_ylabel(captions[name], fontsize=11)
        for ax, method in zip(row, methods, strict=True):
            for label, color in enumerate(colors):
                points = bank[method][bank.labels == label]
                ax.scatter(*points.T, s=9, color=color, linewidths=0, alpha=0.75)
            low, high = frame(bank[method])
            outside = int(((bank[method] < low) | (bank[method] > high)).any(1).sum())
            ax.set(xticks=[], yticks=[], title=_TITLES[method] + (f" ({outside} outside)" if outside else ""))
            ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    columns = -(-len(names) // 30)
    style = {"loc": "outside right upper", "markerscale": 2.5, "frameon": False, "title": "class", "ncols": columns}
    figure.legend(axes[0, 0].collections, names, **style)
    figure.suptitle("Do classes separate? Each panel is fitted to its own features: compare clusters, not positions")
    return figure


def curves(history: dict[str, list[float]], of: str = "") -> Figure:
    """Loss and accuracy by epoch, training and validation; the best epoch by validation loss is marked.

    Args:
        of: what was trained, for the title.
    """
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    epochs = np.arange(1, len(history["loss"]) + 1)
    best = int(np.argmin(history["val_loss"])) + 1
    for ax, what in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        ax.plot(epochs, history[what], "o-", label="training (mean over the epoch)")
        ax.plot(epochs, history[f"val_{what}"], "s-", label="validation (after it)")
        ax.axvline(best, color="grey", linestyle=":", label=f"lowest validation loss: epoch {best}")
        ax.set(xlabel="epoch", title=what)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=8)
    figure.suptitle(f"{of or 'Training'}: validation turning up while training falls is overfitting")
    return figure


def confusion(matrix: np.ndarray, classes: list[str]) -> Figure:
    """Rows are true classes, columns predictions; colour is the share of the row, numbers are images."""
    n = len(classes)
    side = min(max(4.5, 0.55 * n + 2), 40)
    classes = plain(classes)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    ax = figure.subplots()
    share = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    image = ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=ax, shrink=0.8, label="share of the true class")
    for i, j in np.argwhere(matrix) if n <= 50 else ():
        ax.text(j, i, matrix[i, j], ha="center", va="center", fontsize=8, color="w" if share[i, j] > 0.5 else "k")
    ax.set(xticks=range(n), yticks=range(n), yticklabels=classes, xlabel="predicted", ylabel="true")
    short = max(map(len, classes)) < 4
    ax.set_xticklabels(classes, rotation=0 if short else 45, ha="center" if short else "right", rotation_mode="anchor")
    ax.set_title("Which classes are taken for which? Test images; off the diagonal are mistakes")
    return figure


def mistakes(images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray, classes: list[str]) -> Figure:
    """The most confident wrong predictions, at most 16.

    Args:
        images: uint8 (n, height, width, 1 or 3); labels (n,); probabilities (n, classes).
    """
    classes = plain(classes)
    predicted, sure = probabilities.argmax(1), probabilities.max(1)
    wrong = np.flatnonzero(predicted != labels)
    wrong = wrong[np.argsort(-sure[wrong])][:16]
    rows = max(1, -(-len(wrong) // 8))
    figure = Figure(figsize=(12, 1.95 * rows + 0.5), layout="constrained")
    for ax in (axes := figure.subplots(rows, 8, squeeze=False).ravel()):
        ax.axis("off")
    for ax, i in zip(axes, wrong, strict=False):
        ax.imshow(images[i].squeeze(), cmap="gray", vmin=0, vmax=255)
        ax.set_title(f"{classes[labels[i]]}\ntaken for {classes[predicted[i]]}\np = {sure[i]:.2f}", fontsize=9)
    figure.suptitle("Most confident mistakes" if len(wrong) else "No mistakes among these test images")
    return figure


def complexity(models: dict[str, dict[str, float]]) -> Figure:
    """Test accuracy against parameters and against seconds of fitting, both on logarithmic axes.

    Args:
        models: name -> test_accuracy, parameters, fit_seconds.
    """
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    for ax, key, label in zip(
        figure.subplots(1, 2, sharey=True),
        ("parameters", "fit_seconds"),
        ("stored numbers", "seconds to fit"),
        strict=True,
    ):
        for (name, row), color in zip(models.items(), class_colors(len(models)), strict=True):
            ax.scatter(max(row[key], 1e-2), row["test_accuracy"], color=color, s=50, zorder=3)
            ax.annotate(name, (max(row[key], 1e-2), row["test_accuracy"]), xytext=(6, 4), textcoords="offset points")
        ax.set(xscale="log", xlabel=label)
        ax.margins(x=0.2, y=0.12)
        ax.grid(alpha=0.3)
    figure.axes[0].set_ylabel("test accuracy")
    figure.suptitle("What does accuracy cost? Up and to the left is better")
    return figure


def reliability(probabilities: dict[str, np.ndarray], labels: np.ndarray) -> Figure:
    """Accuracy by confidence, a panel for each model; on the diagonal confidence is what it claims to be.

    Args:
        probabilities: name -> (n, classes).
        labels: (n,).
    """
    columns = min(4, len(probabilities))
    rows = -(-len(probabilities) // columns)
    figure = Figure(figsize=(2.7 * columns, 2.9 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for ax in axes[len(probabilities) :]:
        ax.axis("off")
    for ax, (name, values) in zip(axes, probabilities.items(), strict=False):
        bins = metrics.reliability(values, labels)
        error = metrics.expected_calibration_error(values, labels)
        ax.plot([0, 1], [0, 1], color="grey", linewidth=1)
        confidence, accuracy, count = (
            np.array([row[key] for row in bins]) for key in ("confidence", "accuracy", "count")
        )
        ax.scatter(confidence, accuracy, s=8 + 90 * count / count.max(), alpha=0.8)
        ax.set(title=f"{name}: error {error:.3f}", xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
        ax.label_outer()
    figure.suptitle("Is confidence what it claims? Below the line models are too sure; size is the number of images")
    return figure


def shifted(models: dict[str, dict[str, float]], kinds: list[str]) -> Figure:
    """Accuracy (bars) and mean confidence (lines across them) of each model on each kind of picture.

    Args:
        models: name -> "<kind>/accuracy" and "<kind>/confidence".
    """
    figure = Figure(figsize=(max(7, 1.35 * len(models) + 2), 4), layout="constrained")
    ax = figure.subplots()
    places, width = np.arange(len(models)), 0.8 / len(kinds)
    for number, (kind, color) in enumerate(zip(kinds, class_colors(len(kinds)), strict=True)):
        x = places + (number - (len(kinds) - 1) / 2) * width
        ax.bar(x, [row[f"{kind}/accuracy"] for row in models.values()], width * 0.92, color=color, label=kind)
        sure = [row[f"{kind}/confidence"] for row in models.values()]
        ax.hlines(sure, x - width * 0.46, x + width * 0.46, color="k", linewidth=2)
    ax.hlines([], 0, 0, color="k", linewidth=2, label="mean confidence")
    ax.set(xticks=places, xticklabels=list(models), ylim=(0, 1), ylabel="accuracy")
    figure.legend(loc="outside right upper", frameon=False)
    ax.set_title("Pictures unlike those learned from: accuracy falls, does confidence?")
    return figure
