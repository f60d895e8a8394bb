"""The report of a run: PNG figures and one self-contained report.html, made from what the run wrote."""

import base64
import html
import io
import os
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tfxfer import figures, loaded
from tfxfer.analysis import metrics

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p.lead { margin-top: .3rem; } figure { margin: 0; overflow-x: auto; }
figure.confusion img { max-width: min(100%, 40rem); }
img { max-width: 100%; height: auto; background: #fff; border-radius: 6px; }
div.table { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; } thead { background: var(--soft); }
summary { cursor: pointer; } code { overflow-wrap: anywhere; }
"""
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
    sections = [_summary(run), *_projections(run), *_training(run), *_predictions(run), _details(run)]
    title = f"{run.facts['recipe']}: {run.facts['arguments'].get('backbone', '')} on {run.facts['data']['name']}"
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>'
        f"<h1>{html.escape(title)}</h1>{''.join(sections)}</body></html>\n"
    )
    path = run.dir / "report.html"
    beside = path.with_name(".partial-report.html")
    beside.write_text(page, encoding="utf-8")
    os.replace(beside, path)
    return path


def _summary(run: loaded.Loaded) -> str:
    facts, test = run.facts, run.metrics.get("test/accuracy")
    sizes = ", ".join(f"{n:,} {split}" for split, n in facts["data"]["sizes"].items())
    data, net = facts["data"], facts["model"]
    lead = f"{data['name']} from {data['origin']} ({sizes}). "
    if run.history:
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
    table = _table(("what fine-tuning changes in the features of test images", "before", "after"), rows) if rows else ""
    return f'<p class="lead">{html.escape(lead)}</p>{table}'


def _projections(run: loaded.Loaded) -> list[str]:
    banks = {name: bank for name, bank in run.banks.items() if "pca" in bank.values}
    if not banks:
        return []
    banks = {name: banks[name] for name in ("before", "after") if name in banks}
    captions = {name: f"{name} fine-tuning ({len(bank):,} test images)" for name, bank in banks.items()}
    return [_figure(run, "projections", figures.projections(banks, run.facts["classes"], captions), "Features")]


def _training(run: loaded.Loaded) -> list[str]:
    return [_figure(run, "training", figures.curves(run.history), "Training")] if run.history else []


def _predictions(run: loaded.Loaded) -> list[str]:
    bank, classes = run.banks.get("test"), run.facts["classes"]
    if bank is None:
        return []
    predicted = bank["logits"].argmax(1)
    matrix = metrics.confusion(bank.labels, predicted, len(classes))
    per_class = metrics.per_class(bank.labels, predicted, classes)
    rows = [
        (row["class"], *(f"{row[name]:.3f}" for name in ("precision", "recall", "f1")), f"{row['support']:.0f}")
        for row in per_class
    ]
    scores = np.exp(bank["logits"] - bank["logits"].max(1, keepdims=True))
    probabilities = scores / scores.sum(1, keepdims=True)
    wrong = figures.mistakes(bank["image"], bank.labels, probabilities, classes)
    return [
        _figure(run, "confusion", figures.confusion(matrix, classes), "Predictions"),
        _table(("class", "precision", "recall", "F1", "test images"), rows),
        _figure(run, "mistakes", wrong, "Mistakes"),
    ]


def _details(run: loaded.Loaded) -> str:
    seconds = [(k.removeprefix("seconds/"), f"{v:.1f}") for k, v in run.metrics.items() if k.startswith("seconds/")]
    facts = _flat({k: v for k, v in run.facts.items() if k not in ("classes", "timings")})
    return (
        f"<h2>How it was made</h2><p><code>{html.escape(run.facts['command'])}</code></p>"
        f"{_table(('phase', 'seconds'), seconds)}"
        f"<details><summary>Arguments, data, versions, machine</summary>{_table(('what', 'value'), facts)}</details>"
    )


def _flat(value: dict, prefix: str = "") -> list[tuple[str, str]]:
    rows = []
    for key, item in value.items():
        rows += _flat(item, f"{prefix}{key}/") if isinstance(item, dict) else [(prefix + key, str(item))]
    return rows


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    def line(cells, tag):
        return "<tr>" + "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f'<div class="table"><table><thead>{line(head, "th")}</thead><tbody>{body}</tbody></table></div>'


def _figure(run: loaded.Loaded, name: str, figure: Figure, heading: str) -> str:
    """Saves a figure as figures/<name>.png and returns it as a section with the picture inside."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    folder = run.dir / "figures"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.png").write_bytes(buffer.getvalue())
    encoded = base64.b64encode(buffer.getvalue()).decode()
    alt = html.escape(figure.get_suptitle() or figure.axes[0].get_title())
    picture = f'<img alt="{alt}" src="data:image/png;base64,{encoded}">'
    return f"<h2>{html.escape(heading)}</h2><figure class={name}>{picture}</figure>"
