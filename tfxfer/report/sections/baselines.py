"""What a run's accuracy is measured against: always the same class, frozen features, other networks of the run."""

from dataclasses import dataclass

import numpy as np

from tfxfer.analysis import intervals, paired
from tfxfer.features.bank import Bank
from tfxfer.runs import class_results, tested_scores
from tfxfer.runs.loading import Loaded


@dataclass(frozen=True)
class Baseline:
    """An accuracy to compare with.

    Attributes:
        name: what reached it.
        change: what made the difference, such as "fine-tuning".
        accuracy: in [0, 1].
        n: the number of images behind it; of several versions of an image one.
        right: bool (n,), whether each image is classified correctly, where that is known.
        ids: int64 (n,), of these images.
    """

    name: str
    change: str
    accuracy: float
    n: int
    right: np.ndarray | None = None
    ids: np.ndarray | None = None

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval of the accuracy (Wilson)."""
        return intervals.wilson(self.accuracy, self.n)


TUNING = "fine-tuning"
_BASELINES = {  # metric -> bank, what reached it, what made the difference
    "before/probe_accuracy": ("before", "probe on frozen features (logistic regression)", TUNING),
    "frozen/accuracy": ("frozen", "pretrained, best depth of the sweep", "tuning all layers"),
    "before/corrupted_accuracy": ("", "head on frozen features, the same images", TUNING),
    "scratch/accuracy": ("scratch", "the same network from scratch", "starting from pretrained weights"),
    "logistic/test_accuracy": ("logistic", "logistic regression on pixels", "a network in its place"),
    "permuted/accuracy": ("permuted", "the same network on permuted pixels", "seeing pixels in place"),
}


def measured(run: Loaded) -> list[Baseline]:
    """The baselines that the run has measured, the most telling first."""
    found, known = [], dict(_BASELINES)
    kept = run.facts.get("model", {}).get("name")
    if f"{kept}/tuned/test_accuracy" in run.metrics:
        known[f"{kept}/last_layer/test_accuracy"] = ("", "its head on frozen features", TUNING)
    for key, (name, text, change) in known.items():
        if key in run.metrics and not np.isnan(run.metrics[key]):
            found.append(_baseline(run, run.metrics[key], run.banks.get(name), text, change))
    return found


def majority(run: Loaded) -> Baseline:
    """Always the class that is most frequent in training, or where that is not known, in the test."""
    test, classes = run.banks["test"], run.facts["classes"]
    largest = class_results.most_frequent(run.facts, test.labels)
    right = test.labels == largest
    name = f"always “{classes[largest]}”, the most frequent class"
    return Baseline(name, "training", float(right.mean()), len(np.unique(test.bases)), right, test.ids)


def _baseline(run: Loaded, accuracy: float, bank: Bank | None, text: str, change: str) -> Baseline:
    if bank is None:
        return Baseline(text, change, accuracy, len(np.unique(run.banks["test"].bases)))
    right = None
    if "probe" in bank.values:
        right = np.asarray(bank["probe"]) == bank.labels
    elif tested_scores.outputs(bank) is not None:
        right = tested_scores.predicted(bank) == bank.labels
    return Baseline(text, change, accuracy, len(np.unique(bank.bases)), right, bank.ids)


def gain(run: Loaded, baseline: Baseline) -> tuple[float, float, float]:
    """How much higher the accuracy of the run's network is than a baseline's, with the ends of its 95% interval.

    It is that of `paired.difference` on the images that both were tested on, where it is known which of them the
    baseline classifies correctly. Else it is Newcombe's hybrid score interval (Statistics in Medicine 17:873, 1998,
    method 10), as if the two had been tested on different images: then it is rather too wide.
    """
    test = run.banks["test"]
    right = tested_scores.predicted(test) == test.labels
    if baseline.right is not None and baseline.ids is not None:
        _, a, b = np.intersect1d(baseline.ids, test.ids, return_indices=True)
        if len(a):
            result = paired.difference(baseline.right[a], right[b], test.bases[b])
            return result["difference"], result["low"], result["high"]
    accuracy, (low, high) = float(right.mean()), tested_scores.interval(test)
    other, (other_low, other_high) = baseline.accuracy, baseline.interval
    difference = accuracy - other
    below, above = np.hypot(accuracy - low, other_high - other), np.hypot(high - accuracy, other - other_low)
    return difference, difference - float(below), difference + float(above)
