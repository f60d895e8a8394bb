"""Batch norm adapted to corrupted images without labels, before any tuning; errors relative to a reference network."""

import keras
import numpy as np
import tensorflow as tf

from tfxfer import features
from tfxfer.analysis import batch_norm, corruption_error
from tfxfer.core.cache import Store
from tfxfer.core.errors import InputError
from tfxfer.data import Examples, corruptions
from tfxfer.features.bank import Bank
from tfxfer.recipes.shared.recipe_run import Run

ADAPTATION = "batch_norm_adaptation"  # the phase of a run


class AdaptedFeatures:
    """Computes logits with batch norm adapted to the images that they are computed for (`analysis.adapt_batch_norm`).

    The statistics are those of the first images, with the prior of `batch_norm.PRIOR`; afterwards the network has its
    own again. TensorFlow computes them: each call has other weights, which ONNX Runtime would have to convert anew.

    Args:
        net: the network.
        images: how many of the images batch norm is adapted to.
        store: where logits are kept for later runs, as `features.extract` takes it; None for nowhere.
        strategy: as `features.extract` takes it.

    Raises:
        InputError: the network has no batch norm.
    """

    def __init__(self, net: keras.Model, images: int, store: Store | None, strategy: tf.distribute.Strategy | None):
        self.net, self.images, self.store = net, images, store
        self.adapter = batch_norm.Adapter(net)
        self.extract = features.Extractor(net, ("logits",), strategy=strategy, engine="tensorflow")

    def __call__(self, examples: Examples) -> Bank:
        """Returns the logits of examples, such as `splits.examples("test")`, in the bank's "logits"."""
        unlabelled = examples.dataset.map(lambda example: example["image"]).take(self.images)
        with batch_norm.adapted(self.net, self.adapter(unlabelled)):
            return self.extract(examples, out=self.store)


def adapted_features(run: Run, net: keras.Model, images: int, store: Store | None) -> AdaptedFeatures | None:
    """`AdaptedFeatures` of a run, which records their settings (fact `adaptation`); None for 0 images.

    It is None, too, for a network without batch norm; a line and the fact `left_out` say so.
    """
    if not images:
        return None
    try:
        adapted = AdaptedFeatures(net, images, store, run.strategy)
    except InputError as reason:
        run.facts["left_out"] = {"batch-norm adaptation": str(reason)}
        run.say(f"batch-norm adaptation is left out: {reason}")
        run.phases = [phase for phase in run.phases if phase != ADAPTATION]
        return None
    run.facts["adaptation"] = {"images": images, "prior": batch_norm.PRIOR}
    return adapted


def relative_errors(
    grid: dict[str, float], clean: float, reference: dict[str, float], reference_clean: float
) -> dict[str, float]:
    """mCE and relative mCE of a network, with the network before tuning as the reference instead of AlexNet.

    Args:
        grid: accuracies by `<corruption>_<severity>`, of `corruption_grid.Grid`.
        clean: accuracy on clean images.
        reference, reference_clean: the same before tuning.

    Returns:
        `mce_vs_before_15` and `relative_mce_vs_before_15`, of the benchmark's corruptions, and both for all 19; NaN
        where the network before tuning loses nothing under one of them.
    """
    figures: dict[str, float] = {}
    for number, names in ((15, corruptions.BENCHMARK), (19, corruptions.NAMES)):
        own, other = (
            np.array([[values[f"{name}_{severity}"] for severity in corruptions.SEVERITIES] for name in names])
            for values in (grid, reference)
        )
        relative = corruption_error.relative_corruption_errors(own, clean, other, reference_clean)
        figures[f"mce_vs_before_{number}"] = float(corruption_error.corruption_errors(own, other).mean())
        figures[f"relative_mce_vs_before_{number}"] = float(relative.mean())
    return figures
