"""Which image files can be read, and a digest of each: a file is decoded once and remembered until it changes."""

import contextlib
import hashlib
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.progress import track

from tfxfer.core import atomic
from tfxfer.core.cache import Store
from tfxfer.core.errors import InputError
from tfxfer.data.image_decoding import REVISION, decode
from tfxfer.data.lazy_images import mark
from tfxfer.data.splits import SPLITS, Splits

NAMED = 3  # unreadable files that a line names


def readable(splits: Splits, skip_bad: bool = False) -> tuple[Splits, dict[str, list[bytes]]]:
    """Restricts splits of image files to files that can be read; the `notes` get those that cannot.

    Args:
        splits: splits whose images are files.
        skip_bad: leave out files that cannot be read, with a warning, instead of refusing them.

    Returns:
        The restricted splits, and by split a digest of each file as `look` returns it.

    Raises:
        InputError: files cannot be read, and `skip_bad` is not set.
    """
    files = {split: splits.rows[split].paths for split in SPLITS}
    paths = np.concatenate(list(files.values()))
    digests, faults = look(paths, splits.origin)
    if faults:
        reasons = [f"{path}: {reason}" for path, reason in list(faults.items())[:NAMED]]
        more = [f"and {len(faults) - NAMED:,} more"] if len(faults) > NAMED else []
        line = f"{len(faults):,} of {len(paths):,} files cannot be read: {'; '.join([*reasons, *more])}"
        if not skip_bad:
            raise InputError(f"{line}: repair them, remove them, or leave them out with --skip-bad (skip_bad=True)")
        warnings.warn(f"{line}: left out", stacklevel=3)
    good = {split: np.flatnonzero([path not in faults for path in subset]) for split, subset in files.items()}
    subset = splits.only(**good)
    by_path = dict(zip(paths.tolist(), digests))
    known = {split: [by_path[path] for path in subset.rows[split].paths.tolist()] for split in SPLITS}
    return (replace(subset, notes=subset.notes | {"unreadable": faults}) if faults else subset), known


def look(paths: np.ndarray, origin: str) -> tuple[list[bytes], dict[str, str]]:
    """Decodes files in parallel, except those that were decoded before and have not changed since.

    Args:
        paths: str (n,).
        origin: the name under which the results are remembered, in the cache's folder `pictures`.

    Returns:
        For each file a digest of 16 bytes, equal for images that are equal in every pixel and empty for a file that
        cannot be read; and the reasons why files cannot be read, by path.
    """
    known_as = f"{origin}, decoder {REVISION}"
    place = Store().root / "pictures" / f"{hashlib.sha256(known_as.encode()).hexdigest()}.npy"
    known, now, faults = _recall(place), {}, {}
    for path in paths.tolist():
        try:
            now[path] = mark(path)
        except InputError as error:  # a link to nowhere
            faults[path] = _reason(path, error)
    new, before = [path for path, state in now.items() if state not in known], len(known)
    with ThreadPoolExecutor() as threads:
        found = track(threads.map(_pixels, new), "checking files", len(new), disable=not sys.stdout.isatty())
        for path, (digest, reason) in zip(new, found):
            if reason:
                faults[path] = reason
            else:
                known[now[path]] = digest
    if len(known) > before:
        _remember(place, known)
    return [known.get(now[path], b"") if path in now else b"" for path in paths.tolist()], faults


def _pixels(path: str) -> tuple[bytes, str]:
    """A digest of an image's pixels, and the reason if it cannot be read: one of the two is empty."""
    try:
        picture = decode(path)
    except InputError as error:
        return b"", _reason(path, error)
    return hashlib.blake2b(picture.tobytes(), digest_size=16, salt=repr(picture.size).encode()[:16]).digest(), ""


def _reason(path: str, error: InputError) -> str:
    return str(error).removeprefix(f"{path}: ")


def _recall(place: Path) -> dict[bytes, bytes]:
    with contextlib.suppress(OSError, ValueError, EOFError):  # missing or damaged: all files are decoded again
        table = np.load(place, allow_pickle=False)
        if table.dtype == np.uint8 and table.ndim == 2 and table.shape[1] == 32:
            return {row[:16].tobytes(): row[16:].tobytes() for row in table}
    return {}


def _remember(place: Path, known: dict[bytes, bytes]) -> None:
    table = np.frombuffer(b"".join(mark + digest for mark, digest in known.items()), np.uint8).reshape(-1, 32)
    # if the cache cannot be written, that only costs time
    with contextlib.suppress(OSError), atomic.file(place) as beside, beside.open("wb") as file:
        np.save(file, table)
