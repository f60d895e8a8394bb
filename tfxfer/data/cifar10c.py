"""CIFAR-10-C as published: 19 .npy files and labels.npy; or TFDS's configurations of it, if they are prepared."""

from pathlib import Path

import numpy as np

from tfxfer.core.errors import InputError
from tfxfer.data import catalog, cifar10c_archive, sources, tfds
from tfxfer.data.corruptions import NAMES, SEVERITIES

TEST_IMAGES = 10_000  # of CIFAR-10; each file holds all of them, in order, once for each severity from 1 to 5
SHAPE = (5 * TEST_IMAGES, 32, 32, 3)
FILES = (*(f"{name}.npy" for name in NAMES), "labels.npy")
FIRST_ID = 50_000  # of CIFAR-10's test images, whose ids follow those of its training images
TFDS_NAMES = {"glass_blur": "frosted_glass_blur", "elastic_transform": "elastic"}

Cell = tuple[str, int]
"""A corruption's name and a severity."""


def parse(name: str) -> tuple[Cell, ...]:
    """Parses `cifar10_corrupted`, `cifar10_corrupted/NAME` or `cifar10_corrupted/NAME_SEVERITY`.

    NAME is one of `corruptions.NAMES`, or TFDS's name for it.

    Raises:
        InputError: the corruption or the severity is unknown.
    """
    names = dict(zip(NAMES, NAMES)) | {theirs: ours for ours, theirs in TFDS_NAMES.items()}
    _, _, config = name.partition("/")
    corruption, _, severity = config.rpartition("_")
    if not config:
        return tuple((corruption, number) for corruption in NAMES for number in SEVERITIES)
    if config in names:
        return tuple((names[config], number) for number in SEVERITIES)
    if corruption in names and severity in map(str, SEVERITIES):
        return ((names[corruption], int(severity)),)
    raise InputError(
        f"unknown data set {name!r}: expected cifar10_corrupted, optionally followed by /NAME or /NAME_SEVERITY, with "
        f"severity 1 to 5 and one of {', '.join(NAMES)}"
    )


def read(cells: tuple[Cell, ...], data_dir: str | Path | None = None) -> tuple[dict[Cell, np.ndarray], np.ndarray, str]:
    """Reads the folder `CIFAR-10-C`: in `data_dir`, in the system's share/datasets, or where the archive is unpacked.

    If there is none, it reads the configurations that TFDS has prepared; if one of these is missing, the archive is
    unpacked, and downloaded first if need be.

    Returns:
        Three values: by cell, the images, uint8 (10000, 32, 32, 3), in the order of CIFAR-10's test images and
        memory-mapped if they come from a folder; their labels, int64 (10000,); and where they were found.

    Raises:
        InputError: files are missing, or they are not those of CIFAR-10-C, or the download failed.
    """
    root = sources.directory(data_dir)
    places = [*sources.candidates("cifar10_corrupted", root, "CIFAR-10-C"), cifar10c_archive.home(root)]
    for folder in places:
        if any((folder / name).is_file() for name in FILES[:-1]):
            return (*_read_folder(folder, cells), str(folder))
    if all(any((tfds.folder(root) / _configuration(cell)).glob("*/dataset_info.json")) for cell in cells):
        return _read_tfds(cells, root)
    folder = cifar10c_archive.unpack(FILES, root)
    return (*_read_folder(folder, cells), str(folder))


def _configuration(cell: Cell) -> str:
    """TFDS's name for one corruption at one severity."""
    name, severity = cell
    return f"cifar10_corrupted/{TFDS_NAMES.get(name, name)}_{severity}"


def identify(origin: str) -> str:
    """A text that changes with the names, sizes or modification times of CIFAR-10-C's files."""
    stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(Path(origin).glob("*.npy"))]
    return repr((origin, stats))


def _read_folder(folder: Path, cells: tuple[Cell, ...]) -> tuple[dict[Cell, np.ndarray], np.ndarray]:
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise InputError(f"{folder}: {', '.join(missing)} missing, expected CIFAR-10-C's 19 files and labels.npy")
    arrays = {name: _open_array(folder / f"{name}.npy", SHAPE) for name in NAMES}
    labels = _open_array(folder / "labels.npy", SHAPE[:1])
    numbers = np.asarray(labels)
    if numbers.dtype.kind not in "iu" or numbers.min() < 0 or numbers.max() > 9:
        raise InputError(f"{folder / 'labels.npy'}: {numbers.dtype} from {numbers.min()} to {numbers.max()}, expected "
                         "integers 0 to 9: download it again")  # fmt: skip
    by_severity = numbers.reshape(len(SEVERITIES), TEST_IMAGES)
    if (by_severity != by_severity[0]).any():
        raise InputError(f"{folder / 'labels.npy'}: differs between severities, expected five times the same "
                         f"{TEST_IMAGES:,}: download it again")  # fmt: skip
    starts = {(name, severity): (severity - 1) * TEST_IMAGES for name, severity in cells}
    images = {cell: arrays[cell[0]][start : start + TEST_IMAGES] for cell, start in starts.items()}
    return images, by_severity[0].astype(np.int64)


def _open_array(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # NumPy parses the header as Python: SyntaxError, TokenError, MemoryError
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not a plain .npy file ({reason}): download it again") from None
    pixels = len(shape) > 1
    if array.shape != shape or (pixels and array.dtype != np.uint8):
        expected = f"{'uint8' if pixels else 'integers'} {shape}"
        raise InputError(f"{path}: {array.dtype} {array.shape}, expected {expected}: download it again")
    return array


def _read_tfds(cells: tuple[Cell, ...], root: Path | None) -> tuple[dict[Cell, np.ndarray], np.ndarray, str]:
    """Reads TFDS's configurations and puts their rows, which TFDS sorts by a hash of the row number, back in order."""
    tfds.package()
    from tensorflow_datasets.core import hashing

    hasher = hashing.Hasher("test")
    images, labels, origin = {}, np.empty(0), ""
    for cell in cells:
        splits, origin = tfds.load(_configuration(cell), catalog.KNOWN["cifar10_corrupted"], root)
        test = splits["test"]
        hashes = [hasher.hash_key(row) for row in range(len(test["label"]))]
        order = np.argsort(sorted(range(len(hashes)), key=hashes.__getitem__))
        images[cell], labels = test["image"][order], test["label"][order].astype(np.int64)
    return images, labels, origin
