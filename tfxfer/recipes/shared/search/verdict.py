"""How a search ends: probabilities calibrated, figures with intervals, and what to do next."""

from typing import Any

import numpy as np

from tfxfer import analysis
from tfxfer.features.bank import Bank
from tfxfer.recipes.shared.artifacts import Artifacts
from tfxfer.recipes.shared.recipe_run import Run
from tfxfer.recipes.shared.search import advice
from tfxfer.recipes.shared.search.choice import Choice


def conclude(run: Run, best: Choice, tested: Bank) -> Artifacts:
    """What the search has found, for metrics, report and terminal.

    Args:
        run: with the learning curve and the study of the data, where these were not skipped.
        best: what was chosen.
        tested: "logits" of all test images.
    """
    search = best.search
    logits, labels, classes = np.asarray(tested["logits"]), tested.labels, search.splits.classes
    rows = analysis.metrics.per_class(labels, logits.argmax(1), classes)
    matrix = analysis.metrics.confusion(labels, logits.argmax(1), len(classes))
    pairs = analysis.metrics.confused_pairs(matrix, classes)
    seconds = search.journal.by_kind()
    metrics = {
        "test/accuracy": analysis.metrics.accuracy(labels, logits.argmax(1)),
        "test/balanced_accuracy": analysis.metrics.macro(rows)["recall"],
        "search/seconds": sum(seconds.values()),
        "search/busy_share": 1 - seconds["other"] / max(sum(seconds.values()), 1e-9),
        "validation/accuracy": best.record["val_accuracy"],
        "validation/log_loss": best.record["val_loss"],
    }
    metrics |= {f"frozen/{name}_validation_accuracy": probe["val_accuracy"] for name, probe in search.probed.items()}
    if calibration := run.facts.get("calibration"):
        figures = analysis.calibration.measure(logits, labels, calibration)
        metrics |= {f"test/{name}": value for name, value in figures.items()}
    suspicious = len(run.banks["suspicious"]) if "suspicious" in run.banks else 0
    near = int(run.metrics.get("data/near_copies_test", 0))
    sentences = [
        advice.more_images(run.facts.get("learning_curve")),
        advice.classes_to_look_at(rows, pairs),
        advice.labels_to_check(run.facts.get("dataset", {}), suspicious, near),
    ]
    facts: dict[str, Any] = {
        "search": {
            "choice": {name: value for name, value in best.record.items() if name not in ("seconds", "kind")},
            "chosen": best.text,
            "trained": bool(best.history),
            "trials": search.table(),
            "seconds": seconds,
            "plan": vars(search.planned),
            "probes": search.probed,
            "curve": search.curve.get("curve", []),
            "folds": len(search.folds),
        },
        "advice": sentences,
        "summary": {"chosen": best.text, **dict(zip(advice.QUESTIONS, sentences, strict=True))},
    }
    return Artifacts(metrics=metrics, facts=facts)


def sections(run: Run) -> list[str]:
    """The sections of the report that the run has something for."""
    left_out = {"calibration": "calibration" not in run.facts, "dataset": "dataset" not in run.facts}
    left_out["training"] = not run.facts.get("search", {}).get("trained")
    names = "search", "calibration", "projections", "training", "predictions", "saliency", "dataset"
    return [name for name in names if not left_out.get(name)]
