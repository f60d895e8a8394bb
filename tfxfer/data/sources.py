"""Where images come from: from a name to arrays or file paths, without TensorFlow unless TFDS is needed."""

import functools
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tfxfer.core.errors import InputError, shown
from tfxfer.data import binary_readers, cifar_pickle, csv_listing, image_folder, npz_reader, tfds, tfds_by_name
from tfxfer.data.catalog import CIFAR10, DIGITS, KNOWN, PATHS, SAMPLES
from tfxfer.data.lazy_images import Files, Rows

_CHOICE = f"{', '.join([*KNOWN, *PATHS])}, or a folder's path"


@dataclass(frozen=True)
class Source:
    """The images of a data set as they are found.

    Attributes:
        train: the training images, or all images where there is one pool.
        test: the test images, or None.
        classes: names in the order of the labels.
        origin: where they were found.
        validation: the validation images, or None.
        sized: makes images of paths, a size and an `aspect`, where the rows have paths in place of images.
    """

    train: Rows
    test: Rows | None
    classes: tuple[str, ...]
    origin: str
    validation: Rows | None = None
    sized: Callable[..., Files] = Files


def full_name(name: str | Path) -> str:
    """A data set's name in a form that means the same in any folder: paths are absolute, `~` is the user's home.

    A folder's path becomes `folder:PATH`, or `idx:PATH` if it holds IDX files named like MNIST's; the path of a .csv or
    .npz file becomes `csv:PATH` or `npz:PATH`. A known data set's name means that data set even if there is a folder of
    that name (`./mnist` means the folder).

    Raises:
        InputError: the path is not a folder, or the argument is neither a name nor a path.
    """
    if not isinstance(name, str | os.PathLike):
        raise InputError(f"data set {shown(name)}: expected one of {_CHOICE}")
    text = os.fspath(name)
    kind, colon, path = text.partition(":")
    by_name = text in KNOWN or kind == "tfds" or kind.partition("/")[0] == "cifar10_corrupted" or not text
    if isinstance(name, str) and by_name:
        return text
    if colon and kind in _READERS:
        files = path.split(",") if kind == "npz" else [path]
        return f"{kind}:{','.join(str(Path(os.path.expanduser(file)).absolute()) for file in files)}" if path else text
    folder = Path(os.path.expanduser(text))
    if os.path.isdir(folder):
        kind = "idx" if any(_file(folder, file) for file in binary_readers.IDX_FILES) else "folder"
        return f"{kind}:{folder.absolute()}"
    if folder.suffix in (".csv", ".npz") and folder.is_file():
        return f"{folder.suffix[1:]}:{folder.absolute()}"
    if os.sep in text or not isinstance(name, str):
        raise InputError(f"data set {text}: no such folder: expected one of {_CHOICE}")
    return text


def find(
    name: str, data_dir: str | Path | None = None, image_key: str | None = None, label_key: str | None = None
) -> Source:
    """Finds a data set by name: bundled, or in `data_dir`, else in the system's share/datasets, else through TFDS.

    Args:
        name: a key of `KNOWN`, `idx:PATH`, `folder:PATH`, `csv:FILE`, `npz:FILE` or `tfds:NAME`.
        data_dir: a folder that holds the files, or holds a folder of the data set's name that does; TFDS keeps its
            data there too.
        image_key, label_key: for `tfds:NAME` only, as `tfds_by_name.read` takes them.

    Raises:
        InputError: the name is unknown, files are missing or broken, or a download failed.
    """
    kind, _, path = name.partition(":")
    data_dir = directory(data_dir)
    if kind == "tfds" and path:
        rows, classes, origin, sized = tfds_by_name.read(path, data_dir, image_key, label_key)
        return Source(rows["train"], rows.get("test"), classes, origin, rows.get("validation"), sized)
    if data_dir is not None and name in (*_BUNDLED, f"{kind}:{path}"):
        raise InputError(f"data_dir {data_dir} was given for {name}, which does not look there: leave it out")
    if path and kind in _READERS:
        return _READERS[kind](path)
    if name not in KNOWN:
        raise InputError(f"unknown data set {name!r}: expected one of {_CHOICE}")
    if name in _BUNDLED:
        return _BUNDLED[name]()
    known = KNOWN[name]
    below = "cifar-10-batches-bin", "cifar-10-batches-py"
    for folder in candidates(name, data_dir, *(below if name == "cifar10" else ())):
        pickled = name == "cifar10" and any((folder / file).is_file() for file in cifar_pickle.FILES)
        if pickled or any(_file(folder, file) for file in known.files):
            source = _cifar10(folder) if name == "cifar10" else _idx(folder, known.classes)
            break
    else:
        source = _tfds(name, data_dir)
    have = (len(source.train.labels), 0 if source.test is None else len(source.test.labels))
    if have != known.examples:
        usual = " + ".join(f"{n:,}" for n in known.examples)
        warnings.warn(
            f"{name} in {source.origin} has {have[0]:,} training + {have[1]:,} test images, not {usual}: "
            "used as a subset",
            stacklevel=3,
        )
    return source


def directory(data_dir: str | Path | None) -> Path | None:
    """`data_dir` as a path, or None.

    Raises:
        InputError: it is not a folder.
    """
    if data_dir is None:
        return None
    if not isinstance(data_dir, str | os.PathLike):
        raise InputError(
            f"data_dir {shown(data_dir)}: expected the path of the folder that contains the data set's files"
        )
    folder = Path(data_dir).expanduser()
    if not folder.is_dir():
        raise InputError(f"data_dir {folder} is not a folder: give the folder that contains the data set's files")
    return folder


def candidates(name: str, data_dir: Path | None, *below: str) -> list[Path]:
    """Folders where a data set's files may be, in order; `below` are the names that its archives unpack to."""
    own = [data_dir / name, data_dir, *(data_dir / inside for inside in below)] if data_dir is not None else []
    shares = (os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":")
    system = [Path(share) / "datasets" / spelling for share in shares for spelling in (name, name.replace("_", "-"))]
    return own + system + [folder / inside for folder in system for inside in below]


def _file(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _files(folder: Path, names: tuple[str, ...]) -> list[Path]:
    files = {name: _file(folder, name) for name in names}
    if missing := [name for name, path in files.items() if path is None]:
        raise InputError(f"{folder}: {', '.join(missing)} missing (plain or .gz): expected {', '.join(names)}")
    return [path for path in files.values() if path is not None]


def _idx(folder: Path, classes: tuple[str, ...] | None) -> Source:
    train_images, train_labels, test_images, test_labels = _files(folder, binary_readers.IDX_FILES)
    count = None if classes is None else len(classes)
    train = Rows(*binary_readers.read_idx_pair(train_images, train_labels, count))
    test = Rows(*binary_readers.read_idx_pair(test_images, test_labels, count))
    if classes is None:  # labels may begin at 1 or have gaps
        numbers = np.unique(train.labels)
        if unknown := sorted(set(test.labels.tolist()) - set(numbers.tolist())):
            raise InputError(
                f"{test_labels}: label {unknown[0]} is not among the training labels: the files do not belong together"
            )
        train, test = (Rows(rows.images, np.searchsorted(numbers, rows.labels)) for rows in (train, test))
        classes = tuple(map(str, numbers))
    if train.images.shape[1:] != test.images.shape[1:]:
        sizes = f"{train.images.shape[1:3]} and {test.images.shape[1:3]}"
        raise InputError(f"{folder}: training and test images differ in size, {sizes}: they do not belong together")
    return Source(train, test, classes, str(folder))


def _cifar10(folder: Path) -> Source:
    if any(_file(folder, name) for name in binary_readers.CIFAR10_FILES):
        parts = [binary_readers.read_cifar10(path) for path in _files(folder, binary_readers.CIFAR10_FILES)]
    else:
        parts = [cifar_pickle.read(path) for path in _files(folder, cifar_pickle.FILES)]
    *batches, test = parts
    train = Rows(np.concatenate([images for images, _ in batches]), np.concatenate([labels for _, labels in batches]))
    return Source(train, Rows(*test), CIFAR10, str(folder))


def _digits() -> Source:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = np.round(bunch.images * 255 / 16).astype(np.uint8)[..., None]
    return Source(Rows(pixels, bunch.target.astype(np.int64)), None, DIGITS, "scikit-learn's load_digits")


def _mnist_sample() -> Source:
    origin = "the files bundled with tfxfer (from MNIST, by Yann LeCun and Corinna Cortes, CC BY-SA 3.0)"
    return replace(_idx(SAMPLES / "mnist", DIGITS), origin=origin)


_BUNDLED = {"digits": _digits, "mnist_sample": _mnist_sample}


def _listed(listing: Callable[[Path], tuple[tuple[str, ...], dict[str, image_folder.Listed]]], path: str) -> Source:
    place = Path(path).expanduser()
    classes, parts = listing(place)
    rows = {part: Rows(*listed) for part, listed in parts.items()}
    return Source(rows["train"], rows.get("test"), classes, str(place), rows.get("validation"))


def _npz(path: str) -> Source:
    rows, classes = npz_reader.read(path)
    return Source(rows["train"], rows.get("test"), classes, path, rows.get("validation"))


_READERS: dict[str, Callable[[str], Source]] = {
    "idx": lambda path: _idx(Path(path).expanduser(), None),
    "folder": functools.partial(_listed, image_folder.listing),
    "csv": functools.partial(_listed, csv_listing.listing),
    "npz": _npz,
}


def _tfds(name: str, data_dir: Path | None) -> Source:
    parts, origin = tfds.load(name, KNOWN[name], data_dir)

    def rows(part: dict[str, np.ndarray]) -> Rows:
        # TFDS shuffles when it writes; where it keeps numbers, rows get the order of the files back
        order = np.argsort(part["id"], kind="stable") if "id" in part else slice(None)
        return Rows(part["image"][order], part["label"][order].astype(np.int64))

    return Source(rows(parts["train"]), rows(parts["test"]), KNOWN[name].classes, origin)
