"""What a finished run came to, in a few rows: every recipe ends with them, and `tfxfer show` prints them again."""

import contextlib
import datetime
import math
import os
import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfxfer.core import text_table
from tfxfer.core.errors import InputError
from tfxfer.features.bank import Bank
from tfxfer.runs import class_results, corruption_facts, seed_statistics
from tfxfer.runs.loading import Loaded

_FIGURES = {  # label -> text with metrics in braces; a row is there if the run has them all
    "Frozen features": "{before/probe_accuracy} by logistic regression",
    "From scratch": "{scratch/accuracy}",
    "Best depth": "{frozen/accuracy}",
    "All layers tuned": "{tuned_less_scratch/difference} above from scratch, {tuned_less_frozen/difference} above the "
    "best depth",
    "Corrupted images": "{before/corrupted_accuracy} before tuning, {after/corrupted_accuracy} after",
    "Clean images": "{before/clean_accuracy} before tuning, {after/clean_accuracy} after",
    "Batch norm adapted": "{adapted/corrupted_accuracy} on corrupted images, without labels",
}
_OF_EACH = {  # section of the report -> the same for each of its subjects, with which these metrics begin
    "models": "{/test_accuracy}",
    "permutation": "{plain/accuracy} with pixels in place, {permuted/accuracy} permuted",
}
_METRIC = re.compile(r"{([^}]+)}")


def rows(run: Loaded) -> dict[str, str]:
    """The main figures of a run and where its files are, as text by label, in the order in which they are shown.

    First come rows of the recipe's own, the fact `summary` of run.json. Then test accuracy with its 95% interval, and
    what to compare it with; the other main figures; the worst class; the time; the report, the export, and the command
    that classifies images with it.

    Args:
        run: from `loading.load`. Its results on test images are read from banks/test.npz.
    """
    own, test = run.facts.get("summary"), _test_bank(run)
    own = own if isinstance(own, dict) else {}
    shown = {str(label)[:1].upper() + str(label)[1:]: str(value) for label, value in own.items()}
    figures = [_accuracy(run, test), _largest_class(run, test), _figures(run), _of_each(run), _worst_class(run, test)]
    for more in (*figures, _time(run), _places(run.dir)):
        shown |= {label: value for label, value in more.items() if label not in shown}
    return shown


def text(run: Loaded) -> str:
    """The rows of a run as a table for the terminal, under a line that says which run it is."""
    title = " on ".join(filter(None, [network(run), run.facts.get("data", {}).get("name")]))
    shown, whole = rows(run), _places(run.dir)  # paths and the command stay on one line, to be copied
    width = max(map(len, shown), default=0)
    lines = []
    for label, value in shown.items():
        first, *more = [value] if label in whole else _wrapped(value, width)
        lines += [(label, first), *(("", line) for line in more)]
    return text_table.render(lines, title=f"{run.facts['recipe']}: {title or run.dir.name}")


def _wrapped(value: str, taken: int) -> list[str]:
    """The lines of a text, which a terminal gets no wider than it is.

    Args:
        taken: the width of what stands before.
    """
    lines = value.split("\n")
    if not sys.stdout.isatty():
        return lines
    room = max(40, shutil.get_terminal_size().columns - taken - 2)
    return [part for line in lines for part in textwrap.wrap(line, room, break_on_hyphens=False) or [""]]


def network(run: Loaded) -> str:
    """The name of a run's network, or of those that it compares, as it was asked for; of a file the end of its path."""
    arguments = run.facts["arguments"]
    name = str(arguments.get("backbone") or arguments.get("backbones") or run.facts.get("model", {}).get("name", ""))
    if os.sep not in name:
        return name
    *folders, file = Path(name).parts
    return "/".join(folders[-2:]) if file == "model.keras" else file


def source(data: Mapping[str, Any]) -> str:
    """What the images are and where they come from, as run.json's `data` has it; of a folder its path, once."""
    name, origin = str(data["name"]), str(data["origin"])
    return name if origin in name else f"{name} from {origin}"


def accuracy(run: Loaded) -> str:
    """Test accuracy with its 95% interval, such as "0.9600 (0.9016 to 0.9843)"; empty if the run has none."""
    return _value(run.metrics, "test/accuracy") if "test/accuracy" in run.metrics else ""


def _test_bank(run: Loaded) -> Bank | None:
    with contextlib.suppress(InputError):
        test = Bank.load(run.dir / "banks" / "test.npz")
        if len(test) and any(name in test.values for name in ("logits", "probabilities")):
            return test
    return None


def _predicted(test: Bank) -> np.ndarray:
    return np.asarray(test["logits" if "logits" in test.values else "probabilities"]).argmax(1)


def _accuracy(run: Loaded, test: Bank | None) -> dict[str, str]:
    value = accuracy(run) or (f"{(_predicted(test) == test.labels).mean():.4f}" if test else "")
    if not value:
        return {}
    value = value.replace("(", "(95% interval ", 1)
    value += f" on {len(test):,} {corruption_facts.tested(run.facts)}" if test else ""
    several = "backbone" not in run.facts["arguments"] and "model" in run.facts
    return {"Test accuracy": f"{value}, by {run.facts['model']['name']}" if several else value}


def _largest_class(run: Loaded, test: Bank | None) -> dict[str, str]:
    classes = run.facts.get("classes")
    if test is None or not classes:
        return {}
    largest = class_results.most_frequent(run.facts, test.labels)
    share = (test.labels == largest).mean()
    return {"Largest class": f"always answering {classes[largest]} would have an accuracy of {share:.4f}"}


def _worst_class(run: Loaded, test: Bank | None) -> dict[str, str]:
    """The class with the lowest recall, and what it is taken for; nothing where all are right."""
    classes = run.facts.get("classes")
    if test is None or not classes:
        return {}
    worst = class_results.worst(test.labels, _predicted(test), len(classes))
    if worst is None:
        return {}
    name, other = classes[worst.label], classes[worst.taken_for]
    return {"Worst class": f"{name}: {worst.right:,} of {worst.tested:,} right, others mostly as {other}"}


def _figures(run: Loaded) -> dict[str, str]:
    found = {label: _filled(pattern, run.metrics) for label, pattern in _FIGURES.items()}
    return {label: value for label, value in found.items() if value}


def _of_each(run: Loaded) -> dict[str, str]:
    """Main figures of each of several models, feature sets or tasks."""
    subjects, found = run.facts.get("subjects", {}), {}
    for section, pattern in _OF_EACH.items():
        for name in subjects.get(section, ()):
            found[name.strip("/").replace("/", " ") or "all images"] = _filled(pattern, run.metrics, name)
    if list(found.values()).count(found.get("all images", "")) > 1:  # the sample is all of them
        del found["all images"]
    for name in subjects.get("feature_sets", ()):
        keys = [key for key in run.metrics if re.fullmatch(rf"{re.escape(name)}/\w+/test_accuracy", key)]
        found[name] = ", ".join(f"{run.metrics[key]:.4f} {key.split('/')[-2].replace('_', ' ')}" for key in keys)
    return {label: value for label, value in found.items() if value}


def _filled(pattern: str, metrics: Mapping[str, float], before: str = "") -> str:
    """A text with the metrics that it names filled in; empty unless the run has all of them."""
    keys = [before + key for key in _METRIC.findall(pattern)]
    if not all(math.isfinite(metrics.get(key, math.nan)) for key in keys):
        return ""
    return _METRIC.sub(lambda found: _value(metrics, before + found[1]), pattern)


def _value(metrics: Mapping[str, float], key: str) -> str:
    """A figure with the standard deviation over seeds or the 95% interval that stands beside it."""
    stem, signed = (key.removesuffix("difference"), "+") if key.endswith("/difference") else (f"{key}_", "")
    value = f"{metrics[key]:{signed}.4f}"
    if spread := seed_statistics.spread(metrics, key, signed):
        return spread
    ends = [metrics.get(f"{stem}{end}", math.nan) for end in ("low", "high")]
    return value + (f" ({ends[0]:{signed}.4f} to {ends[1]:{signed}.4f})" if all(map(math.isfinite, ends)) else "")


def _time(run: Loaded) -> dict[str, str]:
    seconds = sum(value for key, value in run.metrics.items() if key.startswith("seconds/") and math.isfinite(value))
    return {"Time": str(datetime.timedelta(seconds=round(seconds)))} if seconds else {}


def _places(folder: Path) -> dict[str, str]:
    there = {"Report": "report.html", "Export": "saved_model", "Weights": "backbone.weights.h5"}
    found = {label: str(folder / name) for label, name in there.items() if (folder / name).exists()}
    return found | ({"Predict": f"tfxfer predict {shlex.quote(str(folder))} IMAGES"} if "Export" in found else {})
