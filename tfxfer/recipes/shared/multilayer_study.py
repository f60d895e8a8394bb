"""What all stages of a network know beside its last layer: Head2Toe against a probe of the embedding."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import keras
import numpy as np

from tfxfer import analysis, features, model
from tfxfer.analysis import multilayer_probe, pooled_layers, probes
from tfxfer.analysis.fitted_probe import Fitted
from tfxfer.analysis.multilayer_probe import FittedLayers
from tfxfer.data import Splits
from tfxfer.data.splits import first_of_each
from tfxfer.features import inference
from tfxfer.model import folding
from tfxfer.recipes.shared import feature_sets
from tfxfer.recipes.shared.recipe_run import Run

TARGET_SIZE = 512  # most numbers that the maps of a stage are averaged to, unless it has more channels
FRACTIONS = (0.005, 0.02)  # of all these features, to choose from
CS = (0.01, 0.1, 1.0)  # inverse strengths of the regularisation, to choose from
Probe = TypeVar("Probe", FittedLayers, Fitted)
Labelled = tuple[dict[str, np.ndarray], np.ndarray]
"""By stage, its pooled features (n, d); and the labels (n,)."""


def phases(net: keras.Model, images: int) -> list[str]:
    """The phase of `probe_stages`, if the network has learned anything and images are wanted."""
    return ["head2toe"] if images and feature_sets.learned(net) else []


def probe_stages(run: Run, net: keras.Model, splits: Splits, images: int, name: str = "") -> None:
    """Probes all stages of a network at once (`analysis.head2toe`) and its embedding alone, with the same images.

    Both probes are logistic regressions; validation images choose their C, and how many features of the stages are
    kept. Notes metrics `[<name>/]head2toe/...`: the accuracies of both on all test images, their paired difference, and
    the share of the kept features that each stage has.

    Args:
        run: the run, which notes and times it.
        net: the network, as it is; nothing is trained in it.
        splits: its data.
        images: how many training images to fit to, some of each class; at most a quarter as many validation images. 0
            for none: the step is left out.
        name: of the network, where a page has several.
    """
    if not images:
        return
    key = f"{name}/head2toe" if name else "head2toe"
    with run.phase(f"head2toe_{name}" if name else "head2toe"):
        subset = splits.only(
            train=first_of_each(splits.rows["train"].labels, images),
            validation=first_of_each(splits.rows["validation"].labels, images // 4),
        )
        stages = _Stages(net)
        (x, labels), validation = (stages.all(subset, split) for split in ("train", "validation"))
        options: dict[str, Any] = {"fractions": FRACTIONS, "target_size": TARGET_SIZE}
        fitted = _best([multilayer_probe.fit(x, labels, validation=validation, C=c, **options) for c in CS])
        held_out = validation[0]["embedding"], validation[1]
        last = _best([probes.fit(x["embedding"], labels, "logistic", validation=held_out, C=c) for c in CS])
        right, right_last = [], []
        for pooled, truth in stages.batches(splits, "test"):
            right.append(fitted.predict(pooled) == truth)
            right_last.append(last.predict(pooled["embedding"]) == truth)
        compared = analysis.paired.difference(np.concatenate(right_last), np.concatenate(right), splits.bases("test"))
    run.note(
        key,
        {
            "accuracy": compared["second_accuracy"],
            "last_layer_accuracy": compared["first_accuracy"],
            "gain": compared["difference"],
            "gain_low": compared["low"],
            "gain_high": compared["high"],
            **{fact: fitted.facts[fact] for fact in ("fraction", "features", "candidates")},
            **{fact: value for fact, value in fitted.facts.items() if fact.startswith("kept/")},
        },
    )
    run.say(
        f"  probe of all stages {compared['second_accuracy']:.4f}, of the last layer {compared['first_accuracy']:.4f}: "
        f"{compared['difference']:+.4f} ({compared['low']:+.4f} to {compared['high']:+.4f})"
    )


def _best(fits: Sequence[Probe]) -> Probe:
    """The probe with the highest validation accuracy, the first of equal ones."""
    return max(fits, key=lambda fit: fit.facts["validation_accuracy"])


class _Stages:
    """Pooled features of a network's stages, batch by batch, so that maps are never all in memory."""

    def __init__(self, net: keras.Model):
        taps = set(features.taps(net))
        ends = {
            stage: layer.output for stage, layers in model.stages(net).items() for layer in layers if layer.name in taps
        }
        tapped = keras.Model(net.input, ends | {"embedding": net.get_layer("embedding").output})
        self._forward, self._size = folding.Forward(tapped).current(), inference.images_per_batch(tapped)

    def batches(self, splits: Splits, split: str) -> Iterator[Labelled]:
        for batch in splits.batches(split, self._size):
            maps = self._forward(batch["image"])
            pooled = {name: pooled_layers.pool(x.numpy(), TARGET_SIZE) for name, x in maps.items()}
            yield pooled, batch["label"].numpy()

    def all(self, splits: Splits, split: str) -> Labelled:
        parts, labels = zip(*self.batches(splits, split), strict=True)
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, np.concatenate(labels)
