"""Sections of a report that compare feature sets or models: tables beside the published figures, and their pictures."""

from collections.abc import Iterable

import numpy as np

from tfxfer.analysis import intervals, metrics
from tfxfer.data.out_of_distribution import SHIFTS
from tfxfer.report import page, published
from tfxfer.report.charts import Panel, Series
from tfxfer.runs import model_card
from tfxfer.runs.loading import Loaded

_COLLAPSE = {
    "nc1": "NC1",
    "equal_norms": "equal norms",
    "equal_angle": "equal angle",
    "maximal_angle": "maximal angle",
    "cdnv": "CDNV",
    "nc3": "NC3",
    "nc4": "NC4",
}
_CLASSIFIER = {f"classifier_{key}": _COLLAPSE[key] for key in ("equal_norms", "equal_angle", "maximal_angle")}
_NAMES = {"lda": "LDA", "logistic": "logistic", "random_forest": "forest", "linear_svm": "linear SVM", "svm": "RBF SVM"}
_NAMES |= {"knn": "kNN", "mlp": "MLP"}


def feature_sets(run: Loaded) -> list[str]:
    """Classifiers on each set, training on top of it, collapse, and the sets that could not be had."""
    methods = [name for name in _NAMES if having(run, f"/{name}/test_accuracy")]
    sets = having(run, "/nc1")
    if not sets:
        return []
    sections = [page.heading("Feature sets and classifiers")]
    for part, text in (("test", "Accuracy on the test images"), ("train", "Accuracy on the images learned from")):
        columns = {f"{method}/{part}_accuracy": _NAMES[method] for method in methods}
        sections += [page.note(f"{text}."), _table(run, sets, columns)] if columns else []
        sections += _sure(run, sets, columns) if part == "test" else []
    if trained := having(run, "/last_layer/test_accuracy"):
        columns = {"last_layer/test_accuracy": "head alone", "tuned/test_accuracy": "last stage tuned"}
        sections += [page.note("Trained further, accuracy on the test images."), _table(run, trained, columns)]
        sections += _sure(run, trained, columns)
    sections += [
        page.heading("Neural collapse"),
        page.note("Of the images learned from; all figures are 0 where classes have collapsed to a simplex."),
        _table(run, sets, _COLLAPSE),
    ]
    if trained:
        sections += [page.note("The same of the head's rows, one for each class."), _table(run, sets, _CLASSIFIER)]
    return sections + _remarks(run)


def models(run: Loaded) -> list[str]:
    """Accuracy, calibration, size and time of each model; recall by class; what shifted images do to it."""
    found = having(run, "/ece")
    if not found:
        return []
    folder = run.dir / "figures"
    columns = {
        "test_accuracy": "test accuracy",
        "train_accuracy": "training accuracy",
        "ece": "calibration error",
        "parameters": "parameters",
        "model_bytes": "bytes",
        "fit_seconds": "fit, s",
        "predict_seconds": "test, s",
    }
    rows = {name: {key: run.metrics.get(f"{name}/{key}", np.nan) for key in columns} for name in found}
    labels, classes = run.banks["test"].labels, run.facts["classes"]
    probabilities = {name: run.banks[name]["probabilities"] for name in found}
    recalls = {
        name: [model_card.score(row["recall"]) for row in metrics.per_class(labels, values.argmax(1), classes)]
        for name, values in probabilities.items()
    }
    known = _published(run)
    theirs = [[_number(known.get(f"recall/{name}"), "") for name in classes]] if known else []
    sections = [
        page.heading("Models"),
        _table(run, found, columns),
        *_sure(run, found, ["test_accuracy"]),
        page.chart(folder, "complexity", "What does accuracy cost? Up and to the left is better", _cost(rows)),
        page.note(f"Recall of each class. {model_card.not_tested(run.banks['test'], classes)}"),
        page.table(
            ("class", *found, *([_head(run)] if theirs else [])), list(zip(classes, *recalls.values(), *theirs))
        ),
        page.heading("Calibration"),
        page.chart(
            folder,
            "reliability",
            "Is confidence what it claims? Below the line models are too sure; size is the number of images",
            [_reliability(name, values, labels) for name, values in probabilities.items()],
        ),
        page.heading("Pictures unlike those learned from"),
        page.note(
            "Accuracy and mean confidence (probability of the predicted class) on the test images inverted, in light "
            "of one colour, and on a texture; on handwritten digits, which are none of the classes, confidence, and "
            "how well it tells them from the test images (AUROC: 0.5 is chance)."
        ),
    ]
    kinds = ["test", *(kind for kind in SHIFTS if f"{found[0]}/{kind}/accuracy" in run.metrics)]
    columns = {f"{kind}/{what}": f"{kind} {what}" for kind in kinds for what in ("accuracy", "confidence")}
    columns |= {f"digits/{what}": f"digits {what}" for what in ("confidence", "auroc")}
    shifted = {name: {key: run.metrics.get(f"{name}/{key}", np.nan) for key in columns} for name in found}
    bars = [
        Panel(
            what, [Series(kind, found, [row[f"{kind}/{what}"] for row in shifted.values()], "bars") for kind in kinds]
        )
        for what in ("accuracy", "confidence")
    ]
    title = "Pictures unlike those learned from: accuracy falls, does confidence?"
    sections += [_table(run, found, columns), *_sure(run, found, [f"{kind}/accuracy" for kind in kinds])]
    return [*sections, page.chart(folder, "shifts", title, bars), *_remarks(run)]


def _cost(models: dict[str, dict[str, float]]) -> list[Panel]:
    """Test accuracy against stored numbers and against seconds of fitting."""
    return [
        Panel(
            "",
            [
                Series(name, [max(row[key], 1e-2)], [row["test_accuracy"]], "markers", text=[name])
                for name, row in models.items()
            ],
            label,
            "test accuracy",
            log="x",
        )
        for key, label in (("parameters", "stored numbers"), ("fit_seconds", "seconds to fit"))
    ]


def _reliability(name: str, probabilities: np.ndarray, labels: np.ndarray) -> Panel:
    """Accuracy by confidence; on the diagonal confidence is what it claims to be."""
    bins = metrics.reliability(probabilities, labels)
    error = metrics.expected_calibration_error(probabilities, labels)
    confidence, accuracy, count = ([row[key] for row in bins] for key in ("confidence", "accuracy", "count"))
    series = [
        Series("", [0, 1], [0, 1], "line", "grey"),
        Series(name, confidence, accuracy, "markers", 0, size=[n / max(count) for n in count]),
    ]
    return Panel(f"{name}: error {error:.3f}", series, "confidence", "accuracy", span=(0, 1))


def having(run: Loaded, ending: str) -> list[str]:
    """Names before this ending in the metrics' keys, in their order."""
    return [key.removesuffix(ending) for key in run.metrics if key.endswith(ending) and "/" not in key[: -len(ending)]]


def _table(run: Loaded, names: Iterable[str], columns: dict[str, str]) -> str:
    """A row for each name, a column for each figure that any has, the published one beside it where there is any."""
    theirs = _published(run)
    names = [name for name in names if any(f"{name}/{key}" in run.metrics for key in columns)]
    head, kept = [""], []
    for key, title in columns.items():
        if any(f"{name}/{key}" in run.metrics for name in names):
            kept.append((run.metrics, key))
            head.append(title)
            if any(f"{name}/{key}" in theirs for name in names):
                kept.append((theirs, key))
                head.append(_head(run))
    rows = [(name, *(_number(source.get(f"{name}/{key}"), key) for source, key in kept)) for name in names]
    return page.table(tuple(head), rows)


def _sure(run: Loaded, names: Iterable[str], columns: Iterable[str]) -> list[str]:
    """What chance alone does to a table's accuracies: the 95% interval of the lowest and of the highest."""
    found = [run.metrics.get(f"{name}/{key}", np.nan) for name in names for key in columns]
    if not (values := [value for value in found if not np.isnan(value)]):
        return []
    n = test_images(run)
    ends = [intervals.text(value, intervals.wilson(value, n)) for value in sorted({min(values), max(values)})]
    said = ", of the highest ".join(ends)
    return [page.note(f"95% interval (Wilson) of the lowest accuracy here, on {n:,} test images: {said}.")]


def test_images(run: Loaded) -> int:
    """How many images were tested; versions of one count once, which is the safe side for an interval."""
    bank = run.banks.get("test")
    return run.facts["data"]["sizes"]["test"] if bank is None else len(np.unique(bank.bases))


def _published(run: Loaded) -> dict[str, float]:
    return published.known(run.facts["recipe"], run.facts["classes"]).figures


def _head(run: Loaded) -> str:
    return published.known(run.facts["recipe"], run.facts["classes"]).head


def _number(value: float | None, key: str) -> str:
    if value is None or np.isnan(value):
        return ""
    if key.endswith(("parameters", "bytes")):
        return f"{value:,.0f}"
    return f"{value:.1f}" if key.endswith("seconds") else f"{value:.4f}" if abs(value) < 1000 else f"{value:.3g}"


def _remarks(run: Loaded) -> list[str]:
    """What could not be had, and how the published figures came about."""
    reasons = [page.note(f"Left out: {name}. {reason}") for name, reason in run.facts.get("left_out", {}).items()]
    remark = published.known(run.facts["recipe"], run.facts["classes"]).remark
    return reasons + ([page.note(f"Published: {remark}")] if remark else [])
