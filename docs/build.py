"""Builds the documentation: `make docs`, or python docs/build.py [FOLDER].

First it gathers the sources in build/docs-source: the pages of this folder with their tables of figures filled in, and
what is made of the package (recipes, command line, Python interface) and of executed notebooks. Then Sphinx builds
them, each warning being an error. The result, build/docs by default, opens without a server or a network.
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
SOURCE = HERE.parent / "build" / "docs-source"


def gather() -> None:
    """Writes the sources; those that have not changed stay as they are, and Sphinx need not read them again."""
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
    for path in [path for path in SOURCE.rglob("*") if path.is_file()]:
        if str(path.relative_to(SOURCE)) not in files:
            path.unlink()
    for name, content in files.items():
        path = SOURCE / name
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def main(target: Path) -> int:
    started = time.perf_counter()
    gather()
    if status := sphinx(["-q", "-W", "--keep-going", "-b", "html", str(SOURCE), str(target)]):
        return status
    shutil.rmtree(target / "_sources", ignore_errors=True)
    if pages := fetched_elements.of(target):
        print("these pages fetch from elsewhere:", *pages, sep="\n", file=sys.stderr)
        return 1
    print(f"{target / 'index.html'} ({time.perf_counter() - started:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else SOURCE.parent / "docs")))
