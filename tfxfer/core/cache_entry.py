"""One entry of the cache: a folder named by its key, with arrays 0.npy, 1.npy, ... and a manifest that checks them."""

import datetime
import hashlib
import json
import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from tfxfer.core import atomic

KEY = re.compile(r"[0-9a-f]{64}")
_FILE = re.compile(r"manifest\.json|\d+\.npy|\..*")  # the last: files that Finder or NFS leave

Spec = dict[str, tuple[tuple[int, ...], np.dtype]]


class DamagedError(Exception):
    """An entry is damaged; the message says how, in a few words."""


@dataclass(frozen=True)
class Entry:
    """An entry: its folder, size on disk, last use in local time, and facts ({} if its manifest is damaged)."""

    key: str
    path: Path
    bytes: int
    last_used: datetime.datetime
    about: dict[str, Any]


def find(folder: Path) -> Entry | None:
    """The entry in a folder, damaged or not; None if its name or anything in it does not belong to an entry."""
    try:
        if not KEY.fullmatch(folder.name) or folder.is_symlink():
            return None
        files = list(folder.iterdir())
        if not all(_FILE.fullmatch(file.name) for file in files):
            return None
        size = sum(file.lstat().st_size for file in files)
        manifest = folder / "manifest.json"
        used = (manifest if manifest in files else folder).stat().st_mtime
    except OSError:  # no folder, not readable, or removed meanwhile
        return None
    try:
        about = _manifest(folder)["about"]
    except DamagedError:
        about = {}
    return Entry(folder.name, folder, size, datetime.datetime.fromtimestamp(used).astimezone(), about)


def read(folder: Path) -> dict[str, np.memmap]:
    """Opens the arrays of an entry, read-only and memory-mapped, after every byte has been verified.

    Of arrays that `seal` was told not to hash, only dtype, shape and size are verified.

    Raises:
        DamagedError: the manifest or an array is missing, truncated, changed or from another entry.
    """
    arrays = {}
    for number, (name, row) in enumerate(_manifest(folder)["arrays"].items()):
        path = folder / f"{number}.npy"
        try:
            kind, shape, size, digest = row["dtype"], tuple(row["shape"]), row["bytes"], row["sha256"]
            if (have := path.stat().st_size) != size:
                raise DamagedError(f"{path.name} has {have:,} bytes, not the {size:,} that were written")
            if digest is not None and _sha256(path) != digest:
                raise DamagedError(f"{path.name} was changed (its sha256 is another)")
            array = np.lib.format.open_memmap(path, mode="r")
        except FileNotFoundError:
            raise DamagedError(f"{path.name} is missing") from None
        except (OSError, ValueError, TypeError, KeyError):
            raise DamagedError(f"{path.name} or its line of the manifest cannot be read") from None
        if kind == "bfloat16" and array.dtype == np.uint16:
            array = cast(np.memmap, array.view(_bfloat16()))
        if (_name(array.dtype), array.shape) != (kind, shape):
            raise DamagedError(f"{path.name} is {_name(array.dtype)} {array.shape}, not {kind} {shape}")
        arrays[name] = array
    return arrays


def create(folder: Path, spec: Spec) -> dict[str, np.memmap]:
    """Makes the folder and its arrays, zeros to fill, and reserves their room on the disk.

    Raises:
        OSError: the files cannot be made, or the disk is full.
        ValueError: .npy files cannot hold a dtype.
    """
    folder.mkdir()
    arrays = {}
    for number, (name, (shape, kind)) in enumerate(spec.items()):
        stored = np.dtype(np.uint16) if _name(kind) == "bfloat16" else np.dtype(kind)  # .npy has no name for bfloat16
        if stored.hasobject or np.dtype(stored.str) != stored:
            raise ValueError(f"{name}: {stored} cannot be stored")
        path = folder / f"{number}.npy"
        arrays[name] = cast(np.memmap, np.lib.format.open_memmap(path, "w+", stored, tuple(shape)).view(kind))
        if hasattr(os, "posix_fallocate"):  # without it, a full disk kills the process that writes
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return arrays


def seal(
    folder: Path, key: str, arrays: dict[str, np.memmap], about: dict[str, Any], unhashed: Collection[str] = ()
) -> None:
    """Flushes the arrays of `create` to the disk and writes their manifest; they are read-only from then on.

    Args:
        folder: the folder of the arrays.
        key: the entry's key.
        arrays: as `create` returned them.
        about: facts in JSON's types.
        unhashed: names of arrays that are neither hashed nor flushed, because whoever reads them verifies each row.
    """
    rows, flushed = {}, []
    for number, (name, array) in enumerate(arrays.items()):
        array.flags.writeable = False  # what is hashed stays as it is
        path, digest = folder / f"{number}.npy", None
        if name not in unhashed:
            array.flush()
            digest = _sha256(path)
            flushed.append(path)
        size = path.stat().st_size
        rows[name] = {"dtype": _name(array.dtype), "shape": array.shape, "bytes": size, "sha256": digest}
    manifest = {"key": key, "about": about, "arrays": rows}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    for path in (*flushed, folder / "manifest.json", folder):
        atomic.sync(path)


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        key, about, arrays = manifest["key"], manifest["about"], manifest["arrays"]
    except FileNotFoundError:
        raise DamagedError("its manifest is missing") from None
    except (OSError, ValueError, TypeError, KeyError):
        raise DamagedError("its manifest cannot be read") from None
    if not (isinstance(about, dict) and isinstance(arrays, dict)):
        raise DamagedError("its manifest cannot be read")
    if key != folder.name:
        raise DamagedError("its manifest is another entry's")
    return manifest


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _name(kind: np.dtype) -> str:
    kind = np.dtype(kind)
    return "bfloat16" if kind.name == "bfloat16" else kind.str


def _bfloat16() -> np.dtype:
    import ml_dtypes  # comes with TensorFlow

    return np.dtype(ml_dtypes.bfloat16)
