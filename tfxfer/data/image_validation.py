"""Which image files can be read: each is decoded once, and its resized pixels are kept until it changes."""

import contextlib
import hashlib
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from tfxfer.core import atomic
from tfxfer.core.cache import Store, amount
from tfxfer.core.errors import InputError
from tfxfer.data import kept_pixels
from tfxfer.data.image_decoding import REVISION
from tfxfer.data.kept_pixels import Kept
from tfxfer.data.lazy_images import Files, fault
from tfxfer.data.splits import SPLITS, Splits
from tfxfer.data.tfds_prepared import UnreadableError

NAMED = 3  # unreadable files that a line names


def readable(splits: Splits, skip_bad: bool = False) -> Splits:
    """Restricts splits of image files to files that can be read; the `notes` get those that cannot.

    Args:
        splits: splits whose images are files.
        skip_bad: leave out files that cannot be read, with a warning, instead of refusing them.

    Returns:
        The restricted splits, whose files have been checked by `check`.

    Raises:
        InputError: files cannot be read, and `skip_bad` is not set.
    """
    paths = np.concatenate([splits.rows[split].paths for split in SPLITS])
    files, faults = check(splits.rows["train"].files.of(paths), splits.origin, splits.name)
    if faults:
        reasons = [f"{path}: {reason}" for path, reason in list(faults.items())[:NAMED]]
        more = [f"and {len(faults) - NAMED:,} more"] if len(faults) > NAMED else []
        line = f"{len(faults):,} of {len(paths):,} {files.noun} cannot be read: {'; '.join([*reasons, *more])}"
        if not skip_bad:
            raise InputError(f"{line}: repair them, remove them, or leave them out with --skip-bad (skip_bad=True)")
        warnings.warn(f"{line}: left out", stacklevel=3)
        splits = replace(splits, notes=splits.notes | {"unreadable": faults})
    rows, end = {}, 0
    for split in SPLITS:
        first, end = end, end + splits.size(split)
        rows[split] = replace(splits.rows[split], images=files.pick(slice(first, end)))
    good = {split: np.flatnonzero([path not in faults for path in rows[split].paths.tolist()]) for split in SPLITS}
    return replace(splits, rows=rows).only(**good)


def check(files: Files, origin: str, name: str) -> tuple[Files, dict[str, str]]:
    """Reads files in parallel and keeps their pixels in the cache, except those that are there and have not changed.

    If the cache has no room for the pixels, a warning says so, and files are decoded whenever they are needed. Which of
    them can be read is remembered even so, with a digest of each, in the cache's folder `pictures`. Examples of TFDS
    need the room.

    Args:
        files: the files to read, all of them different.
        origin: where they were found.
        name: of the data set, which `tfxfer cache` shows.

    Returns:
        The files with what is known of them, and the reasons why files cannot be read, by path.

    Raises:
        InputError: they are examples of TFDS, and there is no room, or a file of the data set is damaged.
    """
    marks, faults = np.zeros((len(files), 16), np.uint8), dict[str, str]()
    for row, path in enumerate(files.paths.tolist()):
        try:
            marks[row] = np.frombuffer(files.mark_of(path), np.uint8)
        except InputError as error:  # a link to nowhere
            faults[path] = fault(path, error)
    there, store, kept = marks.any(1), Store(), Kept.nothing(marks)
    try:
        kept = kept_pixels.find(store, marks, files.size, files.aspect)
        if (there & ~kept.found).any():
            full = kept.pixels is not None and len(kept.pixels.parts) >= kept_pixels.MOST
            new, known = np.flatnonzero(there if full else there & ~kept.found), files.of(files.paths, kept)
            kept_pixels.write(
                store, marks[new], files.size, name, lambda place: known.read(new, faults, place), files.aspect
            )
            kept = kept_pixels.find(store, marks, files.size, files.aspect)
            kept.verified[kept.rows[new[kept.found[new]]]] = True  # just written
    except UnreadableError:
        raise
    except InputError:
        missing = int((there & ~kept.found).sum())
        line = (
            f"{origin}: the cache {store.root} cannot be written or has no room for {missing:,} images of "
            f"{files.size} x {files.size} ({amount(kept_pixels.nbytes(missing, files.size))}), "
        )
        advice = "raise TFXFER_CACHE_GB, or set TFXFER_CACHE to another folder"
        if not files.alone:
            raise InputError(f"{line}which TFDS can only give one after another: {advice}") from None
        warnings.warn(f"{line}so files are decoded in every pass: {advice}", stacklevel=4)
    files = files.of(files.paths, kept)
    if (there & ~kept.found).any():
        form = str(files.size) if files.aspect == "squash" else f"{files.size}, {files.aspect}"
        _digest(files, kept, np.flatnonzero(there & ~kept.found), f"{origin}, {form}, decoder {REVISION}", faults)
    return files, faults


def _digest(files: Files, kept: Kept, rows: np.ndarray, known_as: str, faults: dict[str, str]) -> None:
    """Puts in digests of files whose pixels are not kept."""
    place = Store().root / "pictures" / f"{hashlib.sha256(known_as.encode()).hexdigest()}.npy"
    marks, known = [mark.tobytes() for mark in kept.marks], _recall(place)
    new = np.array([row for row in rows if marks[row] not in known and files.paths[row] not in faults], np.int64)
    found = {marks[row]: digest for row, digest in zip(new, files.read(new, faults)) if digest}
    if found:
        _remember(place, known := known | found)
    for row in rows:
        kept.digests[row] = np.frombuffer(known.get(marks[row], bytes(16)), np.uint8)


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
