"""Functions to command lines: a recipe's signature gives its options, a bad input one line and exit code 2."""

import functools
import importlib
import inspect
import re
import sys
import warnings
from collections.abc import Callable
from typing import Annotated

import typer

import tfxfer
from tfxfer import commands_export
from tfxfer.errors import InputError
from tfxfer.quiet import import_tensorflow as _import_tensorflow
from tfxfer.recipes import RECIPES

HELP = {
    "dataset": "digits, mnist, fashion_mnist, cifar10, cifar10_corrupted, idx:PATH or folder:PATH.",
    "data_dir": "Folder that holds the data set's files.",
    "backbone": "A backbone by name; `tfxfer` lists them.",
    "backbones": "Feature sets to compare: backbones, comma-separated.",
    "classifiers": "Classifiers on each feature set, comma-separated.",
    "sweep": "Choose C and k of the classifiers by the validation images.",
    "tune": "Which of the backbones are fine-tuned, comma-separated.",
    "weights": "imagenet, none, or a weights file.",
    "image_size": "Pixels a side that the backbone sees.",
    "unfreeze": "How many of the backbone's last layers train, or from which stage on, or last, or all.",
    "tune_epochs": "Passes over the training images when fine-tuning.",
    "epochs": "Passes over the training images.",
    "batch_size": "Images a step.",
    "learning_rate": "Highest rate of the schedule.",
    "augment": "Random small shifts, rotations and zooms while training.",
    "seed": "Of splits, initial weights, order and projections.",
    "limit": "Use this many training images, and at most a quarter of it each to validate and test.",
    "out": "Folder for runs.",
    "corruption": "One of CIFAR-10-C's 19, such as gaussian_blur.",
    "severities": "Of the corruption, comma-separated, 1 to 5.",
    "grid_images": "Test images for the grid of all corruptions and severities; 0 leaves it out.",
    "surgery": "Corruptions for which each stage is tuned alone, comma-separated; empty leaves it out.",
    "surgery_images": "Images that a single stage learns from, and as many to validate by.",
    "cache": "Activations of frozen layers: auto, memory, disk (kept for later runs) or off.",
    "views": "With --augment, cache so many fixed random views of each image; 0 augments anew in each epoch.",
    "strategy": "none, mirrored (all devices of this machine), multiworker (TF_CONFIG) or tpu.",
    "precision": "float32, bfloat16, or auto, which times both.",
    "resume": "An unfinished run to continue with its own options: its name, its path, or last.",
    "protocol": "tfxfer, or as_published to repeat the report's choices exactly.",
}


LEAST = {"image_size": 1, "epochs": 1, "tune_epochs": 1, "batch_size": 1, "limit": 1, "seed": 0, "views": 0}
LEAST |= {"grid_images": 0, "surgery_images": 1}


def layer_count(text: str | int) -> int | str:
    """Parses --unfreeze: a whole number, `all`, or any other word, which the model takes for a stage's name."""
    if isinstance(text, int) or text.isidentifier():
        return text
    if not text.isdecimal():
        raise typer.BadParameter(f"{text!r} came, expected a whole number, a stage's name, or all")
    return int(text)


def command(main: Callable[..., dict[str, float]]) -> Callable[..., None]:
    """Gives a recipe's `main` the annotations typer reads; types and defaults stay its own."""
    signature = inspect.signature(main)

    def annotate(parameter: inspect.Parameter) -> inspect.Parameter:
        parser = {"parser": layer_count, "metavar": "INTEGER|STAGE|all"} if parameter.name == "unfreeze" else {}
        kind = str if parser else parameter.annotation
        option = typer.Option(help=HELP[parameter.name], min=LEAST.get(parameter.name), **parser)
        return parameter.replace(annotation=Annotated[kind, option], kind=inspect.Parameter.KEYWORD_ONLY)

    @functools.wraps(main)
    def run(context: typer.Context, **options) -> None:
        _import_tensorflow()
        if options.get("resume"):  # what was not typed comes from the run that is resumed
            options = {k: v for k, v in options.items() if context.get_parameter_source(k).name != "DEFAULT"}
        main(**options)

    # `recipe` names the run's folder for a recipe that is another one's page: not the user's to set
    parameters = [annotate(p) for p in signature.parameters.values() if p.name != "recipe"]
    parameters.append(inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context))
    run.__signature__ = signature.replace(parameters=parameters, return_annotation=None)
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


def run(main: Callable[..., dict[str, float]]) -> None:
    """The command line of one recipe: `python -m tfxfer.recipes.<name>`."""
    app = _app()
    app.command(help=inspect.getdoc(inspect.getmodule(main)))(command(main))
    _exit(app)


def main() -> None:
    """The command `tfxfer`: without arguments it lists recipes, backbones and data sets."""
    app = _app(invoke_without_command=True)

    @app.callback(help="Image transfer learning, and what it does to features. Without a command: what there is.")
    def overview(
        context: typer.Context,
        version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    ) -> None:
        if version:
            print(tfxfer.__version__)
        elif context.invoked_subcommand is None:
            print(listing())

    for name, summary in RECIPES.items():
        module = importlib.import_module(f"tfxfer.recipes.{name}")
        app.command(name, help=inspect.getdoc(module), short_help=summary)(command(module.main))

    @app.command(short_help="list or remove the activations kept on disk")
    def cache(
        clear: Annotated[bool, typer.Option("--clear", help="Remove all of them.")] = False,
        remove: Annotated[str | None, typer.Option(metavar="KEY", help="Remove the one whose key starts so.")] = None,
    ) -> None:
        """List the activations kept on disk for later runs, or remove them."""
        from tfxfer.cache import manage
        from tfxfer.store import Store

        print(manage(Store(), clear, remove))

    @app.command(short_help="rank backbones for a data set, before any is trained")
    def rank(
        dataset: Annotated[str, typer.Option(help=HELP["dataset"])] = "digits",
        data_dir: Annotated[str | None, typer.Option(help=HELP["data_dir"])] = None,
        backbones: Annotated[
            str | None,
            typer.Option(
                metavar="NAME,NAME,...",
                help="By default all with ImageNet weights for any size, and those without parameters.",
            ),
        ] = None,
        weights: Annotated[str, typer.Option(help=HELP["weights"])] = "imagenet",
        image_size: Annotated[
            int, typer.Option(min=1, help="Pixels a side for networks that take RGB; others see their native size.")
        ] = 96,
        limit: Annotated[int, typer.Option(min=1, help="At most this many training images.")] = 2000,
        seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of splits and random weights.")] = 0,
    ) -> None:
        """Rank backbones for a data set by LogME of their frozen features, with H-score and LEEP beside it.

        A few minutes for thousands of images: each backbone sees the training images once, nothing is trained.
        """
        _import_tensorflow()
        from tfxfer.rank import rank, table

        names = None if backbones is None else [name.strip() for name in backbones.split(",")]
        print(table(*rank(dataset, data_dir, names, weights, image_size, limit, seed)))

    commands_export.add(app)
    _exit(app)


def listing() -> str:
    """Recipes, backbones and data sets, a line each."""
    from tfxfer import backbones, sources

    groups = {
        "Recipes (tfxfer NAME, or python -m tfxfer.recipes.NAME; --help for options)": RECIPES,
        "Backbones (--backbone)": {name: row.summary for name, row in backbones.TABLE.items()},
        "Data sets (--dataset)": {name: known.summary for name, known in sources.KNOWN.items()} | sources.PATHS,
    }
    blocks = ["\n".join([title, *(f"  {k:20}{v}" for k, v in rows.items())]) for title, rows in groups.items()]
    return "\n\n".join(blocks)


def _app(**options) -> typer.Typer:
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, **options)


def _exit(app: typer.Typer) -> None:
    warnings.showwarning = lambda message, *_, **__: _say("warning", message)
    try:
        status = app(standalone_mode=False)
    except InputError as error:
        status = _complain(error)
    except typer.TyperException as error:
        status = _complain(f"{error.format_message()} (--help lists the options)")
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted", file=sys.stderr)
        status = 130
    sys.exit(status if isinstance(status, int) else 0)


def _complain(error: object) -> int:
    _say("error", error)
    return 2


def _say(kind: str, message: object) -> None:
    line = " ".join(re.sub(r"\x1b\[[\d;]*m", "", str(message)).split())  # Keras colours some of its messages
    print(f"{kind}: {line}", file=sys.stderr)
