"""The commands `tfxfer backbones`, `cache`, `rank`, `runs`, `show`, `report`, `compare` and `make-folder`."""

from typing import Annotated, Any, Literal

import typer

from tfxfer.core import live_lines, offline
from tfxfer.core.console import import_tensorflow
from tfxfer.runs.command import annotated
from tfxfer.runs.option import parts
from tfxfer.runs.options import Aspect, DataDir, Dataset, FinishedRun, ImageKey, LabelKey, Seed, SkipBad, Weights

RUN_HELP = parts(FinishedRun)[1].help
SUMMARIES = {
    "backbones": "list and search backbones, or show the stages of one",
    "cache": "list or remove the activations and pixels kept on disk",
    "rank": "rank backbones for a data set before any of them is trained",
    "runs": "list finished runs: recipe, data, backbone, test accuracy, date",
    "show": "print the summary of a run again",
    "report": "rebuild a run's report and figures",
    "compare": "say which of several runs is better, how they differ and where they disagree",
    "make-folder": "write a data set's images as a folder of PNG files, one folder per class",
}


def add(app: typer.Typer) -> None:
    """Adds the commands to the command line."""
    for name, summary in SUMMARIES.items():
        app.command(name, short_help=summary)(annotated(globals()[name.replace("-", "_")]))


def backbones(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="WORD|NAME|FILE|RUN",
            help="Words to search for, or one backbone: its name, a .keras file or the folder of a run.",
        ),
    ] = None,
    image_size: Annotated[
        int | None,
        typer.Option(min=1, help="Height and width, in pixels, for the stages of one backbone; by default its own."),
    ] = None,
) -> None:
    """List the backbones whose name or summary has all WORDs in it, or show the stages of one.

    Sizes are those of the images that a backbone was trained on, in pixels, and of its weights in float32, in MB. In
    the table of stages, `layers to the end` is the number of layers that `--unfreeze STAGE` trains.
    """
    from tfxfer.cli.backbones_command import show

    print(show(words or [], image_size))


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove all entries.")] = False,
    remove: Annotated[
        str | None, typer.Option(metavar="KEY", help="Remove the entry whose key starts with KEY.")
    ] = None,
) -> None:
    """List the activations and the pixels of image files kept on disk for later runs, or remove them."""
    from tfxfer.cli.cache_command import manage
    from tfxfer.core.cache import Store

    print(manage(Store(), clear, remove))


def rank(
    dataset: Dataset = "digits",
    data_dir: DataDir = None,
    image_key: ImageKey = None,
    label_key: LabelKey = None,
    backbones: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME,...",
            help="Backbones to rank; by default all with ImageNet weights for any image size, and those without "
            "parameters.",
        ),
    ] = None,
    weights: Weights = "imagenet",
    image_size: Annotated[
        int,
        typer.Option(
            min=1, help="Height and width, in pixels, for networks that take RGB images; others see the native size."
        ),
    ] = 96,
    aspect: Aspect = "squash",
    limit: Annotated[int, typer.Option(min=1, help="Use at most this many training images.")] = 2000,
    skip_bad: SkipBad = False,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Random seed for splits and random weights.")] = 0,
) -> None:
    """Rank backbones for a data set by the cross-validated accuracy of a linear probe on their frozen features.

    The table also gives LogME, H-score and LEEP. Ranking takes a few minutes for thousands of images: each backbone
    sees the training images once and is not trained. The last line is the command to run next.
    """
    import_tensorflow()
    from tfxfer.analysis.ranking import next_command, rank, table
    from tfxfer.recipes.shared import offline_commands

    names = None if backbones is None else [name.strip() for name in backbones.split(",")]
    keys: dict[str, Any] = {"image_key": image_key, "label_key": label_key}
    keys |= {} if aspect == "squash" else {"aspect": aspect}
    own = {"dataset": dataset, "data_dir": data_dir, **keys, "skip_bad": skip_bad}
    there = {"backbones": "efficientnet_lite0,pixels,scattering"}
    with offline.commands(data="tfxfer rank", weights=offline_commands.command("rank", own | there)):
        rows, refused = rank(dataset, data_dir, names, weights, image_size, limit, seed, skip_bad, **keys)
    print(table(rows, refused))
    print("Next:", next_command(rows, dataset, data_dir, weights, seed, skip_bad, **keys), sep="\n")


def runs(
    sort: Annotated[
        Literal["date", "accuracy", "recipe", "data", "backbone"],
        typer.Option(help="What to sort by: date, the last first; accuracy, the highest first; or a column."),
    ] = "date",
    out: Annotated[str, typer.Option(help="Folder of the runs.")] = "saved_models",
) -> None:
    """List the finished runs of a folder: recipe, data, backbone, test accuracy with its 95% interval, and date."""
    from tfxfer.cli.runs_command import listing

    print(listing(out, sort))


def show(
    run: FinishedRun,
    out: Annotated[str, typer.Option(help="Folder in which names of runs are looked up.")] = "saved_models",
) -> None:
    """Print the summary of a run again, as it was printed at its end. The last line is the run's path."""
    from tfxfer.runs import loading, summary

    finished = loading.load(run, out)
    print(summary.text(finished), finished.dir, sep="\n")


def report(run: FinishedRun) -> None:
    """Rebuild report.html, the figures and TensorBoard's projector from a run's files; nothing is recomputed."""
    import_tensorflow()
    from tfxfer.report import write

    with live_lines.line("writing the report"):
        path = write(run)
    print(path)


def compare(
    runs: Annotated[list[str], typer.Argument(help=f"Two or more runs. {RUN_HELP}")],
    out: Annotated[
        str, typer.Option(help="Folder of the runs; the report is written to `comparisons` in it.")
    ] = "saved_models",
) -> None:
    """Print which of several runs is better, how they differ and where they disagree, and write a report of it.

    Accuracies on the same test images are compared by McNemar's exact test or, where several test images are versions
    of the same one, by a sign-flip test over the original images; p is adjusted for the number of pairs (Holm). The
    last line is the path of the report.
    """
    import_tensorflow()
    from tfxfer.report.run_comparison import compare

    with live_lines.line("comparing"):
        path, text = compare(runs, out)
    print(text, path, sep="\n")


def make_folder(
    dataset: Dataset = "fashion_mnist",
    data_dir: DataDir = None,
    image_key: ImageKey = None,
    label_key: LabelKey = None,
    classes: Annotated[int, typer.Option(min=2, help="Number of classes to write, starting with the first.")] = 7,
    images: Annotated[int, typer.Option(min=1, help="Maximum number of images to write for each class.")] = 200,
    seed: Seed = 0,
    folder: Annotated[str, typer.Option(help="Folder to write, which must not exist yet.")] = "pictures",
) -> None:
    """Write a data set's training images as PNG files, one folder per class: to look at, or to try --dataset with.

    The last line is the path of the folder.
    """
    import_tensorflow()
    from tfxfer.data import loading, to_folder
    from tfxfer.data.catalog import BUNDLED

    instead = f"tfxfer make-folder --dataset {BUNDLED}"
    with offline.commands(data=instead, weights=instead):
        splits = loading.load(dataset, data_dir, seed=seed, image_key=image_key, label_key=label_key)
    number = to_folder.write(splits, folder, classes, images)
    print(f"{number:,} images written to", folder, sep="\n")
