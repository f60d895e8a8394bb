"""What do pixels, scattering and ImageNet networks know about clothes, and what does fine-tuning change?

Five feature sets of Fashion-MNIST: three classifiers on each, a probe of all stages beside one of the last layer, the
head trained alone, the last stage fine-tuned, and how far the classes have collapsed; PCA and t-SNE of 2,000 test
images. What to see: with scattering, which has learned nothing, a linear classifier beats networks trained on a million
photographs; fine-tuning draws each class together (nc1 falls).

python -m tfxfer.recipes.fashion_features --backbones pixels,scattering,efficientnet_lite0
"""

from typing import Annotated

from tfxfer.recipes.shared import Run, recipe
from tfxfer.runs import command
from tfxfer.runs.option import Option
from tfxfer.runs.options import Backbones, Classifiers, Head2toeImages, TuneEpochs, Unfreeze

Tune = Annotated[str, Option("Which of the backbones to fine-tune, comma-separated; empty for none.")]


@recipe(dataset="fashion_mnist", weights="imagenet", image_size=96, epochs=5, batch_size=64, cache="auto")
def main(
    run: Run,
    backbones: Backbones = "pixels,scattering,vgg19_fc2,resnet18,efficientnet_lite0",
    classifiers: Classifiers = "lda,logistic,random_forest",
    tune: Tune = "resnet18,efficientnet_lite0",
    unfreeze: Unfreeze = "last",
    tune_epochs: TuneEpochs = 3,
    head2toe_images: Head2toeImages = 2000,
) -> None:
    """Runs the experiment and returns its metrics; the run's directory is the last line printed."""
    from tfxfer import model, train
    from tfxfer.recipes.shared import feature_measures, feature_sets, multilayer_study
    from tfxfer.recipes.shared.histories import joined

    chosen, methods = run.options, classifiers.split(",")
    tuned = [name for name in tune.split(",") if name]
    splits = run.load_data()
    run.describe(None, splits)
    nets, run.facts["left_out"] = feature_sets.networks(
        backbones.split(","), splits, chosen.image_size, chosen.weights, tuned, chosen.seed, unfreeze=unfreeze
    )
    run.facts["networks"] = {name: model.describe(net) for name, net in nets.items()}
    feature_sets.check_memory(nets, splits, methods)
    depths: dict[str, dict[str, tuple[int | str, int]]] = {}
    for name, net in nets.items():
        depths[name] = {"last_layer": (0, chosen.epochs)} if feature_sets.learned(net) else {}
        depths[name] |= {"tuned": (unfreeze, tune_epochs)} if name in tuned else {}
    probed = {name: multilayer_study.phases(net, head2toe_images) for name, net in nets.items()}
    steps = {name: ("features", "classifiers", *probed[name], *(depths[name] or ["study"])) for name in nets}
    run.plan(*(f"{step}_{name}" for name in nets for step in steps[name]), network=any(depths.values()))
    histories, best = {}, None
    for name, net in nets.items():
        with run.phase(f"features_{name}"):
            banks = feature_sets.gather(net, splits, unfreeze if name in tuned else 0, chosen.cache, **run.inference)
        with run.phase(f"classifiers_{name}"):
            run.note(name, feature_measures.classify(banks, methods, chosen.seed))
        if probed[name]:
            multilayer_study.probe_stages(run, net, splits, head2toe_images, name)
        if not depths[name]:
            with run.phase(f"study_{name}"):
                run.note(name, feature_measures.collapse(banks))
                run.banks[name] = feature_measures.panel(banks, chosen.seed)
        for part, (depth, epochs) in depths[name].items():
            feature_sets.unfreeze(net, depth)
            with run.phase(f"{part}_{name}"):
                options = run.training(f"{name}-{part}") | {"cache": feature_sets.activations(net, banks)}
                history = histories[f"{name} {part}"] = train.fit(net, splits, epochs, chosen.learning_rate, **options)
                after = feature_sets.forward_tails(net, banks, ("embedding", "logits"))
                title = f"{name}_tuned" if part == "tuned" else name
                run.note(title, feature_measures.collapse(after, net))
                run.banks[title] = feature_measures.panel(after, chosen.seed)
            run.note(f"{name}/{part}", feature_measures.accuracies(after))
        if depths[name] and (best is None or history.kept("val_accuracy") > best[0]):
            best = history.kept("val_accuracy"), net, after["test"].only("logits")
    run.facts["sections"] = ["feature_sets", "head2toe", "projections", "training", "predictions", "saliency"]
    run.facts["subjects"] = {"feature_sets": list(run.banks)}
    _, net, tested = best or (None, None, None)
    if net is not None:
        run.save_model(net, joined(histories))
    run.finish(net, splits, tested, project=False)


if __name__ == "__main__":
    command.run(main)
