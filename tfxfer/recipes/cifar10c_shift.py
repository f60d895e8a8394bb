"""Distribution shift: what corruptions do to a pretrained network, and what fine-tuning on them gives and costs.

A linear head on clean images, 30 epochs; accuracy on corrupted ones; the last stage tuned on corrupted ones; both
accuracies again, on images of which no version was learned from; then all 19 corruptions x 5 severities before and
after, and which single stage is best to tune. What to see: the head overfits after a few epochs, accuracy falls with
the corruption and comes back with tuning, for the corruption it was tuned on and its relatives. `--protocol
as_published` adds the report's way, which tests on images it has learned from, beside the other.

python -m tfxfer.recipes.cifar10c_shift --data-dir DIR
python -m tfxfer.recipes.cifar10c_shift --dataset fashion_mnist --backbone efficientnet_lite0 --image-size 96
"""

from tfxfer.runs import command, resume


@resume.resumable
def main(
    dataset: str = "cifar10_corrupted",
    data_dir: str | None = None,
    backbone: str = "resnet50",
    weights: str = "imagenet",
    image_size: int = 224,
    corruption: str = "gaussian_blur",
    severities: str = "1,2,3,4,5",
    unfreeze: int | str = "last",
    epochs: int = 30,
    tune_epochs: int = 10,
    keep: str | None = None,
    early_stopping: int | None = None,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    grid_images: int = 2000,
    surgery: str = "gaussian_noise,gaussian_blur,fog,pixelate",
    surgery_images: int = 500,
    frost_textures: str | None = None,
    seed: int = 0,
    validation: float | None = None,
    test: float | None = None,
    limit: int | None = None,
    skip_bad: bool = False,
    strict: bool = False,
    protocol: str = "tfxfer",
    cache: str = "auto",
    strategy: str = "none",
    precision: str = "float32",
    resume: str | None = None,
    out: str = "saved_models",
) -> dict[str, float]:
    """Runs the experiment and returns its metrics; the run's directory is the last line printed."""
    arguments = dict(locals())
    from tfxfer import export, model, report, runs, train
    from tfxfer.recipes.shared import feature_sets, run_artifacts, shift_study

    leaky = runs.as_published(protocol)
    schedule = "constant" if leaky else "cosine"
    with runs.Run("cifar10c_shift", arguments, out) as run:
        run.seed(seed)
        cells = shift_study.cells(corruption, severities)
        alone = [cell for name in surgery.split(",") if name for cell in shift_study.cells(name, "5")]
        others = [*alone, *(shift_study.ALL if grid_images else ())]
        with run.phase("data_and_model"):
            options = {"frost_textures": frost_textures, "skip_bad": skip_bad, "strict": strict}
            options |= {"validation": validation, "test": test}
            whole, twin = shift_study.load(dataset, data_dir, {*cells, *others}, limit, image_size, seed, **options)
            corrupted = shift_study.sides(whole, twin, cells, leaky, seed, strict)
            clean = {name: shift_study.held_out(whole, side) for name, side in corrupted.items()}
            net = model.build(backbone, whole, image_size, weights)
        run.describe(net, clean["tfxfer"])
        run.facts["corrupted"] = {name: side.describe() for name, side in corrupted.items()}
        run.facts["corruptions"] = shift_study.about(twin)
        with run.phase("features"):
            banks = feature_sets.gather(net, clean["tfxfer"], 0, cache, run.strategy)
        with run.phase("training_head"):
            options = run.training("head") | {"cache": feature_sets.activations(net, banks)}
            histories = {"head": train.fit(net, whole, epochs, learning_rate, schedule=schedule, **options)}
        run.note("head", feature_sets.accuracies(feature_sets.onwards(net, banks, ("logits",))))
        losses = histories["head"]["val_loss"]
        run.note("head", {"overfits_after_epoch": losses.index(min(losses)) + 1})
        start, tested = model.values(net), clean["tfxfer"].ids["test"]
        model.unfreeze_last(net, unfreeze, train_batch_norm=True)
        images = sum(side.size("test") for side in (*corrupted.values(), *clean.values()))
        look = shift_study.Looker(net, images + 95 * grid_images, cache, run.strategy)
        grid, planes = shift_study.Grid(twin, tested[:grid_images]), {}

        def study(when, name):
            sides = {"corrupted": look(corrupted[name].test), "clean": look(clean[name].test)}
            run.note(when, shift_study.accuracies(sides))
            if name == "tfxfer":
                planes[when] = shift_study.planes(sides)
                if grid_images:
                    run.note(f"{when}/grid", grid(look))
            return sides["corrupted"]

        for name in reversed(corrupted):  # the network that stays is the one that was not told the answers
            prefix = "" if name == "tfxfer" else f"{name}/"
            model.assign_values(net, start)
            model.unfreeze_last(net, unfreeze, train_batch_norm=True)
            with run.phase(f"{prefix}before"):
                study(f"{prefix}before", name)
            with run.phase(f"{prefix}tuning"):
                options = run.training(f"{name}-tuned") | {"backbone_learning_rate": learning_rate / 10}
                histories[f"{prefix}tuned".replace("/", " ")] = train.fit(
                    net, corrupted[name], tune_epochs, learning_rate, schedule=schedule, **options
                )
            with run.phase(f"{prefix}after"):
                bank = study(f"{prefix}after", name)
        run.save_model(net, feature_sets.joined(histories))
        shown = run_artifacts.pictures(corrupted["tfxfer"], bank["logits"])
        with run.phase("explanations"):
            explained = run_artifacts.network(run, net, corrupted["tfxfer"], shown)
        with run.phase("export"):
            export.saved_model(net, run.dir, shown["image"][:200])
        if alone:
            with run.phase("surgery"):
                model.assign_values(net, start)
                rate = learning_rate / 10  # that of the stage above
                given = net, whole, twin, corrupted["tfxfer"], alone, surgery_images, rate, run
                run.note("surgery", shift_study.surgery(*given))
        kept = shift_study.banks(planes, clean["tfxfer"], corrupted["tfxfer"]) | explained
        kept |= {"test": bank.only("logits"), "pictures": shift_study.both_sides(shown, clean["tfxfer"])}
        run.facts["sections"] = ["shift", "training", "predictions", "saliency"]
        run.save(kept | ({"contact": shift_study.contact_sheet(twin)} if grid_images else {}))
        report.write(run.dir)
    return run.metrics


if __name__ == "__main__":
    command.run(main)
