"""A reader of CIFAR-10's Python version, which is pickled, that trusts neither the file nor NumPy's unpickling."""

import io
from pathlib import Path

import numpy as np

from tfxfer.core import safe_pickle
from tfxfer.core.errors import InputError

_MOST = 1 << 26  # bytes; a file of 10,000 images has 31 MB
FILES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")


class _Array:
    """An array as the file describes it: NumPy's (version, shape, dtype, Fortran order, bytes)."""

    state: object = ()


class _Kind:
    """A dtype by its name; the other details do not matter for single bytes."""

    def __init__(self, name=b"", *flags):
        self.name = name


def _array(*arguments) -> _Array:
    return _Array()


class _Unpickler(safe_pickle.Unpickler):
    """Admits the three names by which NumPy pickles arrays, and puts classes of this module in their place."""

    admitted = {  # noqa: RUF012
        ("numpy.core.multiarray", "_reconstruct"): _array,
        ("numpy._core.multiarray", "_reconstruct"): _array,
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Kind,
    }

    def find_class(self, module: str, name: str):
        return self.admitted.get((module, name)) or super().find_class(module, name)

    def build(self, item: object, state: object) -> None:
        if isinstance(item, _Array):
            item.state = state
        elif not isinstance(item, _Kind):
            super().build(item, state)


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Reads one of the six files of https://www.cs.toronto.edu/~kriz/cifar.html.

    Returns:
        uint8 images (n, 32, 32, 3) and int64 labels (n,) in 0-9.

    Raises:
        InputError: the file is none of them, or was changed or truncated.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MOST:
            raise ValueError(f"{path.stat().st_size:,} bytes, expected 31 million")
        batch = _Unpickler(io.BytesIO(path.read_bytes())).load()
        _, shape, kind, fortran, raw = batch[b"data"].state
        flat = isinstance(batch[b"labels"], list) and all(type(label) is int for label in batch[b"labels"])
        labels = np.array(batch[b"labels"] if flat else [])  # nested ones may fill any memory
        right = shape == (len(labels), 3072) and kind.name in (b"u1", "u1") and not fortran and len(labels) > 0
        if not right or not isinstance(raw, bytes) or len(raw) != 3072 * len(labels):
            raise ValueError(f"data of shape {shape} for {len(labels)} labels, expected uint8 (n, 3072)")
        if labels.dtype.kind != "i" or labels.min() < 0 or labels.max() > 9:
            raise ValueError("labels are not integers from 0 to 9")
    except Exception as error:  # whatever a damaged pickle ends in
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: not a batch of CIFAR-10's Python version ({reason}): download it again") from None
    images = np.frombuffer(raw, np.uint8).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).copy()
    return images, labels.astype(np.int64)
