"""Figures on paper for corrupted images: both sides of a shift, accuracy under every corruption, stages, samples."""

import numpy as np
from matplotlib.figure import Figure

from tfxfer.corruptions import FAMILIES, NAMES, SEVERITIES
from tfxfer.figures import class_colors, frame, plain


def planes(banks: dict, classes: list[str], corruption: str) -> Figure:
    """2 x 2: above the corrupted images, below the clean ones; left the original network, right the tuned one.

    Each network has one PCA, fitted to both of its sides, so the panels of a column share their axes.

    Args:
        banks: "corrupted" and "clean" -> mapping with `labels` (n,), "original" and "tuned" (n, 2).
    """
    figure = Figure(figsize=(10.5, 8.4), layout="constrained")
    axes = figure.subplots(2, 2)
    for column, network in enumerate(("original", "tuned")):
        low, high = frame(np.concatenate([bank[network] for bank in banks.values()]))
        for ax, (side, bank) in zip(axes[:, column], banks.items(), strict=True):
            for label, color in enumerate(class_colors(len(classes))):
                ax.scatter(*bank[network][bank.labels == label].T, s=9, color=color, linewidths=0, alpha=0.75)
            ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xticks=[], yticks=[])
            ax.set(title=f"{side} images, {network} network")
    style = {"loc": "outside right upper", "markerscale": 2.5, "frameon": False, "title": "class"}
    figure.legend(axes[0, 0].collections, plain(classes), **style)
    figure.suptitle(f"What does {corruption} do to features? PCA; above and below share their axes")
    return figure


def heat_maps(grids: dict[str, dict[str, float]]) -> Figure:
    """Accuracy by corruption and severity, one map for each network, and the change from the first to the last.

    Args:
        grids: network -> "<corruption>_<severity>" -> accuracy.
    """
    maps = {
        title: np.array([[found[f"{name}_{severity}"] for severity in SEVERITIES] for name in NAMES])
        for title, found in grids.items()
    }
    first, *_, last = maps.values()
    low = min(values.min() for values in maps.values())
    reach = max(np.abs(last - first).max(), 1e-3)
    styles = [{"cmap": "viridis", "vmin": low, "vmax": 1}] * len(maps)
    styles += [{"cmap": "RdBu", "vmin": -reach, "vmax": reach}]
    figure = Figure(figsize=(4.4 * len(styles) + 1, 8), layout="constrained")
    shown = maps | {"change": last - first}
    for ax, (title, values), style in zip(figure.subplots(1, len(shown), sharey=True), shown.items(), styles):
        image = ax.imshow(values, aspect="auto", **style)
        figure.colorbar(image, ax=ax, shrink=0.6)
        for (row, column), value in np.ndenumerate(values):
            r, g, b, _ = image.cmap(image.norm(value))
            dark = 0.3 * r + 0.59 * g + 0.11 * b < 0.5
            text = f"{value:+.2f}" if title == "change" else f"{value:.2f}"
            ax.text(column, row, text, ha="center", va="center", fontsize=8, color="w" if dark else "k")
        ax.set(xticks=range(5), xticklabels=SEVERITIES, xlabel="severity", title=title)
        ax.set(yticks=range(len(NAMES)), yticklabels=[name.replace("_", " ") for name in NAMES])
    figure.suptitle("Accuracy under every corruption (the last four are the extras)")
    return figure


def surgery(found: dict[str, dict[str, float]]) -> Figure:
    """Validation accuracy with one stage tuned alone, a line for each corruption, from the input's side to the head's.

    Args:
        found: corruption -> stage -> accuracy; "none" is the network untuned.
    """
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    ax = figure.subplots()
    family = {name: title for title, names in FAMILIES.items() for name in names}
    for (name, row), color in zip(found.items(), class_colors(len(found)), strict=True):
        stages = [stage for stage in row if stage != "none"]
        label = f"{name.replace('_', ' ')} ({family[name]})"
        ax.plot(stages, [row[stage] for stage in stages], "o-", color=color, label=label)
        ax.axhline(row["none"], color=color, linestyle=":", linewidth=1)
    ax.set(xlabel="the stage that trains, all others frozen", ylabel="validation accuracy")
    ax.grid(alpha=0.3)
    figure.legend(loc="outside right upper", frameon=False, title="severity 5; dotted: untuned")
    ax.set_title("Which stage is best to tune? Changes of pixels early, changes of classes late")
    return figure


def contact_sheet(images: np.ndarray) -> Figure:
    """One image under 19 corruptions (across) and five severities (down).

    Args:
        images: uint8 (95, height, width, 1 or 3), severities within corruptions.
    """
    figure = Figure(figsize=(19, 5.6), layout="constrained")
    for number, (ax, image) in enumerate(zip(figure.subplots(5, len(NAMES)).T.ravel(), images, strict=True)):
        ax.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
        ax.axis("off")
        if number % 5 == 0:
            ax.set_title(NAMES[number // 5].replace("_", "\n"), fontsize=10)
    figure.suptitle("The corruptions: severity grows downwards")
    return figure
