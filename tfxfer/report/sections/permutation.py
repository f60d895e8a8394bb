"""Section of a report on what permuting the pixels of all images costs."""

import numpy as np
from matplotlib.figure import Figure

from tfxfer.report import page, picture_cards, published
from tfxfer.report.sections import contents
from tfxfer.report.sections.metric_tables import SPREAD, accuracy, number, published_note
from tfxfer.runs.loading import Loaded

_ARRANGED_IMAGES = 8  # shown in place and permuted


def sections(run: Loaded) -> list[str]:
    """Accuracy of each learner with pixels in place and permuted, and some images in both arrangements."""
    prefixes = contents.subjects(run, "permutation")
    if not prefixes:
        return []
    publication, several_seeds = published.for_run(run), f"{prefixes[0]}cost_std" in run.metrics
    spread = f"{SPREAD}." if several_seeds else "95% confidence intervals are in brackets."
    rows = []
    for prefix in prefixes:
        task, _, backbone = prefix.rstrip("/").partition("/")
        cells = [f"{task}, {backbone}" if backbone else "groups, all images"]
        for key in (f"{prefix}plain/accuracy", f"{prefix}permuted/accuracy"):
            cells += [accuracy(run, key), number(publication.figures.get(key))]
        rows.append((*cells, _cost(run, prefix)))
    return [
        page.heading("Pixels in place and permuted"),
        page.note(
            "Test accuracy, and what losing the arrangement costs: the difference on the same test images. "
            f"{spread} A perceptron (pixels) treats all pixels alike, so any order is as good as another."
        ),
        page.table(("learned", "plain", publication.head, "permuted", publication.head, "cost"), rows),
        *_arrangements(run),
        *published_note(run),
    ]


def _cost(run: Loaded, prefix: str) -> str:
    """Accuracy lost, with its standard deviation over seeds or, of one seed, with its 95% interval."""
    cost, deviation = run.metrics[f"{prefix}cost"], run.metrics.get(f"{prefix}cost_std")
    if deviation is not None:
        return f"{cost:+.4f} ± {deviation:.4f}"
    low, high = (run.metrics.get(f"{prefix}cost_{end}", np.nan) for end in ("low", "high"))
    return f"{cost:+.4f} ({low:+.4f} to {high:+.4f})"


def _arrangements(run: Loaded) -> list[str]:
    """The first pictures, in place and permuted."""
    bank = run.banks["pictures"][:_ARRANGED_IMAGES]
    images, classes = np.asarray(bank["image"]), run.facts["classes"]
    flat = images.reshape(len(images), -1, images.shape[-1])
    permuted = flat[:, np.load(run.dir / "permutation.npy")[0]].reshape(images.shape)
    page.save(run.dir / "figures", "permuted", _figure(images, permuted))
    cards = [
        picture_cards.card(pixels, (classes[label], how, picture_cards.name(run, number)), int(number))
        for pair, label, number in zip(zip(images, permuted), bank.labels, bank.ids)
        for pixels, how in zip(pair, ("in place", "permuted"))
    ]
    return [
        page.note("The same pixels, in place and permuted: only their brightness remains."),
        picture_cards.gallery(cards, "small"),
    ]


def _figure(images: np.ndarray, permuted: np.ndarray) -> Figure:
    figure = Figure(figsize=(1.4 * len(images), 3.2), layout="constrained")
    for axes, row in zip(figure.subplots(2, len(images), squeeze=False), (images, permuted)):
        for ax, image in zip(axes, row):
            ax.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
            ax.axis("off")
    figure.suptitle("The same pixels, in place and permuted: only their brightness remains")
    return figure
