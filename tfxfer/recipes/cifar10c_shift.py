"""Distribution shift: what corruptions do to a pretrained network, and what fine-tuning on them gains and costs.

A linear head is trained on clean images for 30 epochs and tested on corrupted ones. Then the last stage is tuned on
corrupted images, and both accuracies are measured again, on images that the network has not been trained on in any
version. All 19 corruptions x 5 severities are tested before and after tuning, and with batch norm adapted to them
without labels. Between the weights before and after tuning, validation chooses the best point for clean and corrupted
images (WiSE-FT). Finally, each stage is tuned alone to see which single one is best. What to see: the head overfits
after a few epochs; accuracy drops under the corruption and recovers with tuning, under the corruption that was tuned on
and under similar ones; a point in between wins back much of the clean accuracy that this costs. `--protocol
as_published` adds the report's protocol for comparison, which tests on images that the network has been trained on.

python -m tfxfer.recipes.cifar10c_shift --data-dir DIR
python -m tfxfer.recipes.cifar10c_shift --dataset fashion_mnist --backbone efficientnet_lite0 --image-size 96
"""

from typing import Annotated

from tfxfer.recipes.shared import Run, recipe
from tfxfer.runs import command
from tfxfer.runs.option import Option, absolute, share
from tfxfer.runs.options import TuneEpochs, Unfreeze

Corruption = Annotated[str, Option("One of CIFAR-10-C's 19 corruptions, such as gaussian_blur.")]
Severities = Annotated[str, Option("Severities of the corruption, 1 to 5, comma-separated.")]
GridImages = Annotated[
    int, Option("Number of test images for the grid of all corruptions and severities; 0 leaves it out.", least=0)
]
AdaptImages = Annotated[
    int,
    Option(
        "Number of test images that batch norm is adapted to, without labels, for each corruption and severity; 0 "
        "leaves this step out.",
        least=0,
    ),
]
InterpolationImages = Annotated[
    int,
    Option(
        "Number of validation images and of test images, clean and corrupted ones each, for the curve between the "
        "weights before and after tuning; 0 leaves this step out.",
        least=0,
    ),
]
CleanShare = Annotated[
    float,
    Option(
        "Share of clean accuracy, from 0 to 1, in the validation accuracy that chooses a point on this curve; the rest "
        "is corrupted accuracy.",
        check=share,
    ),
]
Surgery = Annotated[
    str, Option("Corruptions for which each stage is tuned alone, comma-separated; empty leaves this step out.")
]
SurgeryImages = Annotated[
    int, Option("Number of images that a single stage is tuned on; as many again are used for validation.", least=1)
]
FrostTextures = Annotated[
    str | None,
    Option(
        "Folder with photographs of ice for frost, such as the benchmark's; by default textures are generated.",
        portable=absolute,
    ),
]


@recipe(
    dataset="cifar10_corrupted",
    backbone="resnet50",
    weights="imagenet",
    image_size=224,
    epochs=30,
    batch_size=64,
    protocol="tfxfer",
    cache="auto",
)
def main(
    run: Run,
    corruption: Corruption = "gaussian_blur",
    severities: Severities = "1,2,3,4,5",
    unfreeze: Unfreeze = "last",
    tune_epochs: TuneEpochs = 10,
    grid_images: GridImages = 2000,
    adapt_images: AdaptImages = 500,
    interpolation_images: InterpolationImages = 2500,
    clean_share: CleanShare = 0.5,
    surgery: Surgery = "gaussian_noise,gaussian_blur,fog,pixelate",
    surgery_images: SurgeryImages = 500,
    frost_textures: FrostTextures = None,
) -> None:
    """Runs the experiment and returns its metrics; the run's directory is the last line printed."""
    from tfxfer import model, train
    from tfxfer.recipes.shared import corruption_grid, feature_measures, feature_sets, run_artifacts, shift_study
    from tfxfer.recipes.shared.histories import joined, overfitting
    from tfxfer.recipes.shared.interpolation_study import interpolate
    from tfxfer.recipes.shared.surgical_tuning import tune_stages

    chosen = run.options
    cells, grid = shift_study.cells(corruption, severities), corruption_grid.ALL if grid_images else ()
    single = [cell for name in surgery.split(",") if name for cell in shift_study.cells(name, "5")]
    run.plan(*shift_study.phases(run, adapt_images, interpolation_images, surgery))
    with run.phase("data_and_model"):
        whole, copy = shift_study.load(run, {*cells, *single, *grid}, frost_textures)
        corrupted = shift_study.corrupted_splits(whole, copy, cells, chosen.published, chosen.seed, chosen.strict)
        clean = {name: shift_study.held_out(whole, side) for name, side in corrupted.items()}
        net = model.build(chosen.backbone, whole, chosen.image_size, chosen.weights)
    run.describe(net, clean["tfxfer"], unfreeze=unfreeze)
    run.facts |= shift_study.describe(copy, corrupted)
    fixed = {"schedule": "constant" if chosen.published else "cosine", "cache": chosen.cache}
    with run.phase("features"):
        banks = feature_sets.gather(net, clean["tfxfer"], 0, chosen.cache, **run.inference)
    with run.phase("training_head"):
        options = run.training("head") | fixed | {"cache": feature_sets.activations(net, banks)}
        histories = {"head": train.fit(net, whole, chosen.epochs, chosen.learning_rate, **options)}
    figures = feature_measures.accuracies(feature_sets.forward_tails(net, banks, ("logits",)))
    run.note("head", figures | overfitting(histories["head"]))
    start, rate = model.values(net), chosen.learning_rate
    feature_sets.unfreeze(net, unfreeze)
    study = shift_study.Study(run, net, clean, corrupted, copy, grid_images, adapt_images)
    for name in reversed(corrupted):  # "tfxfer" last: the network that is kept has learned from no version of its test
        prefix, fit = ("", "tuned") if name == "tfxfer" else (f"{name}/", f"{name} tuned")
        model.assign_values(net, start)
        study("before", name, prefix)
        with run.phase(f"{prefix}tuning"):
            options = run.training(f"{name}-tuned") | fixed | {"backbone_learning_rate": rate / 10}
            histories[fit] = train.fit(net, corrupted[name], tune_epochs, rate, **options)
        tested = study("after", name, prefix)
    run.save_model(net, joined(histories))
    run.banks |= study.banks()
    run.add(interpolate(run, study, whole, start, interpolation_images, clean_share))
    if single:
        with run.phase("surgery"):
            run.note("surgery", tune_stages(run, net, start, copy, corrupted["tfxfer"], single, surgery_images))
    shown = shift_study.append_clean(run_artifacts.pictures(corrupted["tfxfer"], tested["logits"]), clean["tfxfer"])
    run.facts["sections"] = ["shift", "interpolation", "training", "predictions", "saliency"]
    run.finish(net, corrupted["tfxfer"], tested.only("logits"), pictures=shown, project=False)


if __name__ == "__main__":
    command.run(main)
