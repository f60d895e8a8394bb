"""Messages of libraries that are not for the user, kept off the terminal and out of notebooks."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def native_stderr() -> Iterator[None]:
    """Within the block nothing reaches the process's standard error, which no log level of TensorFlow's achieves."""
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
def loggers() -> Iterator[None]:
    """Within the block TensorFlow's loggers pass warnings on and nothing less: in a notebook they tell more."""
    levels = {logger: logger.level for logger in map(logging.getLogger, ("tensorflow", "absl"))}
    try:
        for logger in levels:
            logger.setLevel(max(logger.level, logging.WARNING))
        yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)


def import_tensorflow() -> None:
    """Imports TensorFlow, unless that is done, without its start-up messages."""
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # below 3, every missing GPU is reported as an error
    with native_stderr():
        import tensorflow  # noqa: F401
