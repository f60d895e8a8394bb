"""Networks from scratch against classical models on Fashion-MNIST: accuracy, cost, calibration, and where they fail.

A CNN and a small ResNet, 10 epochs each; logistic regression, RBF SVM, random forest, kNN and MLP on the pixels. What
to see: both networks pass 0.91 and the SVM comes close; shirts are what all of them get wrong; and on inverted, tinted
or textured pictures, or digits, all fail, most of them while staying sure of themselves.

python -m tfxfer.recipes.fashion_models
"""

from tfxfer.runs import command, resume

STUDIED = 10_000  # training images whose labels are doubted


@resume.resumable
def main(
    dataset: str = "fashion_mnist",
    data_dir: str | None = None,
    backbones: str = "cnn,small_resnet",
    classifiers: str = "logistic,svm,random_forest,knn,mlp",
    image_size: int = 28,
    epochs: int = 10,
    keep: str = "best",
    early_stopping: int | None = None,
    batch_size: int = 32,
    learning_rate: float = 1e-3,
    augment: bool = False,
    sweep: bool = False,
    seed: int = 0,
    validation: float | None = None,
    test: float | None = None,
    limit: int | None = None,
    skip_bad: bool = False,
    strict: bool = False,
    strategy: str = "none",
    precision: str = "float32",
    explain_size: int | None = None,
    resume: str | None = None,
    out: str = "saved_models",
) -> dict[str, float]:
    """Runs the experiment and returns its metrics; the run's directory is the last line printed."""
    arguments = dict(locals())
    from tfxfer import data, export, features, model, report, runs, train
    from tfxfer.data import out_of_distribution
    from tfxfer.recipes.shared import feature_sets, model_evaluation, run_artifacts

    with runs.Run("fashion_models", arguments, out) as run:
        run.seed(seed)
        which = {"validation": validation, "test": test, "skip_bad": skip_bad, "strict": strict}
        splits = data.load(dataset, data_dir, limit, image_size=image_size, seed=seed, **which)
        nets, _ = feature_sets.networks(backbones.split(","), splits, image_size, "none", seed=seed, augment=augment)
        run.describe(None, splits, *nets.values())
        pixels = {
            s: features.extract(next(iter(nets.values())), getattr(splits, s), ("image",)) for s in feature_sets.SPLITS
        }
        tested = pixels["test"]
        with run.phase("study_data"):
            seen = run_artifacts.study(run, splits, feature_sets.flat(pixels["train"][:STUDIED]), seed)
        digits = None if dataset in ("digits", "mnist") else out_of_distribution.digits(splits.image_shape)
        others = out_of_distribution.variants(tested["image"], tested.ids, seed), digits
        histories, banks, accuracies = {}, {}, {}

        def study(name, predict, facts):
            with run.phase(f"test_{name}"):
                figures, probabilities = model_evaluation.judge(predict, tested, *others)
            run.note(name, facts | figures)
            banks[name] = features.Bank({"probabilities": probabilities}, tested.labels, tested.ids)

        for name, net in nets.items():
            model.unfreeze_last(net, "all", train_batch_norm=True)
            with run.phase(f"training_{name}"):
                histories[name] = history = train.fit(net, splits, epochs, learning_rate, **run.training(name))
            accuracies[name] = history.kept("val_accuracy")
            study(name, model_evaluation.predictor(net), model_evaluation.cost(net, history, pixels["train"]))
        for name in classifiers.split(","):
            with run.phase(f"fitting_{name}"):
                predict, facts = model_evaluation.on_pixels(pixels, name, seed, sweep)
            study(name, predict, facts)
        best = run.facts["best"] = max(accuracies, key=accuracies.get)
        run.save_model(nets[best], feature_sets.joined(histories))
        shown = run_artifacts.pictures(splits, banks[best]["probabilities"])
        with run.phase("explanations"):
            seen |= run_artifacts.network(run, nets[best], splits, shown, explain_size, project=True)
        with run.phase("export"):
            export.saved_model(nets[best], run.dir, shown["image"][:200])
        run.facts["sections"] = ["models", "projections", "training", "predictions", "saliency", "dataset"]
        run.facts["subjects"] = {"models": list(banks)}
        run.save(banks | seen | {"test": banks[best], "pictures": shown})
        report.write(run.dir)
    return run.metrics


if __name__ == "__main__":
    command.run(main)
