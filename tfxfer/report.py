"""The report of a run: PNG figures and one self-contained report.html, made from what the run wrote."""

import html
import os
from collections import defaultdict
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tfxfer import comparison, figures, groups_report, loaded, page, shift_report
from tfxfer.analysis import metrics, projection

_MEASURES = {
    "probe_accuracy": "accuracy of a logistic-regression probe on the features",
    "silhouette": "silhouette of the classes, -1 to 1",
    "knn_purity": "share of the 10 nearest neighbours of the same class",
}


def write(run_dir: str | Path) -> Path:
    """Writes `figures/*.png` and `report.html` into a run's directory, replacing what is there.

    Args:
        run_dir: holds run.json, metrics.json, history.csv and banks/.

    Returns:
        Path of report.html. It opens without a network: everything is inside.
    """
    run = loaded.load(run_dir)
    compared = [*comparison.feature_sets(run), *comparison.models(run), *shift_report.sections(run)]
    compared += groups_report.sections(run)
    sections = [_summary(run), *compared, *_projections(run), *_training(run), *_predictions(run), _details(run)]
    subject = run.facts["arguments"].get("backbone")
    title = f"{run.facts['recipe']}: {f'{subject} on ' if subject else ''}{run.facts['data']['name']}"
    path = run.dir / "report.html"
    beside = path.with_name(".partial-report.html")
    beside.write_text(page.page(title, sections), encoding="utf-8")
    os.replace(beside, path)
    return path


def _summary(run: loaded.Loaded) -> str:
    facts, test = run.facts, run.metrics.get("test/accuracy")
    sizes = ", ".join(f"{n:,} {split}" for split, n in facts["data"]["sizes"].items())
    data, net = facts["data"], facts.get("model")
    lead = f"{data['name']} from {data['origin']} ({sizes}). "
    if run.history and net:
        epochs = len(next(iter(run.history.values())))
        lead += f"The head and {net['unfrozen']} of the backbone's {net['layers']} layers trained for {epochs} epochs. "
    if test is not None:
        n = facts["data"]["sizes"]["test"]
        lead += (
            f"Accuracy on the {n:,} test images: {test:.4f} ± {np.sqrt(test * (1 - test) / n):.4f} (standard error)."
        )
    rows = [
        (f"{what} ({name})", f"{run.metrics[f'before/{name}']:.4f}", f"{run.metrics[f'after/{name}']:.4f}")
        for name, what in _MEASURES.items()
        if f"before/{name}" in run.metrics and f"after/{name}" in run.metrics
    ]
    table = (
        page.table(("what fine-tuning changes in the features of test images", "before", "after"), rows) if rows else ""
    )
    return f'<p class="lead">{html.escape(lead)}</p>{table}'


def _projections(run: loaded.Loaded) -> list[str]:
    found = {name: bank for name, bank in run.banks.items() if any(m in bank.values for m in projection.METHODS)}
    order = ["before", "after", *_sets(run)]
    banks = {name: found[name] for name in sorted(found, key=lambda name: order.index(name) if name in order else 99)}
    if not banks:
        return []
    pair = set(banks) == {"before", "after"}
    said = {name: f"{name} fine-tuning" if pair else name.replace("_tuned", ", fine-tuned") for name in banks}
    captions = {name: f"{said[name]} ({len(bank):,} test images)" for name, bank in banks.items()}
    return [_figure(run, "projections", figures.projections(banks, run.facts["classes"], captions), "Features")]


def _sets(run: loaded.Loaded) -> list[str]:
    """Feature sets in the order in which they were studied."""
    return [key.removesuffix("/nc1") for key in run.metrics if key.endswith("/nc1")]


def _training(run: loaded.Loaded) -> list[str]:
    fits: dict[str, dict[str, list[float]]] = defaultdict(dict)
    for column, values in run.history.items():
        fit, _, what = column.rpartition("/")
        fits[fit][what] = [value for value in values if not np.isnan(value)]
    sections = []
    for fit, history in fits.items():
        name = "training" + (f"-{fit.replace(' ', '-')}" if fit else "")
        sections.append(_figure(run, name, figures.curves(history, fit), "" if sections else "Training"))
    return sections


def _predictions(run: loaded.Loaded) -> list[str]:
    bank, classes = run.banks.get("test"), run.facts["classes"]
    if bank is None:
        return []
    if "logits" in bank.values:
        scores = np.exp(bank["logits"] - bank["logits"].max(1, keepdims=True))
        probabilities = scores / scores.sum(1, keepdims=True)
    else:
        probabilities = bank["probabilities"]
    predicted = probabilities.argmax(1)
    matrix = metrics.confusion(bank.labels, predicted, len(classes))
    per_class = metrics.per_class(bank.labels, predicted, classes)
    rows = [
        (row["class"], *(f"{row[name]:.3f}" for name in ("precision", "recall", "f1")), f"{row['support']:.0f}")
        for row in per_class
    ]
    wrong = figures.mistakes(bank["image"], bank.labels, probabilities, classes)
    heading = f"Predictions of {run.facts['best']}" if "best" in run.facts else "Predictions"
    return [
        _figure(run, "confusion", figures.confusion(matrix, classes), heading),
        page.table(("class", "precision", "recall", "F1", "test images"), rows),
        page.note("The pairs most often confused."),
        comparison.pairs(matrix, classes),
        _figure(run, "mistakes", wrong, "Mistakes"),
    ]


def _details(run: loaded.Loaded) -> str:
    seconds = [(k.removeprefix("seconds/"), f"{v:.1f}") for k, v in run.metrics.items() if k.startswith("seconds/")]
    facts = _flat({k: v for k, v in run.facts.items() if k not in ("classes", "timings")})
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


def _figure(run: loaded.Loaded, name: str, drawn: Figure, heading: str) -> str:
    return (page.heading(heading) if heading else "") + page.figure(run.dir / "figures", name, drawn)
