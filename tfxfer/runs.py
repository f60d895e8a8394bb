"""A run: one directory with everything an experiment leaves, complete or absent."""

import contextlib
import csv
import datetime
import importlib.metadata
import json
import os
import platform
import shlex
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfxfer.errors import InputError

if TYPE_CHECKING:
    import keras

    from tfxfer.data import Splits
    from tfxfer.features import Bank

_PACKAGES = ("tfxfer", "tensorflow", "keras", "numpy", "scikit-learn")


@dataclass
class Run:
    """Collects a run in `<out>/<recipe>/.partial-<time>`; leaving the `with` block renames it to `<time>`.

    A bad input or an interrupt before there is a trained model removes the partial directory; any other failure keeps
    it, and says where, for what is in it may have taken hours.
    """

    recipe: str
    arguments: dict[str, Any]
    out: str | Path = "saved_models"
    metrics: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def __enter__(self) -> "Run":
        home = Path(self.out).expanduser() / self.recipe
        started = datetime.datetime.now().astimezone()
        self.facts = {
            "recipe": self.recipe,
            "arguments": {
                k: v if isinstance(v, int | float | str | None) else str(v) for k, v in self.arguments.items()
            },
            "command": shlex.join([Path(sys.orig_argv[0]).name, *sys.orig_argv[1:]]),
            "started": started.isoformat(timespec="seconds"),
            "machine": {"system": platform.platform(), "cpus": os.cpu_count(), "python": platform.python_version()},
            "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        }
        self._made = [folder for folder in (home, *home.parents) if not folder.exists()]
        try:
            home.mkdir(parents=True, exist_ok=True)
            for attempt in range(1, 1000):
                name = started.strftime("%Y%m%d-%H%M%S") + (f"-{attempt}" if attempt > 1 else "")
                self.final, self.dir = home / name, home / f".partial-{name}"
                if not self.final.exists():
                    with contextlib.suppress(FileExistsError):
                        self.dir.mkdir()
                        break
        except OSError as error:
            raise InputError(f"cannot write runs under {self.out} ({error.strerror}): choose another --out") from None
        return self

    @contextlib.contextmanager
    def phase(self, name: str):
        """Announces a phase and measures it: metric `seconds/<name>`."""
        print(f"{name.replace('_', ' ')} ...", flush=True)
        started = time.perf_counter()
        yield
        self.metrics[f"seconds/{name}"] = seconds = time.perf_counter() - started
        print(f"{name.replace('_', ' ')}: {seconds:.1f} s", flush=True)

    def seed(self, seed: int) -> None:
        """Seeds Python, NumPy and TensorFlow."""
        if not 0 <= seed < 2**32:
            raise InputError(f"seed {seed}: expected 0 to {2**32 - 1}")
        import keras

        keras.utils.set_random_seed(seed)

    def describe(self, net: "keras.Model", splits: "Splits") -> None:
        """Records what data and which weights the run starts from, and prints a line on the data."""
        from tfxfer import model

        self.facts |= {"data": splits.describe(), "model": model.describe(net), "classes": list(splits.classes)}
        sizes = ", ".join(f"{n:,} {split}" for split, n in self.facts["data"]["sizes"].items())
        print(f"{splits.name} from {splits.origin}: {sizes}", flush=True)

    def tensorboard(self) -> "keras.callbacks.Callback":
        """A callback that writes TensorBoard logs into the run's `logs`."""
        import keras

        return keras.callbacks.TensorBoard(self.dir / "logs", write_graph=False)

    def save_model(self, net: "keras.Model", history: dict[str, list[float]]) -> None:
        """Writes the trained model and its history, at once: from here on a failure keeps the partial directory."""
        net.save(self.dir / "model.keras")
        with (self.dir / "history.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["epoch", *history])
            rows.writerows([epoch, *row] for epoch, row in enumerate(zip(*history.values(), strict=True), start=1))

    def save(self, banks: "dict[str, Bank]") -> None:
        """Writes the feature banks, the metrics and run.json."""
        (self.dir / "banks").mkdir()
        for name, bank in banks.items():
            bank.save(self.dir / "banks" / f"{name}.npz")
        _write_json(self.dir / "metrics.json", self.metrics)
        timings = {name: value for name, value in self.metrics.items() if name.startswith("seconds/")}
        _write_json(self.dir / "run.json", self.facts | {"timings": timings})

    def __exit__(self, kind, error, trace) -> None:
        expected = kind is not None and issubclass(kind, InputError | KeyboardInterrupt)
        if kind is not None and (not expected or (self.dir / "model.keras").exists()):
            print(f"stopped; what was written so far is kept in {self.dir}", file=sys.stderr)
            return
        if kind is not None:
            shutil.rmtree(self.dir, ignore_errors=True)
            for folder in self._made:
                with contextlib.suppress(OSError):  # another run's may be in it by now
                    folder.rmdir()
            return
        os.replace(self.dir, self.final)
        print(self.final, flush=True)


def as_published(protocol: str) -> bool:
    """Whether a recipe repeats its report's choices where tfxfer's default differs.

    Raises:
        InputError: neither "tfxfer" nor "as_published".
    """
    if protocol not in ("tfxfer", "as_published"):
        raise InputError(f"protocol {protocol!r}: expected tfxfer or as_published")
    return protocol == "as_published"


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n")


@dataclass(frozen=True)
class Loaded:
    """A finished run: facts (run.json), metrics, history (a list per column) and, when asked for, model and banks."""

    dir: Path
    facts: dict[str, Any]
    metrics: dict[str, float]
    history: dict[str, list[float]]

    @property
    def model(self) -> "keras.Model":
        """The trained network, as `model.build` made it."""
        import keras

        net = keras.models.load_model(self.dir / "model.keras")
        net.classes = self.facts["classes"]
        return net

    @property
    def banks(self) -> "dict[str, Bank]":
        """Feature banks by name, such as "before" and "after"."""
        from tfxfer.features import Bank

        return {path.stem: Bank.load(path) for path in sorted((self.dir / "banks").glob("*.npz"))}


def load(run_dir: str | Path) -> Loaded:
    """Reads a run's directory.

    Raises:
        InputError: it is no finished run.
    """
    folder = Path(run_dir)
    try:
        facts, metrics = (json.loads((folder / name).read_text()) for name in ("run.json", "metrics.json"))
        with (folder / "history.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder} is not a finished run ({error}): give a folder that holds run.json") from None
    history = {name: [float(row[name]) for row in rows] for name in rows[0] if name != "epoch"} if rows else {}
    return Loaded(folder, facts, metrics, history)
