"""How a search ends: probabilities calibrated, figures with intervals, and what to do next."""

from typing import Any

import keras
import numpy as np
from scipy.special import softmax

from tfxfer import analysis, model
from tfxfer.features.bank import Bank
from tfxfer.recipes.shared.artifacts import Artifacts
from tfxfer.recipes.shared.recipe_run import Run
from tfxfer.recipes.shared.search import advice
from tfxfer.recipes.shared.search.search import CHOSEN, Search
from tfxfer.recipes.shared.search.settings import Setting


def calibrate(net: keras.Model, logits: np.ndarray, labels: np.ndarray, precision: float) -> Artifacts:
    """Divides a network's logits by the temperature that suits held-out images, and finds where to abstain.

    Args:
        net: its head is changed.
        logits, labels: of images that it has not learned from.
        precision: the share of right answers wanted.
    """
    temperature = analysis.temperature(logits, labels)
    model.scale_logits(net, temperature)
    probabilities = softmax(logits.astype(np.float64) / temperature, axis=1)
    found = analysis.abstention_threshold(probabilities, labels, precision)
    about = {"temperature": temperature, "threshold": found.threshold, "precision": precision, "images": len(labels)}
    return Artifacts(facts={"calibration": about})


def conclude(run: Run, search: Search, tested: Bank) -> Artifacts:
    """What the search has found, for metrics, report and terminal.

    Args:
        run: with the learning curve and the study of the data, where these were not skipped.
        search: the choice is made.
        tested: "logits" of all test images.
    """
    logits, labels, classes = np.asarray(tested["logits"]), tested.labels, search.splits.classes
    temperature = run.facts.get("calibration", {}).get("temperature", 1.0)
    before, after = (softmax(logits.astype(np.float64) * factor, axis=1) for factor in (temperature, 1.0))
    rows = analysis.metrics.per_class(labels, logits.argmax(1), classes)
    matrix = analysis.metrics.confusion(labels, logits.argmax(1), len(classes))
    pairs = analysis.metrics.confused_pairs(matrix, classes)
    accuracy = analysis.metrics.accuracy(labels, logits.argmax(1))
    seconds = search.journal.by_kind()
    metrics = {
        "test/ece": analysis.metrics.expected_calibration_error(after, labels),
        "test/ece_uncalibrated": analysis.metrics.expected_calibration_error(before, labels),
        "test/balanced_accuracy": analysis.metrics.macro(rows)["recall"],
        "search/seconds": sum(seconds.values()),
        "search/busy_share": 1 - seconds["other"] / max(sum(seconds.values()), 1e-9),
        "validation/accuracy": search.choice["val_accuracy"],
        "validation/log_loss": search.choice["val_loss"],
    }
    metrics |= {f"frozen/{name}_validation_accuracy": probe["val_accuracy"] for name, probe in search.probed.items()}
    suspicious = len(run.banks["suspicious"]) if "suspicious" in run.banks else 0
    sentences = [
        advice.more_images(run.facts.get("learning_curve"), accuracy),
        advice.classes_to_look_at(rows, pairs),
        advice.labels_to_check(run.facts.get("dataset", {}), suspicious),
    ]
    setting = Setting(**search.choice["setting"])
    chosen = f"{CHOSEN[search.choice['what']]}: {setting.text}"
    for sentence in sentences:
        run.say(sentence)
    facts: dict[str, Any] = {
        "search": {
            "choice": {name: value for name, value in search.choice.items() if name not in ("seconds", "kind")},
            "chosen": chosen,
            "trials": search.table(),
            "seconds": seconds,
            "plan": vars(search.planned),
            "probes": search.probed,
            "curve": search.curve.get("curve", []),
            "folds": len(search.folds),
        },
        "advice": sentences,
        "summary": {"choice": chosen, "what to do next": " ".join(sentences)},
    }
    return Artifacts(metrics=metrics, facts=facts)
