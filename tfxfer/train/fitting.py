"""Fitting: from arguments to a trained tail, and the proof that what was frozen did not move."""

import contextlib
import functools
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfxfer import activations, model, order, precisions, prefix, strategies
from tfxfer.activations import Activations
from tfxfer.data import Splits
from tfxfer.errors import InputError
from tfxfer.train import optimizers, weighting
from tfxfer.train.checkpoints import Saver
from tfxfer.train.loop import Loop, Steps
from tfxfer.train.progress import Progress


class History(dict):
    """A list with one number per epoch for each of loss, accuracy, val_loss, val_accuracy and seconds.

    `facts` says how it was trained: schedule, where the graph was cut and the activations are, precision, seconds.
    """

    facts: dict[str, Any]


def fit(
    net: keras.Model,
    splits: Splits,
    epochs: int = 5,
    learning_rate: float = 1e-3,
    *,
    backbone_learning_rate: float | dict[str, float] | None = None,
    stage_decay: float | None = None,
    batch_size: int = 32,
    optimizer: str | Callable[..., keras.optimizers.Optimizer] = "adam",
    schedule: str = "cosine",
    label_smoothing: float = 0.0,
    class_weights: str | Sequence[float] | None = None,
    seed: int = 0,
    early_stopping: int | None = None,
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
        learning_rate: the highest rate.
        backbone_learning_rate, stage_decay, optimizer: other rates for the backbone or its stages, and the algorithm,
            see `optimizers.create`.
        batch_size: images a step, of all devices together; the last batch of an epoch may be smaller.
        schedule: "cosine" (warm-up over the first tenth of all steps, then half a cosine to 0) or "constant".
        label_smoothing: share of the target spread over all classes, in [0, 1) (Szegedy et al. 2016,
            arXiv:1512.00567); in the loss of training and of validation.
        class_weights: a factor for each class in the loss of training, in the classes' order, as Keras's; "balanced"
            makes all classes count the same, however many images they have.
        seed: of the images' order.
        early_stopping: epochs without a lower validation loss after which training ends; the weights of the best epoch
            are restored. None trains all epochs.
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
        InputError: arguments out of range, training that diverged, a worker that is gone.
        RuntimeError: a frozen weight or moving statistic changed. That is a bug, and the results are void.
    """
    if min(epochs, batch_size) < 1 or not 0 < learning_rate < math.inf:
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
    strategy = strategies.create(strategy) if isinstance(strategy, str) else strategy
    sizes = tuple(-(-splits.size(split) // batch_size) for split in activations.SPLITS)
    rates = (learning_rate, backbone_learning_rate, stage_decay, schedule, *_named(optimizer))
    weights = weighting.class_weights(class_weights, splits.rows["train"].labels, len(splits.classes))
    before = model.frozen_digests(net)
    kept = Path(checkpoint_dir, "precision.json") if checkpoint_dir else None
    chosen, times = precisions.choose(net, splits, batch_size, precision, strategy, kept=kept)
    facts: dict[str, Any] = {"schedule": schedule, "precision": chosen, "precision_seconds": times}
    with precisions.compute(net, chosen), strategies.watch(strategy):
        found, names, tail = _cut(net, splits, cache, cache_dtype, views, seed, strategy, facts)
        trained = strategies.mirror(tail, strategy)

        def new_optimizer(variables):
            rates = {"backbone_learning_rate": backbone_learning_rate, "stage_decay": stage_decay, "schedule": schedule}
            made = optimizers.create(net, optimizer, learning_rate, **rates, steps=epochs * sizes[0])
            made.build(variables)
            return made

        with strategies.default(strategy).scope():
            algorithm = new_optimizer(trained.trainable_variables)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        net.compile(optimizer=algorithm, loss=loss, metrics=["accuracy"])

        def elements(split, **options):
            read = found.reader(split, names) if found else splits.pairs(split)
            rows = order.batches(splits.size(split), batch_size, **options)
            return iter(strategies.distribute(strategy, rows, lambda r, weight: (read(r), weight), batch_size))

        listed = [*_own(splits, batch_size, early_stopping, strategy), *callbacks]
        watched = keras.callbacks.CallbackList(listed, model=net, epochs=epochs, steps=sizes[0], verbose=0)
        loop = Loop(
            Steps(trained, algorithm, strategy, label_smoothing, weights),
            lambda start: elements("train", seed=seed, epochs=epochs, start=start, views=max(1, views)),
            elements("validation", epochs=epochs),
            sizes,
            watched,
            lambda: strategies.assign(tail, trained),
            lambda: strategies.assign(trained, tail),
        )
        identity = [before, splits.fingerprint, epochs, batch_size, seed, views, label_smoothing, *map(str, rates)]
        identity += [chosen, cache_dtype, early_stopping, None if weights is None else weights.tolist()]
        saver = Saver(checkpoint_dir, identity, trained, algorithm, listed[1:], strategy)
        position = saver.load()
        net.stop_training = position.stopped
        if position.finished:
            strategies.assign(tail, trained)
        else:
            loop.between = saver.maybe
            watched.on_train_begin()
            saver.load_callbacks()
            if position.step:
                listed[0].on_epoch_begin(position.epoch)
            with contextlib.closing(listed[0]):
                loop.run(position, epochs)
            algorithm.finalize_variable_values(trained.trainable_variables)  # of averaged weights
            strategies.assign(tail, trained)
            watched.on_train_end()
            strategies.assign(trained, tail)
            stops = [each for each in listed if isinstance(each, keras.callbacks.EarlyStopping)]
            best = [each.best_epoch for each in stops if each.restore_best_weights and each.best_weights is not None]
            position.weights_of = best[-1] if best else len(position.history["loss"]) - 1
            position.finished = True
            saver.save(position)
        if strategy is not None:  # a network on one device, and an optimizer to go with it
            net.optimizer = new_optimizer(net.trainable_variables)
            strategies.assign(net.optimizer, algorithm)
    after = model.frozen_digests(net)
    if moved := [name for name in before if before[name] != after.get(name)]:
        raise RuntimeError(f"frozen layers changed while training, results are void: {', '.join(moved)}")
    history = History(position.history)
    seconds = position.spent + time.perf_counter() - started
    history.facts = facts | {"weights_of_epoch": position.weights_of, "seconds": seconds}  # epochs count from 0
    return history


def _cut(net, splits, cache, cache_dtype, views, seed, strategy, facts):
    """The activations, their layers' names and the tail; or None, nothing, and the whole network."""
    mode = cache if isinstance(cache, str) else "memory"
    activations.check_mode(mode, views)
    where = prefix.frontier(net, views)
    if views and prefix.frontier(net).tensors.keys() == where.tensors.keys():
        raise InputError(f"views {views}: no random layer is before the frozen ones; build the network with augment")
    found = None if isinstance(cache, str) or not where.frozen else cache
    if mode == "off":
        reason = "asked for"
    elif not where.frozen:
        reason = f"{where.first} {where.why}, and no backbone layer is frozen before it"
        reason += "; views=K would cache K fixed views of each image" if where.why.startswith("is random") else ""
    elif found is None:
        options = {"views": views, "seed": seed, "dtype": cache_dtype, "strategy": strategy}
        found = activations.compute(net, where.tensors, splits, mode, **options)
        reason = "neither memory nor disk has room"
    if views and not found:
        raise InputError(f"views {views} are cached activations, and there are none: {reason}; use views 0")
    facts["cache"] = f"{found.where} at {', '.join(where.tensors)}" if found else f"off: {reason}"
    facts["frozen_prefix_layers"] = where.frozen if found else 0
    if strategies.is_chief(strategy):
        print(f"activations of {where.frozen} frozen layers: {facts['cache']}", flush=True)
    return (found, list(where.tensors), prefix.tail(net, where)) if found else (None, [], net)


def _named(optimizer) -> tuple:
    """What an optimizer is, the same in every process."""
    if isinstance(optimizer, functools.partial):
        return *_named(optimizer.func), optimizer.args, sorted(optimizer.keywords.items())
    return (optimizer if isinstance(optimizer, str) else optimizer.__qualname__,)


def _own(splits: Splits, batch_size: int, early_stopping: int | None, strategy) -> list[keras.callbacks.Callback]:
    stopping = keras.callbacks.EarlyStopping("val_loss", patience=early_stopping, mode="min", restore_best_weights=True)
    progress = Progress(splits.size("train"), batch_size, quiet=not strategies.is_chief(strategy))
    return [progress, stopping] if early_stopping else [progress]
