"""Builds the documentation: `make docs`.

First it gathers the sources in build/docs-source: the pages of this folder with their tables of figures filled in, and
what is made of the package (recipes, command line, Python interface) and of executed notebooks. Then Sphinx builds
them into build/docs, each warning being an error. The result opens without a server or a network.
"""

import os
import shutil
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is first imported

from builder import api_pages, command_page, fetched_elements, figure_tables, notebook_files, recipe_pages
from sphinx.cmd.build import main as sphinx

HERE = Path(__file__).parent
SOURCE, TARGET = (HERE.parent / "build" / name for name in ("docs-source", "docs"))


def gather() -> None:
    """Writes the sources."""
    recipes = {HERE / "recipes" / f"{name}.md" for name in ("index", *recipe_pages.RECIPES)}
    written = [path for path in HERE.rglob("*.md") if path.parent.name != "recipes" or path in recipes]
    pages = {str(path.relative_to(HERE)): figure_tables.fill(path.read_text(encoding="utf-8")) for path in written}
    pages |= {name: recipe_pages.listed(pages[name]) for name in ("recipes/index.md", "notebooks/index.md")}
    pages |= {f"recipes/{name}.md": recipe_pages.page(name, pages) for name in recipe_pages.RECIPES}
    pages |= api_pages.pages() | command_page.pages() | notebook_files.files()
    pages["changelog.md"] = (HERE.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    files = {name: text.encode() for name, text in pages.items()}
    for pattern in ("assets/*", "ideas/*.svg", "pictures/*", "conf.py"):
        files |= {str(path.relative_to(HERE)): path.read_bytes() for path in HERE.glob(pattern)}
    for name, content in files.items():
        path = SOURCE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def main() -> int:
    started = time.perf_counter()
    for folder in (SOURCE, TARGET):  # anew: what is not read again would not warn again
        shutil.rmtree(folder, ignore_errors=True)
    gather()
    if status := sphinx(["-q", "-W", "--keep-going", "-b", "html", str(SOURCE), str(TARGET)]):
        return status
    shutil.rmtree(TARGET / ".doctrees")
    if wrong := [*fetched_elements.of(TARGET), *fetched_elements.missing(TARGET)]:
        print("elements from elsewhere, or of files that are not there:", *wrong, sep="\n", file=sys.stderr)
        return 1
    print(f"{TARGET / 'index.html'} ({time.perf_counter() - started:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
