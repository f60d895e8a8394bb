"""Ways to learn from a few labelled images of each class, all from one pass over the data, and their test accuracy."""

import contextlib
import io
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import keras
import numpy as np
import tensorflow as tf

from tfxfer import analysis, features, model, train
from tfxfer.analysis import multilayer_probe, pooled_layers
from tfxfer.core import memory
from tfxfer.core.errors import InputError
from tfxfer.data import Splits
from tfxfer.features import frozen_prefix
from tfxfer.features.activation_cache import Activations
from tfxfer.features.tail_forward import TailForward
from tfxfer.recipes.shared import feature_sets
from tfxfer.recipes.shared.feature_measures import predicted
from tfxfer.recipes.shared.label_subsets import Subset
from tfxfer.recipes.shared.recipe_run import Run
from tfxfer.train.weight_lists import Weights

TARGET_SIZE = 1024  # features of a layer for Head2Toe
SLOWER = 10  # times lower is the rate of all but a new head
EPOCHS = 10  # a training is divided into at most so many
HALFWAY = 0.5  # WiSE-FT's weight where no images can be set aside to choose it by


@dataclass(frozen=True)
class Trained:
    """A network as a training leaves it.

    Attributes:
        values: its weights, of `model.values`.
        seconds: time of the training, with that of the trainings that it continues.
        facts: what else is to be noted.
    """

    values: Weights
    seconds: float = 0.0
    facts: dict[str, float] = field(default_factory=dict)


class Learners:
    """Learns from subsets of the training images by each of some methods, always from the weights at the start.

    Everything is fixed beforehand and the same for all subsets: rates, steps, C = 1 of the logistic regressions, the
    share of the features that Head2Toe keeps. Only WiSE-FT's weight is chosen, by the images that a subset sets aside.
    A head trains at `learning_rate`, the layers that train with it at a tenth of that; LP-FT continues the head with
    both at a tenth.

    Args:
        run: the run, for its options; the one pass over the data is its phase "features".
        net: the network, from `model.build`; its weights are replaced.
        splits: subsets are of `train`; `validation` is not used.
        methods: names of `few_shot_methods.METHODS`.
        unfreeze: what LP-FT and the last layers tune, as `model.unfreeze_last` takes it. Batch norm stays frozen:
            statistics of a few images would be no better than those of the pretrained network.
        steps: gradient steps of each training, to whole epochs; one pass over the subset, if that is more.
    """

    def __init__(
        self, run: Run, net: keras.Model, splits: Splits, methods: Sequence[str], unfreeze: int | str, steps: int
    ):
        if not model.depth(net, unfreeze):
            raise InputError(f"unfreeze {unfreeze}: expected at least one layer to tune, or last")
        self.run, self.net, self.splits, self.methods = run, net, splits, methods
        self.unfreeze, self.steps, self.start = unfreeze, steps, Trained(model.values(net))
        layers = ["embedding"]
        for depth in (unfreeze, 0):
            model.unfreeze_last(net, depth)
            layers += frozen_prefix.frontier(net).tensors
        taps = features.taps(net) if "head2toe" in methods else []
        with run.phase("features"):
            extract = features.Extractor(net, list(dict.fromkeys([*layers, *taps])), **run.inference)
            store = feature_sets.store(run.options.cache, run.strategy)
            banks = {split: extract(splits.examples(split), out=store) for split in ("train", "test")}
            self.pooled = {
                split: {tap: pooled_layers.matrix({tap: bank[tap]}, TARGET_SIZE) for tap in taps}
                for split, bank in banks.items()
            }
        self.train, self.test = (banks[split].only(*dict.fromkeys(layers)) for split in ("train", "test"))

    def __call__(self, subset: Subset, seed: int) -> dict[str, dict[str, float]]:
        """Learns from a subset by each method, and tests each once.

        Args:
            seed: of the order of the images.

        Returns:
            By method: "accuracy" on the test images and "seconds" of learning; for WiSE-FT also "weight", from 0 (the
            head alone) to 1 (LP-FT). LP-FT continues the head, and WiSE-FT continues LP-FT: the time of what they
            continue is counted in.
        """
        found: dict[str, dict[str, float]] = {}
        if "logistic" in self.methods:
            found["logistic"] = self._logistic(subset)
        if "head2toe" in self.methods:
            found["head2toe"] = self._head2toe(subset)
        with contextlib.redirect_stdout(io.StringIO()):  # three lines for each training
            for name, trained in self._trainings(subset, seed):
                if name in self.methods:
                    model.assign_values(self.net, trained.values)
                    bank = TailForward(self.net, ("logits",))(self.test)
                    accuracy = analysis.metrics.accuracy(bank.labels, predicted(bank))
                    found[name] = {"accuracy": accuracy, "seconds": trained.seconds} | trained.facts
        return {name: found[name] for name in self.methods}

    def _logistic(self, subset: Subset) -> dict[str, float]:
        started = time.perf_counter()
        fitted = analysis.probes.fit(self.train["embedding"][subset.rows], self.train.labels[subset.rows], "logistic")
        seconds = time.perf_counter() - started
        predictions = fitted.predict(np.asarray(self.test["embedding"]))
        return {"accuracy": analysis.metrics.accuracy(self.test.labels, predictions), "seconds": seconds}

    def _head2toe(self, subset: Subset) -> dict[str, float]:
        layers = {name: x[subset.rows] for name, x in self.pooled["train"].items()}
        started = time.perf_counter()
        fitted = multilayer_probe.fit(layers, self.train.labels[subset.rows])
        seconds = time.perf_counter() - started
        predictions = fitted.predict(self.pooled["test"])
        return {"accuracy": analysis.metrics.accuracy(self.test.labels, predictions), "seconds": seconds}

    def _trainings(self, subset: Subset, seed: int) -> Iterator[tuple[str, Trained]]:
        """What the methods that train the network leave, each as soon as it is there, frozen as it was in training."""
        wanted, whole = {*self.methods}, self._part(subset.rows)
        if "last_layers" in wanted:
            yield "last_layers", self._fit(whole, self.start, self.unfreeze, seed)
        if not wanted & {"head", "lp_ft", "wise_ft"}:
            return
        head = self._fit(whole, self.start, 0, seed)
        yield "head", head
        if not wanted & {"lp_ft", "wise_ft"}:
            return
        tuned = self._fit(whole, head, self.unfreeze, seed)
        yield "lp_ft", tuned
        if "wise_ft" in wanted:
            started = time.perf_counter()
            weight = self._choose_weight(subset, seed)
            train.interpolate(self.net, head.values, tuned.values, weight)
            seconds = tuned.seconds + time.perf_counter() - started
            yield "wise_ft", Trained(model.values(self.net), seconds, {"weight": weight})

    def _choose_weight(self, subset: Subset, seed: int) -> float:
        """WiSE-FT's weight by the images that are set aside, of LP-FT on the others."""
        if not subset.chosen_by.any():
            return HALFWAY
        part = self._part(subset.rows[~subset.chosen_by], subset.rows[subset.chosen_by])
        head = self._fit(part, self.start, 0, seed)
        tuned = self._fit(part, head, self.unfreeze, seed)
        splits, activations = part
        return train.interpolation_curve(self.net, splits, head.values, tuned.values, cache=activations).best["weight"]

    def _fit(self, part: tuple[Splits, Activations], before: Trained, depth: int | str, seed: int) -> Trained:
        """Trains the head alone (depth 0), the tail after the head, or both together from the start."""
        splits, activations = part
        model.assign_values(self.net, before.values)
        model.unfreeze_last(self.net, depth)
        chosen, n = self.run.options, splits.size("train")
        rate = chosen.learning_rate if before is self.start else chosen.learning_rate / SLOWER
        slower = {} if depth == 0 or before is not self.start else {"backbone_learning_rate": rate / SLOWER}
        options = self.run.training() | slower
        options |= {"keep": "last", "early_stopping": None, "callbacks": (), "checkpoint_dir": None, "seed": seed}
        epochs = max(1, round(self.steps / -(-n // chosen.batch_size)))
        started = time.perf_counter()
        train.fit(self.net, splits, epochs, rate, cache=activations, **options)
        return Trained(model.values(self.net), before.seconds + time.perf_counter() - started)

    def _part(self, rows: np.ndarray, held_out: np.ndarray | None = None) -> tuple[Splits, Activations]:
        """Training images by row, repeated until an epoch has a tenth of the steps, and what the frozen layers make of
        them; validation images, of which `train.fit` needs one, even where they decide nothing."""
        enough = self.run.options.batch_size * -(-self.steps // EPOCHS)
        taken = {
            "train": np.resize(rows, max(len(rows), enough)),
            "validation": rows[:1] if held_out is None else held_out,
        }
        known, n = self.splits, sum(map(len, taken.values()))
        splits = replace(
            known,
            rows=known.rows | {split: known.rows["train"].take(numbers) for split, numbers in taken.items()},
            ids=known.ids | {split: known.ids["train"][numbers] for split, numbers in taken.items()},
            leaky=held_out is None,
        )
        size = sum(n * math.prod(array.shape[1:]) * array.dtype.itemsize for array in self.train.values.values())
        memory.need(size, f"activations of {n:,} images")
        arrays = {
            split: {name: tf.constant(array[numbers]) for name, array in self.train.values.items()}
            for split, numbers in taken.items()
        }
        return splits, Activations(arrays, "in memory", {split: splits.rows[split].labels for split in taken})
