"""Checkpoints of a training in progress: written atomically and verified on load; the last two are kept."""

import hashlib
import io
import json
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfxfer.core import atomic, distribute
from tfxfer.core.errors import InputError
from tfxfer.train import callback_states
from tfxfer.train.loop import Position

KEEP = 2  # files
SECONDS = 15.0  # between two files


class Checkpoints:
    """The files `<number>-<digest>.npz` of one training, in a folder of their own.

    The digest is that of the file's content. It reveals a file that a kill or a full disk has left incomplete, in whose
    place the one before it is used.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)

    def files(self) -> list[Path]:
        """The paths of all checkpoints, oldest first."""
        return sorted(self.folder.glob("[0-9]*-*.npz"))

    def save(self, state: dict[str, Any], arrays: Sequence[np.ndarray]) -> None:
        """Writes a checkpoint and removes all but the last two.

        Args:
            state: anything JSON can hold; floats are kept exactly.
            arrays: of any shapes and any dtypes that NumPy can save without pickling.
        """
        content = io.BytesIO()
        entries: dict[str, Any] = {f"array_{i}": array for i, array in enumerate(arrays)}
        entries["state"] = np.frombuffer(json.dumps(state).encode(), np.uint8)
        np.savez(content, **entries)
        data = content.getvalue()
        before = self.files()
        number = int(before[-1].name.split("-")[0]) + 1 if before else 0
        with atomic.file(self.folder / f"{number:08}-{_digest(data)}.npz", durable=True) as partial:
            partial.write_bytes(data)
        for old in before[: 1 - KEEP]:
            old.unlink(missing_ok=True)

    def load(self) -> bytes:
        """The content of the newest intact file, empty if there is none; a damaged file is skipped with a warning."""
        for path in reversed(self.files()):
            data = path.read_bytes()
            if path.stem.split("-")[1] == _digest(data):
                return data
            warnings.warn(f"checkpoint {path} is damaged: taking the one before it", stacklevel=2)
            path.unlink()  # or the next save would remove the intact one instead
        return b""


def unpack(data: bytes) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The state and the arrays in a checkpoint's content."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        arrays = [file[f"array_{i}"] for i in range(len(file.files) - 1)]
        return json.loads(file["state"].tobytes()), arrays


def restore(variables: Sequence[keras.Variable], arrays: Sequence[np.ndarray]) -> None:
    """Gives variables the values of a checkpoint.

    Raises:
        InputError: the arrays are those of another network or optimizer.
    """
    shapes = [tuple(variable.shape) for variable in variables], [array.shape for array in arrays]
    if shapes[0] != shapes[1]:
        raise InputError("the checkpoint belongs to another network or optimizer: resume with the arguments of its run")
    for variable, array in zip(variables, arrays):
        variable.assign(array)


class Saver:
    """Writes and reads all that a training needs to continue: variables, optimizer, position and callbacks.

    Args:
        folder: where the checkpoints are; None for a training without any.
        identity: what makes two trainings the same, of any type whose `repr` says it all.
        trained: the model whose variables train.
        algorithm: the optimizer, built for these variables.
        metrics: variables of the metrics of the epoch so far.
        callbacks: those whose state is kept.
        strategy: of several workers only the chief writes, and all of them read what it has.
    """

    def __init__(
        self,
        folder: str | Path | None,
        *,
        identity: object,
        trained: keras.Model,
        algorithm: keras.optimizers.Optimizer,
        metrics: Sequence[keras.Variable] = (),
        callbacks: Sequence[keras.callbacks.Callback],
        strategy: tf.distribute.Strategy | None,
    ):
        self.files = Checkpoints(folder) if folder else None
        self.identity = hashlib.sha256(repr(identity).encode()).hexdigest()
        self.trained, self.algorithm, self.metrics = trained, algorithm, metrics
        self.callbacks, self.strategy = callbacks, strategy
        self.started = self.last = time.monotonic()
        self.resumed: tuple[list[dict[str, Any]], list[np.ndarray]] | None = None

    def load(self) -> Position:
        """Gives variables and optimizer the values of the newest checkpoint, and returns its position.

        Without a checkpoint nothing changes, and the position is the start.

        Raises:
            InputError: the checkpoint is of another training.
        """
        if self.files is None:
            return Position()
        data = self.files.load() if distribute.is_chief(self.strategy) else b""
        data = distribute.broadcast(self.strategy, data)
        if not data:
            return Position()
        state, arrays = unpack(data)
        if state["identity"] != self.identity:
            raise InputError(
                f"{self.files.folder} contains checkpoints of another training run: use its data, weights and "
                "arguments, or another folder"
            )
        variables = [*self.trained.variables, *self.algorithm.variables, *self.metrics]
        with distribute.default(self.strategy).scope():  # where replicas' counts are set and read as one
            restore(variables, arrays[: len(variables)])
        self.resumed = state["callbacks"], arrays[len(variables) :]
        for callback in self.callbacks:
            if isinstance(callback, keras.callbacks.CSVLogger):
                callback.append = True  # or it would overwrite its file
        return Position(**state["position"])

    def load_callbacks(self) -> None:
        """Gives the callbacks the state of the checkpoint that `load` read, after their `on_train_begin`."""
        if self.resumed:
            callback_states.restore(self.callbacks, *self.resumed)

    def maybe(self, position: Position) -> None:
        """Saves if enough time has passed; with several workers only after an epoch, which is when all of them do."""
        several = distribute.workers(self.strategy) > 1
        if position.step == 0 if several else time.monotonic() - self.last >= SECONDS:
            self.save(position)

    def save(self, position: Position) -> None:
        """Writes a checkpoint."""
        if self.files is None:
            return
        states, arrays = callback_states.collect(self.callbacks)
        variables = [*self.trained.variables, *self.algorithm.variables, *self.metrics]
        with distribute.default(self.strategy).scope():
            values = [keras.ops.convert_to_numpy(variable) for variable in variables]
        spent = position.spent + time.monotonic() - self.started
        state = {"identity": self.identity, "position": asdict(position) | {"spent": spent}, "callbacks": states}
        if distribute.is_chief(self.strategy):
            self.files.save(state, [*values, *arrays])
        self.last = time.monotonic()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
