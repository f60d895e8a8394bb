"""The whole search, step by step: plan, probes, exploring, refining, the choice."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from tfxfer import model
from tfxfer.data import Splits
from tfxfer.features.activation_cache import Activations
from tfxfer.features.bank import Bank
from tfxfer.recipes.shared.search import (
    candidates,
    exploration,
    folds,
    linear_probes,
    refinement,
    scores,
    time_plan,
    trials,
)
from tfxfer.recipes.shared.search.candidates import Candidate
from tfxfer.recipes.shared.search.journal import Journal
from tfxfer.recipes.shared.search.settings import Setting
from tfxfer.recipes.shared.search.time_plan import Plan
from tfxfer.recipes.shared.search.trials import Trials

RANKED = 2  # backbones that are kept
TAPPED = 0.1  # share of the time that a probe of all stages (Head2Toe) may take


@dataclass
class Search:
    """A search for the best network within a time.

    Attributes:
        journal: its outcomes.
        splits: the images.
        limit: seconds.
        goal: one of `scores.GOALS`.
        build: options of `model.build` for every candidate.
        training: options of `train.fit` for every trial.
        inference: options of `features.extract`.
        seed: random seed.
        say: prints a line.
    """

    journal: Journal
    splits: Splits
    limit: float
    goal: str
    build: dict[str, Any]
    training: dict[str, Any]
    inference: dict[str, Any]
    seed: int
    say: Callable[[str], None]
    candidates: dict[str, Candidate] = field(default_factory=dict)
    activations: dict[str, Activations] = field(default_factory=dict)
    explored: list[dict[str, Any]] = field(default_factory=list)
    refined: list[dict[str, Any]] = field(default_factory=list)
    curve: dict[str, Any] = field(default_factory=dict)
    soup: dict[str, Any] = field(default_factory=dict)

    def choose_candidates(self, names: Sequence[str]) -> None:
        """Ranks the backbones on a sample, and keeps the best `RANKED`; of a single one there is nothing to rank."""
        if len(names) > 1:
            ranked = self.journal.step(
                "candidates", lambda: {"rows": candidates.rank(names, self.splits, self.build, self.seed)}, "extract"
            )["rows"]
            for row in ranked:
                scored = "logme" in row
                about = f"LogME {row['logme']:.3f}, probe {row['accuracy']:.3f}" if scored else row["left_out"]
                self.say(f"  {row['backbone']}: {about}")
            names = [row["backbone"] for row in ranked if "logme" in row][:RANKED]
        for name in names:
            keras.utils.set_random_seed(self.seed)
            net = model.build(name, self.splits, **self.build)
            self.candidates[name] = Candidate(name, net, self.splits, self.build, self.inference)

    def plan(self) -> None:
        """Plans the trials, and says what fits into the time."""
        self.folds = folds.divide(self.splits, self.seed)
        net = next(iter(self.candidates.values())).net
        train, held_out = (self.folds[0].splits.size(split) for split in ("train", "validation"))

        def make() -> dict[str, Any]:
            size = net.get_layer("scaled").output.shape[1]
            seconds = time_plan.seconds_per_image(net)
            rates = len(exploration.RATES) * len(self.candidates)
            plan = time_plan.make(
                net,
                size,
                seconds,
                train=train,
                validation=held_out,
                limit=self.limit,
                rates=rates,
                folds=len(self.folds),
            )
            return vars(plan).copy()

        recorded = self.journal.step("plan", make)
        self.planned = Plan(**{name: recorded[name] for name in Plan.__dataclass_fields__})
        self.say(self._words(train, held_out))

    def _words(self, train: int, held_out: int) -> str:
        plan, few = self.planned, len(self.folds)
        tried = f"{plan.explored} settings on {plan.images:,} images" if plan.explored else "no exploring"
        judged = f"{held_out:,} validation images"
        if few > 1:
            judged = f"cross-validation, {few} times with {train:,} of {train + held_out:,} images"
        return (
            f"plan for {self.limit / 60:g} min of searching (testing, explaining and exporting the choice come after "
            f"them): pictures of {plan.image_size} pixels, {tried}, then up to {plan.refined_epochs} epochs on "
            f"{train:,} images, from {' or '.join(map(str, plan.depths))} on; choices by {judged}"
        )

    def probe(self) -> None:
        """One pass for each candidate: classifiers on its frozen features, and the head that trials start from."""
        self.heads: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
        self.embeddings: dict[str, list[linear_probes.Embedded]] = {}
        self.probed: dict[str, dict[str, Any]] = {}
        for name in self.candidates:
            self.journal.step(f"features-{name}", functools.partial(self._gather, name), "extract")
            if name not in self.activations:  # a killed search that continues
                self._gather(name)
            self.embeddings[name] = [self._embedded(name, fold) for fold in self.folds]
            outcome = self.journal.step(f"probes-{name}", functools.partial(self._probe, name), "train")
            self.heads[name] = [
                linear_probes.head(x, y, len(self.splits.classes), outcome["c"]) for x, y, _, _ in self.embeddings[name]
            ]
            self.probed[name] = outcome
            self.say(
                f"  {name}, frozen: logistic {outcome['val_accuracy']:.4f}, nearest neighbours "
                f"{outcome['knn']['val_accuracy']:.4f} validation accuracy"
            )
        self.trials = Trials(self.journal, self.candidates, self.folds, self.heads, self.training, self.goal)

    def _gather(self, name: str) -> dict[str, Any]:
        depths = self.planned.depths if self.folds[0].whole else []
        self.activations[name] = self.candidates[name].gather(depths)
        return {}

    def _embedded(self, name: str, fold: folds.Fold) -> linear_probes.Embedded:
        """Features and labels of a fold: training, then validation."""
        arrays, labels = self.activations[name].arrays, self.activations[name].labels
        parts = {split: np.asarray(arrays[split]["embedding"]) for split in ("train", "validation")}
        if fold.whole:
            return parts["train"], labels["train"], parts["validation"], labels["validation"]
        both, known = np.concatenate(list(parts.values())), np.concatenate([labels[split] for split in parts])
        place = {number: row for row, number in enumerate(np.concatenate([self.splits.ids[s] for s in parts]))}
        rows = [np.array([place[number] for number in fold.splits.ids[split]]) for split in parts]
        return both[rows[0]], known[rows[0]], both[rows[1]], known[rows[1]]

    def known_features(self) -> Bank:
        """The frozen features of the training images, by the candidate that stands first: "embedding"."""
        name = next(iter(self.candidates))
        x = np.asarray(self.activations[name].arrays["train"]["embedding"])
        return Bank({"embedding": x}, self.splits.rows["train"].labels, self.splits.ids["train"])

    def _probe(self, name: str) -> dict[str, Any]:
        embeddings, classes = self.embeddings[name], len(self.splits.classes)
        c, figures = linear_probes.choose_c(embeddings, classes, self.goal)
        x, y, held_x, held_y = embeddings[0]
        found = {"c": c, **figures, "knn": linear_probes.neighbours((x, y), held_x, held_y, classes)}
        if TAPPED * self.limit > linear_probes.HEAD2TOE * self.planned.seconds_per_image + time_plan.TRACING:
            found["head2toe"] = linear_probes.all_stages(self.candidates[name].net, self.splits, self.inference)
        return found

    def explore(self) -> None:
        """Tries depths and rates, unless there is no time for more than refining."""
        if not self.planned.explored:
            return
        settings = exploration.grid(list(self.candidates), self.planned.depths)[: max(2, self.planned.explored)]
        limit = time_plan.EXPLORE * self.limit
        self.explored = exploration.explore(self.trials, settings, self.planned, limit, self.activations.get, self.say)

    @property
    def rest(self) -> float:
        """Seconds that are left for refining."""
        share = 1 - time_plan.LEARNING_CURVE - time_plan.ENDING
        return max(0.0, share * self.limit - self.journal.spent)

    def refine(self) -> None:
        """Trains the best settings for longer, interpolates and averages."""
        best = [Setting(**outcome["setting"]) for outcome in self.explored]
        best = best or [exploration.grid(list(self.candidates), self.planned.depths)[0]]
        name = best[0].backbone
        candidate, given = self.candidates[name], self.activations[name]
        self.trials.start(name, 0)
        mirror = self.journal.step(
            "mirror", lambda: linear_probes.mirrored_loss(candidate.net, self.folds[0]), "extract"
        )
        harmless = mirror["mirrored_accuracy"] >= mirror["accuracy"] - refinement.MIRRORED
        settings = refinement.variants(best, harmless)
        limit = self.rest - time_plan.TRACING * len(self.folds)
        seconds = {"each_epoch": self.seconds_per_epoch(best[0]), "views": self.seconds_of_views(best[0])}
        self.refined = refinement.refine(self.trials, settings, limit, self.activations.get, self.say, **seconds)
        self.curve = refinement.interpolate(self.trials, self.refined[0], given, {"batch_size": 64})
        if len(self.refined) > 1:
            self.soup = refinement.mix(self.trials, self.refined, {"batch_size": 64})

    def seconds_per_epoch(self, setting: Setting) -> float:
        """Of all training images, validation included: as exploring has measured it, else as planned."""
        train, held_out = (self.folds[0].splits.size(split) for split in ("train", "validation"))
        for outcome in self.explored:
            if outcome["setting"]["depth"] == setting.depth and outcome["setting"]["backbone"] == setting.backbone:
                quickest = min(outcome["history"]["seconds"])  # the first epoch is also traced
                here, all_of_them = (time_plan.BACKWARD * n + held_out for n in (outcome["images"], train))
                return len(self.folds) * quickest * all_of_them / here
        return self.rest / max(1, self.planned.refined_epochs)

    def seconds_of_views(self, setting: Setting) -> float:
        """That the frozen layers take for the random views of the training images, where these are cached."""
        train = self.folds[0].splits.size("train")
        if train < trials.FEW:
            return 0.0
        frozen = 1 - time_plan.work_from(self.candidates[setting.backbone].net).get(str(setting.depth), 0.0)
        return trials.VIEWS * train * self.planned.seconds_per_image * frozen

    def table(self) -> list[dict[str, Any]]:
        """Every trial for the report: what, validation figures, and the seconds since the search began."""
        rows, seconds = [], 0.0
        for name, outcome in self.journal.outcomes.items():
            seconds += outcome["seconds"]
            if "val_accuracy" in outcome and name != "choice":
                setting = Setting(**outcome["setting"]).text if "setting" in outcome else _said(name)
                about = {"trial": name, "setting": setting, "at": seconds, "took": outcome["seconds"]}
                rows.append(about | scores.of(outcome) | {key: outcome.get(key) for key in ("epochs", "images")})
        return rows


def _said(name: str) -> str:
    """A step that trains nothing itself."""
    known = {"interpolated": "average of before and after fine-tuning (WiSE-FT)", "soup": "average of refined networks"}
    return known.get(name, name.replace("-", ", "))
