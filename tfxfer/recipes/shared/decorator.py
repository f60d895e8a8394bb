"""The decorator that makes a recipe of a page's function."""

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar, get_type_hints

from tfxfer.core.errors import InputError
from tfxfer.recipes.shared.recipe_run import Run
from tfxfer.runs import option, resume
from tfxfer.runs.options import ABSENT, ON_EVERY_PAGE, SHARED, Options

_FIRST = ("dataset", "data_dir", "backbone", "weights", "image_size")  # come before a page's own options
_OF_THIS_TIME = ("resume", "out", "quiet")  # may differ from what an unfinished run was started with
_P = ParamSpec("_P")
_R = TypeVar("_R")


class Recipe(Protocol):
    """What `recipe` makes of a page's function: all options are keyword arguments with the page's defaults."""

    __wrapped__: Callable[..., None]
    annotations: Mapping[str, Any]
    """By name of the option, in the order of the signature: its `Annotated` type."""

    def __call__(self, *args: Any, **options: Any) -> dict[str, float]: ...


def _taking(_: Callable[_P, object]) -> Callable[[Callable[..., _R]], Callable[_P, _R]]:
    """Lets editors and type checkers see one function's parameters at another."""
    return lambda function: function


@_taking(Options)
def recipe(**defaults: Any) -> Callable[[Callable[..., None]], Recipe]:
    """Makes a recipe of a page: `@recipe(dataset="mnist")` above `def main(run: Run, unfreeze: Unfreeze = 10)`.

    Args:
        defaults: the page's defaults of shared options; by naming one that not every page has, the page has it. One of
            every page that is `ABSENT` is left out: it would change nothing there.

    Returns:
        A decorator. What it makes takes the shared options and the page's own, each annotated with an `Option`, and
        returns the run's metrics. It checks the options, opens the run, seeds it, continues the one that `resume` names
        and hands it to the page, once for each seed.
    """
    offered = {**ON_EVERY_PAGE, **defaults}
    shared = {name: offered[name] for name in SHARED if name in offered and offered[name] is not ABSENT}
    if unknown := defaults.keys() - SHARED.keys():
        raise TypeError(f"recipe() got options that are not shared: {', '.join(sorted(unknown))}")

    def decorate(page: Callable[..., None]) -> Recipe:
        _, *parameters = inspect.signature(page).parameters.values()  # the first is the run
        own = {parameter.name: parameter.default for parameter in parameters}
        hints = get_type_hints(page, include_extras=True)
        first = {name: shared[name] for name in _FIRST if name in shared}
        values = first | own | {name: value for name, value in shared.items() if name not in first}
        annotations = {name: SHARED[name] if name in shared else hints[name] for name in values}
        signature = inspect.Signature(
            [
                inspect.Parameter(
                    name,
                    inspect.Parameter.POSITIONAL_OR_KEYWORD,
                    default=value,
                    annotation=option.parts(annotations[name])[0],
                )
                for name, value in values.items()
            ],
            return_annotation=dict[str, float],
        )
        title = Path(inspect.getfile(page)).stem

        @functools.wraps(page)
        def main(*args: Any, **options: Any) -> dict[str, float]:
            asked = signature.bind(*args, **options).arguments  # a TypeError for what is not an option
            if asked.get("resume"):
                asked = _continued(title, asked, values, annotations)
            chosen = values | asked
            option.check(chosen, annotations)
            _check_views(chosen)
            from tfxfer.runs import backbone_names

            if "backbone" in chosen:
                chosen["backbone"] = backbone_names.portable(chosen["backbone"], chosen["out"])
            settings = Options(**{name: chosen[name] for name in shared})
            own_to_this = {"resume": None, "quiet": False} | ({"keep": settings.keep} if "keep" in chosen else {})
            record = option.portable(chosen | own_to_this, annotations)
            from tfxfer.recipes.shared import offline_commands, repeats  # these import TensorFlow

            with offline_commands.named(title, values, chosen), Run(title, record, settings) as run:
                repeats.run_page(page, run, {name: chosen[name] for name in own})
            return run.metrics

        main.__signature__ = signature  # type: ignore[attr-defined]  # read by inspect and help
        main.__doc__ = _described(page, annotations)
        main.annotations = annotations  # type: ignore[attr-defined]  # read by the command line
        del main.__annotations__
        return main  # type: ignore[return-value]  # a function with what `Recipe` names

    return decorate


def _check_views(chosen: Mapping[str, Any]) -> None:
    """Raises InputError for options that do not go together."""
    views = chosen.get("views", 0)
    if views and not chosen["augment"]:
        raise InputError(f"views {views}: expected 0, or --augment as well, because views are augmented images")
    if views:
        from tfxfer.features import activation_cache

        activation_cache.check_mode(chosen["cache"], views)


def _continued(
    title: str, asked: dict[str, Any], defaults: Mapping[str, Any], annotations: Mapping[str, Any]
) -> dict[str, Any]:
    """The options that an unfinished run was started with, and where it is."""
    folder = resume.find(asked.get("out", defaults["out"]), title, asked["resume"])
    stored = {name: value for name, value in resume.arguments(folder).items() if name in annotations}
    again = {name: value for name, value in asked.items() if name not in _OF_THIS_TIME}
    for name, value in option.portable(again, annotations).items():
        if name not in stored or stored[name] != value:
            raise InputError(
                f"{folder} was started with {name} {stored.get(name)}, not {value}: leave the option out to continue, "
                "or start a new run"
            )
    return stored | {"resume": str(folder), "quiet": asked.get("quiet", False)}


def _described(page: Callable[..., None], annotations: Mapping[str, Any]) -> str:
    """A page's docstring and what its options mean."""
    lines = [f"    {name}: {option.parts(annotation)[1].help}" for name, annotation in annotations.items()]
    return "\n".join([inspect.getdoc(page) or "", "", "Args:", *lines])
