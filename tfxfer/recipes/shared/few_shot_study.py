"""A study of learning from few labels: the figures of each subset, kept at once, and what follows from all of them."""

import hashlib
import json
from collections import defaultdict

import numpy as np

from tfxfer.analysis import label_efficiency
from tfxfer.core import atomic, distribute, json_io
from tfxfer.core.errors import InputError
from tfxfer.features import frozen_prefix
from tfxfer.recipes.shared.few_shot_learners import Learners
from tfxfer.recipes.shared.few_shot_methods import METHODS
from tfxfer.recipes.shared.label_subsets import Subset
from tfxfer.recipes.shared.recipe_run import Run


class Study:
    """Collects the figures of `Learners` for all subsets and draws.

    The figures of each subset are written among the run's checkpoints, so that a run that was cut off continues behind
    the last of them.

    Args:
        run: the run that notes the metrics.
        learners: what learns from the subsets; its network has the weights that it starts from.
    """

    def __init__(self, run: Run, learners: Learners):
        self.run, self.learners = run, learners
        self.labels: dict[str, int] = {}  # images by shots
        self.figures: dict[str, list[dict[str, dict[str, float]]]] = defaultdict(list)  # by shots, for each draw
        graph = frozen_prefix.identity(learners.net, learners.net.output)
        self.identity = hashlib.sha256(repr((graph, learners.splits.fingerprint)).encode()).hexdigest()

    def learn(self, draw: int, shots: str, subset: Subset) -> None:
        """Learns from a subset of a draw (counted from 0), or reads what an earlier process has found.

        Raises:
            InputError: that process learned from other data or weights.
        """
        path = self.run.dir / "checkpoints" / "subsets" / f"{draw}-{shots}.json"
        data = path.read_bytes() if self.run.chief and path.exists() else b""
        if data := distribute.broadcast(self.run.strategy, data):
            stored = json.loads(data)
            if stored["identity"] != self.identity:
                raise InputError(
                    f"{path} is of other data or weights: resume with those of its run, or start a new one"
                )
            figures, known = stored["figures"], ", done before"
        else:
            figures, known = self.learners(subset, self.run.options.seed + draw), ""
            if self.run.chief:
                with atomic.file(path) as beside:
                    json_io.write(beside, {"identity": self.identity, "figures": figures})
        self.labels[shots] = len(subset)
        self.figures[shots].append(figures)
        accuracies = ", ".join(f"{METHODS[name]} {row['accuracy']:.3f}" for name, row in figures.items())
        self.run.say(f"  draw {draw + 1}, {shots} of each class ({len(subset):,} images{known}): {accuracies}")

    def conclude(self, wanted: float) -> None:
        """Notes medians and ranges over the draws, and how many labels an accuracy takes.

        Metrics are `few_shot/<shots>/<method>/<figure>` and `labels/<method>/<figure>`; a number of labels that is not
        reached is NaN. The fact `summary` says it in words, and `few_shot` has what the report shows besides.
        """
        sizes, said = np.array(list(self.labels.values())), {}
        for name in self.learners.methods:
            accuracies = np.array([[row[name]["accuracy"] for row in rows] for rows in self.figures.values()])
            for (shots, rows), found in zip(self.figures.items(), accuracies, strict=True):
                ends = {"accuracy_low": found.min(), "accuracy_high": found.max()}
                others = {key: float(np.median([row[name][key] for row in rows])) for key in rows[0][name]}
                self.run.note(f"few_shot/{shots}/{name}", others | ends)
            demand = label_efficiency.demand(label_efficiency.labels_needed(sizes, accuracies.T, wanted))
            numbers = {"needed": demand.median, "needed_low": demand.low, "needed_high": demand.high}
            known = {key: value if np.isfinite(value) else np.nan for key, value in numbers.items()}
            self.run.note(f"labels/{name}", known | {"reached": demand.reached})
            said[METHODS[name]] = f"accuracy {wanted:g}: {label_efficiency.text(demand, sizes[0], sizes[-1])}"
        self.run.facts["summary"] = said
        self.run.facts["few_shot"] = {
            "wanted": wanted,
            "draws": len(next(iter(self.figures.values()))),
            "labels": self.labels,
            "methods": {name: METHODS[name] for name in self.learners.methods},
        }
