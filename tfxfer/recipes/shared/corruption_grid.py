"""Accuracy under every corruption at every severity, with the frozen prefix's outputs from the cache."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfxfer import analysis, features
from tfxfer.core.count_progress import track
from tfxfer.data import CorruptedCopy, Examples, corruptions
from tfxfer.features import frozen_prefix
from tfxfer.features.bank import Bank
from tfxfer.features.tail_forward import TailForward
from tfxfer.recipes.shared import feature_sets

ALL = tuple((name, severity) for name in corruptions.NAMES for severity in corruptions.SEVERITIES)
LAYERS = ("embedding", "logits")


class CachedFeatures:
    """Computes embeddings and logits with the network's present weights; outputs of the frozen prefix are cached.

    Args:
        net: the network; what is frozen now is the prefix.
        images: the number of images in all; if the prefix's outputs for them would not fit, the whole network runs.
        cache: as for `train.fit`; with "memory" and "off" nothing is kept.
        strategy, engine: as `features.extract` takes them.
    """

    def __init__(
        self,
        net: keras.Model,
        images: int,
        cache: str,
        *,
        strategy: tf.distribute.Strategy | None,
        engine: str,
    ):
        self.store = feature_sets.store(cache, strategy)
        options: dict[str, Any] = {"strategy": strategy, "engine": engine}
        cut = features.Extractor(net, list(frozen_prefix.frontier(net).tensors), **options)
        self.cut = cut if self.store and self.store.fits(images * cut.row_bytes) else None
        self.whole, self.tail = features.Extractor(net, LAYERS, **options), TailForward(net, LAYERS)

    def __call__(self, examples: Examples | tf.data.Dataset) -> Bank:
        """Returns the embeddings and logits of examples, such as `splits.examples("test")`."""
        return self.tail(self.cut(examples, out=self.store)) if self.cut else self.whole(examples, out=self.store)


def accuracy(bank: Bank) -> float:
    return analysis.metrics.accuracy(bank.labels, np.asarray(bank["logits"]).argmax(1))  # they may be in the cache


class Grid:
    """Accuracy under all 19 corruptions x 5 severities: `<corruption>_<severity>`, and the means.

    Each cell is cached as soon as it is done, so that an interrupted grid continues where it stopped.

    Args:
        copy: the corrupted copy of the test images.
        bases: int64 (n,), the ids of the images to test.
    """

    def __init__(self, copy: CorruptedCopy, bases: np.ndarray):
        rows = np.flatnonzero(np.isin(copy.bases, bases))
        self.copy, self.images = copy, len(rows)
        self.remark = copy.remark
        # cached, because building a pipeline takes time
        self.cell = functools.cache(lambda cell: copy.grid([cell], rows).examples("test"))

    def __call__(self, extract: Callable[[Examples], Bank]) -> dict[str, float]:
        metrics: dict[str, float] = {}
        low, high = analysis.intervals.wilson(0.5, self.images)
        print(
            f"  severities 1 to 5, {self.images:,} images (95% interval of accuracy 0.5: {low:.3f} to {high:.3f})",
            flush=True,
        )
        for name in track(corruptions.NAMES, "grid", len(corruptions.NAMES), "corruptions"):
            row = {f"{name}_{s}": accuracy(extract(self.cell((name, s)))) for s in corruptions.SEVERITIES}
            print(f"  {name}: {' '.join(f'{value:.3f}' for value in row.values())}", flush=True)
            metrics |= row
        for title, names in (("mean_15", corruptions.BENCHMARK), ("mean_19", corruptions.NAMES)):
            cells = [metrics[f"{name}_{s}"] for name in names for s in corruptions.SEVERITIES]
            metrics[title] = float(np.mean(cells))
        means = f"{metrics['mean_15']:.4f} over the benchmark's 15, {metrics['mean_19']:.4f} over all 19"
        print(f"  mean accuracy: {means} ({self.remark})", flush=True)
        return metrics


def contact_sheet(copy: CorruptedCopy) -> Bank:
    """The first image under all 95 cells: `image` (95, height, width, channels), in the order of `ALL`."""
    parts = [copy.grid([cell], np.array([0])).reader("test")(tf.constant([0])) for cell in ALL]
    image, label, number = (np.concatenate([part[name] for part in parts]) for name in ("image", "label", "id"))
    return Bank({"image": image}, label, number)
