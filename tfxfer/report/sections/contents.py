"""Which sections the report of a run has, and on which subjects: as run.json says.

Runs of version 0.1 do not say it: for them, and only here, it is deduced from the keys of their metrics.
"""

from tfxfer.analysis.projection import METHODS
from tfxfer.core.errors import InputError
from tfxfer.runs.loading import Loaded

DEDUCIBLE = (
    "feature_sets",
    "models",
    "shift",
    "permutation",
    "pretraining",
    "projections",
    "sweep",
    "layers",
    "training",
    "predictions",
    "saliency",
    "dataset",
)
"""The sections that version 0.1 had. A section added since is never deduced: a run has to name it."""


_PARTS = {
    "suspicious_labels": "dataset",
    "sanity": "saliency",
}  # sections that runs do not name, and what they belong to


def sections(run: Loaded) -> list[str]:
    """Names of the run's sections: its fact `sections`, or for a run without this fact, `deduced`.

    Raises:
        InputError: the fact is not a list of names.
    """
    names = run.facts.get("sections")
    if names is None:
        names = deduced(run)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{run.dir / 'run.json'}: expected a list of names as sections, got {names!r}: correct it")
    return names + [part for part, whole in _PARTS.items() if whole in names]


def subjects(run: Loaded, section: str) -> list[str]:
    """What a section is about, in the order of its tables.

    Args:
        section: "feature_sets" (their names), "models" (their names) or "permutation" (prefixes of the metrics, "" or
            ending in "/"). The fact `subjects` is a dict of these lists.
    """
    subjects = run.facts.get("subjects", {})
    return list(subjects[section]) if section in subjects else deduced_subjects(run, section)


def deduced(run: Loaded) -> list[str]:
    """Names of the sections that a run without the fact `sections` has material for."""
    metrics, banks = run.metrics, run.banks
    present = {
        "feature_sets": bool(deduced_subjects(run, "feature_sets")),
        "models": bool(deduced_subjects(run, "models")),
        "shift": "after/corrupted_accuracy" in metrics,
        "permutation": "permuted/accuracy" in metrics and bool(deduced_subjects(run, "permutation")),
        "pretraining": {"scratch/accuracy", "tuned/accuracy"} <= metrics.keys(),
        "projections": any(method in bank.values for bank in banks.values() for method in METHODS),
        "sweep": any(key.startswith("sweep/") for key in metrics),
        "layers": any(key.startswith("layers/") for key in metrics),
        "training": bool(run.history),
        "predictions": "test" in banks,
        "saliency": "explained" in banks,
        "dataset": "dataset" in run.facts,
    }
    return [name for name, there in present.items() if there]


_ENDINGS = {"feature_sets": "/nc1", "models": "/ece", "permutation": "plain/accuracy"}


def deduced_subjects(run: Loaded, section: str) -> list[str]:
    """What stands before the ending that the metrics of a section's subjects have in common."""
    ending = _ENDINGS[section]
    names = [key.removesuffix(ending) for key in run.metrics if key.endswith(ending)]
    return names if section == "permutation" else [name for name in names if "/" not in name and name != "test"]
