"""Fitting: from arguments to a trained network, and the proof that nothing frozen has moved."""

import functools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfxfer import model
from tfxfer.core import distribute
from tfxfer.core.errors import InputError
from tfxfer.data import Splits
from tfxfer.data.splits import TRAINING_SPLITS
from tfxfer.features.activation_cache import Activations
from tfxfer.train import best_epoch, checks, compilation, losses, optimizers, resumable
from tfxfer.train import class_weights as weighting
from tfxfer.train import mixup as mixing
from tfxfer.train import precision as precisions
from tfxfer.train.checkpoints import Saver
from tfxfer.train.epoch_metrics import EpochMetrics, Metric
from tfxfer.train.history import History
from tfxfer.train.loop import Loop
from tfxfer.train.progress import Progress
from tfxfer.train.steps import Steps
from tfxfer.train.tail import cut


def fit(
    net: keras.Model,
    splits: Splits,
    epochs: int = 5,
    learning_rate: float | None = None,
    *,
    backbone_learning_rate: optimizers.Rates = None,
    stage_decay: float | None = None,
    batch_size: int = 32,
    optimizer: optimizers.Optimizer = "adam",
    schedule: str | None = None,
    loss: losses.Loss | None = None,
    metrics: Sequence[Metric] | None = None,
    label_smoothing: float = 0.0,
    mixup: float = 0.0,
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
    jit: str = "auto",
    engine: str = "auto",
    checkpoint_dir: str | Path | None = None,
) -> History:
    """Trains what is trainable in `net` with cross-entropy or another loss, and validates after each epoch.

    The frozen layers before everything that trains run once; each epoch trains the rest on their outputs. To rounding,
    that is the same training as Keras's own `fit` of the whole network where all that is frozen is in inference mode,
    dropout included, as Keras's guide means it by `base_model(x, training=False)`.

    Args:
        net: from `model.build`; it is compiled here.
        splits: trains on `train`, in an order that depends on seed and epoch alone, and validates on `validation`;
            `test` is not touched.
        epochs: passes over the training images.
        learning_rate: the highest rate; 1e-3 unless stated otherwise.
        backbone_learning_rate, stage_decay: other rates for the backbone or its stages, see `rate_groups.groups`.
        batch_size: images per step, on all devices together; the last batch of an epoch may be smaller.
        optimizer: the name of a Keras optimizer, its class, or a function that makes one from `learning_rate=`. Or an
            optimizer object such as SGD(0.01), used as Keras would use it: with its own rate, constant or following
            its own LearningRateSchedule, so `learning_rate` must be left out. A copy of it trains, without any state
            from earlier training: the object itself does not change and can be passed to several fits.
        schedule: "cosine" (warm-up over the first tenth of all steps, then half a cosine down to 0) or "constant".
            None is "cosine", or for an optimizer object whatever schedule it has.
        loss: what trains in place of the cross-entropy of the logits: the name of a Keras loss, a Keras loss, or a
            function of `y_true` and `y_pred` that returns one number for each image, or one for the batch.
            Keras's losses get what they are defined on: one-hot labels, float32 (n, classes), or the labels (n,) if
            they are sparse; and the softmax of the logits, float32 (n, classes), or the logits themselves with
            `from_logits=True` and for hinge losses. A line says which. A function or a class of your own gets what
            Keras would give it, the labels (n,), cast to float32, and the logits (the softmax if it has
            `from_logits=False` too): `keras.ops.one_hot` and `keras.ops.softmax` make the rest of them. The reduction
            "sum" is kept. `net` stays compiled with the cross-entropy, so that its file can be loaded anywhere.
        metrics: names, Keras metrics, or functions, which are columns of the history, of the progress and of what
            callbacks see, with `val_` for validation. They get labels (not cast) and outputs by the rule of `loss`;
            top-k and categorical accuracy get logits. Copies are used. As in Keras, `class_weights` do not count.
        label_smoothing: share of the target that is spread evenly over all classes, in [0, 1) (Szegedy et al. 2016,
            arXiv:1512.00567), in the training loss and the validation loss.
        mixup: above 0, the activations where the trained layers begin, and the losses, are mixed with those of another
            example of the batch, with a share drawn for each batch from Beta(mixup, mixup), see `mixup.MixUp`.
        class_weights: a factor for each class in the training loss, in the order of the classes, as in Keras;
            "balanced" makes all classes count the same, however many images they have.
        seed: random seed of the order of the images.
        early_stopping: ends training after this many epochs without a lower validation loss. None trains all epochs;
            the schedule is laid out for all of them in any case.
        keep: which epoch's weights the network has afterwards: "best" (the lowest validation loss, the first of equal
            ones; see `best_epoch.BestEpoch`) or "last". The default is "last", with early stopping "best". The
            optimizer stays as it was when training ended.
        callbacks: Keras callbacks, whose `model` is `net`, and for which a batch is one call to the device.
        cache: "off", "memory", "disk" (kept for later runs), "auto" (see `activation_cache.compute`), or activations
            computed before.
        cache_dtype: "bfloat16" stores activations in half the space.
        views: with augmentation, the number of fixed random views of each image to cache and use in turn.
        strategy: a name (see `distribute.create`) or a strategy. The optimizer and a copy of the layers that train live
            in its scope; `net` gets the weights after each epoch.
        precision: "float32", "bfloat16", "float16" (with loss scaling) or "auto", see `precision.choose`.
        jit: "on", "off" or "auto": whether XLA compiles the steps, see `compilation.choose`.
        engine: "tensorflow", "onnxruntime" or "auto": what computes the cached activations, see `engines.choose`.
        checkpoint_dir: folder for checkpoints; training continues from a checkpoint that is there already.

    Returns:
        One number per epoch for each of loss, accuracy, val_loss, val_accuracy, seconds and `metrics`, and `facts`
        about how the network was trained.

    Raises:
        InputError: arguments of the wrong kind or out of range, training that diverged, or a worker that was lost.
        RuntimeError: a frozen weight or moving statistic changed. That is a bug, and the results are void.

    Example:
        >>> from tfxfer import data, model, train
        >>> splits = data.load("digits", limit=40)
        >>> net = model.build("cnn", splits, weights="none")
        >>> history = train.fit(net, splits, epochs=1)  # doctest: +ELLIPSIS
        activations of ... frozen layers: ...
        epoch 1/1: loss ...
        kept: epoch 1 of 1, validation loss ...
        >>> sorted(history)
        ['accuracy', 'loss', 'seconds', 'val_accuracy', 'val_loss']
        >>> history.facts["epochs"]
        1
    """
    checks.kinds(locals())
    checks.network(net, splits)
    best_epoch.check(keep)
    keep = keep or ("best" if early_stopping else "last")
    rate, course = optimizers.course(optimizer, learning_rate, schedule)
    own_schedule = isinstance(rate, optimizers.Schedule)
    checks.ranges(epochs, batch_size, None if own_schedule else rate, label_smoothing, early_stopping)
    mixture = mixing.create(mixup, seed)
    if not net.trainable_variables:
        raise InputError(f"nothing trains in {net.name}: unfreeze some layers, or the head")
    started = time.perf_counter()
    strategy = distribute.create(strategy) if isinstance(strategy, str) else strategy
    compilation.check(jit, strategy)
    train_steps, validation_steps = (-(-splits.size(split) // batch_size) for split in TRAINING_SPLITS)
    create = functools.partial(
        optimizers.create,
        net,
        optimizer,
        rate,
        backbone_learning_rate=backbone_learning_rate,
        stage_decay=stage_decay,
        schedule=course,
        steps=epochs * train_steps,
    )
    if optimizers.averages(create()) and keep == "best":
        raise InputError("the optimizer averages weights (use_ema), which validation does not see: set keep='last'")
    weights = weighting.class_weights(class_weights, splits.rows["train"].labels, len(splits.classes))
    other_loss = losses.create(loss, net.output_shape[-1], label_smoothing, weights, strategy)
    columns = EpochMetrics(metrics, net.output_shape[-1], strategy)
    digests = model.frozen_digests(net)
    records = [Path(checkpoint_dir, name) if checkpoint_dir else None for name in ("precision.json", "engine")]
    chosen, times = precisions.choose(net, splits, batch_size, precision, strategy, jit=jit, record=records[0])
    with precisions.compute(net, chosen), distribute.watch(strategy):
        options: dict[str, Any] = {"cache_dtype": cache_dtype, "views": views, "seed": seed, "strategy": strategy}
        tail = cut(net, splits, cache, **options, engine=engine, record=records[1])
        if distribute.is_chief(strategy):
            print(f"activations of {tail.frozen_layers} frozen layers: {tail.cache}", flush=True)
            if other_loss:
                print(f"loss: {other_loss}", flush=True)
        trained, compiled = distribute.mirror(tail.net, strategy), compilation.choose(tail.net, jit, strategy)
        with distribute.default(strategy).scope():
            algorithm = create()
            applied = _build(precisions.loss_scaled(algorithm, chosen), trained.trainable_variables)
        entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        net.compile(optimizer=algorithm, loss=entropy, metrics=["accuracy"])
        quiet = not distribute.is_chief(strategy)
        progress = Progress(splits.size("train"), batch_size, quiet, columns.metrics)
        stateful = [*best_epoch.create(keep, early_stopping), *callbacks]
        order = {"seed": seed, "epochs": epochs, "views": max(1, views)}
        loop = Loop(
            steps=Steps(trained, applied, strategy, label_smoothing, weights, compiled, other_loss, columns, mixture),
            stream=lambda start: iter(tail.batches("train", batch_size, strategy, start=start, **order)),
            validation=iter(tail.batches("validation", batch_size, strategy, epochs=epochs)),
            sizes=(train_steps, validation_steps),
            callbacks=keras.callbacks.CallbackList(
                [progress, *stateful], model=net, epochs=epochs, steps=train_steps, verbose=0
            ),
            pull=lambda: distribute.assign(tail.net, trained),
            push=lambda: distribute.assign(trained, tail.net),
        )
        identity = [digests, splits.fingerprint, epochs, batch_size, seed, views, label_smoothing]
        rates = None if own_schedule else rate, backbone_learning_rate, stage_decay, course
        identity += map(str, (*rates, *optimizers.identity(optimizer)))
        identity += [chosen, cache_dtype, early_stopping, keep, None if weights is None else weights.tolist()]
        identity += [*([other_loss.identity] if other_loss else []), *columns.identity, *([mixup] if mixup else [])]
        saver = Saver(
            checkpoint_dir,
            identity=identity,
            trained=trained,
            algorithm=applied,
            metrics=columns.variables,
            callbacks=stateful,
            strategy=strategy,
        )
        position = resumable.run(loop, saver, progress, epochs)
        if strategy is not None:  # the network itself is on one device, and gets an optimizer to match
            net.optimizer = _build(create(), net.trainable_variables)
            distribute.assign(net.optimizer, algorithm)
    digests_after = model.frozen_digests(net)
    if moved := [name for name in digests if digests[name] != digests_after.get(name)]:
        raise RuntimeError(f"frozen layers changed while training, results are void: {', '.join(moved)}")
    history = History(position.history)
    trained_epochs = len(history["loss"])
    history.facts = {"schedule": course, "precision": chosen, "precision_seconds": times, "jit": compiled} | tail.facts
    history.facts |= ({"loss": str(other_loss)} if other_loss else {}) | ({"mixup": mixup} if mixup else {})
    history.facts |= columns.facts
    if chosen == "float16":
        history.facts["loss_scale"] = float(applied.dynamic_scale.numpy())
    history.facts |= {"keep": keep, "weights_of_epoch": position.weights_of, "epochs": trained_epochs}
    history.facts |= {"seconds": position.spent + time.perf_counter() - started}
    if distribute.is_chief(strategy):
        criterion = "the lowest validation loss" if keep == "best" else "validation loss"
        kept = f"epoch {position.weights_of + 1} of {trained_epochs}"
        print(f"kept: {kept}, {criterion} {history.kept('val_loss'):.4f}", flush=True)
    return history


def _build(optimizer: keras.optimizers.Optimizer, variables: list[keras.Variable]) -> keras.optimizers.Optimizer:
    optimizer.build(variables)
    return optimizer
