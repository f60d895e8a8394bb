"""A training that continues where its last checkpoint left off."""

import contextlib

from tfxfer.train import best_epoch
from tfxfer.train.checkpoints import Saver
from tfxfer.train.loop import Loop, Position
from tfxfer.train.progress import Progress


def run(loop: Loop, saver: Saver, progress: Progress, epochs: int) -> Position:
    """Trains from the last checkpoint, or from the start, to the end.

    Afterwards the network has the weights that are to be kept. If the checkpoint is of a finished training, they are
    copied from it and nothing is trained.

    Args:
        loop: its callbacks are `progress`, and then those of `saver`.
        saver: loads and writes the checkpoints, if any are wanted.
        progress: shows the epochs.
        epochs: epochs in all, with those before the checkpoint.

    Returns:
        The position where training ended, with its history.
    """
    callbacks = loop.callbacks
    position = saver.load()
    callbacks.model.stop_training = position.stopped
    if position.finished:
        loop.pull()
        return position
    loop.between = saver.maybe
    callbacks.on_train_begin()
    saver.load_callbacks()
    if position.step:
        progress.on_epoch_begin(position.epoch)
    with contextlib.closing(progress):
        loop.run(position, epochs)
    loop.steps.optimizer.finalize_variable_values(loop.steps.net.trainable_variables)  # averaged weights, if any
    loop.pull()
    callbacks.on_train_end()
    loop.push()
    position.weights_of = best_epoch.kept(saver.callbacks, len(position.history["loss"]))
    position.finished = True
    saver.save(position)
    return position
