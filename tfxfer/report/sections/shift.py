"""Section of a report on corrupted images: before and after tuning, every corruption, stages tuned alone."""

import numpy as np

from tfxfer.analysis import intervals
from tfxfer.data.corruptions import FAMILIES, NAMES, SEVERITIES
from tfxfer.report import figures, page, picture_cards, published
from tfxfer.report.charts import Panel, Series, class_colors
from tfxfer.report.sections import corruption_grid, projections
from tfxfer.report.sections.metric_tables import SPREAD, metric, published_note
from tfxfer.runs import corruption_facts, seed_statistics
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
        *corruption_grid.parts(run),
        *_stages(run),
    ]
    return [*parts, *_contact_sheet(run)]


def _contact_sheet(run: Loaded) -> list[str]:
    """One image under all corruptions at all severities, as a table of pictures."""
    if "contact" not in run.banks:
        return []
    bank = run.banks["contact"]
    images, numbers = np.asarray(bank["image"]), bank.ids.tolist()
    page.save(run.dir / "figures", "corruptions", figures.contact_sheet(images))
    head = "".join(f'<th scope="col">severity {severity}</th>' for severity in SEVERITIES)
    rows = []
    for place, name in enumerate(NAMES):
        cells = ""
        for severity in SEVERITIES:
            at = place * len(SEVERITIES) + SEVERITIES.index(severity)
            lines = (f"{name.replace('_', ' ')}, severity {severity}", picture_cards.name(run, numbers[at]))
            cells += f"<td>{picture_cards.card(images[at], lines, numbers[at], 'cell-card')}</td>"
        rows.append(f'<tr><th scope="row">{name.replace("_", " ")}</th>{cells}</tr>')
    return [
        page.note(f"The corruptions of one test image: {corruption_facts.remark(run.facts)}."),
        f'<div class="table"><table class="heat pictures"><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>",
    ]


def _rows(run: Loaded) -> list[tuple[str, ...]]:
    keys = [f"{when}/{side}_accuracy" for when in ("before", "after") for side in ("clean", "corrupted")]
    publication = published.CIFAR10C_SHIFT
    return [
        *(
            (title, *(_accuracy(run, prefix + key) for key in keys))
            for prefix, title in _PROTOCOLS.items()
            if prefix + keys[0] in run.metrics
        ),
        *_adapted_row(run),
        (f"{publication.head}: leaks", *(f"{publication.figures[key]:.4f}" for key in keys)),
    ]


def _adapted_row(run: Loaded) -> list[tuple[str, ...]]:
    """Batch norm adapted in place of tuning, where the run has measured it."""
    if "adapted/clean_accuracy" not in run.metrics:
        return []
    keys = [f"{state}/{side}_accuracy" for state in ("before", "adapted") for side in ("clean", "corrupted")]
    return [("batch norm adapted without labels, nothing tuned", *(_accuracy(run, key) for key in keys))]


def _accuracy(run: Loaded, key: str) -> str:
    """An accuracy with its standard deviation over seeds or, of one seed, with its 95% interval, which runs of version
    0.1 may not have."""
    if f"{key}_std" in run.metrics:
        return metric(run, key)
    value, low, high = run.metrics[key], run.metrics.get(f"{key}_low"), run.metrics.get(f"{key}_high")
    return f"{value:.4f}" if low is None or high is None else intervals.text(value, (low, high))


def _remarks(run: Loaded) -> list[str]:
    sizes = {name: side["sizes"] for name, side in run.facts["corrupted"].items()}
    own = sizes["tfxfer"]
    remarks = [
        f"Tuned on {own['train']:,} corrupted images, tested on {own['test']:,} made from other images, and on these "
        f"{run.facts['data']['sizes']['test']:,} original images. {_uncertainty(run)}"
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
    if "adapted/clean_accuracy" in run.metrics:
        remarks.append(_about_adaptation(run.facts["adaptation"]))
    elif reason := run.facts.get("left_out", {}).get("batch-norm adaptation"):
        remarks.append(f"Left out: batch-norm adaptation. {reason}")
    if run.facts["arguments"]["corruption"] == "frost":
        remarks.append(f"The corruption: {corruption_facts.remark(run.facts)}.")
    return remarks


def _uncertainty(run: Loaded) -> str:
    if seed_statistics.by_seed(run):
        return f"{SPREAD}."
    return (
        "95% confidence intervals (Wilson) are in brackets: versions of one image are mostly right or wrong together, "
        "so they count as one cluster, not as several images."
    )


def _about_adaptation(fact: dict[str, float]) -> str:
    return (
        f"Batch norm adapted: before any tuning, its statistics are mixed with those of the first {fact['images']:,} "
        "test images (of all, if there are fewer), clean or corrupted, whose labels are not read; its own count as "
        f"{fact['prior']:g} images (Schneider et al. 2020). In the row of that name, after means after this. Among all "
        "corruptions, it is done anew for each corruption and severity. It undoes a shift from the images that batch "
        "norm was trained on. A frozen backbone has the statistics of its pretraining, and the head has learned with "
        "these: other statistics, even those of clean images, then cost accuracy, as the row's clean images show."
    )


def _stages(run: Loaded) -> list[str]:
    """Which single stage is best to tune, where the run has tried: metrics `surgery/<corruption>/<stage>`."""
    stages: dict[str, dict[str, float]] = {}
    for key, accuracy in corruption_grid.under(run, "surgery/").items():
        corruption, _, stage = key.partition("/")
        stages.setdefault(corruption, {})[stage] = accuracy
    if not stages:
        return []
    rows = []
    for corruption, row in stages.items():
        best = max((stage for stage in row if stage != "none"), key=lambda stage: row[stage])
        cells = [metric(run, f"surgery/{corruption}/{stage}", "{:.3f}") for stage in (best, "none")]
        rows.append((corruption, best, *cells))
    return [
        page.heading("One stage tuned alone"),
        page.chart(
            run.dir / "figures",
            "surgery",
            "Which stage is best to tune? Early ones for changes of pixels, late ones for changes of classes; "
            "dotted: not tuned",
            [Panel("", _lines(stages), "the stage that trains, all others frozen", "validation accuracy", least=0.1)],
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
