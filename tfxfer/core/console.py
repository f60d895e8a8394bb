"""Keeps messages of libraries that are not meant for the user off the terminal and out of notebooks."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def native_stderr() -> Iterator[None]:
    """Within the block nothing reaches the process's standard error; no log level of TensorFlow achieves that."""
    sys.stderr.flush()
    terminal = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(terminal, 2)
        os.close(terminal)


@contextlib.contextmanager
def loggers(least: int = logging.WARNING) -> Iterator[None]:
    """Within the block TensorFlow's loggers pass on warnings and errors only; in a notebook they would say more.

    Args:
        least: the lowest level that is passed on.
    """
    levels = {logger: logger.level for logger in map(logging.getLogger, ("tensorflow", "absl"))}
    try:
        for logger in levels:
            logger.setLevel(max(logger.level, least))
        yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)


def import_tensorflow(shown: bool = True) -> None:
    """Imports TensorFlow without its start-up messages, unless it is imported already.

    Args:
        shown: whether a terminal shows a line as long as that takes.
    """
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # below 3, every missing GPU is reported as an error
    from tfxfer.core import live_lines  # rich takes a tenth of a second

    with live_lines.line("loading TensorFlow") if shown else contextlib.nullcontext(), native_stderr():
        import tensorflow  # noqa: F401
