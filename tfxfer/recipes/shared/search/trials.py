"""One trial: a network trained by a setting, on the split or on each fold, and judged by images it has not seen."""

import contextlib
import functools
import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfxfer import model, train
from tfxfer.data import Splits
from tfxfer.features.activation_cache import Activations
from tfxfer.recipes.shared.search.candidates import Candidate, copy_weights
from tfxfer.recipes.shared.search.folds import Fold
from tfxfer.recipes.shared.search.journal import Journal
from tfxfer.recipes.shared.search.settings import Setting
from tfxfer.train import moved_tail, tail

SMOOTHING = 0.1  # of labels (Szegedy et al. 2016)
DECAY = 0.01  # of AdamW
AVERAGED = 10  # weights are averaged over the last one of so many parts of all steps
FEW = 2000  # training images: with fewer, batches are smaller and augmentation is not cached
VIEWS = 4  # random views of each image that are cached


@dataclass
class Trials:
    """Runs trials, each one step of the journal.

    Attributes:
        journal: where outcomes and weights are kept.
        candidates: by the backbone's name.
        folds: what trials learn from and are judged by.
        heads: for each backbone and fold, kernel and bias that the head starts with.
        training: options of `train.fit`.
        goal: one of `scores.GOALS`.
    """

    journal: Journal
    candidates: Mapping[str, Candidate]
    folds: Sequence[Fold]
    heads: Mapping[str, Sequence[tuple[np.ndarray, np.ndarray]]]
    training: dict[str, Any]
    goal: str

    def start(self, backbone: str, fold: int) -> None:
        """Gives a candidate its pretrained weights and the head that was fitted to them."""
        candidate = self.candidates[backbone]
        model.assign_values(candidate.net, candidate.start)
        candidate.net.get_layer("logits").set_weights(list(self.heads[backbone][fold]))

    def run(
        self,
        name: str,
        setting: Setting,
        epochs: int,
        *,
        images: int | None = None,
        activations: Activations | None = None,
        average: bool = False,
    ) -> dict[str, Any]:
        """Trains a setting, on each fold from the pretrained weights and the fitted head.

        Args:
            name: of the step.
            setting: what to train, and how.
            epochs: passes over the training images.
            images: train on the first so many of each fold only.
            activations: of the split, for settings without augmentation.
            average: whether averages of the weights (EMA) are kept in place of the last ones.

        Returns:
            The outcome: setting, epochs, images, history of the first fold, figures of `moved_tail.figures`, seconds.
            The weights of each fold are kept in the journal under the step's name and the fold's number, with the
            validation logits behind them.
        """

        def make() -> dict[str, Any]:
            found, histories = [], []
            for fold in self.folds:
                self.start(setting.backbone, fold.number)
                splits, given = part(fold, images, activations)
                where = self.journal.folder / f"{name}-{fold.number}"
                logits, history = self._train(setting, splits, epochs, given, where, average)
                found.append(logits)
                histories.append(history)
                values = model.values(self.candidates[setting.backbone].net)
                self.journal.keep(f"{name}-{fold.number}", [*values, found[-1]])
            labels = np.concatenate([fold.splits.rows["validation"].labels for fold in self.folds])
            figures = moved_tail.figures(np.concatenate(found), labels)
            size = len(part(self.folds[0], images, None)[0].rows["train"].labels)
            about = {"setting": setting.record(), "epochs": epochs, "images": size}
            return about | {"history": dict(histories[0])} | figures

        return self.journal.step(name, make, "train")

    def values(self, name: str, fold: int = 0) -> list[np.ndarray]:
        """The weights that a trial has left."""
        return self.journal.kept(f"{name}-{fold}")[:-1]

    def logits(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The validation logits of a trial, of all folds, and the labels."""
        found = [self.journal.kept(f"{name}-{fold.number}")[-1] for fold in self.folds]
        return np.concatenate(found), np.concatenate([fold.splits.rows["validation"].labels for fold in self.folds])

    def _train(
        self, setting: Setting, splits: Splits, epochs: int, given: Activations | None, where: Any, average: bool
    ) -> tuple[np.ndarray, dict[str, list[float]]]:
        """Trains the candidate on these splits, and returns its validation logits and its history."""
        candidate = self.candidates[setting.backbone]
        net = candidate.network(setting.augment)
        model.unfreeze_last(net, setting.depth, train_batch_norm=True)
        few = splits.size("train") < FEW
        batch_size = 32 if few else 64
        steps = epochs * -(-splits.size("train") // batch_size) if average else None
        options = self.training | {"batch_size": batch_size, "label_smoothing": SMOOTHING, "keep": "last"}
        options |= {"optimizer": optimizer(setting, steps), "mixup": setting.mixup, "checkpoint_dir": where}
        cached = "off" if setting.depth == next(iter(model.stages(net))) else given if given is not None else "memory"
        views = 0
        if setting.augment != "none":
            views = VIEWS if cached != "off" and not few else 0
            cached = "auto" if views else "off"
        with contextlib.redirect_stdout(Unsaid(sys.stdout.isatty())):
            history = train.fit(net, splits, epochs, setting.learning_rate, cache=cached, views=views, **options)
        if net is not candidate.net:
            copy_weights(net, candidate.net)
        model.unfreeze_last(candidate.net, setting.depth, train_batch_norm=True)
        return validation_logits(candidate.net, splits, given), history


class Unsaid(io.StringIO):
    """Takes what training prints, a line an epoch; on a terminal its bar is shown all the same."""

    def __init__(self, terminal: bool):
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


def optimizer(setting: Setting, steps: int | None) -> Any:
    """The optimizer of a setting, as `train.fit` takes it.

    Args:
        setting: of the trial.
        steps: of the whole training, if weights are averaged (EMA): over about the last tenth of them, in which the
            cosine schedule hardly moves them, so that batch norm's moving statistics suit the average too.
    """
    averages = {"use_ema": True, "ema_momentum": 1 - 1 / max(2.0, steps / AVERAGED)} if steps else {}
    if setting.l2_sp:
        return functools.partial(train.AdamSP, strength=setting.l2_sp, **averages)
    return functools.partial(keras.optimizers.AdamW, weight_decay=DECAY, **averages)


def part(fold: Fold, images: int | None, activations: Activations | None) -> tuple[Splits, Activations | None]:
    """The first images of a fold, and the activations for them if they are those of the split."""
    splits = fold.splits
    if images is not None:
        splits = splits.only(train=np.arange(min(images, splits.size("train"))))
    if activations is None or not fold.whole:
        return splits, None
    if images is None:
        return splits, activations
    rows = np.arange(splits.size("train"))
    arrays = {"train": {name: np.asarray(array[rows]) for name, array in activations.arrays["train"].items()}}
    labels = activations.labels | {"train": activations.labels["train"][rows]}
    return splits, Activations({**activations.arrays, **arrays}, activations.where, labels, activations.engine)


def validation_logits(net: keras.Model, splits: Splits, activations: Activations | None = None) -> np.ndarray:
    """The logits of a network for the validation images, float32 (n, classes), from activations if there are any."""
    cut = tail.cut(net, splits, "off" if activations is None else activations)
    batches = cut.batches("validation", 256)
    (spec, _), _ = batches.element_spec
    forward = tf.function(lambda inputs: cut.net(inputs, training=False), autograph=False).get_concrete_function(spec)
    return np.concatenate([forward(*keras.tree.flatten(inputs)).numpy() for (inputs, _), _ in batches])
