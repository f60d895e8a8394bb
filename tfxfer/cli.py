"""Functions to command lines: a recipe's signature gives its options, a bad input one line and exit code 2."""

import functools
import importlib
import inspect
import re
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Annotated

import typer

import tfxfer
from tfxfer import commands, commands_export
from tfxfer.errors import InputError, met_by_machine
from tfxfer.options import HELP, LEAST
from tfxfer.quiet import import_tensorflow
from tfxfer.recipes import RECIPES


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
        import_tensorflow()
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
    """The command `tfxfer`: without arguments it lists recipes, commands, backbones and data sets."""
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

    commands.add(app)
    commands_export.add(app)
    _exit(app)


def listing() -> str:
    """Recipes, commands, backbones and data sets, a line each."""
    from tfxfer import backbones, sources

    groups = {
        "Recipes (tfxfer NAME, or python -m tfxfer.recipes.NAME; --help for options)": RECIPES,
        "Commands (tfxfer NAME; --help for options)": commands.SUMMARIES | commands_export.SUMMARIES,
        "Backbones (--backbone)": {name: row.summary for name, row in backbones.TABLE.items()},
        "Data sets (--dataset)": {name: known.summary for name, known in sources.KNOWN.items()} | sources.PATHS,
    }
    blocks = ["\n".join([title, *(f"  {k:20}{v}" for k, v in rows.items())]) for title, rows in groups.items()]
    return "\n\n".join(blocks)


def _app(**options) -> typer.Typer:
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, **options)


def _exit(app: typer.Typer) -> None:
    warnings.showwarning = lambda message, *_, **__: _say("warning", message)
    received = []

    def terminate(number, _) -> None:
        received.append(number)
        raise KeyboardInterrupt  # so that a run is left as by Ctrl-C

    signal.signal(signal.SIGTERM, terminate)
    try:
        status = app(standalone_mode=False)
    except InputError as error:
        status = _complain(error)
    except typer.TyperException as error:
        status = _complain(f"{error.format_message()} (--help lists the options)")
    except Exception as error:
        known = met_by_machine(error)
        if known is None:
            raise
        status = _complain(known)
    if status == 130:  # typer's word for KeyboardInterrupt
        print("terminated" if received else "interrupted", file=sys.stderr)
        status = 143 if received else 130
    sys.exit(status if isinstance(status, int) else 0)


def _complain(error: object) -> int:
    _say("error", error)
    return 2


def _say(kind: str, message: object) -> None:
    line = " ".join(re.sub(r"\x1b\[[\d;]*m", "", str(message)).split())  # Keras colours some of its messages
    print(f"{kind}: {line}", file=sys.stderr)
