"""What a search has done and decided, in files: one that was killed continues with the same decisions."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from tfxfer.core import atomic, json_io

KINDS = ("extract", "train", "other")


class Journal:
    """The outcomes of the steps of a search, in the order in which they were taken.

    A step that is in the folder is not taken again: its outcome is read. Decisions that depend on time use `spent`,
    which adds up what the steps took when they were taken, so that they are the same after a restart.

    Args:
        folder: for one JSON file for each step, and its arrays; made when the first step has been taken.

    Attributes:
        outcomes: by the step's name, what it left; with "seconds" and "kind".
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.outcomes: dict[str, dict[str, Any]] = {}

    def step(self, name: str, make: Callable[[], dict[str, Any]], kind: str = "other") -> dict[str, Any]:
        """Takes a step, or reads what it left when it was taken.

        Args:
            name: of the step, fit for a file's name.
            make: takes it, and returns its outcome, as JSON has it.
            kind: what its time is spent on, one of `KINDS`.
        """
        file = self.folder / f"{name}.json"
        if file.exists():
            outcome = json.loads(file.read_text())
        else:
            started = perf_counter()
            outcome = make()
            outcome |= {"seconds": perf_counter() - started, "kind": kind}
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic.file(file) as beside:
                json_io.write(beside, outcome)
        self.outcomes[name] = outcome
        return outcome

    @property
    def spent(self) -> float:
        """Seconds that all steps so far have taken."""
        return sum(outcome["seconds"] for outcome in self.outcomes.values())

    def by_kind(self) -> dict[str, float]:
        """Seconds by what they were spent on."""
        totals = dict.fromkeys(KINDS, 0.0)
        for outcome in self.outcomes.values():
            totals[outcome["kind"]] += outcome["seconds"]
        return totals

    def keep(self, name: str, arrays: Sequence[np.ndarray]) -> None:
        """Writes arrays of a step, such as a network's weights."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic.file(self.folder / f"{name}.npz") as beside, beside.open("wb") as file:
            np.savez(file, *arrays)

    def kept(self, name: str) -> list[np.ndarray]:
        """Reads what `keep` wrote, in its order."""
        with np.load(self.folder / f"{name}.npz") as file:
            return [file[f"arr_{number}"] for number in range(len(file.files))]
