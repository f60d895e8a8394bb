"""Data sets from TFDS, prepared from files in its folder or from the internet."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfxfer.core.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from tfxfer.data.catalog import Known


def load(name: str, known: "Known", data_dir: Path | None) -> tuple[dict[str, dict[str, "np.ndarray"]], str]:
    """Lets TFDS prepare a data set from files in `<data_dir>/manual/<name>`, or from the internet.

    Args:
        name: TFDS's name, `name` or `name/configuration`.
        known: the files that it is made from.
        data_dir: TFDS's folder; by default $TFDS_DATA_DIR, or its own choice.

    Returns:
        The columns by split, in memory, and where they come from.

    Raises:
        InputError: the download failed, or a file has a different checksum.
    """
    import requests
    import tensorflow_datasets as tfds

    own, _, _ = name.partition("/")
    root = Path(data_dir or os.environ.get("TFDS_DATA_DIR") or tfds.core.constants.DATA_DIR).expanduser()
    manual = root / "manual" / own
    first = (known.files or known.download or (name,))[0]
    ways = (
        f"put {', '.join(known.download)} in {manual}, or give a folder that contains "
        f"{first} and the others with --data-dir, or use --dataset digits, which is bundled"
    )
    builder = tfds.builder(name, data_dir=root)
    config = tfds.download.DownloadConfig(manual_dir=manual, extract_dir=root / "extracted" / own)
    prepared = (Path(builder.data_path) / "dataset_info.json").is_file()
    try:
        if not prepared and not all((manual / file).is_file() for file in known.download):
            # TFDS itself retries for minutes when it is offline
            requests.head(next(iter(builder.url_infos)), timeout=10, allow_redirects=True).raise_for_status()
        if not prepared:
            builder.download_and_prepare(download_config=config)
    except (requests.exceptions.RequestException, tfds.core.download.util.DownloadError, OSError) as error:
        reason = type(error).__name__
        raise InputError(f"{name} is not on this machine and TFDS could not download it ({reason}): {ways}") from None
    except tfds.download.download_manager.NonMatchingChecksumError as error:
        raise InputError(f"{name}: TFDS refuses a file because its checksum differs ({error}): {ways}") from None
    splits: dict[str, Any] = {split: builder.as_dataset(split=split, batch_size=-1) for split in builder.info.splits}
    return tfds.as_numpy(splits), f"TFDS {builder.info.full_name} in {root}"
