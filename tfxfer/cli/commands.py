"""The commands `tfxfer cache`, `rank`, `report`, `compare` and `make-folder`."""

from typing import Annotated

import typer

from tfxfer.core.console import import_tensorflow
from tfxfer.runs.command import annotated
from tfxfer.runs.option import parts
from tfxfer.runs.options import DataDir, Dataset, FinishedRun, Seed, SkipBad, Weights

RUN_HELP = parts(FinishedRun)[1].help
SUMMARIES = {
    "cache": "list or remove the activations kept on disk",
    "rank": "rank backbones for a data set, before any is trained",
    "report": "make a run's report and figures anew",
    "compare": "put runs side by side, with the significance of their differences",
    "make-folder": "write a data set's images as a folder of PNG files, one folder per class",
}


def add(app: typer.Typer) -> None:
    """Adds them to the command line."""
    for name, summary in SUMMARIES.items():
        app.command(name, short_help=summary)(annotated(globals()[name.replace("-", "_")]))


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove all of them.")] = False,
    remove: Annotated[str | None, typer.Option(metavar="KEY", help="Remove the one whose key starts so.")] = None,
) -> None:
    """List the activations kept on disk for later runs, or remove them."""
    from tfxfer.cli.cache_command import manage
    from tfxfer.core.cache import Store

    print(manage(Store(), clear, remove))


def rank(
    dataset: Dataset = "digits",
    data_dir: DataDir = None,
    backbones: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME,...",
            help="By default all with ImageNet weights for any size, and those without parameters.",
        ),
    ] = None,
    weights: Weights = "imagenet",
    image_size: Annotated[
        int, typer.Option(min=1, help="Pixels a side for networks that take RGB; others see their native size.")
    ] = 96,
    limit: Annotated[int, typer.Option(min=1, help="At most this many training images.")] = 2000,
    skip_bad: SkipBad = False,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of splits and random weights.")] = 0,
) -> None:
    """Rank backbones for a data set by the cross-validated accuracy of a linear probe on their frozen features.

    LogME, H-score and LEEP stand beside it. A few minutes for thousands of images: each backbone sees the training
    images once and is not trained. The last line is the command to run next.
    """
    import_tensorflow()
    from tfxfer.analysis.ranking import next_command, rank, table

    names = None if backbones is None else [name.strip() for name in backbones.split(",")]
    rows, refused = rank(dataset, data_dir, names, weights, image_size, limit, seed, skip_bad)
    print(table(rows, refused))
    print("Next:", next_command(rows, dataset, data_dir, weights, seed, skip_bad), sep="\n")


def report(run: FinishedRun) -> None:
    """Make report.html, the figures and TensorBoard's projector anew from what a run wrote; nothing is computed."""
    import_tensorflow()
    from tfxfer.report import write

    print(write(run))


def compare(
    runs: Annotated[list[str], typer.Argument(help=f"At least two. {RUN_HELP}")],
    out: Annotated[
        str, typer.Option(help="Folder of the runs, whose `comparisons` the report goes to.")
    ] = "saved_models",
) -> None:
    """Print runs side by side, and write a report with their curves.

    Accuracy on the same test images is compared by McNemar's exact test, or where several of them are versions of one
    image, by a sign-flip test over those images. The report's path is the last line.
    """
    import_tensorflow()
    from tfxfer.report.run_comparison import compare

    path, text = compare(runs, out)
    print(text, path, sep="\n")


def make_folder(
    dataset: Dataset = "fashion_mnist",
    data_dir: DataDir = None,
    classes: Annotated[int, typer.Option(min=2, help="Only the first so many classes.")] = 7,
    images: Annotated[int, typer.Option(min=1, help="At most so many images of each class.")] = 200,
    seed: Seed = 0,
    folder: Annotated[str, typer.Option(help="Folder to write, which must not be there yet.")] = "pictures",
) -> None:
    """Write a data set's training images as PNG files, one folder per class: to look at, or to try --dataset on.

    The folder's path is the last line.
    """
    import_tensorflow()
    from tfxfer.data import loading, to_folder

    number = to_folder.write(loading.load(dataset, data_dir, seed=seed), folder, classes, images)
    print(f"{number:,} images written to", folder, sep="\n")
