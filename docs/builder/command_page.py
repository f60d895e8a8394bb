"""The page on the command line, from the command line itself: what `tfxfer NAME --help` says of each command."""

import re

import typer
from typer.main import get_command

from tfxfer.cli.main import ALIASES, application
from tfxfer.recipes import RECIPES


def pages() -> dict[str, str]:
    """The page by its path."""
    group = get_command(application())
    context = typer.Context(group, info_name="tfxfer")
    same = {word: name for name, words in ALIASES.items() for word in words}
    commands = {name: group.get_command(context, name) for name in group.list_commands(context) if name not in same}
    parts = [
        "# Command line",
        "`tfxfer` alone lists recipes, commands, backbones and data sets. What follows is what `tfxfer NAME --help` "
        "says. A RUN is a run's folder or name, the name of a recipe (its last run), or `last`.",
        "## Recipes",
        *(_command(name, commands[name], context) for name in commands if name in RECIPES),
        "## Other commands",
        *(_command(name, commands[name], context) for name in commands if name not in RECIPES),
    ]
    return {"reference/commands.md": "\n\n".join([*parts, ""])}


def anchor(name: str) -> str:
    """Where the page says what a command takes."""
    return f"tfxfer-{name}"


def _command(name: str, command: typer.core.TyperCommand, parent: typer.Context) -> str:
    context = typer.Context(command, info_name=name, parent=parent)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    parts = [f"### tfxfer {name}", _help(command.help or "")]
    parts += [f"`tfxfer {word}` is the same command." for word in ALIASES.get(name, ())]
    parts.append(f"```text\n{usage}\n```")
    rows = [
        (parameter.param_type_name, *record)
        for parameter in command.get_params(context)
        if (record := parameter.get_help_record(context))
    ]
    for kind in ("argument", "option"):
        if chosen := [(words, text) for of, words, text in rows if of == kind and words != "--help"]:
            lines = [f"| {kind} | |", "|---|---|"]
            lines += [f"| {_code(words)} | {_cell(text)} |" for words, text in chosen]
            parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _help(text: str) -> str:
    """Help text as Markdown: paragraphs, and commands as code."""
    paragraphs = []
    for paragraph in text.split("\n\n"):
        lines = paragraph.replace("\b\n", "").strip()
        if lines.startswith(("python -m ", "tfxfer ")):
            lines = f"```sh\n{lines}\n```"
        paragraphs.append(lines)
    return "\n\n".join(paragraphs)


def _code(words: str) -> str:
    """The names of an option as code, which may break between words, and what it takes."""
    names, _, kind = words.partition(" ")
    return f"`{names}`" + (f" {_cell(kind)}" if kind else "")


def _cell(text: str) -> str:
    """Text that stands in a cell of a table and is not read as Markdown's marks."""
    return re.sub(r"([\\|*_<>\[\]])", r"\\\1", " ".join(text.split()))
