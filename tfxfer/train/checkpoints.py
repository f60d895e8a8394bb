"""Checkpoints of a training in progress: atomic, verified on load, the last good one kept."""

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

from tfxfer.core import atomic, distribute
from tfxfer.core.errors import InputError
from tfxfer.train.loop import Position

KEEP = 2  # files
SECONDS = 15.0  # between two of them


class Checkpoints:
    """The files `<number>-<digest>.npz` of one training in one folder.

    The digest is of the file's content: what a kill or a full disk left torn is recognised, and the one before it
    taken.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)

    def files(self) -> list[Path]:
        """Oldest first."""
        return sorted(self.folder.glob("[0-9]*-*.npz"))

    def save(self, state: dict[str, Any], arrays: Sequence[np.ndarray]) -> None:
        """Writes a checkpoint and removes all but the last two.

        Args:
            state: anything JSON can hold, floats exactly.
            arrays: of any shapes and dtypes NumPy can save.
        """
        content = io.BytesIO()
        text = np.frombuffer(json.dumps(state).encode(), np.uint8)
        np.savez(content, state=text, **{f"array_{i}": array for i, array in enumerate(arrays)})
        data = content.getvalue()
        before = self.files()
        number = int(before[-1].name.split("-")[0]) + 1 if before else 0
        with atomic.file(self.folder / f"{number:08}-{_digest(data)}.npz", durable=True) as partial:
            partial.write_bytes(data)
        for old in before[: 1 - KEEP]:
            old.unlink(missing_ok=True)

    def load(self) -> bytes:
        """The newest file that is whole, or nothing; a damaged one is passed over with a warning."""
        for path in reversed(self.files()):
            data = path.read_bytes()
            if path.stem.split("-")[1] == _digest(data):
                return data
            warnings.warn(f"checkpoint {path} is damaged: taking the one before it", stacklevel=2)
            path.unlink()  # else the next save would drop the good one in its stead
        return b""


def unpack(data: bytes) -> tuple[dict[str, Any], list[np.ndarray]]:
    """State and arrays of a checkpoint's content."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        arrays = [file[f"array_{i}"] for i in range(len(file.files) - 1)]
        return json.loads(file["state"].tobytes()), arrays


def restore(variables: Sequence[keras.Variable], arrays: Sequence[np.ndarray]) -> None:
    """Gives variables their values back.

    Raises:
        InputError: another network or optimizer's.
    """
    shapes = [tuple(variable.shape) for variable in variables], [array.shape for array in arrays]
    if shapes[0] != shapes[1]:
        raise InputError("the checkpoint is of another network or optimizer: resume with the arguments of its run")
    for variable, array in zip(variables, arrays):
        variable.assign(array)


class Saver:
    """A training's state between calls, as one checkpoint: variables, optimizer, position and callbacks."""

    def __init__(self, folder, identity, trained, algorithm, callbacks, strategy):
        self.files = Checkpoints(folder) if folder else None
        self.identity = hashlib.sha256(repr(identity).encode()).hexdigest()
        self.trained, self.algorithm, self.callbacks, self.strategy = trained, algorithm, callbacks, strategy
        self.started = self.last = time.monotonic()
        self.resumed = None

    def load(self) -> Position:
        if self.files is None:
            return Position()
        data = self.files.load() if distribute.is_chief(self.strategy) else b""
        data = distribute.broadcast(self.strategy, data)
        if not data:
            return Position()
        state, arrays = unpack(data)
        if state["identity"] != self.identity:
            raise InputError(
                f"{self.files.folder} holds checkpoints of another training: use its data, weights and arguments, or "
                "another folder"
            )
        variables = [*self.trained.variables, *self.algorithm.variables]
        restore(variables, arrays[: len(variables)])
        self.resumed = state["callbacks"], arrays[len(variables) :]
        for callback in self.callbacks:
            if isinstance(callback, keras.callbacks.CSVLogger):
                callback.append = True  # it would begin its file anew
        return Position(**state["position"])

    def load_callbacks(self) -> None:
        if self.resumed:
            restore_callbacks(self.callbacks, *self.resumed)

    def maybe(self, position: Position) -> None:
        """Saves if it is time; with several workers only after an epoch, when all of them come by."""
        several = distribute.workers(self.strategy) > 1
        if position.step == 0 if several else time.monotonic() - self.last >= SECONDS:
            self.save(position)

    def save(self, position: Position) -> None:
        if self.files is None:
            return
        states, arrays = callback_states(self.callbacks)
        variables = [*self.trained.variables, *self.algorithm.variables]
        values = [keras.ops.convert_to_numpy(variable) for variable in variables]
        spent = position.spent + time.monotonic() - self.started
        state = {"identity": self.identity, "position": asdict(position) | {"spent": spent}, "callbacks": states}
        if distribute.is_chief(self.strategy):
            self.files.save(state, [*values, *arrays])
        self.last = time.monotonic()


def callback_states(callbacks: Sequence[keras.callbacks.Callback]) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
    """What callbacks remember, as far as it is numbers and arrays (EarlyStopping's best weights among them):
    a dict for JSON per callback, and the arrays that these refer to."""
    arrays: list[np.ndarray] = []
    states = []
    for callback in callbacks:
        packed = {name: _pack(value, arrays) for name, value in vars(callback).items()}
        states.append({"class": type(callback).__name__} | {k: v for k, v in packed.items() if v is not None})
    return states, arrays


def restore_callbacks(
    callbacks: Sequence[keras.callbacks.Callback], states: list[dict[str, Any]], arrays: Sequence[np.ndarray]
) -> None:
    """The reverse of `callback_states`, to be called after `on_train_begin`, which resets most callbacks."""
    if [type(callback).__name__ for callback in callbacks] != [state["class"] for state in states]:
        names = ", ".join(state["class"] for state in states)
        raise InputError(f"the checkpoint was made with other callbacks ({names}): resume with the same, in that order")
    for callback, state in zip(callbacks, states):
        for name, packed in state.items():
            if name != "class":
                setattr(callback, name, _unpack(packed, arrays))


def _pack(value: Any, arrays: list[np.ndarray]) -> list | None:
    """[kind, content] for JSON, or None for what cannot be kept."""
    if isinstance(value, bool | int | float | None):
        return ["value", value]
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biuf":
        arrays.append(np.asarray(value))
        return ["array", len(arrays) - 1]
    if isinstance(value, list | tuple):
        items = [_pack(item, arrays) for item in value]
        return None if None in items else ["list", items]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        items = {key: _pack(item, arrays) for key, item in value.items()}
        return None if None in items.values() else ["dict", items]
    return None


def _unpack(packed: list, arrays: Sequence[np.ndarray]) -> Any:
    kind, content = packed
    if kind == "array":
        return arrays[content]
    if kind == "list":
        return [_unpack(item, arrays) for item in content]
    return {key: _unpack(item, arrays) for key, item in content.items()} if kind == "dict" else content


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
