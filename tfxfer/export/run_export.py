"""The command `tfxfer export`: a finished run's network in several formats, compared, with card and labels."""

import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfxfer.core import atomic, json_io
from tfxfer.core.count_progress import track
from tfxfer.core.errors import InputError
from tfxfer.export import format_calibration, savedmodel
from tfxfer.export import formats as files
from tfxfer.features.bank import Bank
from tfxfer.runs import corruption_facts, loading, model_card, tested_scores

COMPARED = 200  # test images that each file is compared on
DEFAULT = ("saved_model", "litert", "litert_dynamic", "litert_int8", "keras")  # formats that need no extra


def bundle(
    run_dir: str | Path,
    formats: Sequence[str] = DEFAULT,
    out: str | Path | None = None,
    min_accuracy: float | None = None,
    serving: str | Path | None = None,
) -> Path:
    """Exports a run's network; each file is reloaded in a fresh process and compared on 200 of the run's test images.

    Files that are not quantized have to agree to `parity.TOLERANCE`; `parity.json` and the model card say how far the
    quantized ones differ. The images from which full int8 takes its ranges are test images too, used without their
    labels and not among those compared.

    If the run's network is calibrated (`model.calibrate`), so are the files: `calibration.json` has the temperature and
    the threshold of each. A quantized file has its own, fitted to the run's bank "calibration"; without this bank it
    has the network's.

    Args:
        run_dir: a finished run as `tfxfer.load` takes it, with model.keras and the banks test and pictures.
        formats: keys of `formats.FORMATS`.
        out: a folder that does not exist yet; by default `export` in the run's folder.
        min_accuracy: the lowest test accuracy, in [0, 1], to accept of the network and of each file. That of a file is
            the network's on all test images that the run kept, minus what the file loses on those compared.
        serving: a folder to which the SavedModel is added as its next version, as TensorFlow Serving expects it.

    Returns:
        The folder `out` with the files, `parity.json`, `model_card.md`, `labels.txt` and, of a calibrated network,
        `calibration.json`.

    Raises:
        InputError: there is no such run or format, `out` exists, or an accuracy is below `min_accuracy`. Nothing is
            written then.
        RuntimeError: a file differs from the network.
    """
    run = loading.described(run_dir)
    formats = list(dict.fromkeys(formats))
    if unknown := [name for name in formats if name not in files.FORMATS]:
        raise InputError(f"unknown format {unknown[0]!r}: expected some of {', '.join(files.FORMATS)}")
    if serving and "saved_model" not in formats:
        raise InputError(f"serving {serving} needs the format saved_model, formats are {', '.join(formats)}: add it")
    versions = Path(serving) if serving else None
    version = files.next_version(versions) if versions else None
    target = run.dir / "export" if out is None else Path(out).expanduser()
    if target.exists():
        raise InputError(f"{target} exists: name another folder with --out, or move it away")
    test, pictures, accuracy = _tested(run)
    images = corruption_facts.tested(run.facts)
    title = f"the network, on {images}," if "corrupted" in run.facts else "the network"
    _check_accuracy(title, accuracy, min_accuracy, run.dir)
    net, (compared, representative) = run.model, _parts(pictures)
    known, bank = getattr(net, "calibration", None), format_calibration.images(run)
    figures, calibrations = {}, {}
    with atomic.workspace(version, files.ELSEWHERE) if version else contextlib.nullcontext() as home:
        with atomic.new(target, files.ELSEWHERE) as folder:
            folder.mkdir()
            for name in track(formats, "export", len(formats), "formats"):
                print(f"{name} ...", flush=True)
                file, divisor = folder / files.FORMATS[name].file, None
                if known and bank is not None and not files.FORMATS[name].exact:
                    divisor = format_calibration.temperature(net, name, bank, representative)
                parity = files.put(
                    net, name, file, compared["image"], representative, labels=compared.labels, temperature=divisor
                )
                file_accuracy = accuracy + parity["accuracy"] - parity["network_accuracy"]
                _check_accuracy(name, file_accuracy, min_accuracy, run.dir)
                figures[name] = {"file": file.name, **parity}
                print(f"{name}: {file.name}, {_described(parity)}", flush=True)
                if known:
                    calibrations[name] = format_calibration.of_file(name, file, bank, known, divisor)
            facts = {"test_accuracy": accuracy, "test_images": len(test), "images": len(compared), "formats": figures}
            json_io.write(folder / "parity.json", facts)
            if calibrations:
                json_io.write(folder / savedmodel.CALIBRATION, calibrations)
            model_card.write(folder, run.facts, test, facts, calibrations)
            if home:
                _copy(folder, home / "next")
        if home and versions:  # all files agree and are in their place
            print(f"served as {files.as_version(home / 'next', versions)}", flush=True)
    return target


def _copy(folder: Path, served: Path) -> None:
    """A version for TensorFlow Serving, with card and labels where a SavedModel keeps files that are not its own."""
    shutil.copytree(folder / "saved_model", served)
    (served / savedmodel.EXTRA).mkdir(exist_ok=True)
    for name in ("model_card.md", "labels.txt"):
        shutil.copy(folder / name, served / savedmodel.EXTRA)


def _tested(run: loading.Loaded) -> tuple[Bank, Bank, float]:
    """A run's outputs for the test images, the pictures it kept, and its accuracy."""
    paths = [run.dir / "banks" / f"{name}.npz" for name in ("test", "pictures")]
    for needed in (run.dir / "model.keras", *paths):
        if not needed.is_file():
            raise InputError(f"{run.dir} has no {needed.relative_to(run.dir)}: give a run that trained a network")
    test, pictures = map(Bank.load, paths)
    if tested_scores.outputs(test) is None or "image" not in pictures.values or len(pictures) < 2:
        raise InputError(f"{run.dir}: no test images with the network's outputs: give a run that trained a network")
    return test, pictures, float(np.mean(tested_scores.predicted(test) == test.labels))


def _parts(pictures: Bank) -> tuple[Bank, np.ndarray]:
    """The first images, to compare on, and as many others, to take ranges from: both in the order of the test split."""
    n = min(COMPARED, len(pictures) // 2)
    return pictures[:n], np.asarray(pictures["image"][n : 2 * n])


def _check_accuracy(title: str, accuracy: float, lowest: float | None, run_dir: Path) -> None:
    """Raises InputError if an accuracy is below the lowest to accept."""
    if lowest is not None and accuracy < lowest:
        raise InputError(
            f"{run_dir}: {title} has test accuracy {accuracy:.4f}, expected at least {lowest:g}: train longer, leave "
            "the format out, or lower --min-accuracy"
        )


def _described(parity: files.Figures) -> str:
    return (
        f"{parity['bytes'] / 1e6:.1f} MB, probabilities differ by at most {parity['max_difference']:.2g}, "
        f"same class for {parity['agreement']:.1%} of {parity['images']} images"
    )
