"""Section of a report that compares models: accuracy and cost, recall by class, calibration, unfamiliar images."""

import numpy as np

from tfxfer.analysis import metrics
from tfxfer.data.out_of_distribution import SHIFTS
from tfxfer.report import page, published
from tfxfer.report.charts import Panel, Series
from tfxfer.report.sections import contents
from tfxfer.report.sections.metric_tables import left_out, number, published_note, table, uncertainty
from tfxfer.runs import tested_scores
from tfxfer.runs.loading import Loaded

_COST = ("test_accuracy", "train_accuracy", "ece", "parameters", "model_bytes", "fit_seconds", "predict_seconds")


def sections(run: Loaded) -> list[str]:
    """Accuracy, calibration, size and time of each model; recall by class; what unfamiliar images do to it."""
    names = contents.subjects(run, "models")
    if not names:
        return []
    labels, folder = run.banks["test"].labels, run.dir / "figures"
    probabilities = {name: np.asarray(run.banks[name]["probabilities"]) for name in names}
    title = "What does accuracy cost? Up and to the left is better"
    return [
        page.heading("Models"),
        table(run, names, _COST),
        *uncertainty(run, names, ["test_accuracy"]),
        page.chart(folder, "complexity", title, _cost(run, names)),
        *_recalls(run, probabilities),
        page.heading("Calibration"),
        page.chart(
            folder,
            "reliability",
            "Does confidence match accuracy? Below the line a model is overconfident; area is the number of images",
            [reliability(name, values, labels) for name, values in probabilities.items()],
            " ".join(_calibration(name, values, labels) for name, values in probabilities.items()),
        ),
        *_unfamiliar(run, names),
        *left_out(run),
        *published_note(run),
    ]


def _cost(run: Loaded, names: list[str]) -> list[Panel]:
    """Test accuracy against stored numbers and against seconds of fitting."""

    def panel(key: str, label: str) -> Panel:
        costs = [run.metrics.get(f"{name}/{key}", np.nan) for name in names]
        accuracies = [run.metrics.get(f"{name}/test_accuracy", np.nan) for name in names]
        series = [
            Series(name, [max(cost, 1e-2)], [accuracy], "markers", text=[name])
            for name, cost, accuracy in zip(names, costs, accuracies, strict=True)
        ]
        return Panel("", series, label, "test accuracy", log="x", least=0.1)

    return [panel("parameters", "stored numbers"), panel("fit_seconds", "seconds to fit")]


def _recalls(run: Loaded, probabilities: dict[str, np.ndarray]) -> list[str]:
    """Recall of each class by each model, beside the published one."""
    labels, classes, publication = run.banks["test"].labels, run.facts["classes"], published.for_run(run)
    columns = {
        name: [tested_scores.text(row["recall"]) for row in metrics.per_class(labels, values.argmax(1), classes)]
        for name, values in probabilities.items()
    }
    if publication.figures:
        columns[publication.head] = [number(publication.figures.get(f"recall/{name}")) for name in classes]
    return [
        page.note(f"Recall of each class. {tested_scores.not_tested(run.banks['test'], classes)}"),
        page.table(("class", *columns), list(zip(classes, *columns.values(), strict=True))),
    ]


def reliability(name: str, probabilities: np.ndarray, labels: np.ndarray) -> Panel:
    """Accuracy by confidence; on the diagonal the two are equal."""
    bins = metrics.reliability(probabilities, labels)
    error = metrics.expected_calibration_error(probabilities, labels)
    confidence, accuracy, count = ([row[key] for row in bins] for key in ("confidence", "accuracy", "count"))
    series = [
        Series("", [0, 1], [0, 1], "dotted", "grey"),
        Series(name, confidence, accuracy, "markers", 0, size=[n / max(count) for n in count]),
    ]
    return Panel(f"{name}: error {error:.3f}", series, "confidence", "accuracy", span=(0, 1))


def _calibration(name: str, probabilities: np.ndarray, labels: np.ndarray) -> str:
    """Whether a model is surer than it is right, in words."""
    confidence, accuracy = float(probabilities.max(1).mean()), metrics.accuracy(labels, probabilities.argmax(1))
    kind = "overconfident" if confidence > accuracy else "underconfident"
    return (
        f"{name} is {kind} by {100 * abs(confidence - accuracy):.1f} points: mean confidence {confidence:.2f}, "
        f"accuracy {accuracy:.2f}."
    )


def _unfamiliar(run: Loaded, names: list[str]) -> list[str]:
    """Accuracy and confidence on changed test images, and confidence on images of none of the classes."""
    kinds = ["test", *(kind for kind in SHIFTS if f"{names[0]}/{kind}/accuracy" in run.metrics)]
    titles = {f"{kind}/{what}": f"{kind} {what}" for kind in kinds for what in ("accuracy", "confidence")}
    titles |= {f"digits/{what}": f"digits {what}" for what in ("confidence", "auroc")}

    def bars(what: str) -> Panel:
        rows = {kind: [run.metrics.get(f"{name}/{kind}/{what}", np.nan) for name in names] for kind in kinds}
        return Panel(what, [Series(kind, names, values, "bars") for kind, values in rows.items()], span=(0, 1))

    return [
        page.heading("Images unlike the training images"),
        page.note(
            "Accuracy and mean confidence (probability of the predicted class) on the test images inverted, in light "
            "of one colour, and on a texture. On handwritten digits, which belong to none of the classes: confidence, "
            "and how well it tells the digits from the test images (AUROC: 0.5 is chance)."
        ),
        table(run, names, titles, titles),
        *uncertainty(run, names, [f"{kind}/accuracy" for kind in kinds]),
        page.chart(
            run.dir / "figures",
            "shifts",
            "Images unlike the training images: accuracy falls; does confidence?",
            [bars("accuracy"), bars("confidence")],
        ),
    ]
