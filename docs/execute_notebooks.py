"""Runs the notebooks of recipes/ on small settings and keeps what they show, for the documentation.

    python docs/execute_notebooks.py [NAME ...]    # all of them, or those named; Fashion-MNIST has to be installed

The copies in docs/notebooks/ have the sources of recipes/, with the settings below, and their outputs: texts, pictures
with few colours, and the report as a file beside, without plotly's JavaScript, which the build puts in again.
"""

import asyncio
import base64
import html
import io
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from builder.notebook_files import FOLDER, PLOTLY, shared
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from PIL import Image

ROOT = Path(__file__).parents[1]
_FRAME = re.compile(r'^(<iframe .*)srcdoc="(.*)"(></iframe>)$', re.DOTALL)
_BUNDLED = {"backbone": "efficientnet_lite0"}
# What the pages were executed with: so small that all together take a quarter of an hour on two cores.
SETTINGS: dict[str, dict] = {
    "transfer": {"minutes": 2},
    "study": {"dataset": "mnist_sample", "image_size": 48, "limit": 2000},
    "few_shot": {"draws": 3, "shots": "1,5,20,all"},
    "quickstart": {},
    "mobilenet_mnist": {"dataset": "mnist_sample", **_BUNDLED, "limit": 2000},
    "fashion_features": {"limit": 2000, "backbones": "pixels,scattering,efficientnet_lite0", "image_size": 64},
    "fashion_models": {"limit": 2000, "epochs": 5},
    "cifar10c_shift": {
        "dataset": "fashion_mnist",
        **_BUNDLED,
        "image_size": 64,
        "limit": 1000,
        "severities": "5",
        "epochs": 10,
        "tune_epochs": 4,
        "grid_images": 50,
        "surgery": "gaussian_noise,fog",
        "surgery_images": 200,
        "protocol": "as_published",
    },
    "fashion_groups": {"limit": 3000, "epochs": 5, "backbones": "dropout_cnn,pixels"},
    "emotion_resnet18": {"dataset": "folder:clothes", **_BUNDLED, "image_size": 64, "limit": 350}
    | {"epochs": 15, "sweep_epochs": 3, "tune_epochs": 3, "depths": "0,20,40"},
    "pretrain": {"limit": 2000, "epochs": 3},
}


def execute(name: str) -> None:
    """Runs one notebook in a folder of its own and writes it with its outputs."""
    book = nbformat.read(ROOT / "recipes" / f"{name}.ipynb", 4)
    (place,) = [cell for cell in book.cells if "parameters" in cell.metadata.get("tags", ())]
    place.source = source(name)
    with tempfile.TemporaryDirectory(prefix="tfxfer-") as folder:
        manager = AsyncKernelManager(kernel_name="python3", transport="ipc", ip=f"{folder}/kernel")
        NotebookClient(book, timeout=1800, km=manager).execute(cwd=folder)
        asyncio.run(manager.shutdown_kernel(now=True))  # which the client leaves to whom the manager belongs
        for cell in book.cells:
            cell.metadata.pop("execution", None)
            if cell.cell_type == "code":
                cell.outputs = [kept for output in cell.outputs if (kept := small(output, name, folder))]
    book.metadata = nbformat.from_dict({"language_info": {"name": "python"}})
    nbformat.write(book, FOLDER / f"{name}.ipynb")


def source(name: str) -> str:
    """The cell of settings of a notebook's page."""
    lines = "".join(f"    {key!r}: {value!r},\n" for key, value in SETTINGS[name].items())
    lines = lines.replace("'", '"')
    return (
        f"settings = {{\n{lines}}}  # small, for this page" if lines else "settings = {}  # the recipe's own defaults"
    )


def small(output: nbformat.NotebookNode, name: str, folder: str) -> nbformat.NotebookNode | None:
    """An output as it is kept: no progress bars, no paths of a machine, few colours, the report as a file."""
    if output.output_type == "stream":
        output.text = re.sub(r"\x1b\[[\d;?]*\w", "", output.text.replace(f"{folder}/", "")).rstrip() + "\n"
        return output if output.name == "stdout" and output.text.strip() else None
    if picture := output.get("data", {}).get("image/png"):
        output.data = nbformat.from_dict(smaller(picture))
    elif frame := re.search(
        r'(?s)^(<iframe .*)srcdoc="(.*)"(></iframe>)$', output.get("data", {}).get("text/html", "")
    ):
        page = html.unescape(frame[2]).replace(f"{folder}/", "")
        for mark, content in shared().items():
            page = page.replace(content, mark)
        page = re.sub(r"/[\w/]+/tmp\w+\.json", "kernel.json", page)  # how this kernel was started
        if PLOTLY not in page:
            raise ValueError(f"{name}: the report does not hold plotly.min.js as it is")
        (FOLDER / f"{name}.report.html").write_text(pictures_smaller(page), encoding="utf-8")
        output.data = nbformat.from_dict({"text/html": f'{frame[1]}src="{name}.report.html"{frame[3]}'})
    output.metadata = nbformat.from_dict({})
    return output


def pictures_smaller(page: str) -> str:
    """A report whose PNG figures are smaller files."""

    def shrink(picture: re.Match) -> str:
        ((kind, content),) = smaller(picture[1]).items()
        return min(picture[0], f"data:{kind};base64,{content}", key=len)

    return re.sub(r"data:image/png;base64,([\w+/=]+)", shrink, page)


def smaller(png: str, width: int = 1000, colours: int = 96) -> dict[str, str]:
    """A picture in base64, no wider than a page: PNG with a palette, or JPEG where that is smaller."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    if picture.width > width:
        picture = picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)
    chart, photograph = io.BytesIO(), io.BytesIO()
    picture.quantize(colours, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(chart, "PNG", optimize=True)
    picture.save(photograph, "JPEG", quality=72, optimize=True)
    if len(chart.getvalue()) <= 1.5 * len(photograph.getvalue()):  # letters and lines are sharper
        return {"image/png": base64.b64encode(chart.getvalue()).decode()}
    return {"image/jpeg": base64.b64encode(photograph.getvalue()).decode()}


if __name__ == "__main__":
    for chosen in sys.argv[1:] or SETTINGS:
        begun = time.perf_counter()
        execute(chosen)
        size = sum(path.stat().st_size for path in FOLDER.glob(f"{chosen}.*"))
        print(f"{chosen}: {time.perf_counter() - begun:.0f} s, {size / 1e3:.0f} kB", flush=True)
