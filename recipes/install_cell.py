"""Writes the cell that installs tfxfer, which stands in README.md, into every notebook of this folder.

Run it after a change of that cell: python recipes/install_cell.py
"""

import json
import re
from pathlib import Path

FOLDER = Path(__file__).parent


def cell() -> str:
    """The source of the cell: the one block of Python in README.md."""
    (source,) = re.findall(r"(?s)```python\n(.*?)\n```", (FOLDER / "README.md").read_text())
    return source


def write(path: Path) -> None:
    """Makes it the second cell of a notebook, after the title."""
    book = json.loads(path.read_text())
    book["cells"][1]["source"] = cell().splitlines(keepends=True)
    path.write_text(json.dumps(book, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    for notebook in FOLDER.glob("*.ipynb"):
        write(notebook)
