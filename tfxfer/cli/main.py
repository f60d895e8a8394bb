"""The command `tfxfer`: every recipe, every other command, and the list of what there is."""

import importlib
from typing import Annotated

import typer

import tfxfer
from tfxfer.cli import commands, commands_export
from tfxfer.recipes import RECIPES
from tfxfer.runs.command import command, description, new_app, run_app

ALIASES = {"transfer": ("train",)}  # other words for recipes that take people's own pictures


def main() -> None:
    """The command `tfxfer`. Without arguments it lists recipes, commands, backbones and data sets."""
    run_app(application())


def application() -> typer.Typer:
    """The command line with all recipes and commands, which the documentation describes too."""
    app = new_app(invoke_without_command=True)

    @app.callback(
        help="Image transfer learning, and what it does to features. Without a command, lists recipes, commands, "
        "backbones and data sets."
    )
    def overview(
        context: typer.Context,
        version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    ) -> None:
        if version:
            print(tfxfer.__version__)
        elif context.invoked_subcommand is None:
            print(listing())

    for name, summary in RECIPES.items():
        recipe = importlib.import_module(f"tfxfer.recipes.{name}").main
        for typed in (name, *ALIASES.get(name, ())):
            page = app.command(typed, help=description(recipe), short_help=summary)
            page(command(recipe, pictures=name in ALIASES))

    commands.add(app)
    commands_export.add(app)
    return app


def listing() -> str:
    """Recipes, commands, backbones and data sets, one line each."""
    from tfxfer.cli import backbones_command
    from tfxfer.data import catalog
    from tfxfer.model import backbones

    groups = {
        "Recipes (tfxfer NAME, or python -m tfxfer.recipes.NAME; --help for options)": RECIPES,
        "Commands (tfxfer NAME; --help for options)": commands.SUMMARIES | commands_export.SUMMARIES,
        "Backbones (--backbone)": {name: row.summary for name, row in backbones.TABLE.items()},
        "Data sets (--dataset)": {name: known.summary for name, known in catalog.KNOWN.items()} | catalog.PATHS,
    }
    after = {"Backbones (--backbone)": [backbones_command.more()]}
    blocks = [
        "\n".join([title, *(f"  {k:20}{v}" for k, v in rows.items()), *after.get(title, [])])
        for title, rows in groups.items()
    ]
    return "\n\n".join(blocks)
