"""The choice at the end of a search, and what it is worth: its network, held-out logits, its learning curve."""

from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from tfxfer import features, model
from tfxfer.features.bank import Bank
from tfxfer.recipes.shared import run_artifacts
from tfxfer.recipes.shared.artifacts import Artifacts
from tfxfer.recipes.shared.search import linear_probes, measured_curve, scores, time_plan
from tfxfer.recipes.shared.search.search import Search
from tfxfer.recipes.shared.search.settings import Setting
from tfxfer.recipes.shared.search.trials import validation_logits

KINDS = {
    "head": "a linear head on the frozen network",
    "explored": "a network of the first rounds",
    "refined": "the refined network",
    "interpolated": "the refined network, interpolated with the one before (WiSE-FT)",
    "soup": "the average of several refined networks (soup)",
}


@dataclass
class Choice:
    """What a search has chosen by validation: the best, of equal ones the simplest.

    Attributes:
        search: the search, whose steps are taken.
        record: what was chosen ("what", a key of `KINDS`), of which setting, its figures, and "rows", all there was.
    """

    search: Search
    record: dict[str, Any]

    @property
    def setting(self) -> Setting:
        return Setting(**self.record["setting"])

    @property
    def text(self) -> str:
        """For people."""
        return f"{KINDS[self.record['what']]}: {self.setting.text}"

    @property
    def history(self) -> dict[str, list[float]]:
        """How the chosen network was trained, as `train.History` has it; empty for a head that was fitted."""
        if self.record["what"] == "head":
            return {}
        return self.search.journal.outcomes[self.record.get("trial") or self.search.refined[0]["name"]]["history"]

    def network(self) -> keras.Model:
        """The chosen network, with its weights."""
        search, setting = self.search, self.setting
        net = search.candidates[setting.backbone].net
        if self.record["what"] == "head":
            search.trials.start(setting.backbone, 0)
        elif "trial" in self.record:
            model.assign_values(net, search.trials.values(self.record["trial"]))
        else:
            model.assign_values(net, search.journal.kept(self.record["what"]))
        model.unfreeze_last(net, setting.depth, train_batch_norm=True)
        return net

    def held_out(self, net: keras.Model) -> tuple[np.ndarray, np.ndarray]:
        """Logits and labels of images that the chosen network has not learned from: those of validation.

        With folds, they are those of the networks of each fold, which were trained as the chosen one was.
        """
        search, name = self.search, self.setting.backbone
        if search.folds[0].whole:
            logits = validation_logits(net, search.splits, search.activations[name])
            return logits, search.splits.rows["validation"].labels
        if self.record["what"] != "head":
            return search.trials.logits(self.record.get("trial") or search.refined[0]["name"])
        parts = zip(search.embeddings[name], search.heads[name], strict=True)
        labels = np.concatenate([y for *_, y in search.embeddings[name]])
        return np.concatenate([linear_probes.logits(x, *head) for (_, _, x, _), head in parts]), labels

    def baseline(self) -> Artifacts:
        """What the fitted head reaches on the test images with nothing fine-tuned: `before/probe_accuracy`, and the
        bank "before" with its predictions. The network has other weights afterwards."""
        search, name = self.search, self.setting.backbone
        search.trials.start(name, 0)
        bank = features.extract(search.candidates[name].net, search.splits.test, ("logits",), **search.inference)
        predicted = np.asarray(bank["logits"]).argmax(1)
        known = Bank({"probe": predicted}, bank.labels, bank.ids)
        return Artifacts({"before": known}, {"before/probe_accuracy": float(np.mean(predicted == bank.labels))})

    def calibration_images(self) -> Artifacts:
        """Validation images for exported files of eight bits, which are calibrated anew; none of folds, which the
        networks of other folds have learned from."""
        if not self.search.folds[0].whole:
            return Artifacts()
        return run_artifacts.calibration_images(self.search.splits, self.search.seed)

    def learning_curve(self) -> dict[str, Any]:
        """Validation accuracy for parts of the training images, and for twice as many; see `measured_curve.measure`.

        The networks of the search have other weights afterwards.
        """
        search = self.search
        setting = replace(self.setting, augment="none", mixup=0.0)

        def plan() -> dict[str, Any]:
            most = search.refined[0]["epochs"] if search.refined else 0
            limit = time_plan.LEARNING_CURVE * search.limit
            seconds = search.seconds_per_epoch(setting)
            return {"epochs": measured_curve.epochs_that_fit(setting, seconds, limit, most, len(search.folds))}

        return measured_curve.measure(
            search.trials,
            setting,
            search.embeddings[setting.backbone],
            search.probed[setting.backbone]["c"],
            epochs=search.journal.step("learning_curve_plan", plan)["epochs"],
            activations=search.activations[setting.backbone],
            seed=search.seed,
        )


def choose(search: Search) -> Choice:
    """Compares the heads, the best explored and the best refined network, and what was made of the refined ones."""

    def merit(row: dict[str, Any]) -> tuple[float, float]:
        return scores.merit(scores.of(row), search.goal)

    def make() -> dict[str, Any]:
        name, probed = max(search.probed.items(), key=lambda item: merit(item[1]))
        rows: list[dict[str, Any]] = [{"what": "head", "setting": Setting(name).record()} | scores.of(probed)]
        for what, trained in (("explored", search.explored), ("refined", search.refined)):
            if trained:
                best = max(trained, key=merit)
                rows.append({"what": what, "setting": best["setting"], "trial": best["name"]} | scores.of(best))
        for what, outcome in (("interpolated", search.curve), ("soup", search.soup)):
            if outcome and outcome.get("weight") not in (0, 1):  # which are the head and the refined network
                rows.append({"what": what, "setting": search.refined[0]["setting"]} | scores.of(outcome))
        first = max(range(len(rows)), key=lambda number: (merit(rows[number]), -number))
        return {"rows": rows} | rows[first]

    return Choice(search, search.journal.step("choice", make))
