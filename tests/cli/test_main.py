import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from conftest import write_idx_set

import tfxfer
from tfxfer.cli import backbones_command, commands, commands_export, main
from tfxfer.cli.cache_command import manage
from tfxfer.core import atomic
from tfxfer.core.cache import Store
from tfxfer.core.errors import InputError
from tfxfer.data import catalog
from tfxfer.model import backbones
from tfxfer.recipes import RECIPES
from tfxfer.runs import command


def run(*words: str, env=None) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, env=env)


@pytest.mark.parametrize(
    "words",
    [
        ("tfxfer",),
        ("tfxfer", "--help"),
        ("tfxfer", "cache"),
        ("tfxfer", "runs", "--help"),
        ("tfxfer", "show", "--help"),
        ("tfxfer", "backbones"),
        ("tfxfer", "backbones", "efficientnet"),
        ("tfxfer", "backbones", "hub:vgg_19_imagenet"),
        ("tfxfer", "export", "--help"),
        ("tfxfer", "predict", "--help"),
        *((f"tfxfer.recipes.{name}", "--help") for name in RECIPES),
    ],
)
def test_help_imports_no_tensorflow(words, tmp_path, monkeypatch):
    monkeypatch.setenv("TFXFER_CACHE", str(tmp_path))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    code = f"""
import runpy, sys
sys.argv = {list(words)!r}
try:
    runpy.run_module({words[0]!r}, run_name="__main__")
except SystemExit as end:
    print("status", end.code)
print("heavy", sorted({{"tensorflow", "keras", "keras_hub", "sklearn", "matplotlib"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-2:] == ["status 0", "heavy []"], done.stderr


def test_listing_has_a_line_for_everything():
    lines = [line.split()[0] for line in main.listing().splitlines() if line.startswith("  ")]
    others = {"export", "predict", "neighbours", "table", "backbones", "cache", "rank", "runs", "show"}
    others |= {"report", "compare", "make-folder"}
    assert {*commands.SUMMARIES, *commands_export.SUMMARIES} == others
    listed = [*RECIPES, *commands.SUMMARIES, *commands_export.SUMMARIES, *backbones.TABLE]
    assert lines == [*listed, *catalog.KNOWN, *catalog.PATHS]
    assert backbones_command.more() in main.listing().splitlines()


def test_every_recipe_is_listed_and_a_command():
    done = run("tfxfer", "--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in RECIPES)
    assert run("tfxfer", "--version").stdout.strip() == tfxfer.__version__


def test_help_has_every_option_with_its_default():
    done = run("tfxfer.recipes.mobilenet_mnist", "--help")
    text = " ".join(done.stdout.split())
    for option in (
        "--dataset",
        "--data-dir",
        "--image-size",
        "--unfreeze INTEGER|STAGE|all",
        "--augment",
        "--protocol",
    ):
        assert option in text
    assert "[default: 48; x>=1]" in text
    assert "--recipe" not in text


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--frobnicate"], "No such option"),
        (["--epochs", "many"], "'--epochs'"),
        (["--unfreeze", "1.5"], "expected a whole number, a stage's name, or all, got '1.5'"),
        (["--dataset", "imagenet"], "unknown data set 'imagenet': expected one of digits"),
        (["--backbone", "alexnet"], "unknown backbone 'alexnet'"),
        (["--dataset", "mnist", "--data-dir", "/nowhere"], "/nowhere is not a folder"),
        (["--dataset", "folder:/nowhere"], "/nowhere is not a folder"),
        (["--limit", "3"], "limit 3 is less than one image"),
        (["--unfreeze", "9999"], "cannot unfreeze 9999 layers"),
        (["--epochs", "0"], "Input should be greater than or equal to 1"),
        (["--learning-rate", "0"], "expected a finite number above zero"),
        (["--weights", "/nowhere.h5"], "no such file"),
        (["--image-size", "-4"], "Input should be greater than or equal to 1"),
        (["--limit", "12"], "too few to compare classes"),
        (["--unfreeze", "²"], "expected a whole number, a stage"),
        (["--data-dir", "/tmp"], "/tmp was given for digits, which does not look there"),
        (["--seed", "4294967296"], "seed 4294967296: expected 0 to 4294967295"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, words, complaint, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["tfxfer", "quickstart", "--out", str(tmp_path / "runs"), *words])
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # cli replaces it
    with pytest.raises(SystemExit) as end:
        main.main()
    assert end.value.code == 2
    stderr = capsys.readouterr().err
    assert complaint in stderr
    assert stderr.startswith("error: ")
    assert len(stderr.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_bad_input_from_a_shell(tmp_path):
    """The same with nothing of this process about: TensorFlow's own messages stay off the terminal too."""
    done = run("tfxfer.recipes.quickstart", "--backbone", "alexnet", "--out", str(tmp_path / "runs"))
    assert done.returncode == 2
    assert done.stderr.splitlines() == [done.stderr.strip()]
    assert "unknown backbone 'alexnet'" in done.stderr


def test_mobilenet_mnist_offline(tmp_path, keras_models):
    """The issue of the first hour without internet: data there, weights not."""
    write_idx_set(tmp_path / "data")
    words = ["--data-dir", str(tmp_path / "data"), "--backbone", "mobilenet_v2", "--out", str(tmp_path / "runs")]
    no_network = os.environ | dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    done = run("tfxfer.recipes.mobilenet_mnist", *words, env=no_network)
    assert done.returncode == 2
    warning, error = done.stderr.splitlines()
    assert warning.startswith("warning: mnist in")
    assert error.startswith(
        "error: mobilenet_v2 needs mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
    )
    assert str(keras_models) in error
    assert "--backbone efficientnet_lite0" in error
    assert not (tmp_path / "runs").exists()


def test_warnings_are_one_line(capsys, monkeypatch):
    def complain():
        warnings.warn("a subset", stacklevel=1)
        return {}

    monkeypatch.setattr(command, "import_tensorflow", lambda shown: None)
    monkeypatch.setattr(sys, "argv", ["x"])
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    with warnings.catch_warnings(), pytest.raises(SystemExit) as end:
        warnings.simplefilter("always")
        command.run(complain)
    assert end.value.code == 0
    assert capsys.readouterr().err == "warning: a subset\n"


def test_the_last_line_is_the_runs_directory(tmp_path):
    words = ["--dataset", "digits", "--backbone", "cnn", "--image-size", "28", "--epochs", "1", "--limit", "60"]
    done = run("tfxfer", "pretrain", *words, "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    first, *_, folder = done.stdout.splitlines()
    assert first == "1 of 7, data and model ..."
    assert "\nTest accuracy  " in done.stdout
    metrics = json.loads(Path(folder, "metrics.json").read_text())
    assert all(isinstance(value, float) for value in metrics.values())
    assert {"test/accuracy", "seconds/training", "seconds/test"} <= set(metrics)


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Store:
    """Three entries, two of whose keys start alike, where `tfxfer cache` looks."""
    monkeypatch.setenv("TFXFER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TFXFER_CACHE_GB", "2")
    abouts = ({"model": "net", "layer": "block_3", "data": "digits", "split": "train"}, {"model": "net"}, {})
    for key, about in zip(("ab" * 32, "ac" * 32, "d" * 64), abouts):
        with Store().write(key, {"values": ((500_000,), np.float32)}, about) as arrays:
            arrays["values"][:] = 1
        moment = 1_700_000_000 + len(about)
        os.utime(tmp_path / "cache" / key / "manifest.json", (moment, moment))
    return Store()


def test_cache_lists_entries(cache):
    done = run("tfxfer", "cache")
    assert (done.returncode, done.stderr) == (0, "")
    first, *rows = [line.split() for line in done.stdout.splitlines()]
    assert " ".join(first) == f"{cache.root}: 3 entries, 6.0 MB of 2.0 GB (TFXFER_CACHE_GB)"
    day, hour = f"{cache.entries()[0].last_used:%Y-%m-%d %H:%M}".split()
    assert rows == [
        ["key", "MB", "last", "used", "model", "layer", "data"],
        ["abababababab", "2.0", day, hour, "net", "block_3", "digits", "train"],
        ["acacacacacac", "2.0", day, hour, "net", "-", "-"],
        ["dddddddddddd", "2.0", day, hour, "-", "-", "-"],
    ]


def test_cache_removes_one_or_all(cache, monkeypatch, capsys):
    def left(*words):
        monkeypatch.setattr(sys, "argv", ["tfxfer", "cache", *words])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
        with pytest.raises(SystemExit) as end:
            main.main()
        return end.value.code, "".join(capsys.readouterr()).strip(), [known.key[:2] for known in cache.entries()]

    for words, complaint in (
        (
            ["--remove", "a"],
            "error: --remove 'a': 2 entries have keys that start with it, expected one: `tfxfer cache` lists them",
        ),
        (
            ["--remove", "e"],
            "error: --remove 'e': 0 entries have keys that start with it, expected one: `tfxfer cache` lists them",
        ),
        (
            ["--remove", ""],
            "error: --remove '': 0 entries have keys that start with it, expected one: `tfxfer cache` lists them",
        ),
        (["--clear", "--remove", "ab"], "error: --clear and --remove were both given: leave one of them out"),
    ):
        assert left(*words) == (2, complaint, ["ab", "ac", "dd"])
    assert left("--remove", "AB") == (0, f"removed 1 entry, 2.0 MB, from {cache.root}", ["ac", "dd"])
    assert left("--clear") == (0, f"removed 2 entries, 4.0 MB, from {cache.root}", [])
    assert left("--clear") == (0, f"removed 0 entries, 0.0 MB, from {cache.root}", [])
    assert left() == (0, f"{cache.root}: 0 entries, 0.0 MB of 2.0 GB (TFXFER_CACHE_GB)", [])


def test_cache_says_what_it_could_not_remove(cache, monkeypatch):
    monkeypatch.setattr(atomic, "drop", lambda folder: False)
    with pytest.raises(InputError, match="not all entries could be removed"):
        manage(cache, clear=True, remove=None)


def test_cache_names_a_bad_limit():
    done = run("tfxfer", "cache", env=os.environ | {"TFXFER_CACHE_GB": "much"})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: TFXFER_CACHE_GB is 'much', expected a number of gigabytes such as 50\n"
