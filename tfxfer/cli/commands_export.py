"""The commands of a finished run's network: `tfxfer export`, `predict`, `neighbours` and `table`."""

import io
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from tfxfer.core.console import import_tensorflow
from tfxfer.runs.command import annotated
from tfxfer.runs.option import parts
from tfxfer.runs.options import FinishedRun

RUN_HELP = parts(FinishedRun)[1].help
SUMMARIES = {
    "export": "write a run's network as SavedModel, LiteRT, ONNX or .keras, and check each file",
    "predict": "classify image files",
    "neighbours": "show the training images most like an image, in the features of a run's network",
    "table": "write what a run knows of each image as a Parquet file, for pandas and viewers of data sets",
}


def add(app: typer.Typer) -> None:
    """Adds the commands to the command line."""
    for name, summary in SUMMARIES.items():
        app.command(name, short_help=summary)(annotated(globals()[name]))


def export(
    run: FinishedRun,
    formats: Annotated[
        str,
        typer.Option(help="Formats, comma-separated: saved_model, litert, litert_dynamic, litert_int8, onnx, keras."),
    ] = "saved_model,litert,litert_dynamic,litert_int8,keras",
    min_accuracy: Annotated[
        float | None, typer.Option(min=0, max=1, help="Refuse to export a network whose test accuracy is lower.")
    ] = None,
    out: Annotated[str | None, typer.Option(help="New folder to write to; by default RUN/export.")] = None,
    serving: Annotated[
        str | None, typer.Option(help="Folder to add the SavedModel to, as the next version for TensorFlow Serving.")
    ] = None,
) -> None:
    """Write a run's network in formats that do not need tfxfer, with model_card.md, labels.txt and parity.json.

    Each file is reloaded in a fresh process and compared with the network on 200 test images. Formats that are not
    quantized must agree to 1e-4; parity.json and the model card say how far the quantized ones differ.
    """
    import_tensorflow()
    from tfxfer.export import bundle

    print(bundle(run, [name.strip() for name in formats.split(",")], out, min_accuracy, serving))


def predict(
    model: Annotated[
        str,
        typer.Argument(metavar="RUN|SAVED_MODEL", help=f"{RUN_HELP} Or an export, a SavedModel or a serving folder."),
    ],
    files: Annotated[
        list[str], typer.Argument(help="Images, folders of images, or - to read file names from standard input.")
    ],
    format: Annotated[
        Literal["jsonl", "table"], typer.Option(help="One JSON object or one table row per line.")
    ] = "jsonl",
    batch_size: Annotated[int, typer.Option(min=1, help="Number of images that the network classifies at once.")] = 32,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Abstain below this probability; by default below the network's own threshold."
        ),
    ] = None,
) -> None:
    """Classify JPEG, PNG, WebP, BMP, GIF and TIFF files; each line is printed as soon as it is ready.

    Images are read as in training. Other files in a folder are left out, with a warning that names some of them.

    A network that was calibrated for a wanted precision abstains from images whose probability is too low: their lines
    say "abstained", beside the class that is most likely.

    For a file that is not an image, the line gives the reason, and the other files are still classified. Exit code 0:
    all images were classified; 1: some were not; 2: the command itself was wrong.
    """
    import_tensorflow()
    from tfxfer.export import prediction
    from tfxfer.runs import loading

    if (found := loading.find(model)) != Path(model).expanduser() and found.exists():
        print(f"by {found}", file=sys.stderr)  # which a name such as "last" does not say
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # which JSON is, whatever the terminal's is
    names = prediction.expand(files, sys.stdin.buffer)
    failed, abstained, width = False, 0, min(60, max(map(len, names)))
    try:
        for row in prediction.predict(model, names, batch_size, threshold):
            failed |= "error" in row
            abstained += row.get("abstained", False)
            print(prediction.text(row, format, width), flush=True)
    except BrokenPipeError:  # as of `| head`: no one reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        failed = True
    if abstained:
        least = prediction.threshold(model) if threshold is None else threshold
        images = f"{len(names):,} image{'s' if len(names) > 1 else ''}"
        print(f"abstained from {abstained:,} of {images}: probability below {least:.4f}", file=sys.stderr)
    raise typer.Exit(int(failed))


def neighbours(
    run: FinishedRun,
    image: Annotated[str, typer.Argument(help="Image file.")],
    count: Annotated[int, typer.Option(min=1, help="Number of training images to show.")] = 8,
) -> None:
    """Show the training images nearest to an image in the features of a run's network, with Euclidean distances.

    All training images are compared. Their features are computed when the command first runs, and then read from the
    cache. With more than 200,000 of them, faiss is used if it is installed (`pip install faiss-cpu`).
    """
    import_tensorflow()
    from tfxfer.runs.similar_images import find_similar

    rows = find_similar(run, image, count)
    width = max(len(str(row["class"])) for row in rows)
    for row in rows:
        print(f"{row['distance']:10.4f}  {str(row['class']).ljust(width)}  {row['image']}")


def table(
    run: FinishedRun,
    splits: Annotated[
        str, typer.Option(help="Splits to write, comma-separated: train, validation, test.")
    ] = "train,validation,test",
    out: Annotated[str | None, typer.Option(help="New file to write; by default RUN/table.parquet.")] = None,
) -> None:
    """Write a Parquet file with a row for each image of a run's data set; the last line is its path.

    Columns: id, path, split, label, prediction, probabilities, loss, embedding, projections, outlier score. pandas,
    Renumics Spotlight and Embedding Atlas open the file. The data set is loaded again, and features that are not in the
    cache are computed.
    """
    import_tensorflow()
    from tfxfer.export import write_table

    print(write_table(run, [name.strip() for name in splits.split(",")], out))
