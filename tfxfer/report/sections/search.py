"""Section of a report on a search: what was chosen, what to do next, every trial, and the learning curve."""

import html
from typing import Any

from tfxfer.analysis import intervals
from tfxfer.report import page
from tfxfer.report.charts import Panel, Series
from tfxfer.runs.loading import Loaded


def sections(run: Loaded) -> list[str]:
    """The choice and the advice, accuracy against seconds with a dot for each trial, and accuracy against images."""
    facts = run.facts.get("search")
    if not facts:
        return []
    return [
        page.heading("What was chosen"),
        page.note(f"{facts['chosen'][:1].upper()}{facts['chosen'][1:]}. {_judged(run)}"),
        page.heading("What to do next"),
        *(f"<p>{html.escape(sentence)}</p>" for sentence in run.facts["advice"]),
        page.heading("The search"),
        page.note(_spent(facts)),
        page.chart(run.dir / "figures", "search", _headline(facts), [_trials(facts)]),
        page.table(("trial", "validation accuracy", "cross-entropy", "epochs", "images", "seconds"), _rows(facts)),
        *_interpolation(facts),
        *_learning_curve(run),
    ]


def _judged(run: Loaded) -> str:
    choice = run.facts["search"]["choice"]
    return (
        f"Validation accuracy {choice['val_accuracy']:.4f}, by which it was chosen among "
        f"{len(run.facts['search']['trials'])} trials, so that it is a little too high; the test accuracy is not."
    )


def _spent(facts: dict[str, Any]) -> str:
    seconds = facts["seconds"]
    total = sum(seconds.values())
    busy = 1 - seconds["other"] / total if total else 1.0
    folds = f" Every trial was trained on {facts['folds']} folds." if facts["folds"] > 1 else ""
    return (
        f"The search took {total:.0f} s, {busy:.0%} of it training and computing features. Every dot is a trial; those "
        f"on the line were the best until then.{folds} Test images were not used."
    )


def _headline(facts: dict[str, Any]) -> str:
    best = max(facts["trials"], key=lambda row: row["val_accuracy"])
    return f"The best trial, after {best['at']:.0f} s, reached a validation accuracy of {best['val_accuracy']:.4f}"


def _trials(facts: dict[str, Any]) -> Panel:
    rows = sorted(facts["trials"], key=lambda row: row["at"])
    front: list[dict[str, Any]] = []
    for row in rows:
        if not front or row["val_accuracy"] > front[-1]["val_accuracy"]:
            front.append(row)
    front.append(front[-1] | {"at": rows[-1]["at"]})
    at, right = "at", "val_accuracy"
    said = [row["setting"] for row in rows]
    dots = Series("trials", [row[at] for row in rows], [row[right] for row in rows], "markers", text=said)
    line = Series("best so far", [row[at] for row in front], [row[right] for row in front], "dotted", color="#777777")
    return Panel("", [dots, line], "seconds since the search began", "validation accuracy")


def _rows(facts: dict[str, Any]) -> list[tuple[str, ...]]:
    def count(value: Any) -> str:
        return "" if value is None else f"{value:,}"

    best_first = sorted(facts["trials"], key=lambda row: -row["val_accuracy"])
    return [
        (
            row["setting"],
            f"{row['val_accuracy']:.4f}",
            f"{row['val_loss']:.4f}",
            count(row["epochs"]),
            count(row["images"]),
            f"{row['took']:.1f}",
        )
        for row in best_first
    ]


def _interpolation(facts: dict[str, Any]) -> list[str]:
    """What became of the weights between before and after (WiSE-FT)."""
    curve = facts["curve"]
    if not curve:
        return []
    best = max(curve, key=lambda row: row["val_accuracy"])
    return [
        page.note(
            "Between the network before fine-tuning (weight 0) and after it (weight 1) lie averages of the two "
            f"(WiSE-FT). Validation accuracy was {curve[0]['val_accuracy']:.4f} before, "
            f"{curve[-1]['val_accuracy']:.4f} after, and highest, {best['val_accuracy']:.4f}, at weight "
            f"{best['weight']:g}."
        )
    ]


def _learning_curve(run: Loaded) -> list[str]:
    curve = run.facts.get("learning_curve")
    if not curve or not curve["points"]:
        return []
    points, tested, twice = curve["points"], curve["tested"], curve["twice"]
    x, y = ([point[name] for point in points] for name in ("images", "accuracy"))
    band = [intervals.wilson(value, tested) for value in y]
    series = [Series("measured, with 95% intervals", x, y, color=0, band=band)]
    notes = [f"Method: {curve['method']}. Each point was measured on {tested:,} validation images."]
    title = "Accuracy for parts of the training images"
    if twice:
        x, here = [points[-1]["images"], twice["images"]], twice["accuracy"] - twice["gain"]
        band = [(here, here), twice["interval"]]
        series.append(Series("power law, with its interval", x, [here, twice["accuracy"]], color=1, band=band))
        least, most = (100 * end for end in twice["gain_interval"])
        title = f"Twice the images would bring about {100 * twice['gain']:.1f} points ({least:.1f} to {most:.1f})"
        notes.append(
            "Errors are taken to shrink with the number of images as a power law does. The interval covers chance in "
            "the validation images; that the errors shrink in another way it does not cover."
        )
    panel = Panel("", series, "training images", "validation accuracy", log="x")
    return [
        page.heading("Would more pictures help?"),
        page.chart(run.dir / "figures", "learning_curve", title, [panel]),
        *map(page.note, notes),
    ]
