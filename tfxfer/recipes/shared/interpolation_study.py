"""WiSE-FT: how clean and corrupted accuracy change along the line from the weights before tuning to those after it."""

import math
from collections.abc import Mapping
from typing import Any

import keras

from tfxfer import model, train
from tfxfer.data import Examples, Splits
from tfxfer.recipes.shared.artifacts import Artifacts
from tfxfer.recipes.shared.corruption_grid import accuracy
from tfxfer.recipes.shared.recipe_run import Run
from tfxfer.recipes.shared.shift_study import Study, accuracies
from tfxfer.train.weight_lists import Weights

FILE = "interpolated.keras"  # in the run's folder: the network with the weights that were chosen
STATISTICS = "averaged"  # of batch norm


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
    measured = {
        "val_clean": _first(whole, "validation", images),
        "val_corrupted": _first(corrupted, "validation", images),
        "clean": _first(clean, "test", images),
        "corrupted": _first(corrupted, "test", images),
    }

    def measure(net: keras.Model) -> dict[str, float]:
        found = {f"{name}_accuracy": accuracy(study.extract(examples)) for name, examples in measured.items()}
        mixed = clean_share * found["val_clean_accuracy"] + (1 - clean_share) * found["val_corrupted_accuracy"]
        return found | {"mixed": mixed}

    options: dict[str, Any] = {"statistics": STATISTICS, "cache": run.options.cache, "engine": run.options.engine}
    with run.phase("interpolation"):
        curve = train.interpolation_curve(net, corrupted, before, after, metric="mixed", measure=measure, **options)
        sides = {"clean": clean, "corrupted": corrupted}
        tested = accuracies({name: study.extract(side.examples("test")) for name, side in sides.items()})
        if not run.metrics_only:
            model.save(net, run.dir / FILE)
        model.assign_values(net, after)
    weight = curve.best["weight"]
    run.say(
        f"  weight {weight:g} by validation: clean {tested['clean_accuracy']:.4f}, corrupted "
        f"{tested['corrupted_accuracy']:.4f}"
    )
    curves = {
        f"interpolation/{row['weight']:g}/{name}_accuracy": row[f"{name}_accuracy"]
        for row in curve.rows
        for name in measured
    }
    chosen = tested | {"weight": weight} | _balance(tested, run.metrics)
    about = {"images": images, "clean_share": clean_share, "statistics": STATISTICS, "file": FILE}
    return Artifacts(
        metrics=curves | {f"interpolated/{name}": value for name, value in chosen.items()},
        facts={"interpolation": about},
    )


def _first(splits: Splits, split: str, images: int) -> Examples:
    """The first images of a split."""
    return (splits if splits.size(split) <= images else splits.only(**{split: slice(images)})).examples(split)


def _balance(chosen: Mapping[str, float], metrics: Mapping[str, float]) -> dict[str, float]:
    """What a point keeps of the tuned network's corrupted accuracy, and wins back of the clean accuracy that tuning
    cost; NaN where it cost none."""
    before, after = (metrics[f"{when}/clean_accuracy"] for when in ("before", "after"))
    tuned, lost = metrics["after/corrupted_accuracy"], before - after
    return {
        "corrupted_kept": chosen["corrupted_accuracy"] / tuned if tuned else math.nan,
        "clean_won_back": (chosen["clean_accuracy"] - after) / lost if lost > 0 else math.nan,
    }
