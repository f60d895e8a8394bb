"""README's table of recipes: what was published and what was measured, taken from what runs wrote.

    python benchmarks/measured.py --keep RUN [--name NAME]   # copies a finished run's facts and figures to measured/
    python benchmarks/measured.py                            # writes the table into README.md from measured/

`measured/<name>.json` holds a run's command, without this machine's paths, its date, machine, versions, sizes and
metrics. A test compares README with them.
"""

import argparse
import json
from pathlib import Path

import tfxfer
from tfxfer.core import json_io
from tfxfer.runs import model_card, seed_statistics

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
START, END = "<!-- written by benchmarks/measured.py -->", "<!-- end -->"

_CLUSTERS = [
    ("test accuracy", "test/accuracy", None),
    ("silhouette before", "before/silhouette", None),
    ("after", "after/silhouette", None),
]

# recipe -> what it shows; then by measured run: what was measured on, and (label, metric, published) of each figure.
TABLE = {
    "transfer": (
        "the best classifier for a folder of pictures in a given time, whether to trust it, and what to do next",
        {
            "transfer": (
                "10,000 Fashion-MNIST images, three minutes",
                [("test accuracy", "test/accuracy", None), ("balanced", "test/balanced_accuracy", None)],
            )
        },
    ),
    "quickstart": (
        "ImageNet features of scikit-learn's digits, before and after fine-tuning the last 40 layers",
        {"quickstart": ("450 digits", [("test accuracy", "test/accuracy", None)])},
    ),
    "mobilenet_mnist": (
        "MobileNetV2 on MNIST: PCA, t-SNE and LLE of 2,000 test images before and after tuning the last 10 layers",
        {
            "mobilenet_mnist": (
                "EfficientNet-Lite0, 10,000 MNIST images (`mnist_sample`)",
                _CLUSTERS,
            ),
            "mobilenet_mnist_40": (
                "the same, last 40 layers",
                _CLUSTERS,
            ),
        },
    ),
    "fashion_features": (
        "Fashion-MNIST: pixels, scattering, VGG19, ResNet18 and EfficientNet-Lite0 as features for LDA, logistic "
        "regression and random forest; the head trained alone and the last stage tuned; neural collapse of each",
        {
            "fashion_features": (
                "60,000 training images, 10,000 test images",
                [
                    ("LDA on pixels", "pixels/lda/test_accuracy", "0.8151"),
                    ("forest on pixels", "pixels/random_forest/test_accuracy", "0.8752"),
                    ("LDA on scattering", "scattering/lda/test_accuracy", "0.9019"),
                    ("logistic regression on scattering", "scattering/logistic/test_accuracy", "0.8496"),
                    ("EfficientNet-Lite0, last stage tuned", "efficientnet_lite0/tuned/test_accuracy", None),
                ],
            )
        },
    ),
    "fashion_models": (
        "Fashion-MNIST: a CNN and a small ResNet trained from scratch against five classical models; cost, "
        "calibration, and what inverted, tinted and textured images do to them",
        {
            "fashion_models": (
                "54,000 training images, 10,000 test images",
                [
                    ("CNN", "cnn/test_accuracy", "0.91"),
                    ("small ResNet", "small_resnet/test_accuracy", "0.91"),
                    ("logistic regression", "logistic/test_accuracy", "0.83"),
                    ("RBF SVM", "svm/test_accuracy", "0.87 to 0.89"),
                    ("random forest", "random_forest/test_accuracy", "0.87 to 0.89"),
                ],
            )
        },
    ),
    "fashion_groups": (
        "Fashion-MNIST in three groups and in ten classes, with pixels in place and permuted: what spatial structure "
        "is worth to a CNN, a perceptron and a pretrained network",
        {
            "fashion_groups": (
                "three groups, 10,000 training images, mean of three seeds; published values are for all images",
                [("CNN", "plain/accuracy", "0.9951"), ("pixels permuted", "permuted/accuracy", "0.9917")],
            )
        },
    ),
    "emotion_resnet18": (
        "a folder of faces sorted by emotion, or of any other images: a network trained from scratch, and a pretrained "
        "one with more and more layers unfrozen, then with all of them; both confusion matrices",
        {
            "emotion_resnet18": (
                "EfficientNet-Lite0, 7 classes of clothes, 945 training images",
                [
                    ("from scratch", "scratch/accuracy", None),
                    ("pretrained, all layers", "tuned/accuracy", None),
                ],
            )
        },
    ),
    "cifar10c_shift": (
        'CIFAR-10-C, or the "-C" version of any data set: a network before and after tuning on corrupted images, all '
        "19 corruptions x 5 severities, and which single stage is best to tune",
        {
            "cifar10c_shift": (
                "EfficientNet-Lite0, 10,000 Fashion-MNIST images, gaussian_noise at severity 5; published values are "
                "for ResNet50 on CIFAR-10, with leakage",
                [
                    ("corrupted images before", "before/corrupted_accuracy", "0.3764"),
                    ("after", "after/corrupted_accuracy", "0.9425"),
                    ("clean images before", "before/clean_accuracy", "0.7880"),
                    ("after", "after/clean_accuracy", "0.9079"),
                ],
            )
        },
    ),
    "few_shot": (
        "accuracy against the number of labelled images of each class, for six ways to learn, and how many labels 90% "
        "takes",
        {
            "few_shot": (
                "EfficientNet-Lite0, scikit-learn's digits, medians of 5 draws",
                [
                    ("Head2Toe, 5 of each class", "few_shot/5/head2toe/accuracy", None),
                    ("LP-FT, 5 of each class", "few_shot/5/lp_ft/accuracy", None),
                    ("Head2Toe, all 1,212", "few_shot/all/head2toe/accuracy", None),
                    ("LP-FT, all 1,212", "few_shot/all/lp_ft/accuracy", None),
                ],
            )
        },
    ),
    "study": (
        "a data set before anything is trained on it: equal images and near-copies across splits, doubtful labels, "
        "outliers, and how far ImageNet features separate the classes",
        {
            "study": (
                "EfficientNet-Lite0, 2,000 Fashion-MNIST images",
                [
                    ("probe accuracy", "before/probe_accuracy", None),
                    ("test images with a near-copy", "data/near_copies_test", None),
                ],
            )
        },
    ),
    "pretrain": (
        "trains any backbone from scratch and saves weights that the other recipes take as `--weights`",
        {
            "pretrain": (
                "MobileNetV2 at 48 x 48, 54,000 Fashion-MNIST images, 8 epochs",
                [("test accuracy", "test/accuracy", None)],
            )
        },
    ),
}


def keep(run_dir: str, name: str | None) -> Path:
    """Copies a run's facts and figures, times apart, to measured/."""
    run = tfxfer.load(run_dir)
    facts = {key: run.facts[key] for key in ("recipe", "started", "versions")}
    facts["machine"] = {key: run.facts["machine"][key] for key in ("cpus", "python")}
    metrics = {key: round(value, 6) for key, value in run.metrics.items() if not key.startswith("seconds/")}
    path = HERE / "measured" / f"{name or facts['recipe']}.json"
    about = facts | {
        "arguments": model_card.arguments(run.facts),
        "sizes": run.facts["data"]["sizes"],
        "metrics": metrics,
    }
    json_io.write(path, about)
    return path


def table() -> str:
    """The table, in Markdown."""
    lines = ["| recipe | what it shows | measured (published) |", "|---|---|---|"]
    for recipe, (shows, runs) in TABLE.items():
        cells = []
        for name, (on, figures) in runs.items():
            metrics = json.loads((HERE / "measured" / f"{name}.json").read_text())["metrics"]
            shown = [f"{label} {figure(metrics, key)}" + _published(value) for label, key, value in figures]
            cells.append(f"{', '.join(shown)}: {on}")
        lines.append(f"| `{recipe}` | {shows} | {'; '.join(cells)} |")
    return "\n".join(lines)


def figure(metrics: dict[str, float], key: str) -> str:
    """A metric; of a run with several seeds their mean and standard deviation, also where the network kept is one's."""
    if key.startswith("data/"):  # a count
        return f"{metrics[key]:g}"
    return seed_statistics.spread(metrics, key) or f"{metrics[key]:.4f}"


def _published(value: str | None) -> str:
    return f" ({value})" if value else ""


def written(readme: str) -> str:
    """README's text with the table anew."""
    before, rest = readme.split(START)
    return f"{before}{START}\n{table()}\n{END}{rest.split(END)[1]}"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", metavar="RUN", help="a finished run's folder")
    parser.add_argument("--name", help="of its file, by default the recipe's")
    given = parser.parse_args(argv)
    if given.keep:
        print(keep(given.keep, given.name))
    README.write_text(written(README.read_text()))


if __name__ == "__main__":
    main()
