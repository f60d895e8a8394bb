"""The names of a run's metrics: what each key of metrics.json means, in one table.

A pattern is a key with places: `<name>` stands for one of `PLACES`, and a part in square brackets may be missing. Of a
run with several seeds, every key is the mean over seeds and has its standard deviation beside it, `<key>_std`; see
`seed_statistics.summary` for the exceptions.
"""

import functools
import math
import re
from dataclasses import dataclass, replace

PLACES = {  # place -> regular expression of what may stand there
    "phase": r".+",
    "when": r"before|after",
    "state": r"before|adapted|after|interpolated",
    "end": r"low|high",
    "side": r"clean|corrupted",
    "protocol": r"as_few|as_published",
    "arrangement": r"plain|permuted",
    "task": r"groups|classes",
    "network": r"scratch|frozen|tuned",
    "shifted": r"test|inverted|tinted|textured",
    "corruption": r"[a-z_]+",
    "severity": r"[1-5]",
    "number": r"\d+",
    "weight": r"[01](?:\.\d+)?",
    "shots": r"\d+|all",
} | dict.fromkeys(("set", "classifier", "model", "backbone", "stage", "depth", "method"), r"[^/]+")

UNITS = {  # unit -> lowest and highest value
    "share": (0.0, 1.0),
    "difference": (-1.0, 1.0),
    "count": (0.0, math.inf),
    "bytes": (0.0, math.inf),
    "seconds": (0.0, math.inf),
    "pixel value": (0.0, 255.0),
    "ratio": (0.0, math.inf),
    "relative ratio": (-math.inf, math.inf),
    "collapse": (0.0, math.inf),  # 0 where classes have collapsed
    "setting": (0.0, math.inf),
    "distance": (0.0, math.inf),
}


OVER_SEEDS = {  # ending of a key of a run with several seeds -> label, and what its text begins with
    "_std": ("std", "standard deviation over seeds"),
    "_mean": ("mean", "mean over seeds"),
}


@dataclass(frozen=True)
class Metric:
    """One row of the table.

    Attributes:
        pattern: of the keys it describes.
        label: a few words, for the head of a column.
        text: what the value is, in one line.
        unit: a key of `UNITS`. Values lie in its range, or are NaN where they are not defined.
    """

    pattern: str
    label: str
    text: str
    unit: str = "share"

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest value, both possible."""
        return UNITS[self.unit]

    @functools.cached_property
    def expression(self) -> re.Pattern[str]:
        """The pattern as a regular expression for a whole key."""
        places = iter(re.split(r"<(\w+)>", self.pattern))
        parts = [re.escape(next(places)).replace(r"\[", "(?:").replace(r"\]", ")?")]
        for name, text in zip(places, places):
            parts += [f"(?:{PLACES[name]})", re.escape(text).replace(r"\[", "(?:").replace(r"\]", ")?")]
        return re.compile("".join(parts))


def _rows(prefix: str, *rows: tuple[str, ...]) -> tuple[Metric, ...]:
    """Rows whose patterns begin alike."""
    return tuple(Metric(prefix + name, *rest) for name, *rest in rows)


_COLLAPSE = (
    ("nc1", "NC1", "neural collapse: spread within classes over spread between them", "collapse"),
    ("equal_norms", "equal norms", "spread of the distances of class means from their mean", "collapse"),
    ("equal_angle", "equal angle", "spread of the cosines between class means", "collapse"),
    ("maximal_angle", "maximal angle", "mean distance of these cosines from those of a simplex", "collapse"),
    ("cdnv", "CDNV", "class-distance normalised variance, mean over pairs of classes", "collapse"),
)
_HEAD = (
    ("classifier_equal_norms", "equal norms", "spread of the norms of the head's rows", "collapse"),
    ("classifier_equal_angle", "equal angle", "spread of the cosines between the head's rows", "collapse"),
    ("classifier_maximal_angle", "maximal angle", "mean distance of these from a simplex's", "collapse"),
    ("nc3", "NC3", "squared distance of the head's rows from the class means, both of norm 1", "collapse"),
    ("nc4", "NC4", "share of images that the head and the nearest class mean classify differently"),
)
_FITTED = (  # facts of `analysis.probes.fit`
    ("test_accuracy", "test accuracy", "accuracy on the test images"),
    ("train_accuracy", "training accuracy", "accuracy on the training images"),
    ("validation_accuracy", "validation accuracy", "accuracy on the validation images"),
    ("fit_seconds", "fit, s", "time of fitting", "seconds"),
    ("predict_seconds", "test, s", "time of classifying the test images", "seconds"),
    ("parameters", "parameters", "numbers stored to predict from", "count"),
    ("model_bytes", "bytes", "size of the stored model", "bytes"),
    ("converged", "converged", "1 if the optimiser converged, else 0"),
    ("C", "C", "inverse strength of the regularisation", "setting"),
    ("k", "k", "number of neighbours", "setting"),
    ("shrinkage", "shrinkage", "shrinkage of the covariance"),
)

TABLE = (
    Metric("seconds/<phase>", "seconds", "time of a phase of the run", "seconds"),
    Metric("test/accuracy", "test accuracy", "accuracy of the saved network on the test images"),
    Metric("test/accuracy_<end>", "95% interval", "an end of its 95% interval (Wilson)"),
    Metric("test/ece_uncalibrated", "error uncalibrated", "expected calibration error without temperature scaling"),
    Metric("test/answered", "answered", "share of test images whose probability reaches the network's threshold"),
    Metric("test/answered_accuracy[_<end>]", "accuracy of answers", "accuracy on these, and its 95% interval (Wilson)"),
    Metric("test/balanced_accuracy", "balanced accuracy", "mean over the classes of their recall on the test images"),
    Metric("validation/accuracy", "validation accuracy", "accuracy of what was chosen, on the images it was chosen by"),
    Metric("validation/log_loss", "validation loss", "its cross-entropy on these, before calibration", "ratio"),
    Metric("frozen/<backbone>_validation_accuracy", "frozen", "accuracy of a linear head on the frozen network"),
    Metric("search/seconds", "search", "time of the steps of a search", "seconds"),
    Metric("search/busy_share", "busy", "share of it that was spent on training and on computing features"),
    Metric("<when>/probe_accuracy", "probe accuracy", "accuracy of a logistic-regression probe on the features"),
    Metric("<when>/silhouette", "silhouette", "silhouette of the classes, -1 to 1", "difference"),
    Metric("<when>/knn_purity", "kNN purity", "share of the 10 nearest neighbours of the same class"),
    *_rows("layers/<when>/<stage>/", _COLLAPSE[0], _COLLAPSE[4]),
    # the data
    Metric("data/mean", "mean", "mean of the pixels of training and validation images", "pixel value"),
    Metric("data/median", "median", "their median", "pixel value"),
    Metric("data/std", "std", "their standard deviation", "pixel value"),
    Metric("data/duplicate_groups", "duplicates", "groups of images equal in every pixel", "count"),
    Metric("data/leaking_groups", "leaks", "those with test images and others", "count"),
    Metric("data/near_copies_test", "near-copies", "test images with a near-copy in training or validation", "count"),
    Metric("data/near_copies_validation", "near-copies", "validation images with a near-copy in training", "count"),
    Metric("data/outlier_median", "outlier score", "median Mahalanobis distance from a class mean", "distance"),
    *_rows("scale/", ("mean", "mean", "mean of the training pixels, in [0, 1]"), ("std", "std", "their deviation")),
    # class activation maps: the deletion test and the check with random weights
    Metric("deletion/<method>/probability", "probability", "mean probability of the predicted class"),
    Metric("deletion/<method>/top", "top", "what it loses when the map's highest fifth is blurred", "difference"),
    Metric("deletion/<method>/random", "random", "what it loses when these regions are moved at random", "difference"),
    Metric("deletion/<method>/lowest", "lowest", "what it loses when the lowest fifth is blurred", "difference"),
    Metric("deletion/<method>/gain", "gain", "top less random", "difference"),
    Metric("deletion/<method>/<end>", "95% interval", "an end of the gain's 95% interval", "difference"),
    Metric("deletion/<method>/empty", "empty", "share of maps that are empty"),
    Metric("deletion/<method>/images", "images", "validation images of the deletion test", "count"),
    Metric("sanity/<stage>", "sanity", "rank correlation of maps with those of random weights", "difference"),
    # feature sets, and classifiers on each
    *_rows("<set>/", *_COLLAPSE, *_HEAD),
    *_rows("<set>/<classifier>/", *_FITTED),
    # models on pixels; `head` stands for a head on frozen features
    *_rows("<model>/", *_FITTED),
    Metric("<model>/sweep_rows", "images of the sweep", "training images used to choose the setting", "count"),
    Metric("<model>/sweep_seconds", "sweep, s", "time of all that came before the last fit", "seconds"),
    Metric("<model>/ece", "calibration error", "expected calibration error over 15 bins"),
    Metric("<model>/<shifted>/accuracy", "accuracy", "accuracy on the test images, or on changed versions of them"),
    Metric("<model>/<shifted>/confidence", "confidence", "mean probability of the predicted class on these"),
    Metric("<model>/digits/confidence", "confidence on digits", "the same on handwritten digits"),
    Metric("<model>/digits/auroc", "AUROC", "how well confidence tells test images from digits; 0.5 is chance"),
    # a probe of all stages (Head2Toe) beside one of the embedding, both before fine-tuning
    *_rows(
        "[<set>/]head2toe/",
        ("accuracy", "all stages", "test accuracy of a probe of all stages"),
        ("last_layer_accuracy", "last layer", "test accuracy of a probe of the embedding, fitted to the same images"),
        ("gain", "gain", "the first less the second, on the same test images", "difference"),
        ("gain_<end>", "95% interval", "an end of the gain's 95% interval", "difference"),
        ("fraction", "fraction", "share of all features to keep, chosen by validation"),
        ("features", "features kept", "number of features kept", "count"),
        ("candidates", "of", "number of features of all stages", "count"),
        ("kept/<stage>", "share kept", "share of the kept features that are this stage's"),
    ),
    # corrupted images
    Metric("head/overfits_after_epoch", "overfits after", "epoch of the head's lowest validation loss", "count"),
    Metric("[<protocol>/]<state>/<side>_accuracy", "accuracy", "accuracy on clean or corrupted test images"),
    Metric("[<protocol>/]<state>/<side>_accuracy_<end>", "95% interval", "an end of its 95% interval, clustered"),
    Metric("<state>/grid/<corruption>_<severity>", "accuracy", "accuracy under one corruption"),
    Metric("<state>/grid/mean_<number>", "mean accuracy", "mean over this many corruptions at five severities"),
    Metric(
        "<state>/grid/mce_vs_before_<number>",
        "mCE against before",
        "mean corruption error; the reference, with 1, is this run's network before tuning, not AlexNet",
        "ratio",
    ),
    Metric(
        "<state>/grid/relative_mce_vs_before_<number>",
        "relative mCE against before",
        "the same of what corruptions add to the errors on clean images",
        "relative ratio",
    ),
    Metric(
        "interpolation/<weight>/[val_]<side>_accuracy",
        "accuracy",
        "accuracy between the weights before (0) and after (1) tuning; val_: on validation images, not on test images",
    ),
    Metric("interpolated/weight", "weight", "the point between them that is best by validation", "share"),
    Metric("interpolated/corrupted_kept", "corrupted kept", "its corrupted accuracy over the tuned network's", "ratio"),
    Metric(
        "interpolated/clean_won_back",
        "clean won back",
        "share of the clean accuracy lost by tuning that it wins back",
        "relative ratio",
    ),
    Metric("surgery/<corruption>/<stage>", "accuracy", "validation accuracy with this stage alone tuned"),
    # few labels: medians over draws of the labelled images
    Metric(
        "few_shot/<shots>/<method>/accuracy", "accuracy", "median test accuracy with this many labels of each class"
    ),
    Metric("few_shot/<shots>/<method>/accuracy_<end>", "range", "the lowest or highest of the draws"),
    Metric("few_shot/<shots>/<method>/seconds", "seconds", "median time of learning from the features", "seconds"),
    Metric("few_shot/<shots>/<method>/weight", "weight", "median weight of WiSE-FT: 0 is the head, 1 is LP-FT"),
    Metric("labels/<method>/needed", "labels needed", "median number of labels for the wanted accuracy", "count"),
    Metric("labels/<method>/needed_<end>", "range", "the lowest or highest of the draws", "count"),
    Metric("labels/<method>/reached", "reached", "share of the draws in which all labels are enough"),
    # pixels in place and permuted
    Metric("[<task>/<backbone>/]<arrangement>/accuracy", "accuracy", "accuracy on the test images"),
    Metric("[<task>/<backbone>/]cost", "cost", "accuracy in place less accuracy permuted", "difference"),
    Metric("[<task>/<backbone>/]cost_<end>", "95% interval", "an end of its 95% interval", "difference"),
    # from scratch and pretrained
    Metric("<network>/accuracy", "accuracy", "accuracy of this network on the test images"),
    Metric("sweep/<depth>/accuracy", "accuracy", "training accuracy with this many layers unfrozen"),
    Metric("sweep/<depth>/val_accuracy", "validation accuracy", "validation accuracy with this many layers unfrozen"),
    Metric("sweep/<depth>/seconds", "seconds", "time of that training", "seconds"),
    Metric("sweep/<depth>/nc1", "NC1", "NC1 of the features after it", "collapse"),
    *_rows(
        "tuned_less_<network>/",
        ("n", "images", "test images compared", "count"),
        ("clusters", "base images", "images that they were made from", "count"),
        ("first_accuracy", "first accuracy", "accuracy of the other network"),
        ("second_accuracy", "second accuracy", "accuracy of the tuned network"),
        ("only_first", "only first", "images that only the other network classifies correctly", "count"),
        ("only_second", "only second", "images that only the tuned network classifies correctly", "count"),
        ("difference", "difference", "second accuracy less first", "difference"),
        ("<end>", "95% interval", "an end of the difference's 95% interval", "difference"),
        ("p", "p", "p-value of the hypothesis that neither is better"),
    ),
)


def meaning(key: str) -> Metric | None:
    """The row that describes a key of metrics.json; None if no recipe of tfxfer writes such a key.

    Example:
        >>> meaning("before/silhouette").text
        'silhouette of the classes, -1 to 1'
        >>> meaning("seconds/training").unit
        'seconds'
    """
    row = next((metric for metric in TABLE if metric.expression.fullmatch(key)), None)
    over_seeds = next((ending for ending in OVER_SEEDS if key.endswith(ending)), None)
    if row is not None or over_seeds is None:
        return row
    single = meaning(key.removesuffix(over_seeds))
    label, words = OVER_SEEDS[over_seeds]
    return single and replace(single, pattern=single.pattern + over_seeds, label=label, text=f"{words}: {single.text}")


def label(key: str) -> str:
    """A few words for a key, such as "NC1" for `pixels/nc1`; its last part if the table does not have it."""
    metric = meaning(key)
    return metric.label if metric else key.rpartition("/")[2].replace("_", " ")


def undeclared(metrics: dict[str, float]) -> list[str]:
    """What does not agree with the table: keys that it lacks, and values outside of their range, one line each."""
    lines = []
    for key, value in metrics.items():
        metric = meaning(key)
        if metric is None:
            lines.append(f"{key}: not in tfxfer.runs.metric_names.TABLE")
        elif not (math.isnan(value) or metric.range[0] <= value <= metric.range[1]):
            lines.append(f"{key} = {value:g}: expected {metric.range[0]:g} to {metric.range[1]:g} ({metric.unit})")
    return lines
