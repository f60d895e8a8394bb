"""CIFAR-10-C's archive: downloaded and unpacked once, in TFDS's folder for files that were downloaded by hand."""

import tarfile
from collections.abc import Sequence
from pathlib import Path

from tfxfer.core import atomic, download, file_lock
from tfxfer.core.byte_progress import ByteProgress
from tfxfer.core.errors import InputError
from tfxfer.data import tfds
from tfxfer.data.catalog import KNOWN

NAME = "cifar10_corrupted"
FOLDER = "CIFAR-10-C"  # as it is named in the archive


def home(data_dir: Path | None) -> Path:
    """Where the archive is unpacked to; `data_dir` is TFDS's folder, as in `tfds.folder`."""
    return tfds.manual(NAME, data_dir) / FOLDER


def unpack(names: Sequence[str], data_dir: Path | None) -> Path:
    """Unpacks the archive, downloaded first if it is not there: 2.9 GB, and as much again.

    The folder is complete or absent. Of several processes one does it, and the others wait. The archive stays.

    Args:
        names: the files of the data set. Nothing else in the archive is unpacked.
        data_dir: TFDS's folder.

    Returns:
        The folder that holds the files.

    Raises:
        InputError: the download failed, or the archive is incomplete or another one.
    """
    folder = home(data_dir)
    ((url, info),) = tfds.package().builder_cls(NAME).url_infos.items()
    archive = folder.with_name(info.filename)
    with (
        file_lock.hold(folder.with_name(f".{FOLDER}.lock"), f"unpack {archive.name}"),
        tfds.failures(NAME, KNOWN[NAME], folder.parent),
    ):
        if folder.is_dir():  # another process was first
            return folder
        if archive.exists():
            _check(archive, info.size, info.checksum)
        download.fetch(url, archive, info.checksum)
        _unpack(archive, folder, names)
    return folder


def _check(archive: Path, size: int, checksum: str) -> None:
    """Raises InputError for an archive that someone put there if it is not the published one."""
    if (have := archive.stat().st_size) < size:
        raise InputError(
            f"{archive} is incomplete, {have:,} of {size:,} bytes: wait until it is whole, or move it away"
        )
    if download.digest(archive) != checksum:
        raise InputError(f"{archive} is not the published one, its sha256 differs: move it away")


def _unpack(archive: Path, folder: Path, names: Sequence[str]) -> None:
    missing, done = set(names), 0
    with (
        atomic.new(folder) as draft,
        tarfile.open(archive, "r:") as tar,
        ByteProgress(f"unpacking {archive.name}", archive.stat().st_size) as shown,
    ):
        draft.mkdir()
        for member in tar:
            place, _, name = member.name.removeprefix("./").rpartition("/")
            source = tar.extractfile(member) if member.isreg() and place == FOLDER and name in missing else None
            if source is None:
                continue
            missing.remove(name)
            with source, (draft / name).open("xb") as target:
                while block := source.read(1 << 20):
                    target.write(block)
                    shown.update(done := done + len(block))
        if missing:
            raise InputError(f"{archive}: {', '.join(sorted(missing))} missing: move it away")
