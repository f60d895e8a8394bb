"""The command `tfxfer export`: a finished run's network in every form asked for, compared, with card and labels."""

import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfxfer.core import json_io
from tfxfer.core.errors import InputError
from tfxfer.export import formats as files
from tfxfer.features.bank import Bank
from tfxfer.runs import corruption_facts, loading, model_card, test_scores

COMPARED = 200
DEFAULT = ("saved_model", "litert", "litert_dynamic", "litert_int8", "keras")  # what needs no extra


def bundle(
    run_dir: str | Path,
    formats: Sequence[str] = DEFAULT,
    out: str | Path | None = None,
    min_accuracy: float | None = None,
    serving: str | Path | None = None,
) -> Path:
    """Exports a run's network; each file is reloaded in a fresh process and compared on 200 of the run's test images.

    Files that are not quantized have to agree to `parity.TOLERANCE`; how far the quantized ones differ stands in
    `parity.json` and in the card. The images that full-int8 takes its ranges from are test images too, unlabelled and
    not among those compared.

    Args:
        run_dir: a finished run as `tfxfer.load` takes it, with model.keras and banks test and pictures.
        formats: keys of `files.FORMATS`.
        out: a folder that is not there yet; by default `export` in the run's.
        min_accuracy: the least test accuracy, in [0, 1], of the network and of each file: the network's on all test
            images that the run kept, less what the file loses on those compared.
        serving: a folder to which the SavedModel is added as TensorFlow Serving wants it, as its next version.

    Returns:
        `out`: the files, `parity.json`, `model_card.md` and `labels.txt`.

    Raises:
        InputError: no such run or format, `out` is there already, or an accuracy below `min_accuracy`; nothing is left.
        RuntimeError: a file differs.
    """
    run = loading.described(run_dir)
    formats = list(dict.fromkeys(formats))
    if unknown := [name for name in formats if name not in files.FORMATS]:
        raise InputError(f"unknown format {unknown[0]!r}: expected some of {', '.join(files.FORMATS)}")
    if serving and "saved_model" not in formats:
        raise InputError(f"serving {serving} needs the format saved_model, formats are {', '.join(formats)}: add it")
    version = files.next_version(Path(serving)) if serving else None
    target = run.dir / "export" if out is None else Path(out).expanduser()
    if target.exists():
        raise InputError(f"{target} exists: name another folder with --out, or move it away")
    test, pictures, accuracy = _tested(run)
    of = corruption_facts.tested(run.facts)
    _refuse(f"the network, on {of}," if "corrupted" in run.facts else "the network", accuracy, min_accuracy, run.dir)
    net, (compared, representative) = run.model, _parts(pictures)
    figures = {}
    with files.draft(version) if version else contextlib.nullcontext() as home:
        with files.beside(target) as folder:
            folder.mkdir()
            for name in formats:
                print(f"{name} ...", flush=True)
                file = folder / files.FORMATS[name].file
                found = files.put(net, name, file, compared["image"], representative, labels=compared.labels)
                _refuse(name, accuracy + found["accuracy"] - found["network_accuracy"], min_accuracy, run.dir)
                figures[name] = {"file": file.name, **found}
                print(f"{name}: {file.name}, {_said(found)}", flush=True)
            facts = {"test_accuracy": accuracy, "test_images": len(test), "images": len(compared), "formats": figures}
            json_io.write(folder / "parity.json", facts)
            model_card.write(folder, run.facts, test, facts)
            if home:
                _copy(folder, home / "next")
        if home:  # all is well and in its place
            print(f"served as {files.as_version(home / 'next', version.parent)}", flush=True)
    return target


def _copy(folder: Path, served: Path) -> None:
    """A version for TensorFlow Serving, with card and labels where a SavedModel has what is not its own."""
    shutil.copytree(folder / "saved_model", served)
    (served / "assets.extra").mkdir(exist_ok=True)
    for name in ("model_card.md", "labels.txt"):
        shutil.copy(folder / name, served / "assets.extra")


def _tested(run: loading.Loaded) -> tuple[Bank, Bank, float]:
    """What a run's network gave for the test images, the pictures that it kept, and the share that it got right."""
    paths = [run.dir / "banks" / f"{name}.npz" for name in ("test", "pictures")]
    for needed in (run.dir / "model.keras", *paths):
        if not needed.is_file():
            raise InputError(f"{run.dir} has no {needed.relative_to(run.dir)}: give a run that trained a network")
    test, pictures = map(Bank.load, paths)
    found = test_scores.outputs(test)
    if found is None or "image" not in pictures.values or len(pictures) < 2:
        raise InputError(f"{run.dir}: no test images with what the network gave for them: give a run that trained one")
    return test, pictures, float(np.mean(found.argmax(1) == test.labels))


def _parts(pictures: Bank) -> tuple[Bank, np.ndarray]:
    """The first images to compare on, and as many others to take ranges from: both as they come in the test."""
    n = min(COMPARED, len(pictures) // 2)
    return pictures[:n], np.asarray(pictures["image"][n : 2 * n])


def _refuse(what: str, accuracy: float, least: float | None, run_dir: Path) -> None:
    if least is not None and accuracy < least:
        raise InputError(
            f"{run_dir}: {what} has test accuracy {accuracy:.4f}, expected at least {least:g}: train longer, leave "
            "the format out, or lower --min-accuracy"
        )


def _said(found: files.Figures) -> str:
    return (
        f"{found['bytes'] / 1e6:.1f} MB, probabilities differ by at most {found['max_difference']:.2g}, "
        f"same class for {found['agreement']:.1%} of {found['images']} images"
    )
