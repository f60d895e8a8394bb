"""The executed notebooks of docs/notebooks/ as pages, and their reports beside them."""

from importlib import resources
from pathlib import Path

import nbformat

from tfxfer.recipes import RECIPES

FOLDER = Path(__file__).parents[1] / "notebooks"
PLOTLY = "<!-- plotly.min.js -->"  # stands in a kept report for what every report holds
_ASSETS = resources.files("tfxfer.report") / "assets"
_NOTE = "This is `recipes/{name}.ipynb` as it ran on the settings shown, which are small; the notebook itself opens in "
_NOTE += "Jupyter or Colab. [About the recipe](../recipes/{name}.md)."


def path(name: str) -> Path:
    """The executed notebook of a recipe."""
    return FOLDER / f"{name}.ipynb"


def files() -> dict[str, str]:
    """Notebooks as Sphinx reads them, a list of them, and reports, by their paths."""
    made = {f"notebooks/{name}.ipynb": page(name) for name in RECIPES if path(name).exists()}
    for report in FOLDER.glob("*.report.html"):
        text = report.read_text(encoding="utf-8")
        for name, content in shared().items():
            text = text.replace(name, content)
        made[f"extra/notebooks/{report.name}"] = text
    return made


def shared() -> dict[str, str]:
    """What every report holds, by what stands for it in a kept one."""
    found = {f"/* {file.name} */": file.read_text(encoding="utf-8") for file in _ASSETS.iterdir() if file.is_file()}
    return {PLOTLY: f"<script>{found.pop('/* plotly.min.js */')}</script>"} | found


def page(name: str) -> str:
    """A notebook with a note of what it is below its title, without the cell that installs tfxfer."""
    book = nbformat.read(path(name), 4)
    book.cells = [cell for cell in book.cells if "pip install" not in cell.source]
    book.cells[0].source += f"\n\n:::{{note}}\n{_NOTE.format(name=name)}\n:::"
    for cell in book.cells:
        if cell.cell_type == "markdown":
            title, _, text = cell.source.partition("\n")
            cell.source = f"{title}\n\n{text}"
        elif len(cell.outputs) > 9:  # lines of progress
            cell.metadata["tags"] = ["hide-output"]
        elif any({"image/png", "image/jpeg"} & output.get("data", {}).keys() for output in cell.outputs):
            cell.metadata["mystnb"] = {"image": {"alt": "Figures of the run, made by the cell above."}}
    return nbformat.writes(book)
