"""Command lines from functions: options come from the signature; bad input is one line and exit code 2."""

import functools
import gc
import inspect
import re
import signal
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_type_hints

import typer

from tfxfer.core.console import import_tensorflow
from tfxfer.core.errors import InputError, met_by_machine
from tfxfer.runs.option import parts

PICTURES = Annotated[
    str | None,
    typer.Argument(metavar="PICTURES", help="A folder with a folder of pictures for each class; or --dataset."),
]


def layer_count(text: str | int) -> int | str:
    """Parses --unfreeze: a whole number, `all`, or any other word, which the model takes for a stage's name."""
    if isinstance(text, int) or text.isidentifier():
        return text
    if not text.isdecimal():
        raise typer.BadParameter(f"expected a whole number, a stage's name, or all, got {text!r}")
    return int(text)


def annotated(function: Callable[..., Any], annotations: Mapping[str, Any] | None = None) -> Callable[..., Any]:
    """A function whose parameters typer can read: of each with an `Option` the command line's; others stay.

    Args:
        annotations: of its parameters by name; by default those it has.
    """
    signature = inspect.signature(function)
    hints = get_type_hints(function, include_extras=True) if annotations is None else annotations

    def translate(parameter: inspect.Parameter) -> inspect.Parameter:
        annotation = hints[parameter.name]
        try:
            kind, option = parts(annotation)
        except TypeError:  # typer's own
            return parameter.replace(annotation=annotation)
        if parameter.default is inspect.Parameter.empty:
            return parameter.replace(annotation=Annotated[kind, typer.Argument(help=option.help)])
        parser: dict[str, Any] = {"parser": layer_count, "metavar": "INTEGER|STAGE|all"} if option.depth else {}
        words = typer.Option(help=option.help, min=option.least, **parser)
        return parameter.replace(annotation=Annotated[str if parser else kind, words])

    parameters = [translate(parameter) for parameter in signature.parameters.values()]

    @functools.wraps(function)
    def run(*args: Any, **options: Any) -> Any:
        return function(*args, **options)

    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # read by typer
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def command(main: Callable[..., dict[str, float]], pictures: bool = False) -> Callable[..., None]:
    """The command of a recipe's `main`, as typer takes it: its options, and what --resume leaves out.

    Args:
        main: of the recipe.
        pictures: whether the data set may also stand alone, without `--dataset`.
    """

    def run(context: typer.Context, **options: Any) -> None:
        path = options.pop("pictures", None)
        alone = "tensorflow" not in sys.modules  # the process is for this run
        import_tensorflow(shown=not options.get("quiet"))
        if alone:  # graphs are many objects that stay: looking through them as often as usual takes 4% of a run
            gc.freeze()
            gc.set_threshold(50_000, 20, 50)
        if options.get("resume"):  # what was not typed comes from the run that is resumed
            typed = {name for name in options if getattr(context.get_parameter_source(name), "name", "") != "DEFAULT"}
            options = {name: value for name, value in options.items() if name in typed}
        if path is not None:
            if getattr(context.get_parameter_source("dataset"), "name", "") != "DEFAULT":
                raise InputError(f"{path} and --dataset {options['dataset']} are two data sets: leave one out")
            options["dataset"] = path
        main(**options)

    hints = getattr(main, "annotations", {})
    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    signature = inspect.signature(main)
    options = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in signature.parameters.values()]
    own = {"context": typer.Context, "pictures": PICTURES}
    path = inspect.Parameter("pictures", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=PICTURES)
    run.__signature__ = signature.replace(  # type: ignore[attr-defined]  # read by `annotated`
        parameters=[context, *([path] if pictures else []), *options], return_annotation=None
    )
    return annotated(run, {**hints, **own})


def run(main: Callable[..., dict[str, float]], pictures: bool = False) -> None:
    """The command line of one recipe: `python -m tfxfer.recipes.<name>`; arguments as of `command`."""
    app = new_app()
    app.command(help=description(main))(command(main, pictures))
    run_app(app)


def description(main: Callable[..., Any]) -> str:
    """The docstring of a recipe's module as its help text, in which each command stays on a line of its own."""
    text = inspect.getdoc(inspect.getmodule(main)) or ""
    return re.sub(r"\n\n(?=python -m )", "\n\n\b\n", text)  # \b is click's mark for a paragraph that is not rewrapped


def new_app(**options) -> typer.Typer:
    """A command line without completion and colours, whose errors `run_app` prints."""
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, **options)


def run_app(app: typer.Typer) -> None:
    """Runs a command line and ends the process with 0, with 2 after bad input, or with 130 or 143 when interrupted."""
    warnings.showwarning = lambda message, *_, **__: _say("warning", message)
    received = []

    def terminate(number, _) -> None:
        received.append(number)
        raise KeyboardInterrupt  # so that a run ends as it does with Ctrl-C

    signal.signal(signal.SIGTERM, terminate)
    try:
        status = app(standalone_mode=False)
    except InputError as error:
        status = _complain(error)
    except typer.TyperException as error:
        status = _complain(f"{error.format_message()} (--help lists the options)")
    except Exception as error:
        reason = met_by_machine(error)
        if reason is None:
            raise
        status = _complain(reason)
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
