"""Images and labels as NumPy files: `npz:FILE.npz`, or `npz:IMAGES.npy,LABELS.npy`."""

import contextlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tfxfer.core.errors import InputError
from tfxfer.data import array_pairs
from tfxfer.data.lazy_images import Picked, Rows, mark

NAMES = {
    "train": (("x_train", "y_train"), ("train_images", "train_labels"), ("x", "y"), ("images", "labels")),
    "validation": (("x_val", "y_val"), ("val_images", "val_labels"), ("x_validation", "y_validation")),
    "test": (("x_test", "y_test"), ("test_images", "test_labels")),
}
"""How the arrays of a part may be called, in any case: as in Keras's data sets, as in MedMNIST, or as one pool."""


def read(path: str) -> tuple[dict[str, Rows], tuple[str, ...]]:
    """Reads images and labels; no array that was pickled is ever loaded.

    Args:
        path: an .npz file with arrays of `NAMES`, which is read into memory; or two .npy files, images and labels,
            separated by a comma, whose images stay on disk until they are needed.

    Returns:
        Rows for "train" and, if they are there, "validation" and "test"; and the names of the classes, which are the
        labels that occur in training. Images are uint8 (n, height, width, channels).

    Raises:
        InputError: a file cannot be read or has no such arrays, or arrays do not fit each other.
    """
    first, comma, second = path.partition(",")
    pairs = {"train": (_mapped(first), _mapped(second))} if comma else _pairs(path)
    checked = {
        part: array_pairs.checked(path, images, array_pairs.class_numbers(labels))
        for part, (images, labels) in pairs.items()
    }
    numbers = np.unique(checked["train"][1])
    found: dict[str, Rows] = {}
    for part, (images, labels) in checked.items():
        if strange := sorted(set(labels.tolist()) - set(numbers.tolist())):
            raise InputError(f"{path}: label {strange[0]} of {part} is not among the training labels")
        if images.shape[1:] != checked["train"][0].shape[1:]:
            shapes = f"{checked['train'][0].shape[1:]}, of {part} {images.shape[1:]}"
            raise InputError(f"{path}: training images are {shapes}: resize one to the other")
        kept = Picked(images, np.arange(len(images)), mark(str(Path(first).expanduser())).hex()) if comma else images
        found[part] = Rows(kept, np.searchsorted(numbers, labels))
    return found, tuple(map(str, numbers))


def _pairs(path: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The arrays of an .npz file by part."""
    with _readable(path), Path(path).expanduser().open("rb") as content:
        archive = np.load(content, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise InputError(f"{path}: one array, expected images and labels: give npz:IMAGES.npy,LABELS.npy")
        names, found = {name.lower(): name for name in archive.files}, {}
        for part, spelt in NAMES.items():
            here = next((pair for pair in spelt if set(pair) <= names.keys()), None)
            if here is not None:
                images, labels = (archive[names[name]] for name in here)
                found[part] = images, labels
        if "train" not in found:
            expected = ", ".join(" and ".join(pair) for pair in NAMES["train"])
            raise InputError(f"{path}: contains {', '.join(archive.files) or 'nothing'}: expected {expected}")
    return found


def _mapped(path: str) -> np.ndarray:
    """The array of an .npy file, on disk."""
    with _readable(path):
        return np.load(Path(path).expanduser(), mmap_mode="r", allow_pickle=False)


@contextlib.contextmanager
def _readable(path: str) -> Iterator[None]:
    """Turns errors of reading a file into one line."""
    try:
        yield
    except InputError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise InputError(
            f"{path}: cannot be read ({reason[:150]}): expected arrays of numbers that numpy.save or savez wrote"
        ) from None
