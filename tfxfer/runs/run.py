"""A run: one directory with everything an experiment leaves, either complete or absent."""

import contextlib
import csv
import datetime
import os
import shlex
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tfxfer.core import json_io, live_lines
from tfxfer.core.errors import InputError, met_by_tensorflow
from tfxfer.runs import environment, loading, phases, summary
from tfxfer.runs.run_folder import RunFolder

if TYPE_CHECKING:
    import keras

    from tfxfer.data import Splits
    from tfxfer.features import Bank


@dataclass
class Run:
    """Collects a run in `<out>/<recipe>/.partial-<time>`; leaving the `with` block renames it to `<time>`.

    Bad input, or an interrupt before anything is trained, removes the partial directory. Any other failure keeps it and
    says where it is, because its contents may have taken hours. `run.strategy` is made before TensorFlow does anything
    else. Where there are several workers, only the chief writes and prints; the others work in a temporary folder.

    Attributes:
        recipe: names the run's folder.
        arguments: what the run was asked for, for its record: JSON, paths absolute.
        out: the folder of runs.
        devices: a strategy's name, as `core.distribute.create` takes it.
        resumed: the partial directory to continue: its path, its name, or last.
        quiet: whether nothing is printed but the run's path at the end.
        metrics: flat, by key.
        facts: what run.json will say. The fact `summary`, texts by label, are rows of a page's own in the summary.
        phases: names of the phases that the run will have, in their order, so that each is announced by its number.
    """

    recipe: str
    arguments: dict[str, Any]
    out: str | Path = "saved_models"
    devices: str = "none"
    resumed: str | None = None
    quiet: bool = False
    metrics: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    phases: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        from tfxfer.core import distribute

        self.strategy = distribute.create(self.devices)
        self.chief = distribute.is_chief(self.strategy)
        started = datetime.datetime.now().astimezone()
        self.facts = {
            "recipe": self.recipe,
            "arguments": self.arguments,
            "command": shlex.join([Path(sys.orig_argv[0]).name, *sys.orig_argv[1:]]),
            "started": started.isoformat(timespec="seconds"),
            **environment.describe(),
        }
        self._splits: Splits | None = None
        self._folder = RunFolder(self.out, self.recipe, self.arguments, started, resumed=self.resumed, chief=self.chief)
        self.dir, self.final = self._folder.dir, self._folder.final
        self._silence = contextlib.ExitStack()
        if self.quiet or not self.chief:
            nowhere = self._silence.enter_context(open(os.devnull, "w"))
            self._silence.enter_context(contextlib.redirect_stdout(nowhere))
        return self

    def training(self, part: str = "") -> dict[str, Any]:
        """Options for `train.fit`: TensorBoard logs, strategy, and checkpoints to resume from.

        Args:
            part: names the fit, where a page has several.
        """
        checkpoints = self.dir / "checkpoints" / part
        return {"strategy": self.strategy, "checkpoint_dir": checkpoints, "callbacks": [self.tensorboard(part)]}

    def note(self, name: str, figures: dict[str, float]) -> None:
        """Adds metrics under `<name>/<figure>`."""
        self.metrics |= {f"{name}/{figure}": float(value) for figure, value in figures.items()}

    def say(self, text: object) -> None:
        """Prints a line at once; only the chief prints."""
        print(text, flush=True)

    @contextlib.contextmanager
    def phase(self, name: str, timed: bool = True):
        """Announces a phase, by its number where the run has a plan, and says how long it took.

        Args:
            timed: whether the time becomes the metric `seconds/<name>`.
        """
        started = time.perf_counter()
        last = phases.last_time(name, self.final.parent, self.arguments) if live_lines.possible() else None
        with phases.announced(name, self.phases, last):
            yield
        if timed:
            self.metrics[f"seconds/{name}"] = time.perf_counter() - started

    def seed(self, seed: int) -> None:
        """Seeds Python, NumPy and TensorFlow."""
        if not 0 <= seed < 2**32:
            raise InputError(f"seed {seed}: expected 0 to {2**32 - 1}")
        import keras

        keras.utils.set_random_seed(seed)

    def describe(
        self,
        net: "keras.Model | None",
        splits: "Splits",
        *others: "keras.Model",
        unfreeze: int | str = 0,
        explain_size: int | None = None,
    ) -> None:
        """Records the data and, if there is one network, the weights it starts from; prints a line on the data.

        Args:
            others: networks, where there are several.
            unfreeze: what of `net` will be trained, as `model.unfreeze_last` takes it.
            explain_size: pixels a side at which all of the networks will be explained.

        Raises:
            InputError: the network does not have the layers to unfreeze, or one cannot see images of that size.
        """
        from tfxfer import model
        from tfxfer.analysis import attribution

        for network in (net, *others):
            if network is not None and explain_size:
                attribution.enlarge(network, splits, explain_size)
        if net is not None:
            model.depth(net, unfreeze)

        self._splits = splits
        self.facts |= {"data": splits.describe(), "classes": list(splits.classes)}
        self.facts |= {"model": model.describe(net)} if net is not None else {}
        sizes = ", ".join(f"{n:,} {split}" for split, n in self.facts["data"]["sizes"].items())
        self.say(f"{summary.source(self.facts['data'])}: {sizes}")

    def tensorboard(self, part: str = "") -> "keras.callbacks.Callback":
        """A callback that writes TensorBoard logs into the run's `logs`."""
        import keras

        return keras.callbacks.TensorBoard(self.dir / "logs" / part, write_graph=False)

    def save_model(self, net: "keras.Model", history: dict[str, list[float]]) -> None:
        """Writes the trained model and its history at once: from here on a failure keeps the partial directory.

        The fact `model` then describes this network and what trained in it; its sha256, if any, remains that of the
        weights at the start. The fact `calibration` is what `model.calibrate` was given, if it was.
        """
        from tfxfer import model

        about = self.facts.get("model", {}) | model.extent(net)
        self.facts |= {"model": about, "training": getattr(history, "facts", {})}
        if calibration := getattr(net, "calibration", None):
            self.facts["calibration"] = dict(calibration)
        model.save(net, self.dir / "model.keras")
        self.save_history(history)

    def save_history(self, history: dict[str, list[float]]) -> None:
        """Writes history.csv, a row for each epoch."""
        with (self.dir / "history.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["epoch", *history])
            rows.writerows([epoch, *row] for epoch, row in enumerate(zip(*history.values(), strict=True), start=1))

    def save(self, banks: "dict[str, Bank]") -> None:
        """Writes the feature banks, the metrics, run.json, dataset.json (its long parts), requirements.txt (every
        installed package) and, if a network was trained, its model card and labels; of a bank "test" with the outputs
        of a network, predictions.csv; where images are files, files.csv with those of the images in the banks.

        With the bank "test", the metrics have test/accuracy and the ends of its 95% interval, test/accuracy_low and
        test/accuracy_high.
        """
        if "test" in banks:
            from tfxfer.runs import tested_scores

            self.metrics = tested_scores.figures(banks["test"]) | self.metrics
        self.facts |= {"phases": self.phases} if self.phases else {}
        (self.dir / "banks").mkdir()
        for name, bank in banks.items():
            bank.save(self.dir / "banks" / f"{name}.npz")
        if not (self.dir / "history.csv").exists():
            self.save_history({})
        self._save_predictions(banks)
        json_io.write(self.dir / "metrics.json", self.metrics)
        timings = {name: value for name, value in self.metrics.items() if name.startswith("seconds/")}
        for name, facts in zip(loading.FILES, loading.divide(self.facts | {"timings": timings}), strict=True):
            if facts:
                json_io.write(self.dir / name, facts)
        (self.dir / "requirements.txt").write_text(environment.requirements(), encoding="utf-8")
        if (self.dir / "model.keras").exists():
            from tfxfer.runs import model_card

            model_card.write(self.dir, self.facts, banks.get("test"))

    def _save_predictions(self, banks: "dict[str, Bank]") -> None:
        from tfxfer.runs import image_files, predictions_file, tested_scores

        ids = np.unique(np.concatenate([np.zeros(0, np.int64), *(bank.ids for bank in banks.values())]))
        files = {} if self._splits is None else image_files.by_id(self._splits, ids)
        image_files.write(self.dir, files)
        if "test" in banks and tested_scores.outputs(banks["test"]) is not None:
            predictions_file.write(self.dir, banks["test"], self.facts["classes"], files)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        bad = met_by_tensorflow(error)
        with self._silence:
            if kind is None:
                self._folder.finish()
                if (self.final / "metrics.json").exists():
                    self.say(summary.text(loading.load(self.final)))
            else:
                self._folder.give_up(expected=bad is not None or issubclass(kind, InputError | KeyboardInterrupt))
        if bad:
            raise bad from None
        if kind is None and self.chief:
            self.say(self.final)
