"""Readers of two file formats of data sets, IDX and CIFAR-10's binary batches, which check what they read."""

import contextlib
import gzip
import io
import math
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tfxfer.core.errors import InputError

IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
CIFAR10_FILES = (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin")
Opened = gzip.GzipFile | io.BufferedReader
_CHUNK = 1 << 24
_CIFAR10_MOST = 10_000 * 3073


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Reads one IDX file of unsigned bytes, plain or gzip (by its first bytes, not its name).

    Args:
        path: the file.
        dimensions: how many dimensions it must have: 3 for images, 1 for labels.

    Returns:
        uint8 array of that many dimensions, values 0-255.

    Raises:
        InputError: the file is not such an IDX file, is truncated, or is longer than its header says.

    The format is described at the foot of http://yann.lecun.com/exdb/mnist/.
    """
    path = Path(path)
    with _opened(path) as file:
        header = file.read(4)
        if len(header) < 4 or header[:3] != b"\0\0\x08" or header[3] != dimensions:
            raise InputError(
                f"{path}: magic number {header.hex() or 'missing'}, expected 000008{dimensions:02x} "
                f"(IDX, unsigned bytes, {dimensions} dimensions): not this kind of file, download it again"
            )
        sizes = file.read(4 * dimensions)
        if len(sizes) < 4 * dimensions:
            raise InputError(f"{path}: ends inside its header: download it again")
        return _exactly(path, file, tuple(int(n) for n in np.frombuffer(sizes, ">u4")))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Opened]:
    """Opens a file, through gzip if its first bytes say so; errors become InputErrors."""
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if zipped else path.open("rb") as file:
            yield file
    except EOFError:
        raise InputError(f"{path}: the gzip data is truncated: download it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: the gzip data is damaged ({error}): download it again") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None


def _exactly(path: Path, file: Opened, shape: tuple[int, ...]) -> np.ndarray:
    """Reads prod(shape) bytes and no more, in pieces, so that a wrong header costs no memory."""
    expected, pieces, length = math.prod(shape), [], 0
    while length <= expected and (piece := file.read(min(_CHUNK, expected + 1 - length))):
        pieces.append(piece)
        length += len(piece)
    if length != expected:
        have = "more" if length > expected else f"only {length:,}"
        raise InputError(f"{path}: header says {shape} = {expected:,} bytes, the file has {have}: download it again")
    try:
        return np.frombuffer(b"".join(pieces), np.uint8).reshape(shape)
    except ValueError:  # an empty array with sides that are too large
        raise InputError(f"{path}: header says {shape}, which is impossible for an array: download it again") from None


def read_idx_pair(images: Path, labels: Path, classes: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Reads an image file and its label file.

    Returns:
        uint8 images (n, height, width, 1) and int64 labels (n,), in [0, classes) if `classes` is given.
    """
    x, y = read_idx(images, 3), read_idx(labels, 1)
    if len(x) != len(y):
        raise InputError(
            f"{images} has {len(x):,} images but {labels} has {len(y):,} labels: the files do not belong together"
        )
    if 0 in x.shape:
        raise InputError(f"{images}: contains no pixels (shape {x.shape}), expected at least one image")
    _check_labels(labels, y, classes)
    return x[..., None], y.astype(np.int64)


def read_cifar10(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Reads one file of CIFAR-10's binary version, plain or gzip: rows of a label byte and the planes R, G and B.

    Returns:
        uint8 images (n, 32, 32, 3) and int64 labels (n,) in 0-9.

    See https://www.cs.toronto.edu/~kriz/cifar.html.
    """
    path = Path(path)
    with _opened(path) as file:
        raw = np.frombuffer(file.read(_CIFAR10_MOST + 1), np.uint8)  # and no more, even if a gzip file holds more
    if raw.size > _CIFAR10_MOST:
        raise InputError(f"{path}: more than the {_CIFAR10_MOST:,} bytes of 10,000 images: download it again")
    if not raw.size or raw.size % 3073:
        raise InputError(
            f"{path}: {raw.size:,} bytes, expected a multiple of 3,073: it may be truncated: download it again"
        )
    rows = raw.reshape(-1, 3073)
    _check_labels(path, rows[:, 0], 10)
    return rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).copy(), rows[:, 0].astype(np.int64)


def _check_labels(path: Path, labels: np.ndarray, classes: int | None) -> None:
    if classes is not None and labels.max() >= classes:
        row = int(np.argmax(labels >= classes))
        raise InputError(f"{path}: label {labels[row]} in row {row}, expected 0 to {classes - 1}: damaged file?")
