"""Fitting: from arguments to a trained tail, and the proof that what was frozen did not move."""

import contextlib
import functools
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfxfer import model
from tfxfer.core import batching, distribute
from tfxfer.core.errors import InputError
from tfxfer.data import Splits
from tfxfer.data.splits import TRAINING_SPLITS
from tfxfer.features import activation_cache, frozen_prefix
from tfxfer.features.activation_cache import Activations
from tfxfer.train import best_epoch, checks, optimizers
from tfxfer.train import class_weights as weighting
from tfxfer.train import precision as precisions
from tfxfer.train.checkpoints import Saver
from tfxfer.train.loop import Loop, Steps
from tfxfer.train.progress import Progress


class History(dict):
    """A list with one number per epoch for each of loss, accuracy, val_loss, val_accuracy and seconds.

    `facts` says how it was trained: schedule, where the graph was cut and the activations are, precision, seconds; how
    many `epochs` there were, and `weights_of_epoch`, the one (counted from 0) whose weights the network has.
    """

    facts: dict[str, Any]

    def kept(self, name: str) -> float:
        """A figure such as "val_accuracy" of the epoch whose weights the network has."""
        return self[name][self.facts["weights_of_epoch"]]


def fit(
    net: keras.Model,
    splits: Splits,
    epochs: int = 5,
    learning_rate: float | None = None,
    *,
    backbone_learning_rate: float | dict[str, float] | None = None,
    stage_decay: float | None = None,
    batch_size: int = 32,
    optimizer: optimizers.Optimizer = "adam",
    schedule: str | None = None,
    label_smoothing: float = 0.0,
    class_weights: str | Sequence[float] | None = None,
    seed: int = 0,
    early_stopping: int | None = None,
    keep: str | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    cache: str | Activations = "auto",
    cache_dtype: str | None = None,
    views: int = 0,
    strategy: str | tf.distribute.Strategy | None = None,
    precision: str = "float32",
    checkpoint_dir: str | Path | None = None,
) -> History:
    """Trains what is trainable in `net` with cross-entropy; validates after each epoch.

    The frozen layers before everything that trains run once; each epoch trains the rest on what they gave. That is the
    same training as plain Keras's, to rounding.

    Args:
        net: from `model.build`; compiled here.
        splits: trains on `train` in an order fixed by seed and epoch, evaluates `validation`; `test` is not touched.
        epochs: passes over the training images.
        learning_rate: the highest rate, 1e-3 unless stated otherwise.
        backbone_learning_rate, stage_decay: other rates for the backbone or its stages, see `optimizers.create`.
        optimizer: the name of one of Keras's, its class, or a function that makes one from `learning_rate=`. Or one
            that is made already, such as SGD(0.01), used as Keras would use it: with its own rate, constant or by its
            own LearningRateSchedule, so `learning_rate` must be left out. A copy trains, without what it has
            accumulated before: the object itself does not change, and several fits can be given the same.
        batch_size: images a step, of all devices together; the last batch of an epoch may be smaller.
        schedule: "cosine" (warm-up over the first tenth of all steps, then half a cosine to 0), "constant", or None:
            "cosine", but what an optimizer that is made already brings.
        label_smoothing: share of the target spread over all classes, in [0, 1) (Szegedy et al. 2016,
            arXiv:1512.00567); in the loss of training and of validation.
        class_weights: a factor for each class in the loss of training, in the classes' order, as Keras's; "balanced"
            makes all classes count the same, however many images they have.
        seed: of the images' order.
        early_stopping: epochs without a lower validation loss after which training ends. None trains all epochs; the
            schedule is laid out for all of them in any case.
        keep: which epoch's weights the network has afterwards: "best" (the lowest validation loss, of equal ones the
            first epoch's; see `best_epoch.BestEpoch`) or "last". By default the last, with early stopping the best.
            The optimizer stays where training ended.
        callbacks: Keras's; `model` is `net`, and a batch is what one call to the device does.
        cache: "off", "memory", "disk" (kept for later runs), "auto" (see `activations.compute`), or activations that
            are there already.
        cache_dtype: "bfloat16" stores activations in half the space.
        views: with augmentation, that many fixed random views of each image are cached, one used after another.
        strategy: a name (see `strategies.create`) or a strategy. The optimizer and a copy of what trains live in its
            scope; `net` has the weights after each epoch.
        precision: "float32", "bfloat16" or "auto", see `precisions`.
        checkpoint_dir: where to keep checkpoints; what is found there is continued.

    Raises:
        InputError: objects of a wrong kind, arguments out of range, training that diverged, a worker that is gone.
        RuntimeError: a frozen weight or moving statistic changed. That is a bug, and the results are void.
    """
    checks.kinds(locals())
    checks.network(net, splits)
    best_epoch.check(keep)
    keep = keep or ("best" if early_stopping else "last")
    learning_rate, schedule = optimizers.course(optimizer, learning_rate, schedule)
    own = isinstance(learning_rate, optimizers.Schedule)
    if min(epochs, batch_size) < 1 or not (own or 0 < learning_rate < math.inf):
        raise InputError(
            f"epochs {epochs}, batch_size {batch_size}, learning_rate {learning_rate}: expected finite, above zero"
        )
    if not 0 <= label_smoothing < 1 or (early_stopping is not None and early_stopping < 1):
        raise InputError(
            f"label_smoothing {label_smoothing}, early_stopping {early_stopping}: expected a share below 1, and epochs"
        )
    if not net.trainable_variables:
        raise InputError(f"nothing trains in {net.name}: unfreeze some layers, or the head")
    started = time.perf_counter()
    strategy = distribute.create(strategy) if isinstance(strategy, str) else strategy
    sizes = tuple(-(-splits.size(split) // batch_size) for split in TRAINING_SPLITS)
    rates = {"backbone_learning_rate": backbone_learning_rate, "stage_decay": stage_decay, "schedule": schedule}
    create = functools.partial(optimizers.create, net, optimizer, learning_rate, **rates, steps=epochs * sizes[0])
    if optimizers.averages(create()) and keep == "best":
        raise InputError("the optimizer averages weights (use_ema), which validation does not see: set keep='last'")
    weights = weighting.class_weights(class_weights, splits.rows["train"].labels, len(splits.classes))
    before = model.frozen_digests(net)
    kept = Path(checkpoint_dir, "precision.json") if checkpoint_dir else None
    chosen, times = precisions.choose(net, splits, batch_size, precision, strategy, kept=kept)
    facts: dict[str, Any] = {"schedule": schedule, "precision": chosen, "precision_seconds": times}
    with precisions.compute(net, chosen), distribute.watch(strategy):
        found, names, tail = _cut(net, splits, cache, cache_dtype, views, seed, strategy, facts)
        trained = distribute.mirror(tail, strategy)

        def new_optimizer(variables):
            made = create()
            made.build(variables)
            return made

        with distribute.default(strategy).scope():
            algorithm = new_optimizer(trained.trainable_variables)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        net.compile(optimizer=algorithm, loss=loss, metrics=["accuracy"])

        def elements(split, **options):
            read = found.reader(split, names) if found else splits.pairs(split)
            rows = batching.batches(splits.size(split), batch_size, **options)
            return iter(distribute.distribute(strategy, rows, lambda r, weight: (read(r), weight), batch_size))

        listed = [*_own(splits, batch_size, early_stopping, keep, strategy), *callbacks]
        watched = keras.callbacks.CallbackList(listed, model=net, epochs=epochs, steps=sizes[0], verbose=0)
        loop = Loop(
            Steps(trained, algorithm, strategy, label_smoothing, weights),
            lambda start: elements("train", seed=seed, epochs=epochs, start=start, views=max(1, views)),
            elements("validation", epochs=epochs),
            sizes,
            watched,
            lambda: distribute.assign(tail, trained),
            lambda: distribute.assign(trained, tail),
        )
        identity = [before, splits.fingerprint, epochs, batch_size, seed, views, label_smoothing]
        identity += map(str, (None if own else learning_rate, *rates.values(), *optimizers.identity(optimizer)))
        identity += [chosen, cache_dtype, early_stopping, keep, None if weights is None else weights.tolist()]
        saver = Saver(checkpoint_dir, identity, trained, algorithm, listed[1:], strategy)
        position = saver.load()
        net.stop_training = position.stopped
        if position.finished:
            distribute.assign(tail, trained)
        else:
            loop.between = saver.maybe
            watched.on_train_begin()
            saver.load_callbacks()
            if position.step:
                listed[0].on_epoch_begin(position.epoch)
            with contextlib.closing(listed[0]):
                loop.run(position, epochs)
            algorithm.finalize_variable_values(trained.trainable_variables)  # of averaged weights
            distribute.assign(tail, trained)
            watched.on_train_end()
            distribute.assign(trained, tail)
            position.weights_of = best_epoch.kept(listed, len(position.history["loss"]))
            position.finished = True
            saver.save(position)
        if strategy is not None:  # a network on one device, and an optimizer to go with it
            net.optimizer = new_optimizer(net.trainable_variables)
            distribute.assign(net.optimizer, algorithm)
    after = model.frozen_digests(net)
    if moved := [name for name in before if before[name] != after.get(name)]:
        raise RuntimeError(f"frozen layers changed while training, results are void: {', '.join(moved)}")
    history = History(position.history)
    seconds = position.spent + time.perf_counter() - started
    trained_epochs = len(history["loss"])
    history.facts = facts | {"keep": keep, "weights_of_epoch": position.weights_of, "epochs": trained_epochs}
    history.facts |= {"seconds": seconds}
    if distribute.is_chief(strategy):
        what = "the lowest validation loss" if keep == "best" else "validation loss"
        loss = history.kept("val_loss")
        print(f"kept: epoch {position.weights_of + 1} of {trained_epochs}, {what} {loss:.4f}", flush=True)
    return history


def _cut(net, splits, cache, cache_dtype, views, seed, strategy, facts):
    """The activations, their layers' names and the tail; or None, nothing, and the whole network."""
    mode = cache if isinstance(cache, str) else "memory"
    activation_cache.check_mode(mode, views)
    where = frozen_prefix.frontier(net, views)
    if views and frozen_prefix.frontier(net).tensors.keys() == where.tensors.keys():
        raise InputError(f"views {views}: no random layer is before the frozen ones; build the network with augment")
    found = None if isinstance(cache, str) or not where.frozen else cache
    if mode == "off":
        reason = "asked for"
    elif not where.frozen:
        reason = f"{where.first} {where.why}, and no backbone layer is frozen before it"
        reason += "; views=K would cache K fixed views of each image" if where.why.startswith("is random") else ""
    elif found is None:
        options = {"views": views, "seed": seed, "dtype": cache_dtype, "strategy": strategy}
        found = activation_cache.compute(net, where.tensors, splits, mode, **options)
        reason = "neither memory nor disk has room"
    if views and not found:
        raise InputError(f"views {views} are cached activations, and there are none: {reason}; use views 0")
    facts["cache"] = f"{found.where} at {', '.join(where.tensors)}" if found else f"off: {reason}"
    facts["frozen_prefix_layers"] = where.frozen if found else 0
    if distribute.is_chief(strategy):
        print(f"activations of {where.frozen} frozen layers: {facts['cache']}", flush=True)
    return (found, list(where.tensors), frozen_prefix.tail(net, where)) if found else (None, [], net)


def _own(splits, batch_size: int, early_stopping: int | None, keep: str, strategy) -> list[keras.callbacks.Callback]:
    found = [Progress(splits.size("train"), batch_size, quiet=not distribute.is_chief(strategy))]
    if keep == "best":
        found.append(best_epoch.BestEpoch())
    if early_stopping:
        found.append(keras.callbacks.EarlyStopping("val_loss", patience=early_stopping, mode="min"))
    return found
