"""Messages that libraries write past Python, kept off the terminal."""

import contextlib
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


def import_tensorflow() -> None:
    """Imports TensorFlow without its start-up messages."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # below 3, every missing GPU is reported as an error
    with native_stderr():
        import tensorflow  # noqa: F401
