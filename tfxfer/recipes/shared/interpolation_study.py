"""WiSE-FT: how clean and corrupted accuracy change along the line from the weights before tuning to those after it."""

import math
from collections.abc import Mapping
from typing import Any

import keras

from tfxfer import model, train
from tfxfer.data import Splits
from tfxfer.recipes.shared.artifacts import Artifacts
from tfxfer.recipes.shared.corruption_grid import accuracy
from tfxfer.recipes.shared.recipe_run import Run
from tfxfer.recipes.shared.shift_study import Study, accuracies
from tfxfer.train.weight_lists import Weights

FILE = "interpolated.keras"  # in the run's folder: the network with the weights that were chosen
# Of batch norm. Recomputed ones would be those of corrupted images at every point, which clean images pay for: halfway,
# clean accuracy on Fashion-MNIST with noise was 0.755 with recomputed, 0.838 with averaged ones (EfficientNet-Lite0).
STATISTICS = "averaged"


def interpolate(run: Run, study: Study, whole: Splits, before: Weights, images: int, clean_share: float) -> Artifacts:
    """Measures a network at eleven points between its weights before tuning and those that it has now, and tests the
    one that is best on validation images; the network is saved with these weights, and keeps its own.

    The test images have no part in the choice: at the other points they are looked at for the curve alone.

    Args:
        run: the run, for its options.
        study: the study of the network, which has measured it before and after tuning.
        whole: the clean data set; its validation images are clean.
        before: the weights before tuning, of `model.values`.
        images: how many images of each kind the curve is measured on, at most: clean and corrupted ones, for validation
            and for the test. The chosen point is tested on all of them. 0 for no curve, and nothing else.
        clean_share: the weight of clean validation accuracy in the mean that the point is chosen by, in [0, 1]; the
            rest is that of corrupted validation accuracy.

    Returns:
        Metrics `interpolation/<weight>/...` of the curve and `interpolated/...` of the chosen point, and the fact
        `interpolation`.
    """
    if not images:
        return Artifacts()
    net, after = study.net, model.values(study.net)
    corrupted, clean = study.corrupted["tfxfer"], study.clean["tfxfer"]
    tested = {"val_clean": (whole, "validation"), "clean": (clean, "test"), "corrupted": (corrupted, "test")}
    measured = {name: _first(splits, split, images).examples(split) for name, (splits, split) in tested.items()}

    def measure(net: keras.Model) -> dict[str, float]:
        return {f"{name}_accuracy": accuracy(study.extract(examples)) for name, examples in measured.items()}

    options: dict[str, Any] = {"statistics": STATISTICS, "cache": run.options.cache, "engine": run.options.engine}
    with run.phase("interpolation"):
        validated = _first(corrupted, "validation", images)
        curve = train.interpolation_curve(net, validated, before, after, measure=measure, **options)
        rows = [row | {"val_corrupted_accuracy": row["val_accuracy"]} for row in curve.rows]
        weight = max(rows, key=lambda row: (_mixed(row, clean_share), -row["val_loss"]))["weight"]
        train.interpolate(net, before, after, weight, **options)
        figures = accuracies({"clean": study.extract(clean.examples("test"))})
        figures |= accuracies({"corrupted": study.extract(corrupted.examples("test"))})
        if not run.metrics_only:
            model.save(net, run.dir / FILE)
        model.assign_values(net, after)
    text = f"clean {figures['clean_accuracy']:.4f}, corrupted {figures['corrupted_accuracy']:.4f}"
    run.say(f"  weight {weight:g} by validation: {text}")
    curves = {
        f"interpolation/{row['weight']:g}/{name}_accuracy": row[f"{name}_accuracy"]
        for row in rows
        for name in ("val_clean", "val_corrupted", "clean", "corrupted")
    }
    chosen = figures | {"weight": weight} | _balance(figures, run.metrics)
    about = {"images": images, "clean_share": clean_share, "statistics": STATISTICS, "file": FILE}
    return Artifacts(
        metrics=curves | {f"interpolated/{name}": value for name, value in chosen.items()},
        facts={"interpolation": about},
    )


def _first(splits: Splits, split: str, images: int) -> Splits:
    """The splits with no more than the first images of one of them."""
    return splits if splits.size(split) <= images else splits.only(**{split: slice(images)})


def _mixed(row: Mapping[str, float], clean_share: float) -> float:
    """The validation accuracy that the point is chosen by."""
    return clean_share * row["val_clean_accuracy"] + (1 - clean_share) * row["val_corrupted_accuracy"]


def _balance(chosen: Mapping[str, float], metrics: Mapping[str, float]) -> dict[str, float]:
    """What a point keeps of the tuned network's corrupted accuracy, and wins back of the clean accuracy that tuning
    cost; NaN where it cost none."""
    before, after = (metrics[f"{when}/clean_accuracy"] for when in ("before", "after"))
    tuned, lost = metrics["after/corrupted_accuracy"], before - after
    return {
        "corrupted_kept": chosen["corrupted_accuracy"] / tuned if tuned else math.nan,
        "clean_won_back": (chosen["clean_accuracy"] - after) / lost if lost > 0 else math.nan,
    }
