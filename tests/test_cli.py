import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from conftest import write_idx_set

import tfxfer
from tfxfer import backbones, cli, sources
from tfxfer.recipes import RECIPES


def run(*words: str, env=None) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, env=env)


@pytest.mark.parametrize(
    "words", [("tfxfer",), ("tfxfer", "--help"), *((f"tfxfer.recipes.{name}", "--help") for name in RECIPES)]
)
def test_help_imports_no_tensorflow(words):
    code = f"""
import runpy, sys
sys.argv = {list(words)!r}
try:
    runpy.run_module({words[0]!r}, run_name="__main__")
except SystemExit as end:
    print("status", end.code)
print("heavy", sorted({{"tensorflow", "keras", "sklearn", "matplotlib"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-2:] == ["status 0", "heavy []"], done.stderr


def test_listing_has_a_line_for_everything():
    lines = [line.split()[0] for line in cli.listing().splitlines() if line.startswith("  ")]
    assert lines == [*RECIPES, *backbones.TABLE, *sources.KNOWN, *sources.PATHS]


def test_every_recipe_is_listed_and_a_command():
    done = run("tfxfer", "--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in RECIPES)
    assert run("tfxfer", "--version").stdout.strip() == tfxfer.__version__


def test_help_has_every_option_with_its_default():
    done = run("tfxfer.recipes.mobilenet_mnist", "--help")
    text = " ".join(done.stdout.split())
    for option in ("--dataset", "--data-dir", "--image-size", "--unfreeze INTEGER|all", "--augment", "--protocol"):
        assert option in text
    assert "[default: 48; x>=1]" in text
    assert "--recipe" not in text


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--frobnicate"], "No such option"),
        (["--epochs", "many"], "'--epochs'"),
        (["--unfreeze", "1.5"], "'1.5' came, expected a whole number or all"),
        (["--dataset", "imagenet"], "unknown data set 'imagenet': expected one of digits"),
        (["--backbone", "alexnet"], "unknown backbone 'alexnet'"),
        (["--dataset", "mnist", "--data-dir", "/nowhere"], "/nowhere is no folder"),
        (["--dataset", "folder:/nowhere"], "/nowhere is no folder"),
        (["--limit", "3"], "limit 3 is less than one image"),
        (["--unfreeze", "9999"], "cannot unfreeze 9999 layers"),
        (["--epochs", "0"], "Input should be greater than or equal to 1"),
        (["--learning-rate", "0"], "expected finite, above zero"),
        (["--weights", "/nowhere.h5"], "no such file"),
        (["--image-size", "-4"], "Input should be greater than or equal to 1"),
        (["--limit", "12"], "too few to compare classes"),
        (["--unfreeze", "²"], "expected a whole number or all"),
        (["--data-dir", "/tmp"], "/tmp was given for digits, which does not look there"),
        (["--seed", "4294967296"], "seed 4294967296: expected 0 to 4294967295"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, words, complaint, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["tfxfer", "quickstart", "--out", str(tmp_path / "runs"), *words])
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # cli replaces it
    with pytest.raises(SystemExit) as end:
        cli.main()
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

    monkeypatch.setattr(cli, "_import_tensorflow", lambda: None)
    monkeypatch.setattr(sys, "argv", ["x"])
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    with warnings.catch_warnings(), pytest.raises(SystemExit) as end:
        warnings.simplefilter("always")
        cli.run(complain)
    assert end.value.code == 0
    assert capsys.readouterr().err == "warning: a subset\n"


def test_the_last_line_is_the_runs_directory(tmp_path):
    words = ["--dataset", "digits", "--backbone", "cnn", "--image-size", "28", "--epochs", "1", "--limit", "60"]
    done = run("tfxfer", "pretrain", *words, "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    folder = done.stdout.splitlines()[-1]
    metrics = json.loads(Path(folder, "metrics.json").read_text())
    assert all(isinstance(value, float) for value in metrics.values())
    assert {"test/accuracy", "seconds/training", "seconds/test"} <= set(metrics)
