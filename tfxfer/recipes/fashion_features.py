"""What do pixels, scattering and ImageNet networks know of clothes, and what does fine-tuning change?

Five feature sets of Fashion-MNIST, three classifiers on each, the head alone, the last stage fine-tuned, and how far
classes have collapsed; PCA and t-SNE of 2,000 test images. What to see: scattering, which has learned nothing, carries
a linear classifier past networks trained on a million photographs; fine-tuning draws classes together (nc1 falls).

python -m tfxfer.recipes.fashion_features --backbones pixels,scattering,efficientnet_lite0
"""

from tfxfer.runs import command, resume


@resume.resumable
def main(
    dataset: str = "fashion_mnist",
    data_dir: str | None = None,
    backbones: str = "pixels,scattering,vgg19_fc2,resnet18,efficientnet_lite0",
    weights: str = "imagenet",
    image_size: int = 96,
    classifiers: str = "lda,logistic,random_forest",
    tune: str = "resnet18,efficientnet_lite0",
    unfreeze: int | str = "last",
    epochs: int = 5,
    tune_epochs: int = 3,
    keep: str = "best",
    early_stopping: int | None = None,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    seed: int = 0,
    validation: float | None = None,
    test: float | None = None,
    limit: int | None = None,
    skip_bad: bool = False,
    strict: bool = False,
    cache: str = "auto",
    strategy: str = "none",
    precision: str = "float32",
    resume: str | None = None,
    out: str = "saved_models",
) -> dict[str, float]:
    """Runs the experiment and returns its metrics; the run's directory is the last line printed."""
    arguments = dict(locals())
    from tfxfer import data, export, model, report, runs, train
    from tfxfer.recipes.shared import feature_sets, run_artifacts

    with runs.Run("fashion_features", arguments, out) as run:
        run.seed(seed)
        which = {"validation": validation, "test": test, "skip_bad": skip_bad, "strict": strict}
        splits = data.load(dataset, data_dir, limit, image_size=image_size, seed=seed, **which)
        run.describe(None, splits)
        sets, methods = backbones.split(","), classifiers.split(",")
        tunes = [name for name in tune.split(",") if name]
        nets, run.facts["left_out"] = feature_sets.networks(
            sets, splits, image_size, weights, tunes, seed, unfreeze=unfreeze
        )
        feature_sets.check_memory(nets, splits, methods)
        panels, histories, best = {}, {}, None
        for name, net in nets.items():
            depths = {"last_layer": (0, epochs)} if feature_sets.learned(net) else {}
            depths |= {"tuned": (unfreeze, tune_epochs)} if name in tunes else {}
            with run.phase(f"features_{name}"):
                banks = feature_sets.gather(net, splits, unfreeze if name in tunes else 0, cache, run.strategy)
            with run.phase(f"classifiers_{name}"):
                run.note(name, feature_sets.classify(banks, methods, seed))
            if not depths:
                with run.phase(f"study_{name}"):
                    run.note(name, feature_sets.collapse(banks))
                    panels[name] = feature_sets.panel(banks, seed)
            for part, (depth, passes) in depths.items():
                model.unfreeze_last(net, depth, train_batch_norm=True)
                with run.phase(f"{part}_{name}"):
                    options = run.training(f"{name}-{part}") | {"cache": feature_sets.activations(net, banks)}
                    history = histories[f"{name} {part}"] = train.fit(net, splits, passes, learning_rate, **options)
                    after = feature_sets.onwards(net, banks, ("embedding", "logits"))
                    known_as = f"{name}_tuned" if part == "tuned" else name
                    run.note(known_as, feature_sets.collapse(after, net))
                    panels |= {known_as: feature_sets.panel(after, seed)}
                run.note(f"{name}/{part}", feature_sets.accuracies(after))
            if depths and (best is None or history.kept("val_accuracy") > best[0]):
                best = history.kept("val_accuracy"), net, after["test"]
        run.facts["sections"] = ["feature_sets", "projections", "training", "predictions", "saliency"]
        run.facts["subjects"] = {"feature_sets": list(panels)}
        if best:
            _, net, tested = best
            run.save_model(net, feature_sets.joined(histories))
            panels |= {"test": tested.only("logits"), "pictures": run_artifacts.pictures(splits, tested["logits"])}
            with run.phase("explanations"):
                panels |= run_artifacts.network(run, net, splits, panels["pictures"])
            export.saved_model(net, run.dir, panels["pictures"]["image"][:200])
        run.save(panels)
        report.write(run.dir)
    return run.metrics


if __name__ == "__main__":
    command.run(main)
