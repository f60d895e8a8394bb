"""Sections on training: freezing depths, collapse layer by layer, and curves with the epoch that was kept."""

from collections import defaultdict

import numpy as np

from tfxfer.report import page
from tfxfer.report.charts import Panel, Series
from tfxfer.runs import metric_names
from tfxfer.runs.loading import Loaded

_LEAST = 0.1  # of the height of an axis of accuracies: less is chance on most validation sets


def depths(run: Loaded) -> list[str]:
    """How many layers to unfreeze: metrics `sweep/<depth>/<name>`."""
    rows: dict[str, dict[str, float]] = defaultdict(dict)
    for key, value in run.metrics.items():
        if key.startswith("sweep/") and key.count("/") == 2:
            _, depth, name = key.split("/")
            rows[depth][name] = value
    if not rows:
        return []

    def series(name: str) -> Series:
        return Series(name.replace("_", " "), list(rows), [row[name] for row in rows.values()])

    cost = [
        Series(f"{depth} layers", [row["seconds"]], [row["val_accuracy"]], "markers", text=[f"{depth} layers"])
        for depth, row in rows.items()
    ]
    panels = [
        Panel("accuracy", [series("accuracy"), series("val_accuracy")], "layers unfrozen", least=_LEAST),
        Panel("validation accuracy against seconds", cost, "seconds of training", least=_LEAST),
    ]
    if all("nc1" in row for row in rows.values()):
        panels.append(Panel("neural collapse: NC1", [series("nc1")], "layers unfrozen", log="y", least=10))
    return [
        page.heading("How many layers to unfreeze"),
        *([page.note(f"The best by validation: {run.facts['best_depth']}.")] if "best_depth" in run.facts else []),
        page.chart(run.dir / "figures", "sweep", "Freezing depths, each trained from the same weights", panels),
    ]


def layers(run: Loaded) -> list[str]:
    """How far the classes have collapsed after each stage: metrics `layers/<when>/<stage>/<name>`."""
    values: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for key, value in run.metrics.items():
        if key.startswith("layers/") and not key.endswith("_std"):
            _, when, stage, name = key.split("/")
            values[name][when][stage] = value
    panels = [
        Panel(
            metric_names.label(f"layers/before/stage/{name}"),
            [Series(f"{when} fine-tuning", list(row), list(row.values())) for when, row in rows.items()],
            "stage, from the input to the head",
            log="y",
            least=10,
        )
        for name, rows in values.items()
    ]
    if not panels:
        return []
    about = (
        "Neural collapse (Papyan, Han and Donoho 2020): at the end of training, the features of a class draw together "
        "around their mean. NC1 is their spread within classes over the spread between classes, CDNV the same averaged "
        "over pairs of classes; both are 0 once classes have collapsed to points. Look for the stage from which the "
        "line after fine-tuning runs below the line before: from there on the network has changed for these classes."
    )
    title = (
        "How far have classes collapsed, stage by stage? Training images, maps averaged over positions; lower is more"
    )
    return [page.heading("Collapse by depth", about), page.chart(run.dir / "figures", "layers", title, panels)]


def sections(run: Loaded) -> list[str]:
    """Curves of each fit of the run."""
    fits: dict[str, dict[str, list[float]]] = defaultdict(dict)
    for column, values in run.history.items():
        fit, _, name = column.rpartition("/")
        fits[fit][name] = [value for value in values if not np.isnan(value)]
    parts = [page.heading("Training")] if fits else []
    facts = run.facts.get("training", {})
    for fit, history in fits.items():
        name = "training" + (f"-{fit.replace(' ', '-').replace('/', '-')}" if fit else "")
        title = f"{fit or 'Training'}: overfitting shows where validation turns up while training keeps falling"
        kept = (facts.get(fit, {}) if fit else facts).get("weights_of_epoch")
        parts.append(page.chart(run.dir / "figures", name, title, curves(history, kept)))
    return parts


def curves(history: dict[str, list[float]], kept: int | None = None) -> list[Panel]:
    """Loss, accuracy and further metrics by epoch and, where times are known, validation accuracy by seconds.

    Args:
        history: "loss", "val_loss", "accuracy" and "val_accuracy", a value for each epoch; perhaps "seconds", and
            others of which there is also "val_...".
        kept: the epoch, counted from 0, whose weights the network has, if that is known.
    """
    epochs = list(range(1, len(history["loss"]) + 1))
    best = int(np.argmin(history["val_loss"])) + 1
    marks: dict[float, str] = {
        best: "lowest validation loss" + (": overfitting from here" if best < len(epochs) else "")
    }
    if kept is not None:
        last = " (the last)" if kept + 1 == len(epochs) else ""
        marks[kept + 1] = f"kept: {marks[best]}" if kept + 1 == best else f"kept: epoch {kept + 1}{last}"
    panels = [
        Panel(
            name,
            [
                Series("training (mean over the epoch)", epochs, history[name]),
                Series("validation (after it)", epochs, history[f"val_{name}"]),
            ],
            "epoch",
            marks=marks,
            least=0.0 if name == "loss" else _LEAST,
        )
        for name in history
        if len(history[name]) == len(history.get(f"val_{name}", ())) == len(epochs)
    ]
    if "seconds" in history:
        seconds = np.cumsum(history["seconds"]).round(2).tolist()
        series = Series("validation", seconds, history["val_accuracy"])
        panels.append(Panel("validation accuracy against seconds", [series], "seconds", least=_LEAST))
    return panels
