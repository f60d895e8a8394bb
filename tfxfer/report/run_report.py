"""The report of a run: PNG figures and one self-contained report.html, made from what the run wrote."""

import html
from pathlib import Path

from tfxfer.core import atomic
from tfxfer.report import fonts, page, projector
from tfxfer.report.sections import examples, neighbours, registry, verdict
from tfxfer.runs import loading, model_card, summary

_ELSEWHERE = ("classes", "timings", "dataset", "sections", "subjects", "phases", "summary", "by_seed")


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
    about = f"<p>{html.escape(_about(run))}</p>"
    data = [examples.table(run), neighbours.table(run)]
    sections = [*data, *verdict.sections(run), about, *registry.write(run), _details(run)]
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


def _about(run: loading.Loaded) -> str:
    """The data, and what was trained."""
    facts = run.facts
    data, net = facts["data"], facts.get("model")
    sizes = ", ".join(f"{n:,} {split}" for split, n in data["sizes"].items())
    sentences = [f"{summary.source(data)} ({sizes})."]
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
    return " ".join(filter(None, sentences))


def _details(run: loading.Loaded) -> str:
    seconds = [
        (key.removeprefix("seconds/"), f"{value:.1f}")
        for key, value in run.metrics.items()
        if key.startswith("seconds/")
    ]
    facts = _flat({name: value for name, value in run.facts.items() if name not in _ELSEWHERE})
    return (
        f"{page.heading('How it was made')}<p><code>{html.escape(run.facts['command'])}</code></p>"
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
