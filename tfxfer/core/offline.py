"""What works without the internet: how an error about a failed download ends."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Literal

What = Literal["data", "weights"]
_commands: ContextVar[dict[What, str] | None] = ContextVar("commands", default=None)


@contextlib.contextmanager
def commands(*, data: str, weights: str) -> Iterator[None]:
    """Within the block a command is running, and these are what can be run in its place.

    Args:
        data: the command that downloads nothing at all.
        weights: the command that downloads no weights, on the data that the running one has.
    """
    token = _commands.set({"data": data, "weights": weights})
    try:
        yield
    finally:
        _commands.reset(token)


def ending(what: What, call: str) -> str:
    """The end of an error about data or weights that could not be downloaded.

    Args:
        what: which of them.
        call: what to call in Python instead; it is named where no command is running.
    """
    running = _commands.get()
    return f"; this works offline: {call if running is None else running[what]}"
