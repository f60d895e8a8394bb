"""Data sets from TFDS, prepared from files in its folder or from the internet."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tfxfer.core import download, file_lock, offline
from tfxfer.core.errors import InputError
from tfxfer.data.catalog import BUNDLED

if TYPE_CHECKING:
    import numpy as np

    from tfxfer.data.catalog import Known


def load(name: str, known: "Known", data_dir: Path | None) -> tuple[dict[str, dict[str, "np.ndarray"]], str]:
    """Lets TFDS prepare a data set from files in `<data_dir>/manual/<name>`, downloaded if they are not there.

    Of several processes one downloads and prepares it, and the others wait.

    Args:
        name: TFDS's name, `name` or `name/configuration`.
        known: the files that it is made from.
        data_dir: TFDS's folder; by default $TFDS_DATA_DIR, or ~/tensorflow_datasets.

    Returns:
        The columns by split, in memory, and where they come from.

    Raises:
        InputError: TFDS cannot be imported, the download failed, or a file has a different checksum.
    """
    tfds, root, own = package(), folder(data_dir), name.partition("/")[0]
    builder = tfds.builder(name, data_dir=root)
    if not prepared(builder):
        files = manual(own, data_dir)
        config = tfds.download.DownloadConfig(manual_dir=files, extract_dir=root / "extracted" / own)
        with file_lock.hold(root / f".{own}.lock", f"prepare {own}"), failures(name, known, files):
            builder = tfds.builder(name, data_dir=root)  # another process may have prepared it
            if not prepared(builder):
                for url, info in builder.url_infos.items():
                    download.fetch(url, files / info.filename, info.checksum)
                try:
                    builder.download_and_prepare(download_config=config)
                except tfds.download.download_manager.NonMatchingChecksumError as error:
                    raise InputError(
                        f"{name}: TFDS refuses a file because its checksum differs ({error}): {_ways(known, files)}"
                    ) from None
    splits: dict[str, Any] = {split: builder.as_dataset(split=split, batch_size=-1) for split in builder.info.splits}
    return tfds.as_numpy(splits), f"TFDS {builder.info.full_name} in {root}"


def package() -> ModuleType:
    """The package tensorflow_datasets.

    Raises:
        InputError: it cannot be imported.
    """
    try:
        import tensorflow_datasets
    except Exception as error:  # protobuf's VersionError, for one, is not an ImportError
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"TFDS, which prepares data sets, cannot be imported ({type(error).__name__}: {reason}): "
            "pip install tensorflow-datasets 'tensorflow-metadata<1.18'"
        ) from None
    return tensorflow_datasets


def folder(data_dir: Path | None) -> Path:
    """Where TFDS keeps its data: `data_dir`, or else $TFDS_DATA_DIR or ~/tensorflow_datasets."""
    return Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def manual(own: str, data_dir: Path | None) -> Path:
    """Where TFDS looks for the files of a data set, of the name `own`, that were downloaded by hand."""
    return folder(data_dir) / "manual" / own


@contextlib.contextmanager
def failures(name: str, known: "Known", files: Path) -> Iterator[None]:
    """Turns a failed download of a data set, and a folder that cannot be written, into InputErrors of one line.

    Args:
        name: of the data set.
        known: its files.
        files: the folder that they belong in.
    """
    try:
        yield
    except download.DownloadError as error:
        raise InputError(
            f"{name} is not on this machine and could not be downloaded ({error}): {_ways(known, files)}"
        ) from None
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{name} cannot be kept in {files} ({reason}): {_ways(known, files)}") from None


def prepared(builder: Any) -> bool:
    """Whether TFDS has prepared a data set."""
    return (Path(builder.data_path) / "dataset_info.json").is_file()


def _ways(known: "Known", files: Path) -> str:
    first = known.files[0] if known.files else "its files"
    end = offline.ending("data", f'data.load("{BUNDLED}")')
    return (
        f"put {', '.join(known.download)} in {files}, or give a folder that contains {first} and the others with "
        f"--data-dir, or use --dataset digits, which is bundled{end}"
    )
