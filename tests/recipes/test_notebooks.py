"""Every recipe has a notebook, and each runs from the first cell to the last, on small settings."""

import importlib.util
import re
import runpy
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import warm
from conftest import write_idx_set

from tfxfer import data
from tfxfer.data import to_folder
from tfxfer.recipes import RECIPES

RUNNER = Path(__file__).parents[1] / "execute_notebook.py"
FOLDER = Path(__file__).parents[2] / "recipes"
SMALL = {
    "transfer": {"backbones": "cnn", "weights": "none", "image_size": 28, "minutes": 0.1, "limit": 520},
    "quickstart": {"backbone": "cnn", "weights": "none", "image_size": 28, "unfreeze": 3, "limit": 200, "epochs": 2},
    "mobilenet_mnist": {"backbone": "cnn", "weights": "none", "image_size": 28, "unfreeze": 3, "epochs": 1},
    "fashion_features": {"backbones": "pixels,cnn", "weights": "none", "image_size": 28, "epochs": 1}
    | {"classifiers": "lda", "tune": "cnn", "tune_epochs": 1},
    "fashion_models": {"backbones": "cnn", "classifiers": "logistic", "epochs": 1},
    "cifar10c_shift": {"backbone": "cnn", "weights": "none", "image_size": 28, "severities": "5", "epochs": 1}
    | {"tune_epochs": 1, "grid_images": 0, "surgery": "fog", "surgery_images": 10, "protocol": "as_published"},
    "fashion_groups": {"backbones": "dropout_cnn,pixels", "epochs": 1},
    "emotion_resnet18": {"backbone": "cnn", "weights": "none", "image_size": 28, "epochs": 1, "sweep_epochs": 1}
    | {"tune_epochs": 1, "depths": "0,3"},
    "few_shot": {"backbone": "cnn", "weights": "none", "image_size": 28, "unfreeze": 1, "limit": 100, "steps": 5}
    | {"shots": "2,all", "draws": 2},
    "study": {"backbone": "cnn", "weights": "none", "image_size": 28},
    "pretrain": {"backbone": "small_resnet", "image_size": 28, "epochs": 1},
}


def cells(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", 4).cells


@pytest.mark.parametrize("name", RECIPES)
def test_a_notebook_has_the_cell_that_installs_tfxfer_and_names_no_account(name):
    _, install, *rest = cells(name)
    assert install.source == runpy.run_path(str(FOLDER / "install_cell.py"))["cell"](), "run recipes/install_cell.py"
    assert all("github" not in cell.source and "git+" not in cell.source for cell in cells(name))
    assert sum("## What to see" in cell.source for cell in rest) == 1
    assert all(not cell.get("outputs") for cell in rest)


def test_the_install_cell_is_copied_into_notebooks(tmp_path):
    tools = runpy.run_path(str(FOLDER / "install_cell.py"))
    book = nbformat.read(FOLDER / "quickstart.ipynb", 4)
    book.cells[1].source = "an older cell"
    nbformat.write(book, tmp_path / "quickstart.ipynb")
    tools["write"](tmp_path / "quickstart.ipynb")
    assert (tmp_path / "quickstart.ipynb").read_text() == (FOLDER / "quickstart.ipynb").read_text()


def test_the_install_cell_installs_the_uploaded_wheel(tmp_path, monkeypatch):
    """Run by IPython, in which `%pip` only notes what it is asked for, where tfxfer is not found."""
    (tmp_path / "ipython").mkdir()
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.chdir(tmp_path)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "tfxfer" else find(name, *rest)
    )
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    shell, asked = InteractiveShell(config=Config(HistoryManager={"enabled": False})), []
    shell.register_magic_function(asked.append, magic_name="pip")
    source = cells("quickstart")[1].source
    with pytest.raises(FileNotFoundError, match=r"no tfxfer-\*\.whl here: run `pip wheel --no-deps \.` .* upload it"):
        shell.run_cell(source).raise_error()
    for version in ("0.1.0", "0.2.0"):
        (tmp_path / f"tfxfer-{version}-py3-none-any.whl").touch()
    shell.run_cell(source).raise_error()
    assert asked == ["install --quiet tfxfer-0.2.0-py3-none-any.whl"]


@pytest.mark.parametrize("name", SMALL)
def test_a_notebook_runs(name, tmp_path, monkeypatch):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    settings = SMALL[name] | {"out": str(tmp_path)}
    write_idx_set(tmp_path / "data", train=240, test=60)
    if name == "fashion_groups":
        settings["data_dir"] = str(tmp_path / "data")
    elif name == "emotion_resnet18":
        to_folder.write(data.load(f"idx:{tmp_path / 'data'}"), tmp_path / "faces", classes=3, images=20)
        settings["dataset"] = "folder:faces"
    elif name != "quickstart":
        settings["dataset"] = f"idx:{tmp_path / 'data'}"
    book = nbformat.read(FOLDER / f"{name}.ipynb", 4)
    (place,) = [i for i, cell in enumerate(book.cells) if "parameters" in cell.metadata.get("tags", ())]
    book.cells.insert(place + 1, nbformat.v4.new_code_cell(f"settings = {settings!r}"))
    nbformat.write(book, tmp_path / "given.ipynb")
    python = [] if name == "quickstart" else warm.python()  # what the start of TensorFlow says is looked at once
    command = [sys.executable, str(RUNNER), "given.ipynb", "done.ipynb", ".", *python]
    found = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    done = nbformat.read(tmp_path / "done.ipynb", 4)
    outputs = [output for cell in done.cells for output in cell.get("outputs", ())]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 1
    text = "".join(output.get("text", "") for output in outputs)
    assert re.search(rf"{tmp_path}/{name}/\d+-\d+\n", text)
    assert "report.html" in text
    assert re.findall(r"(?m)^(?:INFO|WARNING|ERROR):.*|^[IWEF]\d{4} \d\d:.*", text) == []  # TensorFlow's and absl's
    assert list((tmp_path / name).glob("[0-9]*"))


def test_every_recipe_has_its_notebook():
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(RECIPES) == set(SMALL)
