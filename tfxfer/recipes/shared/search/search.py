"""The whole search, step by step: plan, probes, exploring, refining, the choice."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
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
    measured_curve,
    refinement,
    scores,
    time_plan,
)
from tfxfer.recipes.shared.search.candidates import Candidate
from tfxfer.recipes.shared.search.journal import Journal
from tfxfer.recipes.shared.search.settings import Setting
from tfxfer.recipes.shared.search.time_plan import Plan
from tfxfer.recipes.shared.search.trials import Trials, validation_logits

RANKED = 2  # backbones that are kept
CHOSEN = {
    "head": "a linear head on the frozen network",
    "refined": "the refined network",
    "interpolated": "the refined network, interpolated with the one before (WiSE-FT)",
    "soup": "the average of several refined networks (soup)",
}


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
                self.say(f"  {row['backbone']}: " + (f"LogME {row['logme']:.3f}, probe {row['accuracy']:.3f}" if "logme" in row else f"left out: {row['left_out']}"))
            names = [row["backbone"] for row in ranked if "logme" in row][:RANKED]
        for name in names:
            keras.utils.set_random_seed(self.seed)
            net = model.build(name, self.splits, **self.build)
            self.candidates[name] = Candidate(name, net, self.splits, self.build, self.inference)

    def plan(self) -> None:
        """Plans the trials, and says what fits into the time."""
        self.folds = folds.divide(self.splits, self.seed)
        net = next(iter(self.candidates.values())).net
        sizes = [self.folds[0].splits.size(split) for split in ("train", "validation")]

        def make() -> dict[str, Any]:
            size = net.get_layer("scaled").output.shape[1]
            seconds = time_plan.seconds_per_image(net)
            rates = len(exploration.RATES) * len(self.candidates)
            plan = time_plan.make(net, size, seconds, *sizes, self.limit, rates, len(self.folds))
            return vars(plan).copy()

        recorded = self.journal.step("plan", make)
        self.planned = Plan(**{name: recorded[name] for name in Plan.__dataclass_fields__})
        self.say(self._words(sizes))

    def _words(self, sizes: Sequence[int]) -> str:
        plan, few = self.planned, len(self.folds)
        tried = f"{plan.explored} settings on {plan.images:,} images" if plan.explored else "no exploring"
        judged = f"{few} folds of {sum(sizes):,} images" if few > 1 else f"{sizes[1]:,} validation images"
        return (
            f"plan for {self.limit / 60:g} min: images of {plan.image_size} pixels, {tried}, then up to "
            f"{plan.refined_epochs} epochs on {sizes[0]:,} images, from {' or '.join(map(str, plan.depths))} on; choices "
            f"by {judged}"
        )

    def probe(self) -> None:
        """One pass for each candidate: classifiers on its frozen features, and the head that trials start from."""
        self.heads: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
        self.embeddings: dict[str, list[tuple[np.ndarray, ...]]] = {}
        self.probed: dict[str, dict[str, Any]] = {}
        for name, candidate in self.candidates.items():
            depths = self.planned.depths if self.folds[0].whole else []
            found: list[Activations] = []
            self.journal.step(f"features-{name}", lambda c=candidate: found.append(c.gather(depths)) or {}, "extract")
            self.activations[name] = found[0] if found else candidate.gather(depths)
            self.embeddings[name] = [self._embedded(name, fold) for fold in self.folds]
            outcome = self.journal.step(f"probes-{name}", lambda n=name: self._probe(n), "train")
            self.heads[name] = [
                linear_probes.head(x, y, len(self.splits.classes), outcome["c"], self.seed)
                for x, y, _, _ in self.embeddings[name]
            ]
            self.probed[name] = outcome
            self.say(
                f"  {name}, frozen: logistic {outcome['val_accuracy']:.4f}, nearest neighbours "
                f"{outcome['knn']['val_accuracy']:.4f} validation accuracy"
            )
        self.trials = Trials(self.journal, self.candidates, self.folds, self.heads, self.training, self.goal)

    def _embedded(self, name: str, fold: folds.Fold) -> tuple[np.ndarray, ...]:
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
        x, y, held_x, held_y = self.embeddings[name][0]
        classes = len(self.splits.classes)
        c = linear_probes.choose_c(x, y, (held_x, held_y), self.seed)
        logits = [
            linear_probes.logits(v, *linear_probes.head(t, u, classes, c, self.seed))
            for t, u, v, _ in self.embeddings[name]
        ]
        figures = scores.figures(np.concatenate(logits), np.concatenate([w for *_, w in self.embeddings[name]]))
        return {"c": c, **figures, "knn": linear_probes.neighbours((x, y), held_x, held_y, classes)}

    def explore(self) -> None:
        """Tries depths and rates, unless there is no time for more than refining."""
        if not self.planned.explored:
            return
        settings = exploration.grid(list(self.candidates), self.planned.depths)[: max(2, self.planned.explored)]
        limit = time_plan.EXPLORE * self.limit
        self.explored = exploration.explore(
            self.trials, settings, self.planned, limit, self.activations.get, self.say
        )

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
            "mirror", lambda: linear_probes.mirrored_loss(candidate.net, self.folds[0], self.inference), "extract"
        )
        harmless = mirror["mirrored_accuracy"] >= mirror["accuracy"] - refinement.MIRRORED
        settings = refinement.variants(best, harmless)
        self.refined = refinement.refine(
            self.trials, settings, self.seconds_per_epoch(best[0]), self.rest, self.activations.get, self.say
        )
        self.curve = refinement.interpolate(self.trials, self.refined[0], given, {"batch_size": 64})
        if len(self.refined) > 1:
            self.soup = refinement.mix(self.trials, self.refined, given, {"batch_size": 64})

    def seconds_per_epoch(self, setting: Setting) -> float:
        """Of all training images: as exploring has measured it, else as planned."""
        images = self.folds[0].splits.size("train")
        for outcome in self.explored:
            if outcome["setting"]["depth"] == setting.depth and outcome["setting"]["backbone"] == setting.backbone:
                steps = max(1.0, outcome["seconds"] - time_plan.TRACING * len(self.folds))
                return steps / outcome["epochs"] / outcome["images"] * images
        return self.rest / max(1, self.planned.refined_epochs)

    def choose(self) -> keras.Model:
        """The best by validation of what was found; of equal ones the simplest. Its network has its weights.

        Sets `choice`: what was chosen ("what", a key of `CHOSEN`), of which setting, with its figures.
        """
        name, probed = max(self.probed.items(), key=lambda row: scores.merit(row[1], self.goal))
        head = Setting(name).record()
        rows = [{"what": "head", "setting": head, **_figures(probed)}]
        trained = self.refined or self.explored
        if trained:
            setting = trained[0]["setting"]
            rows.append({"what": "refined", "setting": setting, **_figures(trained[0])})
        if self.refined:
            rows.append({"what": "interpolated", "setting": setting, **_figures(self.curve)})
            rows[-1] |= {"weight": self.curve["weight"]}
        if self.soup:
            rows.append({"what": "soup", "setting": setting, **_figures(self.soup)})
        best = max(range(len(rows)), key=lambda number: (scores.merit(rows[number], self.goal), -number))
        self.choice = self.journal.step("choice", lambda: {"rows": rows, **rows[best]})
        setting = Setting(**self.choice["setting"])
        net = self.candidates[setting.backbone].net
        if self.choice["what"] == "head":
            self.trials.start(setting.backbone, 0)
        elif self.choice["what"] == "refined":
            model.assign_values(net, self.trials.values(trained[0]["name"]))
        else:
            model.assign_values(net, self.journal.kept(self.choice["what"]))
        model.unfreeze_last(net, setting.depth, train_batch_norm=True)
        return net

    def held_out(self, net: keras.Model) -> tuple[np.ndarray, np.ndarray]:
        """Logits and labels of images that the chosen network has not learned from: those of validation.

        With folds, they are those of the networks of each fold, which were trained as the chosen one was.
        """
        setting = Setting(**self.choice["setting"])
        if self.folds[0].whole:
            logits = validation_logits(net, self.splits, self.activations[setting.backbone])
            return logits, self.splits.rows["validation"].labels
        if self.choice["what"] == "head":
            parts = zip(self.embeddings[setting.backbone], self.heads[setting.backbone], strict=True)
            labels = np.concatenate([y for *_, y in self.embeddings[setting.backbone]])
            return np.concatenate([linear_probes.logits(x, *head) for (_, _, x, _), head in parts]), labels
        return self.trials.logits((self.refined or self.explored)[0]["name"])

    def learning_curve(self) -> dict[str, Any]:
        """Validation accuracy for parts of the training images, and for twice as many."""
        setting = replace(Setting(**self.choice["setting"]), augment="none", mixup=0.0)
        limit = time_plan.LEARNING_CURVE * self.limit
        most = self.refined[0]["epochs"] if self.refined else 0
        epochs = measured_curve.epochs_that_fit(setting, self.seconds_per_epoch(setting), limit, most)
        recorded = self.journal.step("learning_curve_plan", lambda: {"epochs": epochs})
        return measured_curve.measure(
            self.trials,
            setting,
            self.embeddings[setting.backbone],
            self.probed[setting.backbone]["c"],
            epochs=recorded["epochs"],
            activations=self.activations[setting.backbone],
            seed=self.seed,
        )

    def table(self) -> list[dict[str, Any]]:
        """Every trial for the report: what, validation figures, and the seconds since the search began."""
        rows, seconds = [], 0.0
        for name, outcome in self.journal.outcomes.items():
            seconds += outcome["seconds"]
            if "val_accuracy" in outcome and name != "choice":
                setting = Setting(**outcome["setting"]).text if "setting" in outcome else name.replace("-", ", ")
                about = {"trial": name, "setting": setting, "at": seconds, "took": outcome["seconds"]}
                rows.append(about | _figures(outcome) | {key: outcome.get(key) for key in ("epochs", "images")})
        return rows


def _figures(outcome: dict[str, Any]) -> dict[str, float]:
    return {name: outcome[name] for name in scores.GOALS.values()}
