"""The report of a run: PNG figures and one self-contained report.html, made from what the run wrote."""

import html
from pathlib import Path

import numpy as np

from tfxfer.analysis import intervals
from tfxfer.core import atomic
from tfxfer.report import fonts, page, projector
from tfxfer.report.sections import examples, neighbours, registry
from tfxfer.runs import corruption_facts, loading, metric_names, model_card, tested_scores

_CHANGES = ("probe_accuracy", "silhouette", "knn_purity")  # metrics before and after fine-tuning, in the summary
_ELSEWHERE = ("classes", "timings", "dataset", "sections", "subjects")  # facts that the details need not repeat


def write(run_dir: str | Path) -> Path:
    """Writes a run's report into its directory, replacing what is there.

    That is `report.html`, `figures/*.png`, and the files of TensorBoard's embedding projector in `logs/`. The sections
    are those that the run names in run.json (fact `sections`, names of `report.sections.registry.SECTIONS`); for a
    run that names none they are deduced from its metrics.

    Args:
        run_dir: a run as `tfxfer.load` takes it. It holds run.json, metrics.json, history.csv and banks/.

    Returns:
        Path of report.html. It opens without a network: everything is inside.

    Raises:
        InputError: it is not a finished run, its data is not described, or it names an unknown section.

    Example:
        >>> import tempfile
        >>> from tfxfer import data, features, model, report, runs
        >>> splits = data.load("digits", limit=80)
        >>> net = model.build("cnn", splits, image_size=28, weights="none")
        >>> with runs.Run("example", {}, tempfile.mkdtemp()) as run:  # doctest: +ELLIPSIS
        ...     run.describe(net, splits)
        ...     run.facts["sections"] = ["predictions"]
        ...     run.save({"test": features.extract(net, splits.test, ("logits",))})
        digits from scikit-learn's load_digits: 80 train, 20 validation, 20 test
        ...example...
        >>> report.write(run.final).name
        'report.html'
    """
    run = loading.described(run_dir)
    sections = [examples.table(run), neighbours.table(run), _summary(run), *registry.write(run), _details(run)]
    backbone, data = run.facts["arguments"].get("backbone"), run.facts["data"]["name"]
    title = f"{run.facts['recipe']}: {f'{backbone} on ' if backbone else ''}{data}"
    projector.write(run)
    fonts.warn_of_missing()
    return save(run.dir / "report.html", page.page(title, sections))


def save(path: Path, content: str) -> Path:
    """Writes a file under a temporary name and renames it, so that it is never incomplete."""
    with atomic.file(path) as beside:
        beside.write_text(content, encoding="utf-8")
    return path


def _summary(run: loading.Loaded) -> str:
    """The data, what was trained, the accuracy, and what fine-tuning changes in the features."""
    rows = [
        (f"{metric.text} ({name})", *(_value(run, when, name) for when in ("before", "after")))
        for name in _CHANGES
        if f"before/{name}" in run.metrics and f"after/{name}" in run.metrics
        if (metric := metric_names.meaning(f"before/{name}"))
    ]
    head = ("what fine-tuning changes in the features of test images", "before", "after")
    table = page.table(head, rows) if rows else ""
    return f'<p class="lead">{html.escape(_lead(run))}</p>{table}'


def _lead(run: loading.Loaded) -> str:
    facts = run.facts
    data, net = facts["data"], facts.get("model")
    sizes = ", ".join(f"{n:,} {split}" for split, n in data["sizes"].items())
    sentences = [f"{data['name']} from {data['origin']} ({sizes})."]
    if data.get("aspect", "squash") != "squash":
        done = "cropped to their centre" if data["aspect"] == "crop" else "padded with black"
        sentences.append(f"Pictures that are not square are {done}.")
    if "duplicates" in data:
        sentences.append(model_card.copies(data))
    if run.history and net:
        layers = f"{net['unfrozen']} of the backbone's {net['layers']} layers"
        if "loss" in run.history:
            epochs = len(run.history["loss"])
            sentences.append(f"The head and {layers} were trained for {epochs} epoch{'s' if epochs != 1 else ''}.")
            sentences.append(model_card.kept(facts.get("training", {})))
        else:  # several networks, or one trained in several ways
            sentences.append(f"The kept network is {net['name']}: its head and {layers} were trained.")
    if "test/accuracy" in run.metrics and (bank := run.banks.get("test")) is not None:
        sentences.append(f"Accuracy {tested_scores.accuracy(bank, corruption_facts.tested(facts))}.")
    return " ".join(filter(None, sentences))


def _value(run: loading.Loaded, when: str, name: str) -> str:
    """A metric of the features before or after fine-tuning; an accuracy has its 95% interval."""
    value = run.metrics[f"{when}/{name}"]
    if name != "probe_accuracy" or when not in run.banks:
        return f"{value:.4f}"
    return intervals.text(value, intervals.wilson(value, len(np.unique(run.banks[when].bases))))


def _details(run: loading.Loaded) -> str:
    seconds = [
        (key.removeprefix("seconds/"), f"{value:.1f}")
        for key, value in run.metrics.items()
        if key.startswith("seconds/")
    ]
    facts = _flat({name: value for name, value in run.facts.items() if name not in _ELSEWHERE})
    return (
        f"<h2>How it was made</h2><p><code>{html.escape(run.facts['command'])}</code></p>"
        f"{page.table(('phase', 'seconds'), seconds)}"
        "<details><summary>Arguments, data, versions, machine</summary>"
        f"{page.table(('what', 'value'), facts)}</details>"
    )


def _flat(facts: dict, prefix: str = "") -> list[tuple[str, str]]:
    """Nested facts as rows of path and value."""
    rows: list[tuple[str, str]] = []
    for key, value in facts.items():
        rows += _flat(value, f"{prefix}{key}/") if isinstance(value, dict) else [(prefix + key, str(value))]
    return rows
