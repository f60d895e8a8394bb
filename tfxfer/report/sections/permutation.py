"""Sections of a report on what permuted pixels cost, and on training from scratch against pretrained weights."""

import numpy as np
from matplotlib.figure import Figure

from tfxfer.analysis import intervals, metrics
from tfxfer.report import page, published
from tfxfer.report.charts import Heat
from tfxfer.report.sections import models, predictions
from tfxfer.runs.loading import Loaded

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
    spread = "± is the deviation over seeds." if several else "In brackets, 95% confidence intervals on these images."
    return [
        page.heading("Pixels in place and permuted"),
        page.note(
            "Test accuracy, and what the loss of place costs: the difference on the same test images. "
            f"{spread} A perceptron (pixels) treats all pixels alike: to it any order is as good."
        ),
        page.table(("learned", "plain", _head(run), "permuted", _head(run), "cost"), rows),
        page.figure(run.dir / "figures", "permuted", _arrangements(run)),
        *_remark(run),
    ]


def _arrangements(run: Loaded) -> Figure:
    images = run.banks["pictures"]["image"][:_SHOWN]
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
    known = _known(run).figures
    theirs = {key: [_published(run, f"{key}/accuracy")] if known else [] for key in _NETWORKS}
    rows = [(text, _accuracy(run, f"{name}/accuracy"), *theirs[name]) for name, text in _NETWORKS.items()]
    figure = {end: run.metrics[f"tuned_less_scratch/{end}"] for end in ("difference", "low", "high")}
    classes, folder = run.facts["classes"], run.dir / "figures"
    banks = {name: run.banks[name] for name in ("scratch", "tuned")}
    matrices = {
        name: metrics.confusion(bank.labels, bank["logits"].argmax(1), len(classes)) for name, bank in banks.items()
    }
    maps = [predictions.confusion(each, classes, _NETWORKS[name]) for name, each in matrices.items()]
    title = "Taken for which? The last map is tuned less from scratch: more on the diagonal is better"
    return [
        page.heading("From scratch, or pretrained?"),
        page.table(("network", "test accuracy", *([_head(run)] if known else [])), rows),
        page.note(
            "In brackets, 95% confidence intervals on these images. On the same images the pretrained network is right "
            f"{figure['difference']:+.4f} more often ({figure['low']:+.4f} to {figure['high']:+.4f} with 95% "
            "confidence). Mean and deviation of the training "
            f"images, in [0, 1]: {run.metrics['scale/mean']:.3f} and {run.metrics['scale/std']:.3f}"
            + (f" (published {known['scale/mean']} and {known['scale/std']})." if known else ".")
        ),
        page.chart(folder, "confusions", title, [*maps, _difference(matrices["tuned"], matrices["scratch"], classes)]),
        *_remark(run),
    ]


def _difference(tuned: np.ndarray, scratch: np.ndarray, classes: list[str]) -> Heat:
    """How much more often, as a share of the true class, the tuned network says so than the one from scratch."""
    share = (tuned - scratch) / np.maximum(tuned.sum(1, keepdims=True), 1)
    most = float(max(np.abs(share).max(), 0.01))
    text = np.char.mod("%+d", tuned - scratch)
    return Heat("tuned less from scratch", share, classes, classes, text, -most, most, "RdBu", "predicted", "true")


def _accuracy(run: Loaded, key: str) -> str:
    """An accuracy with its deviation over seeds, or of one seed with its 95% interval (Wilson)."""
    share, spread = run.metrics[key], run.metrics.get(f"{key}_std")
    if spread is not None:
        return f"{share:.4f} ± {spread:.4f}"
    return intervals.text(share, intervals.wilson(share, models.test_images(run)))


def _known(run: Loaded) -> published.Published:
    return published.known(run.facts["recipe"], run.facts["classes"])


def _published(run: Loaded, key: str) -> str:
    figures = _known(run).figures
    return f"{figures[key]:.4f}" if key in figures else ""


def _head(run: Loaded) -> str:
    return _known(run).head


def _remark(run: Loaded) -> list[str]:
    remark = _known(run).remark
    return [page.note(f"Published: {remark}")] if remark else []
