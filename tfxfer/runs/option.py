"""What one option of a recipe or command is, whatever its name: help text, bounds, check, and how it is recorded."""

import math
import os
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from tfxfer.core.errors import InputError, shown


@dataclass(frozen=True)
class Option:
    """What is known of an option beside its type; stands in the annotation: `Annotated[int, Option("...", least=1)]`.

    Attributes:
        help: one line for `--help`.
        least: the smallest value of a number.
        check: raises InputError for a wrong value; takes the option's name and its value.
        portable: makes a value mean the same in any folder, for the record of a run.
        depth: whether it takes a number of layers, the name of a stage, or "all".
    """

    help: str
    least: int | None = None
    check: Callable[[str, Any], None] | None = None
    portable: Callable[[Any], Any] | None = None
    depth: bool = False


def parts(annotation: Any) -> tuple[Any, Option]:
    """Type and `Option` of an annotation such as `Annotated[int, Option("...")]`."""
    if get_origin(annotation) is Annotated:
        for extra in get_args(annotation)[1:]:
            if isinstance(extra, Option):
                return get_args(annotation)[0], extra
    raise TypeError(f"{annotation}: expected Annotated[type, Option(...)]")


def check(values: Mapping[str, Any], annotations: Mapping[str, Any]) -> None:
    """Checks options that are wrong whatever the data and the network are.

    Args:
        values: by name.
        annotations: of each of them, as `parts` takes them.

    Raises:
        InputError: the first that is wrong.
    """
    for name, value in values.items():
        kind, option = parts(annotations[name])
        kinds = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
        if value is None and type(None) in kinds:
            continue
        expected = [_KINDS[kind] for kind in kinds if kind in _KINDS]
        if not any(fits(value) for _, fits in expected):
            raise InputError(f"{name} {shown(value)}: expected {' or '.join(noun for noun, _ in expected)}")
        if option.least is not None and isinstance(value, Real) and value < option.least:
            raise InputError(f"{name} {value}: expected at least {option.least}")
        if option.check is not None:
            option.check(name, value)


def portable(values: Mapping[str, Any], annotations: Mapping[str, Any]) -> dict[str, Any]:
    """Options as they mean the same in any folder, as JSON has them: paths are absolute.

    Raises:
        InputError: a data set's path that is not a folder.
    """
    record = {}
    for name, value in values.items():
        _, option = parts(annotations[name])
        value = option.portable(value) if option.portable and value is not None else value
        record[name] = value if isinstance(value, int | float | str | None) else str(value)
    return record


def absolute(path: str | os.PathLike) -> str:
    """A path that does not depend on the folder one is in; `~` is the user's home, and "" stays."""
    return str(Path(os.path.expanduser(path)).absolute()) if str(path) else ""


def positive(name: str, value: float) -> None:
    """Raises InputError unless a number is finite and above zero."""
    if not 0 < value < math.inf:
        raise InputError(f"{name} {value}: expected a finite number above zero")


def share(name: str, value: float) -> None:
    """Raises InputError unless a number is from 0 to 1."""
    if not 0 <= value <= 1:
        raise InputError(f"{name} {value}: expected a share from 0 to 1")


def one_of(*choices: str) -> Callable[[str, str], None]:
    """A check that a text is one of these."""

    def check_choice(name: str, value: str) -> None:
        if value not in choices:
            raise InputError(f"{name} {value!r}: expected one of {', '.join(choices)}")

    return check_choice


def words(*choices: str) -> Callable[[str, str], None]:
    """A check that a text is made of some of these, comma-separated; it may be empty."""

    def check_words(name: str, value: str) -> None:
        if unknown := [word for word in value.split(",") if word and word not in choices]:
            raise InputError(f"{name} {unknown[0]!r}: expected some of {', '.join(choices)}, comma-separated")

    return check_words


def _whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


_KINDS: dict[type, tuple[str, Callable[[object], bool]]] = {
    int: ("a whole number", _whole),
    float: ("a number", _number),
    bool: ("True or False", lambda value: isinstance(value, bool)),
    str: ("text", lambda value: isinstance(value, str | os.PathLike)),
}
