"""Section of a report that compares feature sets: classifiers on each, training on top of it, neural collapse."""

from tfxfer.report import page
from tfxfer.report.sections import contents
from tfxfer.report.sections.metric_tables import left_out, published_note, table, uncertainty
from tfxfer.runs.loading import Loaded

_CLASSIFIERS = {
    "lda": "LDA",
    "logistic": "logistic",
    "random_forest": "forest",
    "linear_svm": "linear SVM",
    "svm": "RBF SVM",
    "knn": "kNN",
    "mlp": "MLP",
}
_TRAINED = {"last_layer/test_accuracy": "head alone", "tuned/test_accuracy": "last stage fine-tuned"}
_SHAPES = ("equal_norms", "equal_angle", "maximal_angle")
_COLLAPSE = ("nc1", *_SHAPES, "cdnv", "nc3", "nc4")


def sections(run: Loaded) -> list[str]:
    """Classifiers on each set, training on top of it, collapse, and the sets that were not available."""
    sets = contents.subjects(run, "feature_sets")
    if not sets:
        return []
    parts = [page.heading("Feature sets and classifiers")]
    for split, text in (("test", "Accuracy on the test images"), ("train", "Accuracy on the training images")):
        keys = {f"{method}/{split}_accuracy": title for method, title in _CLASSIFIERS.items()}
        if any(f"{name}/{key}" in run.metrics for name in sets for key in keys):
            parts += [page.note(f"{text}."), table(run, sets, keys, keys)]
            parts += uncertainty(run, sets, keys) if split == "test" else []
    if trained := [name for name in sets if f"{name}/last_layer/test_accuracy" in run.metrics]:
        parts += [
            page.note("Accuracy on the test images after training on top of the features."),
            table(run, trained, _TRAINED, _TRAINED),
            *uncertainty(run, trained, _TRAINED),
        ]
    parts += [
        page.heading("Neural collapse"),
        page.note("Measured on the training images. All values are 0 once classes have collapsed to a simplex."),
        table(run, sets, _COLLAPSE),
    ]
    if trained:
        parts += [
            page.note("The same values for the rows of the head, one for each class."),
            table(run, sets, [f"classifier_{name}" for name in _SHAPES]),
        ]
    return [*parts, *left_out(run), *published_note(run)]
