"""A recipe killed with SIGKILL and resumed ends where an unbroken one ends, bit for bit."""

import importlib
import json
import os
import signal
import subprocess
import time

import keras
import numpy as np
import pytest
import warm
from conftest import write_idx_set

import tfxfer
from tfxfer import runs
from tfxfer.core.errors import InputError
from tfxfer.recipes import RECIPES, mobilenet_mnist, pretrain
from tfxfer.recipes.shared import Run, recipe
from tfxfer.runs import resume

CODE = """
from tfxfer.train import checkpoints
checkpoints.SECONDS = 0.0
from tfxfer.runs import command
from tfxfer.recipes import mobilenet_mnist
command.run(mobilenet_mnist.main)
"""


def start(*options) -> subprocess.Popen:
    environment = os.environ | {"TF_DETERMINISTIC_OPS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    words = [*warm.python(), "-c", CODE, *map(str, options)]
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition, process, seconds=120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_killed_and_resumed(tmp_path):
    write_idx_set(tmp_path / "data", train=300, test=60)
    options = ["--dataset", f"idx:{tmp_path / 'data'}", "--backbone", "dropout_cnn", "--weights", "none"]
    options += ["--image-size", 28, "--unfreeze", 8, "--epochs", 12, "--batch-size", 16, "--head2toe-images", 0]
    whole = start(*options, "--out", tmp_path / "whole")
    broken = start(*options, "--out", tmp_path / "broken")
    home = tmp_path / "broken" / "mobilenet_mnist"
    wait_for(lambda: any(path.name > "00000004" for path in home.glob(".partial-*/checkpoints/*.npz")), broken)
    broken.send_signal(signal.SIGKILL)
    broken.communicate()
    (partial,) = home.iterdir()
    names = [path.name for path in (partial / "checkpoints").glob("*.npz")]
    assert names
    for _ in range(2):  # cut off a second time
        again = start("--resume", "last", "--out", tmp_path / "broken")
        wait_for(lambda: all(p.name not in names for p in (partial / "checkpoints").glob("*.npz")), again)
        again.send_signal(signal.SIGKILL)
        again.communicate()
    printed, errors = start(
        "--resume", partial.name.removeprefix(".partial-"), "--out", tmp_path / "broken", "--quiet"
    ).communicate()
    final = partial.with_name(partial.name.removeprefix(".partial-"))
    assert printed.splitlines() == [str(final)], errors
    assert list(home.iterdir()) == [final]
    expected, errors = whole.communicate()
    unbroken = tfxfer.load(expected.splitlines()[-1])
    run = tfxfer.load(final)
    assert {path.name for path in unbroken.dir.iterdir()} == {path.name for path in final.iterdir()}
    for ours, theirs in zip(run.model.weights, unbroken.model.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert run.history[name] == unbroken.history[name]
    assert run.metrics["test/accuracy"] == unbroken.metrics["test/accuracy"]
    done = start("--resume", final, "--out", tmp_path / "broken")
    _, errors = done.communicate()
    assert done.returncode == 2
    assert "is finished: there is nothing to resume" in errors


@pytest.fixture
def partial(tmp_path):
    folder = tmp_path / "mobilenet_mnist" / ".partial-20260101-000000"
    folder.mkdir(parents=True)
    (folder / "arguments.json").write_text(json.dumps({"epochs": 7, "dataset": "digits", "out": str(tmp_path)}))
    (folder / "half.txt").write_text("written")
    (folder / "checkpoints").mkdir()
    return folder


@pytest.mark.parametrize("which", ["last", "20260101-000000", ".partial-20260101-000000", "path", "final"])
def test_ways_to_name_a_run(partial, tmp_path, which):
    which = {"path": str(partial), "final": str(partial.with_name("20260101-000000"))}.get(which, which)
    assert resume.find(tmp_path, "mobilenet_mnist", which) == partial


def test_no_such_run(partial, tmp_path):
    with pytest.raises(
        InputError, match=r"no unfinished run 2025: expected one of those in .*20260101-000000.*, a path, or last"
    ):
        resume.find(tmp_path, "mobilenet_mnist", "2025")
    with pytest.raises(InputError, match=r"no unfinished run in .*: start one without --resume"):
        resume.find(tmp_path, "quickstart", "last")


def test_a_run_of_another_recipe_is_refused_and_left(partial, tmp_path):
    with pytest.raises(
        InputError, match="is a run of mobilenet_mnist, not of pretrain: continue it with tfxfer mobilen"
    ):
        pretrain.main(resume=str(partial), out=str(tmp_path))
    assert {path.name for path in partial.iterdir()} == {"arguments.json", "half.txt", "checkpoints"}


def test_its_own_options_count_and_others_are_refused(partial, tmp_path):
    seen = {}

    def main(run: Run) -> None:
        seen.update(vars(run.options))
        raise KeyboardInterrupt  # so that it stays unfinished

    main.__code__ = main.__code__.replace(co_filename="mobilenet_mnist.py")
    page = recipe(dataset="mnist", image_size=28, epochs=5, batch_size=32)(main)

    def start(**options):
        with pytest.raises(KeyboardInterrupt):
            page(**options, out=str(tmp_path))

    start(resume="last")
    assert (seen["epochs"], seen["dataset"], seen["resume"]) == (7, "digits", str(partial))
    start(resume="last", epochs=7)
    with pytest.raises(InputError, match="was started with epochs 7, not 5: leave the option out"):
        page(epochs=5, resume="last", out=str(tmp_path))
    start(epochs=5)
    assert (seen["epochs"], seen["resume"]) == (5, None)


def test_a_partial_run_is_cleared_but_for_what_resuming_needs_and_is_locked(partial, tmp_path):
    with runs.Run("mobilenet_mnist", {}, tmp_path, resumed=str(partial)) as run:
        assert {path.name for path in run.dir.iterdir()} == {"arguments.json", "checkpoints"}
        with (
            pytest.raises(InputError, match="is in use by another process"),
            runs.Run("mobilenet_mnist", {}, tmp_path, resumed=str(partial)),
        ):
            pass
    assert run.final.name == "20260101-000000"
    assert list(run.final.iterdir()) == []


def test_an_interrupt_with_checkpoints_says_how_to_go_on(tmp_path, capsys):
    with pytest.raises(KeyboardInterrupt), runs.Run("trial", {}, tmp_path) as run:
        (run.dir / "checkpoints").mkdir()
        raise KeyboardInterrupt
    assert f"--resume {run.final.name} continues it" in capsys.readouterr().err
    assert run.dir.exists()


def test_every_recipe_resumes():
    for name in RECIPES:
        assert hasattr(importlib.import_module(f"tfxfer.recipes.{name}").main, "__wrapped__"), name


def test_a_strategy_of_the_command_line(tmp_path):
    """One logical device is enough to go through the copies in the strategy's scope."""
    write_idx_set(tmp_path / "data", train=120, test=40)
    options = {"dataset": f"idx:{tmp_path / 'data'}", "backbone": "cnn", "weights": "none", "image_size": 28}
    mobilenet_mnist.main(**options, unfreeze=1, epochs=1, strategy="mirrored", precision="auto", out=str(tmp_path))
    (folder,) = (tmp_path / "mobilenet_mnist").iterdir()
    run = tfxfer.load(folder)
    assert run.facts["training"]["precision"] in run.facts["training"]["precision_seconds"]
    assert run.facts["training"]["jit"] is False  # what "auto" decided here
    assert run.facts["arguments"]["jit"] == "auto"
    assert isinstance(run.model, keras.Model)
    assert run.facts["training"]["cache"].endswith("in memory at flatten")
