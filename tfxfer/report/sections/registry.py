"""The sections of a report: one table of their names and functions, in the order in which the page has them."""

from collections.abc import Callable

from tfxfer.core.errors import InputError
from tfxfer.report.sections import (
    calibration,
    contents,
    dataset,
    feature_sets,
    few_shot,
    head2toe,
    interpolation,
    layer_similarity,
    models,
    permutation,
    predictions,
    pretraining,
    projections,
    saliency,
    search,
    seeds,
    shift,
    suspicious_labels,
    training,
)
from tfxfer.runs.loading import Loaded

SECTIONS: dict[str, Callable[[Loaded], list[str]]] = {
    "search": search.sections,
    "seeds": seeds.sections,
    "predictions": predictions.sections,
    "calibration": calibration.sections,
    "suspicious_labels": suspicious_labels.sections,
    "projections": projections.sections,
    "feature_sets": feature_sets.sections,
    "head2toe": head2toe.sections,
    "models": models.sections,
    "shift": shift.sections,
    "interpolation": interpolation.sections,
    "permutation": permutation.sections,
    "pretraining": pretraining.sections,
    "few_shot": few_shot.sections,
    "sweep": training.depths,
    "training": training.sections,
    "saliency": saliency.sections,
    "dataset": dataset.sections,
    # for those who want to know why: folded
    "layers": training.layers,
    "layer_similarity": layer_similarity.sections,
    "sanity": saliency.sanity,
}


def write(run: Loaded) -> list[str]:
    """Pieces of HTML: the sections that the run names, in the order of `SECTIONS`.

    A section for which the run holds nothing, such as "saliency" of a network without feature maps, is empty.

    Raises:
        InputError: the run names a section that is not in the table.
    """
    names = contents.sections(run)
    if unknown := [name for name in names if name not in SECTIONS]:
        raise InputError(
            f"{run.dir / 'run.json'}: expected sections among {', '.join(SECTIONS)}, got {unknown[0]!r}: correct it"
        )
    return [piece for name, section in SECTIONS.items() if name in names for piece in section(run)]
