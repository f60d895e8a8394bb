"""A page for each recipe: what it is, its figures beside the published ones, and what is written about it by hand."""

import ast
from collections.abc import Mapping
from pathlib import Path

from builder import command_page, figure_tables, notebook_files
from tfxfer.recipes import RECIPES

__all__ = ["RECIPES", "listed", "page"]

_PAGES = Path(__file__).parents[2] / "tfxfer" / "recipes"


def page(name: str, pages: Mapping[str, str]) -> str:
    """The page of a recipe in Markdown, which ends with what stands in docs/recipes/NAME.md, if anything does."""
    module = ast.parse((_PAGES / f"{name}.py").read_text(encoding="utf-8"))
    first, _, rest = (ast.get_docstring(module) or "").partition("\n\n")
    links = [f"[All options](../reference/commands.md#{command_page.anchor(name)})"]
    if notebook_files.path(name).exists():
        links.append(f"[as a notebook, with what it shows](../notebooks/{name}.ipynb)")
    parts = [f"# {name}", first, _commands(rest), " · ".join(links)]
    if figures := figure_tables.of_recipe(name):
        parts += ["## Measured, and published", figures]
    return "\n\n".join([*parts, pages.get(f"recipes/{name}.md", "").strip()]) + "\n"


def listed(text: str) -> str:
    """A page with the list of the recipes' pages, or that of executed notebooks, where its place is."""
    notebooks = [f"{name}.ipynb" for name in RECIPES if notebook_files.path(name).exists()]
    for place, entries in (("recipes", list(RECIPES)), ("notebooks", notebooks)):
        lines = "\n".join(entries)
        text = text.replace(f"<!-- {place} -->", f"```{{toctree}}\n:maxdepth: 1\n\n{lines}\n```")
    return text


def _commands(text: str) -> str:
    """The rest of a docstring, in which lines that begin with a command are code."""
    paragraphs = []
    for paragraph in text.split("\n\n"):
        if paragraph.startswith(("python -m ", "tfxfer ")):
            lines = [line.replace("python -m tfxfer.recipes.", "tfxfer ") for line in paragraph.splitlines()]
            paragraph = "\n".join(["```sh", *lines, "```"])
        paragraphs.append(paragraph)
    return "\n\n".join(paragraphs)
