"""Values published by the reports that the recipes follow, and why ours differ: shown beside ours, never used."""

from collections.abc import Sequence
from dataclasses import dataclass

from tfxfer.runs.loading import Loaded


@dataclass(frozen=True)
class Published:
    """What one report has published.

    Attributes:
        figures: values under the keys of our metrics.
        data: the data set that they belong to.
        remark: how they came about, and why ours differ.
        classes: how the names of its classes begin, in lower case; empty if the classes do not matter.
    """

    figures: dict[str, float]
    data: str
    remark: str
    classes: tuple[str, ...] = ()

    @property
    def head(self) -> str:
        """The head of a column of them. It names the data set, for a recipe runs on other data too."""
        return f"published, {self.data}" if self.data else "published"

    def fits(self, classes: Sequence[str]) -> bool:
        """Whether data with these classes are of the same kind: no class is of another kind.

        A class that is called by a number may be any.
        """
        return not self.classes or all(name.isdecimal() or name.lower().startswith(self.classes) for name in classes)


def _table(sets: str, names: str, *rows: str) -> dict[str, float]:
    """Rows of values, one for each feature set, under "<set>/<name>"."""
    columns = names.split()
    return {
        f"{subject}/{name}": float(value)
        for subject, row in zip(sets.split(), rows, strict=True)
        for name, value in zip(columns, row.split(), strict=True)
    }


_CLOTHES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
_EMOTIONS = ("ang", "disgust", "fear", "happ", "neutral", "sad", "surpris")  # as adjectives or nouns

_SETS = "scattering vgg19_fc2 resnet18 pixels"
_TEST = "lda/test_accuracy logistic/test_accuracy random_forest/test_accuracy"

FASHION_FEATURES = Published(
    _table(
        _SETS,
        _TEST,
        "0.9019 0.8496 0.8879",
        "0.8847 0.8705 0.8454",
        "0.8690 0.8709 0.8598",
        "0.8151 0.8294 0.8752",
    )
    | _table(
        _SETS,
        _TEST.replace("test", "train"),
        "0.9315 0.8573 1",
        "0.9115 0.9170 1",
        "0.8780 0.8851 1",
        "0.8326 0.8529 1",
    )
    | _table("vgg19_fc2 resnet18", "last_layer/test_accuracy", "0.8743", "0.8751")
    | _table("resnet18", "tuned/test_accuracy", "0.9401")
    | _table(
        "scattering vgg19_fc2 resnet18 resnet18_tuned pixels",
        "nc1 equal_norms equal_angle maximal_angle",
        "2.225E8 0.2364 0.5465 0.4696",
        "-3.082E8 0.2172 0.4615 0.4042",
        "-1.456E9 0.1729 0.3781 0.3127",
        "4.98E6 0.2493 0.4149 0.3703",
        "1.051E9 0.2144 0.4900 0.4161",
    ),
    "Fashion-MNIST",
    "The published table does not state image sizes, nor the settings of scattering and of the classifiers. Its NC1 "
    "cannot follow the definition used here, by which it is never negative: the pseudo-inverse of the between-class "
    "covariance, of rank 9, was probably taken at full rank, where rounding errors decide. Logistic regression "
    "converges here, on standardised features.",
    _CLOTHES,
)

FASHION_MODELS = Published(
    {
        "small_resnet/test_accuracy": 0.91,
        "small_resnet/train_accuracy": 0.95,
        "cnn/test_accuracy": 0.91,
        "cnn/train_accuracy": 0.96,
        "logistic/test_accuracy": 0.83,
        "svm/test_accuracy": 0.88,
        "random_forest/test_accuracy": 0.88,
        "recall/T-shirt/top": 0.913,
        "recall/Trouser": 0.987,
        "recall/Sandal": 0.989,
        "recall/Shirt": 0.708,
        "recall/Bag": 0.993,
    },
    "Fashion-MNIST",
    "The report trained its ResNet for 20 epochs and its CNN for 18, with augmentation; it gives about 0.83 for "
    "logistic regression and 0.87 to 0.89 for SVM and forest, shown as 0.88. Its recalls are those of one of its "
    "networks, which takes 156 shirts for T-shirts. It does not say how many blocks its ResNet has.",
    _CLOTHES,
)

CIFAR10C_SHIFT = Published(
    {
        "head/train_accuracy": 0.887,
        "head/test_accuracy": 0.788,
        "before/clean_accuracy": 0.788,
        "before/corrupted_accuracy": 0.3764,
        "after/clean_accuracy": 0.9079,
        "after/corrupted_accuracy": 0.9425,
    },
    "CIFAR-10-C",
    "ResNet50 at 224, all of CIFAR-10, gaussian_blur at five severities. The report tunes on 20,000 random rows of the "
    "50,000 that it then tests on, and CIFAR-10-C is made from CIFAR-10's test images: its network has been trained "
    "on most of what it is tested on, in the same version or in another.",
)

FASHION_GROUPS = Published(
    {"plain/accuracy": 0.9951, "permuted/accuracy": 0.9917},
    "Fashion-MNIST",
    "The report says that the pixels were shuffled, but not how; here one permutation is drawn for all images. It "
    "tried one network, on three groups.",
)

EMOTION_RESNET18 = Published(
    {"scratch/accuracy": 0.6048, "tuned/accuracy": 0.6510, "scale/mean": 0.51, "scale/std": 0.20},
    "faces of seven emotions",
    "ResNet-18 at 224 on a data set of seven emotions that the report does not name; nor does it say how many layers "
    "it froze, or which learning rates it used.",
    _EMOTIONS,
)

RECIPES = {
    "fashion_features": FASHION_FEATURES,
    "fashion_models": FASHION_MODELS,
    "cifar10c_shift": CIFAR10C_SHIFT,
    "fashion_groups": FASHION_GROUPS,
    "emotion_resnet18": EMOTION_RESNET18,
}


def known(recipe: str, classes: Sequence[str]) -> Published:
    """What is published on a recipe's experiment; empty if nothing is, or if it concerns another kind of data."""
    report = RECIPES.get(recipe)
    return report if report and report.fits(classes) else Published({}, "", "")


def for_run(run: Loaded) -> Published:
    """What is published on a run's experiment; empty if nothing is."""
    return known(run.facts["recipe"], run.facts["classes"])
