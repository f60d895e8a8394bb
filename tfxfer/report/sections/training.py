"""Sections on training: curves with the epoch kept and where overfitting starts, freezing depths, what layers know."""

from collections import defaultdict

import numpy as np

from tfxfer.report import page
from tfxfer.report.charts import Panel, Series
from tfxfer.runs.loading import Loaded


def sections(run: Loaded) -> list[str]:
    return [*_depths(run), *_layers(run), *_curves(run)]


def curves(history: dict[str, list[float]], kept: int | None = None) -> list[Panel]:
    """Loss and accuracy by epoch and, where times are known, validation accuracy by seconds.

    Args:
        kept: the epoch, counted from 0, whose weights the network has, if that is known.
    """
    epochs = list(range(1, len(history["loss"]) + 1))
    best = int(np.argmin(history["val_loss"])) + 1
    marks = {best: "lowest validation loss" + (": overfitting from here" if best < len(epochs) else "")}
    if kept is not None:
        last = " (the last)" if kept + 1 == len(epochs) else ""
        marks[kept + 1] = f"kept: {marks[best]}" if kept + 1 == best else f"kept: epoch {kept + 1}{last}"
    panels = [
        Panel(
            what,
            [
                Series("training (mean over the epoch)", epochs, history[what]),
                Series("validation (after it)", epochs, history[f"val_{what}"]),
            ],
            "epoch",
            marks=marks,
        )
        for what in ("loss", "accuracy")
    ]
    if "seconds" in history:
        spent = np.cumsum(history["seconds"]).round(2).tolist()
        panels.append(
            Panel("accuracy against seconds", [Series("validation", spent, history["val_accuracy"])], "seconds")
        )
    return panels


def _curves(run: Loaded) -> list[str]:
    fits: dict[str, dict[str, list[float]]] = defaultdict(dict)
    for column, values in run.history.items():
        fit, _, what = column.rpartition("/")
        fits[fit][what] = [value for value in values if not np.isnan(value)]
    found = [page.heading("Training")] if fits else []
    facts = run.facts.get("training", {})
    for fit, history in fits.items():
        name = "training" + (f"-{fit.replace(' ', '-').replace('/', '-')}" if fit else "")
        title = f"{fit or 'Training'}: validation turning up while training falls is overfitting"
        kept = (facts.get(fit, {}) if fit else facts).get("weights_of_epoch")
        found.append(page.chart(run.dir / "figures", name, title, curves(history, kept)))
    return found


def _depths(run: Loaded) -> list[str]:
    """How much to unfreeze: metrics `sweep/<depth>/<figure>`."""
    rows: dict[str, dict[str, float]] = defaultdict(dict)
    for key, value in run.metrics.items():
        if key.startswith("sweep/") and key.count("/") == 2:
            _, depth, what = key.split("/")
            rows[depth][what] = value
    if not rows:
        return []
    names = list(rows)

    def series(*whats: str) -> list[Series]:
        return [Series(what.replace("_", " "), names, [row[what] for row in rows.values()]) for what in whats]

    cost = [Series("", [row["seconds"]], [row["val_accuracy"]], "markers", 0, [name]) for name, row in rows.items()]
    panels = [
        Panel("accuracy", series("accuracy", "val_accuracy"), "layers unfrozen"),
        Panel("validation accuracy against seconds", cost, "seconds of training"),
    ]
    if all("nc1" in row for row in rows.values()):
        panels.append(Panel("neural collapse: NC1", series("nc1"), "layers unfrozen", log="y"))
    return [
        page.heading("How many layers to unfreeze"),
        *([page.note(f"The best by validation: {run.facts['best_depth']}.")] if "best_depth" in run.facts else []),
        page.chart(run.dir / "figures", "sweep", "Freezing depths, each from the same weights", panels),
    ]


def _layers(run: Loaded) -> list[str]:
    """What each stage knows of the classes: metrics `layers/<when>/<stage>/<figure>`."""
    found: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for key, value in run.metrics.items():
        if key.startswith("layers/"):
            _, when, stage, what = key.split("/")
            found[what][when][stage] = value
    titles = {"nc1": "NC1", "cdnv": "CDNV"}
    panels = [
        Panel(
            titles.get(what, what),
            [Series(f"{when} fine-tuning", list(row), list(row.values())) for when, row in whens.items()],
            "stage, from the input to the head",
            log="y",
        )
        for what, whens in found.items()
    ]
    if not panels:
        return []
    text = "How far have classes collapsed, stage by stage? Mean over places, training images; lower is further"
    return [
        page.heading("Collapse by depth"),
        page.chart(run.dir / "figures", "layers", text, panels),
    ]
