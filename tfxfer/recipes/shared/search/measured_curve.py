"""The learning curve of a chosen setting: validation accuracy for an eighth, a quarter, half and all of the images."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from tfxfer.analysis import learning_curve
from tfxfer.features.activation_cache import Activations
from tfxfer.recipes.shared.search import linear_probes, time_plan
from tfxfer.recipes.shared.search.settings import Setting
from tfxfer.recipes.shared.search.trials import Trials
from tfxfer.train import moved_tail

SHARES = (1 / 8, 1 / 4, 1 / 2, 1.0)
TWICE = 2


def measure(
    trials: Trials,
    setting: Setting,
    embeddings: Sequence[linear_probes.Embedded],
    c: float,
    *,
    epochs: int,
    activations: Activations | None,
    seed: int,
) -> dict[str, Any]:
    """Measures the curve, and extends it to twice the images.

    Args:
        trials: runs the trainings.
        setting: the one that was chosen, without its augmentation.
        embeddings: for each fold, training features, their labels, validation features, their labels.
        c: of the logistic regression that each training starts from, fitted to its own images.
        epochs: of each training; 0 measures the logistic regression alone.
        activations: those of the setting's backbone.
        seed: random seed of fits and draws.

    Returns:
        "points", a dict of images and accuracy for each share; "tested", the number of validation images; "method",
        for people; and "twice", of `learning_curve.Extrapolation`, None if there are too few images for it.
    """
    classes = len(trials.folds[0].splits.classes)
    sizes = [max(1, round(share * len(embeddings[0][1]))) for share in SHARES]
    points: list[dict[str, float]] = []
    for size in sizes:
        if any(len(np.unique(y[:size])) < classes for _, y, _, _ in embeddings):
            continue  # a class would have no image
        heads = [linear_probes.head(x[:size], y[:size], classes, c) for x, y, _, _ in embeddings]
        if epochs:
            part = replace(trials, heads={**trials.heads, setting.backbone: heads})
            figures = part.run(f"curve{size}", setting, epochs, images=size, activations=activations)
        else:
            logits = [linear_probes.logits(x, *head) for (_, _, x, _), head in zip(embeddings, heads, strict=True)]
            figures = moved_tail.figures(np.concatenate(logits), np.concatenate([y for _, _, _, y in embeddings]))
        points.append({"images": size, "accuracy": figures["val_accuracy"]})
    tested = sum(len(y) for _, _, _, y in embeddings)
    how = f"{setting.text}, {epochs} epochs" if epochs else "logistic regression on frozen features"
    found: dict[str, Any] = {"points": points, "tested": tested, "method": how, "twice": None}
    if len(points) >= 3:
        numbers, right = (np.array([point[name] for point in points]) for name in ("images", "accuracy"))
        found["twice"] = asdict(learning_curve.extrapolate(numbers, right, tested, TWICE * sizes[-1], seed))
    return found


def epochs_that_fit(setting: Setting, seconds_per_epoch: float, limit: float, most: int, folds: int) -> int:
    """How many epochs each of the trainings can have; 0 if that is fewer than two, or nothing but the head trains."""
    if setting.depth == 0:
        return 0
    limit -= time_plan.TRACING * len(SHARES) * folds
    epochs = int(limit / (sum(SHARES) * max(seconds_per_epoch, 1e-3)))
    return 0 if epochs < 2 else min(epochs, most)
