"""Section of a report on few labels: accuracy against their number for each way to learn, and how many are needed."""

import numpy as np

from tfxfer.analysis import label_efficiency
from tfxfer.report import page
from tfxfer.report.charts import Panel, Series
from tfxfer.report.sections.metric_tables import uncertainty
from tfxfer.runs.loading import Loaded

_PROTOCOL = (
    "Each subset of the labelled images contains the smaller ones, and there are no validation images beside it. All "
    "settings are fixed beforehand, except for WiSE-FT's weight, which is chosen by a fifth of the images where there "
    "are five of a class. Every classifier saw the test images once."
)


def sections(run: Loaded) -> list[str]:
    """Curves with ranges, a table of them, and the number of labels for the wanted accuracy: fact `few_shot`, metrics
    `few_shot/<shots>/<method>/<figure>` and `labels/<method>/<figure>`."""
    about = run.facts.get("few_shot")
    if not about:
        return []
    labels, methods, classes = about["labels"], about["methods"], len(run.facts["classes"])

    def ranged(shots: str, method: str) -> tuple[float, float, float]:
        key = f"few_shot/{shots}/{method}/accuracy"
        return run.metrics[key], run.metrics[f"{key}_low"], run.metrics[f"{key}_high"]

    x = [count / classes for count in labels.values()]
    curves = []
    for method, title in methods.items():
        middles, lows, highs = zip(*(ranged(shots, method) for shots in labels), strict=True)
        curves.append(Series(title, x, middles, band=list(zip(lows, highs, strict=True))))
    draws = f"{about['draws']} draw{'s' if about['draws'] != 1 else ''}"
    last = " (the last point: all)" if "all" in labels else ""
    panel = Panel("Test accuracy by number of labels", curves, f"labelled images of each class{last}", log="x")
    head = ("", *(f"{shots} of each" if shots != "all" else f"all {labels[shots]:,}" for shots in labels))
    rows = [
        (title, *("{:.3f} ({:.3f} to {:.3f})".format(*ranged(shots, method)) for shots in labels))
        for method, title in methods.items()
    ]
    return [
        page.heading("How many labels?"),
        page.note(_PROTOCOL),
        page.chart(run.dir / "figures", "few_shot", f"Medians and ranges of {draws}", [panel]),
        page.note(f"Test accuracy: medians and ranges of {draws} of the labelled images."),
        page.table(head, rows),
        *uncertainty(run, [f"few_shot/{shots}/{method}" for shots in labels for method in methods], ["accuracy"]),
        page.note(
            f"Labels for an accuracy of {about['wanted']:g}, in all classes together: median and range of the draws, "
            "between measured points on a straight line over the logarithm of the number."
        ),
        page.table(("", "labels"), [(title, _needed(run, method)) for method, title in methods.items()]),
    ]


def _needed(run: Loaded, method: str) -> str:
    median, low, high = (
        np.inf if np.isnan(value) else value  # not reached
        for value in (run.metrics[f"labels/{method}/{name}"] for name in ("needed", "needed_low", "needed_high"))
    )
    counts = run.facts["few_shot"]["labels"].values()
    found = label_efficiency.Demand(median, low, high, run.metrics[f"labels/{method}/reached"])
    return label_efficiency.text(found, min(counts), max(counts))
