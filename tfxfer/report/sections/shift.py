"""Sections of a report on corrupted images."""

import numpy as np

from tfxfer.analysis import intervals
from tfxfer.data.corruptions import BENCHMARK, FAMILIES, NAMES, SEVERITIES
from tfxfer.report import figures, page, published
from tfxfer.report.charts import Heat, Panel, Series, class_colors
from tfxfer.report.sections import projections
from tfxfer.runs.loading import Loaded

_ROWS = {
    "": "no image on both sides",
    "as_few/": "the same, tuned on as few as below",
    "as_published/": "as published: LEAKS",
}


def sections(run: Loaded) -> list[str]:
    """Accuracy before and after tuning, both sides projected, every corruption, single stages, samples."""
    if "after/corrupted_accuracy" not in run.metrics:
        return []
    folder, facts = run.dir / "figures", run.facts
    name = facts["arguments"]["corruption"].replace("_", " ")
    sides = {side: run.banks[side] for side in ("corrupted", "clean")}
    found = [
        page.heading("Before and after tuning on corrupted images"),
        page.table(("accuracy", "before, clean", "before, corrupted", "after, clean", "after, corrupted"), _rows(run)),
        *map(page.note, _remarks(run)),
        page.note("Each network has one PCA, fitted to both of its sides, so that they share their axes."),
        projections.planes(run),
    ]
    page.save(folder, "planes", figures.planes(sides, facts["classes"], name))
    if "before/grid/mean_19" in run.metrics:
        found += _grid(run)
    stages: dict[str, dict[str, float]] = {}
    for key, value in _under(run, "surgery/").items():
        name, _, stage = key.partition("/")
        stages.setdefault(name, {})[stage] = value
    if stages:
        best = {name: max(row.keys() - {"none"}, key=row.get) for name, row in stages.items()}
        rows = [(name, best[name], f"{row[best[name]]:.3f}", f"{row['none']:.3f}") for name, row in stages.items()]
        found += [
            page.heading("One stage tuned alone"),
            page.chart(
                folder,
                "surgery",
                "Which stage is best to tune? Changes of pixels early, changes of classes late; dotted: untuned",
                [Panel("", _surgery(stages), "the stage that trains, all others frozen", "validation accuracy")],
            ),
            page.table(("corruption, severity 5", "best stage", "validation accuracy", "untuned"), rows),
        ]
    if "contact" in run.banks:
        found.append(page.note(f"The corruptions: {_remark(run)}."))
        found.append(page.figure(folder, "corruptions", figures.contact_sheet(run.banks["contact"]["image"])))
    return found


def _rows(run: Loaded) -> list[tuple[str, ...]]:
    keys = [f"{when}/{side}_accuracy" for when in ("before", "after") for side in ("clean", "corrupted")]
    own = {title: prefix for prefix, title in _ROWS.items() if prefix + keys[0] in run.metrics}
    sets = {title: [_accuracy(run, prefix + key) for key in keys] for title, prefix in own.items()}
    sets[f"{published.CIFAR10C_SHIFT.head}: leaks"] = [f"{published.CIFAR10C_SHIFT.figures[key]:.4f}" for key in keys]
    return [(title, *cells) for title, cells in sets.items()]


def _accuracy(run: Loaded, key: str) -> str:
    """With its 95% interval, which runs of the first days do not have."""
    share, ends = run.metrics[key], [run.metrics.get(f"{key}_{end}") for end in ("low", "high")]
    return f"{share:.4f}" if None in ends else intervals.text(share, ends)


def _remarks(run: Loaded) -> list[str]:
    sizes = {name: side["sizes"] for name, side in run.facts["corrupted"].items()}
    own = sizes["tfxfer"]
    found = [
        f"Tuned on {own['train']:,} corrupted images, tested on {own['test']:,} made of other images, and on those "
        f"{run.facts['data']['sizes']['test']:,} images themselves. In brackets, 95% confidence intervals (Wilson): "
        "versions of one image are mostly right or wrong together, so they count as a cluster, not as so many images."
    ]
    if "as_few" in sizes:
        few = sizes["as_few"]
        found.append(f"The same with {few['train']:,} corrupted images tuned on, tested on {few['test']:,}.")
    if "as_published" in sizes:
        found.append(
            f"WARNING: as published, the network is tested on {sizes['as_published']['test']:,} corrupted images, of "
            f"which it has learned from {sizes['as_published']['train']:,} and from other versions of more: what it "
            "remembers counts as if it had understood."
        )
    if run.facts["arguments"]["corruption"] == "frost":
        found.append(f"The corruption: {_remark(run)}.")
    return [*found, f"Published: {published.CIFAR10C_SHIFT.remark}"]


def _remark(run: Loaded) -> str:
    """What of the corrupted images may differ from the benchmark's; older runs did not record it."""
    if "corruptions" in run.facts:
        return run.facts["corruptions"]["remark"]
    if run.facts["arguments"]["dataset"] == "cifar10_corrupted":
        return "CIFAR-10-C's own files"
    return "made by an earlier version, whose frost was darker than the benchmark's and whose spatter was stronger"


def _grid(run: Loaded) -> list[str]:
    grids = {when: _under(run, f"{when}/grid/") for when in ("before", "after")}
    n = min(run.facts["arguments"]["grid_images"], run.facts["data"]["sizes"]["test"])
    low, high = intervals.wilson(0.5, n)
    groups = {"mean over 15": BENCHMARK, "mean over 19": NAMES, **FAMILIES}
    rows = []
    for title, names in groups.items():
        keys = [f"{name}_{severity}" for name in names for severity in SEVERITIES]
        means = {when: float(np.mean([found[key] for key in keys])) for when, found in grids.items()}
        drops = [1 - means[when] / run.metrics[f"{when}/clean_accuracy"] for when in means]
        rows.append((title, *(f"{value:.4f}" for value in (*means.values(), *drops))))
    return [
        page.heading(f"All {len(NAMES)} corruptions"),
        page.table(("", "before", "after", "drop from clean, before", "drop from clean, after"), rows),
        page.note(
            "Accuracy as a plain mean over five severities, as CIFAR-10-C is reported; the drop is relative. Each cell "
            f"is of the same {n:,} images: a single one of 0.5 has the 95% interval {low:.3f} to {high:.3f} (Wilson)."
            "Accuracy as a plain mean over five severities, as CIFAR-10-C is reported; the drop is relative. "
            f"The means over 15, over 19 and of weather contain frost: {_remark(run)}."
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
        title: np.array([[found[f"{name}_{severity}"] for severity in SEVERITIES] for name in NAMES])
        for title, found in grids.items()
    }
    first, *_, last = maps.values()
    low = float(min(values.min() for values in maps.values()))
    reach = float(max(np.abs(last - first).max(), 1e-3))
    rows, columns = [name.replace("_", " ") for name in NAMES], [str(severity) for severity in SEVERITIES]
    found = [
        Heat(title, values, rows, columns, np.char.mod("%.2f", values), low, 1.0, "viridis")
        for title, values in maps.items()
    ]
    change = last - first
    return [*found, Heat("change", change, rows, columns, np.char.mod("%+.2f", change), -reach, reach, "RdBu")]


def _surgery(found: dict[str, dict[str, float]]) -> list[Series]:
    """Validation accuracy with one stage tuned alone, a line for each corruption, stages from the input on."""
    family = {name: title for title, names in FAMILIES.items() for name in names}
    series = []
    for (name, row), color in zip(found.items(), class_colors(len(found)), strict=True):
        stages = [stage for stage in row if stage != "none"]
        label = f"{name.replace('_', ' ')} ({family[name]})"
        series.append(Series(label, stages, [row[stage] for stage in stages], color=color))
        series.append(Series("", stages, [row["none"]] * len(stages), "dotted", color))
    return series


def _under(run: Loaded, prefix: str) -> dict[str, float]:
    return {key.removeprefix(prefix): value for key, value in run.metrics.items() if key.startswith(prefix)}
