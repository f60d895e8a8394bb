"""What a page on freezing depths notes: how each network does on the test images, and what a sweep gave."""

from collections.abc import Sequence

import keras

from tfxfer import analysis, features
from tfxfer.data import Splits
from tfxfer.features.bank import Bank
from tfxfer.recipes.shared.feature_measures import predicted
from tfxfer.recipes.shared.recipe_run import Run
from tfxfer.train import History, Sweep


def judge(run: Run, name: str, net: keras.Model, splits: Splits) -> Bank:
    """Tests a network: bank `<name>` of logits, metric `<name>/accuracy`."""
    with run.phase(f"test_{name}"):
        bank = run.banks[name] = features.extract(net, splits.test, ("logits",), **run.inference)
    run.note(name, {"accuracy": analysis.metrics.accuracy(bank.labels, predicted(bank))})
    return bank


def note_sweep(run: Run, sweep: Sweep) -> dict[str, History]:
    """Notes the metrics `sweep/<depth>/<figure>` and the fact `best_depth`; histories by depth."""
    for row in sweep.rows:
        figures = ("val_accuracy", "accuracy", "seconds", "nc1")
        run.note(f"sweep/{row['depth']}", {name: float(row[name]) for name in figures})
    run.facts["best_depth"] = sweep.best["depth"]
    return {f"depth {row['depth']}": history for row, history in zip(sweep.rows, sweep.histories, strict=True)}


def compare(run: Run, name: str, others: Sequence[str]) -> None:
    """Notes the accuracy of the network that is kept as the test's, and its differences from the others, with
    intervals, on the same test images."""
    kept = run.banks[name]
    run.note("test", {"accuracy": analysis.metrics.accuracy(kept.labels, predicted(kept))})
    for other in others:
        before, after = (predicted(bank) == bank.labels for bank in (run.banks[other], kept))
        run.note(f"{name}_less_{other}", analysis.paired.difference(before, after, kept.bases))
