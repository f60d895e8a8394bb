"""CIFAR-10-C as published: 19 .npy files and labels.npy; or TFDS's configurations of it, if they are prepared."""

from pathlib import Path

import numpy as np

from tfxfer.core.errors import InputError
from tfxfer.data import catalog, cifar10c_archive, sources, tfds
from tfxfer.data.corruptions import NAMES, SEVERITIES

N = 10_000  # test images of CIFAR-10: rows (s - 1) N to s N of each file are severity s, in their order
SHAPE = (5 * N, 32, 32, 3)
FILES = (*(f"{name}.npy" for name in NAMES), "labels.npy")
FIRST_ID = 50_000  # of CIFAR-10's test images, after its training images
TFDS_NAMES = {"glass_blur": "frosted_glass_blur", "elastic_transform": "elastic"}

Cell = tuple[str, int]


def parse(name: str) -> tuple[Cell, ...]:
    """The corruptions and severities that `cifar10_corrupted`, perhaps with /NAME or /NAME_SEVERITY, stands for.

    NAME is one of `corruptions.NAMES`, or TFDS's name for it.
    """
    names = dict(zip(NAMES, NAMES)) | {theirs: ours for ours, theirs in TFDS_NAMES.items()}
    _, _, wanted = name.partition("/")
    corruption, _, severity = wanted.rpartition("_")
    if not wanted:
        return tuple((each, number) for each in NAMES for number in SEVERITIES)
    if wanted in names:
        return tuple((names[wanted], number) for number in SEVERITIES)
    if corruption in names and severity in map(str, SEVERITIES):
        return ((names[corruption], int(severity)),)
    raise InputError(
        f"unknown data set {name!r}: expected cifar10_corrupted, or with /NAME or /NAME_SEVERITY after it, severity "
        f"1 to 5 and one of {', '.join(NAMES)}"
    )


def read(cells: tuple[Cell, ...], data_dir: str | Path | None = None) -> tuple[dict[Cell, np.ndarray], np.ndarray, str]:
    """Reads the folder `CIFAR-10-C`: in `data_dir`, in the system's share/datasets, or where the archive is unpacked.

    If there is none, it reads the configurations that TFDS has prepared; if one of these is missing, the archive is
    unpacked, and downloaded first if need be.

    Returns:
        For each cell uint8 (10000, 32, 32, 3), memory-mapped from the folder's files, in the order of CIFAR-10's test
        images; their labels int64 (10000,); and where they are.

    Raises:
        InputError: files are missing, or they are not those of CIFAR-10-C, or the download failed.
    """
    root = sources.directory(data_dir)
    places = [*sources.candidates("cifar10_corrupted", root, "CIFAR-10-C"), cifar10c_archive.home(root)]
    for folder in places:
        if any((folder / name).is_file() for name in FILES[:-1]):
            return (*_folder(folder, cells), str(folder))
    if all(any((tfds.folder(root) / _configuration(cell)).glob("*/dataset_info.json")) for cell in cells):
        return _tfds(cells, root)
    folder = cifar10c_archive.unpack(FILES, root)
    return (*_folder(folder, cells), str(folder))


def _configuration(cell: Cell) -> str:
    """TFDS's name for one corruption at one severity."""
    name, severity = cell
    return f"cifar10_corrupted/{TFDS_NAMES.get(name, name)}_{severity}"


def known_as(origin: str) -> str:
    """Identifies CIFAR-10-C's files by names, sizes and times of change."""
    stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(Path(origin).glob("*.npy"))]
    return repr((origin, stats))


def _folder(folder: Path, cells: tuple[Cell, ...]) -> tuple[dict[Cell, np.ndarray], np.ndarray]:
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise InputError(f"{folder}: {', '.join(missing)} missing, expected CIFAR-10-C's 19 files and labels.npy")
    arrays = {name: _mapped(folder / f"{name}.npy", SHAPE) for name in NAMES}
    labels = _mapped(folder / "labels.npy", SHAPE[:1])
    numbers = np.asarray(labels)
    if numbers.dtype.kind not in "iu" or numbers.min() < 0 or numbers.max() > 9:
        raise InputError(f"{folder / 'labels.npy'}: {numbers.dtype} from {numbers.min()} to {numbers.max()}, expected "
                         "integers 0 to 9: download it again")  # fmt: skip
    by_severity = numbers.reshape(5, N)
    if (by_severity != by_severity[0]).any():
        raise InputError(f"{folder / 'labels.npy'}: differs between severities, expected five times the same "
                         f"{N:,}: download it again")  # fmt: skip
    found = {(name, severity): arrays[name][(severity - 1) * N : severity * N] for name, severity in cells}
    return found, by_severity[0].astype(np.int64)


def _mapped(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # NumPy parses the header as Python: SyntaxError, TokenError, MemoryError
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not a plain .npy file ({reason}): download it again") from None
    pixels = len(shape) > 1
    if array.shape != shape or (pixels and array.dtype != np.uint8):
        wanted = f"{'uint8' if pixels else 'integers'} {shape}"
        raise InputError(f"{path}: {array.dtype} {array.shape}, expected {wanted}: download it again")
    return array


def _tfds(cells: tuple[Cell, ...], root: Path | None) -> tuple[dict[Cell, np.ndarray], np.ndarray, str]:
    """TFDS writes each configuration in an order of its own, by a hash of each row's number: put back here."""
    tfds.package()
    from tensorflow_datasets.core import hashing

    hasher = hashing.Hasher("test")
    found, labels, origin = {}, np.empty(0), ""
    for cell in cells:
        parts, origin = tfds.load(_configuration(cell), catalog.KNOWN["cifar10_corrupted"], root)
        part = parts["test"]
        hashes = [hasher.hash_key(row) for row in range(len(part["label"]))]
        back = np.argsort(sorted(range(len(hashes)), key=hashes.__getitem__))
        found[cell], labels = part["image"][back], part["label"][back].astype(np.int64)
    return found, labels, origin
