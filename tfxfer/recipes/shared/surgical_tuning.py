"""Surgical fine-tuning: each stage of a network is tuned alone, to see which single one is best."""

from collections.abc import Sequence

import keras
import numpy as np

from tfxfer import features, model, train
from tfxfer.core.count_progress import track
from tfxfer.data import CorruptedCopy, Splits
from tfxfer.data.cifar10c import Cell
from tfxfer.recipes.shared.corruption_grid import LAYERS, accuracy
from tfxfer.recipes.shared.recipe_run import Run

EPOCHS = 4


def tune_stages(
    run: Run,
    net: keras.Model,
    start: Sequence[np.ndarray],
    copy: CorruptedCopy,
    tuned: Splits,
    cells: Sequence[Cell],
    images: int,
) -> dict[str, float]:
    """Finds which single stage is best to tune (Lee et al. 2023, Surgical fine-tuning, arXiv:2210.11466).

    Under each of the corruptions, each stage is trained alone from the same weights, with the head and all other stages
    frozen. Afterwards the network has its former weights and frozen layers again.

    Args:
        run: the run, for its options.
        net: the network.
        start: the weights that each stage starts from, of `model.values`.
        copy: the corrupted copy of the test images.
        tuned: the splits that say which images may be trained on.
        cells: the corruptions, each at one severity.
        images: the number of images to train on; as many again are for validation.

    Returns:
        Validation accuracies: `<corruption>/<stage>`, and `<corruption>/none` without tuning.
    """
    copy = copy if copy.images is None else CorruptedCopy.of(copy.template, "train", copy.seed, copy.photographs)
    rows = np.flatnonzero(np.isin(copy.bases, tuned.bases("train", "validation")))[: 2 * images]
    kept, trainable, metrics = model.values(net), [layer.trainable for layer in net.layers], {}
    options = {"keep": "best", "batch_size": 16, "cache": run.options.cache}
    model.assign_values(net, start)
    stages = model.stages(net)
    for name, severity in cells:
        subset = copy.only(rows).divide([(name, severity)], 0.5, 0.5)
        metrics[f"{name}/none"] = accuracy(features.extract(net, subset.validation, LAYERS))
        for stage in track(stages, f"stages under {name}", len(stages), "stages"):
            # batch norm stays in inference mode: the frozen stages behind it have learned from its former statistics
            model.unfreeze_stage(net, stage)
            training = run.training(f"surgery-{name}-{stage}") | options
            history = train.fit(net, subset, EPOCHS, run.options.learning_rate / 10, **training)
            metrics[f"{name}/{stage}"] = history.kept("val_accuracy")
            model.assign_values(net, start)
    model.assign_values(net, kept)
    for layer, flag in zip(net.layers, trainable, strict=True):
        layer.trainable = flag
    return metrics
