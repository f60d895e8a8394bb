"""Data sets that TFDS knows by name, has prepared, or prepares from the internet."""

import contextlib
import difflib
import logging
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfxfer.core import console, download, file_lock, live_lines, offline
from tfxfer.core.errors import InputError
from tfxfer.data import tfds
from tfxfer.data.catalog import BUNDLED

NAME = re.compile(r"(\w+)(/[\w.+\-]+)?(:[\d*]+\.[\d*]+\.[\d*]+)?")
_NAMED = 6  # names in a line


def some(names: list[str]) -> str:
    """The first names, and how many more there are."""
    more = [f"and {len(names) - _NAMED:,} more"] if len(names) > _NAMED else []
    return ", ".join([*names[:_NAMED], *more])


def find(name: str, data_dir: Path | None) -> Any:
    """TFDS's builder of a data set, which is prepared first if it is not yet.

    Of several processes one downloads and prepares it, and the others wait. Code that TFDS knows, or a class that is
    registered in this process, comes before what is prepared, unless a version is named.

    Args:
        name: NAME, NAME/CONFIG, NAME:VERSION or NAME/CONFIG:VERSION.
        data_dir: TFDS's folder, as `tfds.folder` takes it.

    Raises:
        InputError: there is no such data set, configuration or version, or TFDS cannot prepare it.
    """
    parts, module, root = NAME.fullmatch(name), tfds.package(), tfds.folder(data_dir)
    if parts is None:
        raise InputError(f"data set tfds:{name}: expected tfds:NAME, tfds:NAME/CONFIG or tfds:NAME/CONFIG:VERSION")
    own, config, _ = parts.groups()
    try:
        with console.loggers(logging.ERROR):  # TFDS warns of folders of configurations beside this one
            builder = module.builder(name, data_dir=root)
    except module.core.DatasetNotFoundError:
        there = _on_disk(root)
        known = sorted({*module.list_builders(with_community_datasets=False), *there})
        close = difflib.get_close_matches(f"{own}{config or ''}", known, _NAMED) or list(there)
        raise InputError(
            f"unknown data set tfds:{name}: expected a name that TFDS knows or has prepared in {root}"
            + (f", such as {some(close)}" if close else "; https://www.tensorflow.org/datasets/catalog lists them")
        ) from None
    except Exception as error:  # a configuration or version that there is not, or a folder that cannot be read
        by_code = own in module.list_builders(with_community_datasets=False)
        configs = list(module.builder_cls(own).builder_configs) if by_code else list(_on_disk(root))
        reason = " ".join(str(error).split()).rpartition('}": ')[2][:200].rstrip(" .:")
        raise InputError(f"tfds:{name}: {reason}: TFDS has {some(configs) or 'no configurations of it'}") from None
    if config is None and len(builder.builder_configs) > 1:
        configs, used = list(builder.builder_configs), builder.builder_config.name
        warnings.warn(f"tfds:{name}: of {some(configs)}, TFDS's default is used: {used}", stacklevel=5)
    if not tfds.prepared(builder):
        files = tfds.manual(own, data_dir)
        with file_lock.hold(root / f".{own}.lock", f"prepare {own}"), _failures(name, builder, root, files):
            if not tfds.prepared(builder):  # another process may have prepared it
                _prepare(builder, own, root, files)
        builder = module.builder(name, data_dir=root)  # names of classes may come from what was downloaded
    return builder


def _prepare(builder: Any, own: str, root: Path, files: Path) -> None:
    module = tfds.package()
    urls = {url: info for url, info in (builder.url_infos or {}).items() if url.startswith("http")}
    here = any((files / info.filename).is_file() for info in urls.values() if info.filename)
    if urls and not here and not any(path.is_file() for path in (root / "downloads" / own).rglob("*")):
        download.reach(min(urls))  # TFDS tries for three minutes where there is no network
    if not sys.stderr.isatty():
        module.disable_progress_bar()
    extracted = root / "extracted" / own
    config = module.download.DownloadConfig(manual_dir=files, extract_dir=extracted, try_download_gcs=False)
    with live_lines.hidden():  # TFDS has bars of its own
        builder.download_and_prepare(download_config=config)


@contextlib.contextmanager
def _failures(name: str, builder: Any, root: Path, files: Path) -> Iterator[None]:
    """Turns whatever goes wrong while TFDS prepares a data set into an InputError of one line."""
    try:
        yield
    except Exception as error:  # of the network, of the disk, of packages that are missing, of the data set's own code
        reason = str(error) if isinstance(error, download.DownloadError) else download.reason(error)
        names = some(sorted(info.filename for info in (builder.url_infos or {}).values() if info.filename))
        put = names or ("the files that it is made from" if builder.MANUAL_DOWNLOAD_INSTRUCTIONS else "")
        own = builder.info.full_name.rpartition("/")[0]
        others = some([f"tfds:{own}:{version}" for version in _on_disk(root).get(own, [])])
        ways = [f"put {put} in {files}"] * bool(put) + ["give TFDS's folder where it is prepared with --data-dir"]
        ways += [f"take a version that is prepared, {others}"] * bool(others)
        end = offline.ending("data", f'data.load("{BUNDLED}")')
        raise InputError(
            f"tfds:{name} is not on this machine, and TFDS could not prepare it ({type(error).__name__}: {reason}): "
            f"{', or '.join(ways)}{end}"
        ) from None


def _on_disk(root: Path) -> dict[str, list[str]]:
    """What TFDS has prepared in its folder: versions by NAME or NAME/CONFIG, sorted."""
    found: dict[str, list[str]] = {}
    for file in sorted(file for below in ("*/*", "*/*/*") for file in root.glob(f"{below}/dataset_info.json")):
        found.setdefault(file.parent.parent.relative_to(root).as_posix(), []).append(file.parent.name)
    return found
