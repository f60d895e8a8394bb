"""Every recipe has a notebook, and each runs from the first cell to the last, on small settings."""

import re
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
    "pretrain": {"backbone": "small_resnet", "image_size": 28, "epochs": 1},
}


def cells(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", 4).cells


@pytest.mark.parametrize("name", RECIPES)
def test_a_notebook_opens_in_colab_and_installs_what_it_lacks(name):
    first, install, *rest = cells(name)
    assert f"colab.research.google.com/github/tfxfer/tfxfer/blob/main/recipes/{name}.ipynb" in first.source
    assert "%pip install" in install.source
    assert 'find_spec("tfxfer") is None' in install.source
    assert sum("## What to see" in cell.source for cell in rest) == 1
    assert all(not cell.get("outputs") for cell in rest)


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
    command = [sys.executable, str(RUNNER), "given.ipynb", "done.ipynb", ".", *warm.python()]
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
