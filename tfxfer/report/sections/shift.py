"""Section of a report on corrupted images: before and after tuning, every corruption, stages tuned alone."""

import numpy as np

from tfxfer.analysis import intervals
from tfxfer.data.corruptions import BENCHMARK, FAMILIES, NAMES, SEVERITIES
from tfxfer.report import figures, page, published
from tfxfer.report.charts import Heat, Panel, Series, class_colors
from tfxfer.report.sections import projections
from tfxfer.report.sections.metric_tables import published_note
from tfxfer.runs import corruption_facts
from tfxfer.runs.loading import Loaded

_PROTOCOLS = {  # prefix of the metrics -> row
    "": "no image in both training and test",
    "as_few/": "the same, tuned on as few as below",
    "as_published/": "as published: LEAKS",
}


def sections(run: Loaded) -> list[str]:
    """Accuracy before and after tuning, both sides projected, every corruption, stages tuned alone, samples."""
    if "after/corrupted_accuracy" not in run.metrics:
        return []
    folder = run.dir / "figures"
    banks = {side: run.banks[side] for side in ("corrupted", "clean")}
    corruption = run.facts["arguments"]["corruption"].replace("_", " ")
    page.save(folder, "planes", figures.planes(banks, run.facts["classes"], corruption))
    parts = [
        page.heading("Before and after tuning on corrupted images"),
        page.table(("accuracy", "before, clean", "before, corrupted", "after, clean", "after, corrupted"), _rows(run)),
        *map(page.note, _remarks(run)),
        *published_note(run),
        page.note(
            "Each network has one PCA, fitted to corrupted and clean images together, so that both share their axes."
        ),
        projections.planes(run),
        *_grid(run),
        *_stages(run),
    ]
    if "contact" in run.banks:
        parts.append(page.note(f"The corruptions: {corruption_facts.remark(run.facts)}."))
        sheet = figures.contact_sheet(np.asarray(run.banks["contact"]["image"]))
        parts.append(page.figure(folder, "corruptions", sheet))
    return parts


def _rows(run: Loaded) -> list[tuple[str, ...]]:
    keys = [f"{when}/{side}_accuracy" for when in ("before", "after") for side in ("clean", "corrupted")]
    publication = published.CIFAR10C_SHIFT
    return [
        *(
            (title, *(_accuracy(run, prefix + key) for key in keys))
            for prefix, title in _PROTOCOLS.items()
            if prefix + keys[0] in run.metrics
        ),
        (f"{publication.head}: leaks", *(f"{publication.figures[key]:.4f}" for key in keys)),
    ]


def _accuracy(run: Loaded, key: str) -> str:
    """An accuracy with its 95% interval, which runs of version 0.1 may not have."""
    value, low, high = run.metrics[key], run.metrics.get(f"{key}_low"), run.metrics.get(f"{key}_high")
    return f"{value:.4f}" if low is None or high is None else intervals.text(value, (low, high))


def _remarks(run: Loaded) -> list[str]:
    sizes = {name: side["sizes"] for name, side in run.facts["corrupted"].items()}
    own = sizes["tfxfer"]
    remarks = [
        f"Tuned on {own['train']:,} corrupted images, tested on {own['test']:,} made from other images, and on these "
        f"{run.facts['data']['sizes']['test']:,} original images. 95% confidence intervals (Wilson) are in brackets: "
        "versions of one image are mostly right or wrong together, so they count as one cluster, not as several images."
    ]
    if "as_few" in sizes:
        few = sizes["as_few"]
        remarks.append(f"The same with {few['train']:,} corrupted images tuned on, tested on {few['test']:,}.")
    if "as_published" in sizes:
        remarks.append(
            f"WARNING: as published, the network is tested on {sizes['as_published']['test']:,} corrupted images. It "
            f"has learned from {sizes['as_published']['train']:,} of them, and from other versions of many more: what "
            "it has memorised counts as if it had generalised."
        )
    if run.facts["arguments"]["corruption"] == "frost":
        remarks.append(f"The corruption: {corruption_facts.remark(run.facts)}.")
    return remarks


def _grid(run: Loaded) -> list[str]:
    """Accuracy under all corruptions at all severities, where the run has measured it."""
    if "before/grid/mean_19" not in run.metrics:
        return []
    grids = {when: _under(run, f"{when}/grid/") for when in ("before", "after")}
    n = min(run.facts["arguments"]["grid_images"], run.facts["data"]["sizes"]["test"])
    low, high = intervals.wilson(0.5, n)
    groups = {"mean over 15": BENCHMARK, "mean over 19": NAMES, **FAMILIES}
    rows = []
    for title, names in groups.items():
        cells = [f"{name}_{severity}" for name in names for severity in SEVERITIES]
        means = {when: float(np.mean([grid[cell] for cell in cells])) for when, grid in grids.items()}
        drops = [1 - means[when] / run.metrics[f"{when}/clean_accuracy"] for when in means]
        rows.append((title, *(f"{value:.4f}" for value in (*means.values(), *drops))))
    return [
        page.heading(f"All {len(NAMES)} corruptions"),
        page.table(("", "before", "after", "drop from clean, before", "drop from clean, after"), rows),
        page.note(
            "Accuracy is a plain mean over five severities, as CIFAR-10-C is reported; the drop is relative. Each cell "
            f"of the charts is measured on the same {n:,} images: an accuracy of 0.5 has the 95% interval {low:.3f} to "
            f"{high:.3f} (Wilson). The means over 15, over 19 and of weather include frost: "
            f"{corruption_facts.remark(run.facts)}."
        ),
        page.chart(
            run.dir / "figures",
            "grid",
            "Accuracy under every corruption (the last four are the extras)",
            heat_maps(grids),
        ),
    ]


def heat_maps(grids: dict[str, dict[str, float]]) -> list[Heat]:
    """Accuracy by corruption and severity, one map for each network, and the change from the first to the last.

    Args:
        grids: network -> "<corruption>_<severity>" -> accuracy.
    """
    maps = {
        title: np.array([[grid[f"{name}_{severity}"] for severity in SEVERITIES] for name in NAMES])
        for title, grid in grids.items()
    }
    first, *_, last = maps.values()
    lowest, change = float(min(values.min() for values in maps.values())), last - first
    largest = float(max(np.abs(change).max(), 1e-3))
    names, severities = [name.replace("_", " ") for name in NAMES], [str(severity) for severity in SEVERITIES]

    def heat(title: str, values: np.ndarray, cell: str, low: float, high: float, scale: str) -> Heat:
        text = np.char.mod(cell, values)
        return Heat(title, values, rows=names, columns=severities, text=text, low=low, high=high, scale=scale)

    return [
        *(heat(title, values, "%.2f", lowest, 1.0, "viridis") for title, values in maps.items()),
        heat("change", change, "%+.2f", -largest, largest, "RdBu"),
    ]


def _stages(run: Loaded) -> list[str]:
    """Which single stage is best to tune, where the run has tried: metrics `surgery/<corruption>/<stage>`."""
    stages: dict[str, dict[str, float]] = {}
    for key, accuracy in _under(run, "surgery/").items():
        corruption, _, stage = key.partition("/")
        stages.setdefault(corruption, {})[stage] = accuracy
    if not stages:
        return []
    rows = []
    for corruption, row in stages.items():
        best, accuracy = max(((stage, value) for stage, value in row.items() if stage != "none"), key=lambda it: it[1])
        rows.append((corruption, best, f"{accuracy:.3f}", f"{row['none']:.3f}"))
    return [
        page.heading("One stage tuned alone"),
        page.chart(
            run.dir / "figures",
            "surgery",
            "Which stage is best to tune? Early ones for changes of pixels, late ones for changes of classes; "
            "dotted: not tuned",
            [Panel("", _lines(stages), "the stage that trains, all others frozen", "validation accuracy")],
        ),
        page.table(("corruption, severity 5", "best stage", "validation accuracy", "not tuned"), rows),
    ]


def _lines(stages: dict[str, dict[str, float]]) -> list[Series]:
    """Validation accuracy with one stage tuned alone: a line for each corruption, over stages from the input on."""
    family = {name: title for title, names in FAMILIES.items() for name in names}
    series = []
    for (corruption, row), color in zip(stages.items(), class_colors(len(stages)), strict=True):
        names = [stage for stage in row if stage != "none"]
        label = f"{corruption.replace('_', ' ')} ({family[corruption]})"
        series.append(Series(label, names, [row[stage] for stage in names], color=color))
        series.append(Series("", names, [row["none"]] * len(names), "dotted", color))
    return series


def _under(run: Loaded, prefix: str) -> dict[str, float]:
    """Metrics by what follows a prefix."""
    return {key.removeprefix(prefix): value for key, value in run.metrics.items() if key.startswith(prefix)}
