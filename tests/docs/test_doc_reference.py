"""The reference is made of the package: each command with its options, and each name of each face."""

import importlib
import re

import pytest
from doc_pages import ROOT
from typer.main import get_command

from tfxfer.cli.main import ALIASES, application


@pytest.fixture(scope="module")
def builder():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "docs")
        yield lambda name: importlib.import_module(f"builder.{name}")


def test_every_command_and_option_is_there(builder):
    (page,) = builder("command_page").pages().values()
    sections = dict(re.findall(r"(?ms)^### tfxfer (\S+)\n(.*?)(?=^##|\Z)", page))
    commands = get_command(application()).commands
    others = {word: name for name, words in ALIASES.items() for word in words}
    assert sections.keys() | others.keys() == commands.keys()
    assert all(f"`tfxfer {word}` is the same command." in sections[name] for word, name in others.items())
    for name, command in [(name, command) for name, command in commands.items() if name not in others]:
        options = [word for parameter in command.params for word in parameter.opts if word.startswith("--")]
        assert [word for word in options if f"`{word}" not in sections[name]] == []


def test_every_name_of_every_face_is_there(builder):
    api = builder("api_pages")
    faces = {str(path.parent.relative_to(ROOT / "tfxfer")) for path in (ROOT / "tfxfer").rglob("__init__.pyi")}
    assert faces - {"core", "recipes/shared"} == {face or "." for face in api.FACES}
    for face in filter(None, api.FACES):
        page = api.pages()[f"reference/{face.replace('/', '_')}.md"]
        own, modules = api.names(face)
        assert [name for name in own if not re.search(rf"\.{name}$", page, re.MULTILINE)] == []
        folders = [name for name in modules if (ROOT / "tfxfer" / face / name).is_dir()]
        assert [name for name in modules if f".{name}\n" not in page] == folders


def test_what_would_be_fetched_is_found(builder, tmp_path):
    (tmp_path / "good.html").write_text('<a href="https://a.b">x</a><script src="own.js"></script><img src="data:,">')
    assert builder("fetched_elements").of(tmp_path) == []
    for number, text in enumerate(
        [
            '<script defer src="https://cdn.b/x.js"></script>',
            "<img alt='' src=//a.b/c.png>",
            '<link rel="stylesheet" href="https://fonts.b/css">',
            "<style>@import url(https://a.b/c.css)</style>",
            "<p style='background: url(\"https://a.b/c.png\")'>",
        ]
    ):
        (tmp_path / f"{number}.html").write_text(text)
    assert [line.split(".")[0] for line in builder("fetched_elements").of(tmp_path)] == list("01234")
    assert builder("fetched_elements").missing(tmp_path) == ["good.html: no own.js"]
