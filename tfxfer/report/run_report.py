"""The report of a run: PNG figures and one self-contained report.html, made from what the run wrote."""

import html
from pathlib import Path

import numpy as np

from tfxfer.analysis import intervals
from tfxfer.core import atomic
from tfxfer.report import fonts, page, projector
from tfxfer.report.sections import (
    dataset,
    examples,
    models,
    permutation,
    predictions,
    projections,
    saliency,
    shift,
    training,
)
from tfxfer.runs import loading, model_card

_MEASURES = {
    "probe_accuracy": "accuracy of a logistic-regression probe on the features",
    "silhouette": "silhouette of the classes, -1 to 1",
    "knn_purity": "share of the 10 nearest neighbours of the same class",
}


def write(run_dir: str | Path) -> Path:
    """Writes `figures/*.png`, `report.html` and the embedding projector's files in `logs/` into a run's directory,
    replacing what is there.

    Args:
        run_dir: a run as `tfxfer.load` takes it: holds run.json, metrics.json, history.csv and banks/.

    Returns:
        Path of report.html. It opens without a network: everything is inside.

    Raises:
        InputError: no finished run, or one that says nothing of its data.
    """
    run = loading.described(run_dir)
    parts = (models.feature_sets, models.models, shift.sections, permutation.sections, projections.sections)
    parts += (training.sections, predictions.sections, saliency.sections, dataset.sections)
    sections = [
        examples.table(run),
        _summary(run),
        *(section for part in parts for section in part(run)),
        _details(run),
    ]
    subject = run.facts["arguments"].get("backbone")
    title = f"{run.facts['recipe']}: {f'{subject} on ' if subject else ''}{run.facts['data']['name']}"
    projector.write(run)
    fonts.say()
    return save(run.dir / "report.html", page.page(title, sections))


def save(path: Path, content: str) -> Path:
    """Writes a file beside its place and renames it."""
    with atomic.file(path) as beside:
        beside.write_text(content, encoding="utf-8")
    return path


def _summary(run: loading.Loaded) -> str:
    facts = run.facts
    sizes = ", ".join(f"{n:,} {split}" for split, n in facts["data"]["sizes"].items())
    data, net = facts["data"], facts.get("model")
    lead = f"{data['name']} from {data['origin']} ({sizes}). "
    if "duplicates" in data:
        lead += f"{model_card.copies(data)} "
    if run.history and net:
        trained = f"{net['unfrozen']} of the backbone's {net['layers']} layers"
        if "loss" in run.history:
            lead += f"The head and {trained} trained for {len(run.history['loss'])} epochs. "
            lead += f"{model_card.kept(facts.get('training', {}))} ".lstrip()
        else:  # several networks, or one in several ways
            lead += f"Kept is {net['name']}: its head and {trained} were trained. "
    if "test/accuracy" in run.metrics and (bank := run.banks.get("test")) is not None:
        lead += f"Accuracy {model_card.measured(bank, model_card.tested(facts))}."
    rows = [
        (f"{what} ({name})", *(_measure(run, when, name) for when in ("before", "after")))
        for name, what in _MEASURES.items()
        if f"before/{name}" in run.metrics and f"after/{name}" in run.metrics
    ]
    table = (
        page.table(("what fine-tuning changes in the features of test images", "before", "after"), rows) if rows else ""
    )
    return f'<p class="lead">{html.escape(lead)}</p>{table}'


def _measure(run: loading.Loaded, when: str, name: str) -> str:
    """A figure of the features before or after; of an accuracy its 95% interval too."""
    value = run.metrics[f"{when}/{name}"]
    if not name.endswith("accuracy") or when not in run.banks:
        return f"{value:.4f}"
    return intervals.text(value, intervals.wilson(value, len(np.unique(run.banks[when].bases))))


def _details(run: loading.Loaded) -> str:
    seconds = [(k.removeprefix("seconds/"), f"{v:.1f}") for k, v in run.metrics.items() if k.startswith("seconds/")]
    facts = _flat({k: v for k, v in run.facts.items() if k not in ("classes", "timings", "dataset")})
    return (
        f"<h2>How it was made</h2><p><code>{html.escape(run.facts['command'])}</code></p>"
        f"{page.table(('phase', 'seconds'), seconds)}"
        "<details><summary>Arguments, data, versions, machine</summary>"
        f"{page.table(('what', 'value'), facts)}</details>"
    )


def _flat(value: dict, prefix: str = "") -> list[tuple[str, str]]:
    rows = []
    for key, item in value.items():
        rows += _flat(item, f"{prefix}{key}/") if isinstance(item, dict) else [(prefix + key, str(item))]
    return rows
