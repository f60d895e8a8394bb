"""Every command in the README and in the documentation is one that the shell finds and that takes these words."""

import re
import shlex
from collections.abc import Iterator

import pytest
import typer
from doc_pages import NAMES, ROOT, blocks, prose
from typer.main import get_command

from tfxfer.cli.main import application

# not of this project
FOREIGN = {"sudo", "apt", "python3", "pip", ".", "export", "du", "tensorboard", "spotlight", "embedding-atlas"}


def lines(name: str) -> Iterator[tuple[str, bool]]:
    """Commands in the blocks of a page, and in its text where they are code; whether they are whole."""
    for block in blocks(name, "sh"):
        yield from ((line, True) for line in block.splitlines() if line)
    for code in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", prose(name)):
        command = re.sub(r"^([A-Z_]+=\S+ )+", "", code)
        if command.startswith(("tfxfer ", "make ", "python ")) and "<" not in command:
            yield command, False


def check(line: str) -> None:
    """Raises where a command is none of ours, or does not take its words."""
    word, *rest = shlex.split(line, comments=True)
    if word == "tfxfer":
        group = get_command(application())
        if rest and rest != ["NAME", "--help"]:
            with typer.Context(group, info_name="tfxfer") as context:
                name, command, words = group.resolve_command(context, rest)
                words = [part for part in words if part != "--help"]
                command.make_context(name, words, parent=context)
    elif word == "make":
        targets = re.findall(r"(?m)^([\w-]+(?: [\w-]+)*):", (ROOT / "Makefile").read_text())
        assert {part for part in rest if "=" not in part} <= set(" ".join(targets).split())
    elif word == "python" and rest[0] != "-m":
        (ROOT / rest[0]).resolve(strict=True)
    else:
        assert word in FOREIGN | {"python"}, line


@pytest.mark.parametrize("name", NAMES)
def test_commands_of_a_page(name):
    for line, whole in lines(name):
        try:
            check(line)
        except typer.TyperException as error:
            reason = error.format_message()
            if whole or not reason.startswith("Missing"):  # `tfxfer predict` in a sentence is a name
                pytest.fail(f"{name}: {line}\n{reason}")
        except (AssertionError, OSError, ValueError) as error:
            pytest.fail(f"{name}: {line}\n{error}")


def test_wrong_commands_are_found():
    for line, reason in {
        "tfxfer quickstrat": "No such command",
        "tfxfer quickstart --epoch 5": "No such option",
        "tfxfer quickstart --epochs few": "valid integer",
        "tfxfer predict": "Missing argument",
    }.items():
        with pytest.raises(typer.TyperException) as caught:
            check(line)
        assert reason in caught.value.format_message()
    for line in ("make tests", "conda install tfxfer"):
        with pytest.raises(AssertionError):
            check(line)


def test_there_are_commands_to_check():
    counts = {name: len(list(lines(name))) for name in NAMES}
    assert counts["README.md"] > 8
    assert sum(counts.values()) > 60
