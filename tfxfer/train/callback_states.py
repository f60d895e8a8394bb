"""What callbacks remember, taken out for a checkpoint and put back."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tfxfer.core.errors import InputError


def collect(callbacks: Sequence[keras.callbacks.Callback]) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
    """What callbacks remember, as far as it is numbers and arrays, such as EarlyStopping's best weights.

    Returns:
        A dict for each callback, which JSON can hold, and the arrays that these refer to.
    """
    arrays: list[np.ndarray] = []
    states = []
    for callback in callbacks:
        packed = {name: _pack(value, arrays) for name, value in vars(callback).items()}
        states.append({"class": type(callback).__name__} | {k: v for k, v in packed.items() if v is not None})
    return states, arrays


def restore(
    callbacks: Sequence[keras.callbacks.Callback], states: list[dict[str, Any]], arrays: Sequence[np.ndarray]
) -> None:
    """The inverse of `collect`; call it after `on_train_begin`, which resets most callbacks.

    Raises:
        InputError: the states are those of other callbacks.
    """
    if [type(callback).__name__ for callback in callbacks] != [state["class"] for state in states]:
        names = ", ".join(state["class"] for state in states)
        raise InputError(
            f"the checkpoint was made with other callbacks ({names}): resume with the same ones in the same order"
        )
    for callback, state in zip(callbacks, states):
        for name, packed in state.items():
            if name != "class":
                setattr(callback, name, _unpack(packed, arrays))


def _pack(value: Any, arrays: list[np.ndarray]) -> list | None:
    """[kind, content] for JSON, or None for a value that cannot be kept."""
    if isinstance(value, bool | int | float | None):
        return ["value", value]
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biuf":
        arrays.append(np.asarray(value))
        return ["array", len(arrays) - 1]
    if isinstance(value, list | tuple):
        items = [_pack(item, arrays) for item in value]
        return None if None in items else ["list", items]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        entries = {key: _pack(item, arrays) for key, item in value.items()}
        return None if None in entries.values() else ["dict", entries]
    return None


def _unpack(packed: list, arrays: Sequence[np.ndarray]) -> Any:
    kind, content = packed
    if kind == "array":
        return arrays[content]
    if kind == "list":
        return [_unpack(item, arrays) for item in content]
    return {key: _unpack(item, arrays) for key, item in content.items()} if kind == "dict" else content
