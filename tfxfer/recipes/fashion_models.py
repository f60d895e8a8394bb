"""Networks from scratch against classical models on Fashion-MNIST: accuracy, cost, calibration, and where they fail.

A CNN and a small ResNet are trained for 10 epochs each; logistic regression, an RBF SVM, a random forest, kNN and an
MLP learn from the pixels. What to see: both networks exceed 0.91 and the SVM comes close; all of them get shirts wrong;
and on inverted, tinted or textured images, or on digits, all of them fail, most of them with high confidence.

python -m tfxfer.recipes.fashion_models
"""

from typing import Annotated

from tfxfer.recipes.shared import Run, recipe
from tfxfer.runs import command
from tfxfer.runs.option import Option
from tfxfer.runs.options import Backbones, Classifiers

STUDIED = 10_000  # training images whose labels are doubted
DIGITS = ("digits", "mnist", "mnist_sample")  # data sets for which digits are no images of something else


@recipe(dataset="fashion_mnist", image_size=28, epochs=10, batch_size=32, augment=False, explain_size=None)
def main(
    run: Run,
    backbones: Backbones = "cnn,small_resnet",
    classifiers: Classifiers = "logistic,svm,random_forest,knn,mlp",
    sweep: Annotated[bool, Option("Choose C and k of the classifiers on the validation images.")] = False,
) -> None:
    """Runs the experiment and returns its metrics; the run's directory is the last line printed."""
    from tfxfer import features, train
    from tfxfer.data import out_of_distribution
    from tfxfer.data.splits import SPLITS
    from tfxfer.recipes.shared import feature_measures, feature_sets, model_evaluation, run_artifacts
    from tfxfer.recipes.shared.histories import joined

    chosen = run.options
    splits = run.load_data()
    names = backbones.split(",")
    nets, _ = feature_sets.networks(names, splits, chosen.image_size, "none", seed=chosen.seed, augment=chosen.augment)
    run.describe(None, splits, *nets.values(), explain_size=chosen.explain_size)
    parts = [f"{part}_{name}" for name in nets for part in ("training", "test")]
    parts += [f"{part}_{name}" for name in classifiers.split(",") for part in ("fitting", "test")]
    run.plan("study_data", *parts)
    first = next(iter(nets.values()))
    pixels = {split: features.extract(first, getattr(splits, split), ("image",)) for split in SPLITS}
    images = pixels["test"]
    with run.phase("study_data"):
        known = feature_measures.flat(pixels["train"][:STUDIED])
        run.add(run_artifacts.study(splits, known, chosen.seed, strict=chosen.strict))
    digits = None if chosen.dataset in DIGITS else out_of_distribution.load_digits(splits.image_shape)
    variants = out_of_distribution.apply_shifts(images["image"], images.ids, chosen.seed)
    histories, accuracies = {}, {}

    def test(name, predict, facts):
        with run.phase(f"test_{name}"):
            metrics, probabilities = model_evaluation.judge(predict, images, variants, digits)
        run.note(name, facts | metrics)
        run.banks[name] = features.Bank({"probabilities": probabilities}, images.labels, images.ids)

    for name, net in nets.items():
        feature_sets.unfreeze(net, "all")
        with run.phase(f"training_{name}"):
            history = train.fit(net, splits, chosen.epochs, chosen.learning_rate, **run.training(name))
        histories[name], accuracies[name] = history, history.kept("val_accuracy")
        test(name, features.inference.predictor(net), model_evaluation.cost(net, history, pixels["train"]))
    for name in classifiers.split(","):
        with run.phase(f"fitting_{name}"):
            predict, facts = model_evaluation.on_pixels(pixels, name, chosen.seed, sweep)
        test(name, predict, facts)
    best = run.facts["best"] = max(accuracies, key=lambda name: accuracies[name])
    run.save_model(nets[best], joined(histories))
    run.facts["sections"] = ["models", "projections", "training", "predictions", "saliency", "dataset"]
    run.facts["subjects"] = {"models": [*nets, *classifiers.split(",")]}
    run.finish(nets[best], splits, run.banks[best], explain_size=chosen.explain_size)


if __name__ == "__main__":
    command.run(main)
