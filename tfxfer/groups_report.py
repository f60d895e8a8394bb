"""Sections of a report on what permuted pixels cost, and on training from scratch against pretrained weights."""

import numpy as np
from matplotlib.figure import Figure

from tfxfer import figures, page, published
from tfxfer.analysis import metrics
from tfxfer.loaded import Loaded

_SHOWN = 8  # images of each arrangement
_NETWORKS = {
    "scratch": "from scratch",
    "frozen": "pretrained, best depth of the sweep",
    "tuned": "pretrained, then all layers",
}


def sections(run: Loaded) -> list[str]:
    """What there is to say of this run; nothing of most."""
    return [*_permuted(run), *_scratch(run)]


def _permuted(run: Loaded) -> list[str]:
    keys = [key.removesuffix("plain/accuracy") for key in run.metrics if key.endswith("plain/accuracy")]
    if not keys or "permuted/accuracy" not in run.metrics:
        return []
    rows = []
    for key in keys:
        task, _, name = key.rstrip("/").partition("/")
        several = f"{key}cost_std" in run.metrics
        cells = [_accuracy(run, f"{key}plain/accuracy"), _published(run, f"{key}plain/accuracy")]
        cells += [_accuracy(run, f"{key}permuted/accuracy"), _published(run, f"{key}permuted/accuracy")]
        cost = f"{run.metrics[f'{key}cost']:+.4f}"
        ends = [run.metrics.get(f"{key}cost_{end}", np.nan) for end in ("low", "high")]
        cost += f" ± {run.metrics[f'{key}cost_std']:.4f}" if several else f" ({ends[0]:+.4f} to {ends[1]:+.4f})"
        rows.append((f"{task}, {name}" if name else "groups, all images", *cells, cost))
    spread = (
        "± is the deviation over seeds." if several else "In brackets, its 95% confidence interval on these images."
    )
    return [
        page.heading("Pixels in place and permuted"),
        page.note(
            "Test accuracy, and what the loss of place costs: the difference on the same test images. "
            f"{spread} A perceptron (pixels) treats all pixels alike: to it any order is as good."
        ),
        page.table(("learned", "plain", "published", "permuted", "published", "cost"), rows),
        page.figure(run.dir / "figures", "permuted", _arrangements(run)),
        *_remark(run),
    ]


def _arrangements(run: Loaded) -> Figure:
    images = run.banks["test"]["image"][:_SHOWN]
    flat = images.reshape(len(images), -1, images.shape[-1])
    moved = flat[:, np.load(run.dir / "permutation.npy")[0]].reshape(images.shape)
    figure = Figure(figsize=(1.4 * len(images), 3.2), layout="constrained")
    for row, some in zip(figure.subplots(2, len(images), squeeze=False), (images, moved)):
        for ax, image in zip(row, some):
            ax.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
            ax.axis("off")
    figure.suptitle("The same pixels, in place and permuted: what is left to see is how bright they are")
    return figure


def _scratch(run: Loaded) -> list[str]:
    if not {"scratch/accuracy", "tuned/accuracy"} <= run.metrics.keys():
        return []
    known = published.RECIPES.get(run.facts["recipe"])
    rows = [
        (text, _accuracy(run, f"{name}/accuracy"), _published(run, f"{name}/accuracy"))
        for name, text in _NETWORKS.items()
    ]
    figure = {end: run.metrics[f"tuned_less_scratch/{end}"] for end in ("difference", "low", "high")}
    depths = [key.split("/")[1] for key in run.metrics if key.startswith("sweep/") and key.endswith("/val_accuracy")]
    sweep = [
        (depth, *(f"{run.metrics[f'sweep/{depth}/{name}']:.4f}" for name in ("val_accuracy", "accuracy")))
        for depth in depths
    ]
    classes, folder, matrices, drawn = run.facts["classes"], run.dir / "figures", {}, []
    for name in ("scratch", "tuned"):
        bank = run.banks[name]
        matrices[name] = metrics.confusion(bank.labels, bank["logits"].argmax(1), len(classes))
        drawn.append(figures.confusion(matrices[name], classes))
        drawn[-1].axes[0].set_title(f"Taken for which? {_NETWORKS[name].capitalize()}; all test images")
    return [
        page.heading("From scratch, or pretrained?"),
        page.table(("network", "test accuracy", "published"), rows),
        page.note(
            f"On the same test images the pretrained network is right {figure['difference']:+.4f} more often "
            f"({figure['low']:+.4f} to {figure['high']:+.4f} with 95% confidence). Mean and deviation of the training "
            f"images, in [0, 1]: {run.metrics['data/mean']:.3f} and {run.metrics['data/std']:.3f}"
            + (f" (published {known.figures['data/mean']} and {known.figures['data/std']})." if known else ".")
        ),
        page.note(f"How many layers to unfreeze, by validation alone; the best: {run.facts['best_depth']}."),
        page.table(("layers unfrozen", "validation accuracy", "training accuracy"), sweep),
        *(page.figure(folder, f"confusion-{name}", one) for name, one in zip(matrices, drawn)),
        page.figure(folder, "confusion-difference", _difference(matrices["tuned"], matrices["scratch"], classes)),
        *_remark(run),
    ]


def _difference(tuned: np.ndarray, scratch: np.ndarray, classes: list[str]) -> Figure:
    """How much more often, as a share of the true class, the tuned network says so than the one from scratch."""
    count = np.maximum(tuned.sum(1, keepdims=True), 1)
    share = (tuned - scratch) / count
    side, most = min(max(4.5, 0.55 * len(classes) + 2), 40), max(np.abs(share).max(), 0.01)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    ax = figure.subplots()
    image = ax.imshow(share, cmap="RdBu", vmin=-most, vmax=most)
    figure.colorbar(image, ax=ax, shrink=0.8, label="share of the true class; numbers are images")
    for i, j in np.argwhere(tuned != scratch) if len(classes) <= 50 else ():
        color = "w" if abs(share[i, j]) > most / 2 else "k"
        ax.text(j, i, f"{tuned[i, j] - scratch[i, j]:+d}", ha="center", va="center", fontsize=8, color=color)
    names, places = figures.plain(classes), range(len(classes))
    ax.set(xticks=places, yticks=places, yticklabels=names, xlabel="predicted", ylabel="true")
    ax.set_xticklabels(names, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_title("Tuned less from scratch: more on the diagonal is better")
    return figure


def _accuracy(run: Loaded, key: str) -> str:
    spread = run.metrics.get(f"{key}_std")
    return f"{run.metrics[key]:.4f}" + (f" ± {spread:.4f}" if spread is not None else "")


def _published(run: Loaded, key: str) -> str:
    known = published.RECIPES.get(run.facts["recipe"])
    return f"{known.figures[key]:.4f}" if known and key in known.figures else ""


def _remark(run: Loaded) -> list[str]:
    known = published.RECIPES.get(run.facts["recipe"])
    return [page.note(f"Published: {known.remark}")] if known else []
