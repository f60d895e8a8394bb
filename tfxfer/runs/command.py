"""Functions to command lines: a recipe's signature gives its options, a bad input one line and exit code 2."""

import functools
import inspect
import re
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Annotated

import typer

from tfxfer.core.console import import_tensorflow
from tfxfer.core.errors import InputError, met_by_machine
from tfxfer.runs.options import HELP, LEAST


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
    app = new_app()
    app.command(help=inspect.getdoc(inspect.getmodule(main)))(command(main))
    run_app(app)


def new_app(**options) -> typer.Typer:
    """A command line without completion and colours, whose errors `run_app` prints."""
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, **options)


def run_app(app: typer.Typer) -> None:
    """Runs it and ends the process: 0, 2 after a bad input, 130 or 143 when interrupted."""
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
