"""What users install: a wheel with every file it needs, which runs from any folder; and only what is asked for."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOT_SHIPPED = "report/assets/plotly"  # what plotly.min.js is built from; only its license is shipped


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from a copy of the sources by the setuptools of this environment: nothing is downloaded."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "tfxfer", source / "tfxfer", ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip("wheel", str(source), "--no-build-isolation", "--wheel-dir", str(built))
    (path,) = built.iterdir()
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The folder into which the wheel alone was installed."""
    folder = tmp_path_factory.mktemp("installed")
    pip("install", str(wheel), "--no-compile", "--target", str(folder))
    return folder


def pip(command: str, *words: str) -> None:
    options = ["--quiet", "--no-index", "--no-deps"]
    done = subprocess.run([sys.executable, "-m", "pip", command, *words, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_wheel_has_every_file_of_the_package(wheel):
    files = {str(path.relative_to(ROOT)) for path in (ROOT / "tfxfer").rglob("*") if path.is_file()}
    expected = {name for name in files if not {"__pycache__", "node_modules"} & set(Path(name).parts)}
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("tfxfer/")}
    assert shipped <= expected
    assert {str(Path(name).parent) for name in expected - shipped} == {f"tfxfer/{NOT_SHIPPED}"}
    assert f"tfxfer/{NOT_SHIPPED}/LICENSE" in shipped


def test_a_wheel_has_the_license_of_each_of_its_parts(wheel):
    """In the folder that the standard gives licenses, beside the files they are about in the package."""
    names = zipfile.ZipFile(wheel).namelist()
    licenses = {name.split(".dist-info/licenses/")[1] for name in names if ".dist-info/licenses/" in name}
    assert licenses == {
        "LICENSE",
        "tfxfer/report/assets/plotly/LICENSE",
        "tfxfer/data/samples/mnist/LICENSE",
    }


def test_the_quickstart_runs_from_any_folder(installed, tmp_path):
    """Once on the digits in the wheel, with nothing of the checkout at hand; a small network, to take seconds."""
    environment = os.environ | {"PYTHONPATH": str(installed), "TFXFER_CACHE": str(tmp_path / "cache")}

    def run(*command: str) -> list[str]:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    code = "import tfxfer; print(tfxfer.__file__)"
    assert run(sys.executable, "-P", "-c", code) == [str(installed / "tfxfer" / "__init__.py")]
    network = ["--backbone", "cnn", "--weights", "none", "--image-size", "28", "--unfreeze", "3"]
    command = [sys.executable, "-P", str(installed / "bin" / "tfxfer"), "quickstart", "--dataset", "mnist_sample"]
    *_, last = run(*command, *network, "--limit", "60", "--epochs", "1")
    folder = tmp_path / last
    facts = json.loads((folder / "run.json").read_text())
    assert facts["data"]["origin"].startswith("the files bundled with tfxfer")
    assert {"test/accuracy", "after/silhouette"} <= json.loads((folder / "metrics.json").read_text()).keys()
    page = (folder / "report.html").read_text()
    for asset in ("report.css", "page.js", "plotly.min.js"):
        assert (installed / "tfxfer" / "report" / "assets" / asset).read_text().strip() in page


def test_make_demo_leaves_out_what_only_the_tests_need(tmp_path):
    for name in ("Makefile", "setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)

    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}

    def installs(target: str) -> list[str]:
        command = ["make", "--dry-run", target]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return [line for line in done.stdout.splitlines() if "install --" in line]

    assert installs("demo") == [".venv/bin/pip install --no-compile --editable ."]
    assert installs("test") == [".venv/bin/pip install --editable '.[test]'"]
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for name in ("bin/pip", "installed", "demo"):  # as after `make test`
        (tmp_path / ".venv" / name).touch()
    assert installs("demo") == installs("test") == []
    (tmp_path / ".venv" / "installed").unlink()  # as after `make demo`
    assert installs("demo") == []
    assert installs("test") != []
