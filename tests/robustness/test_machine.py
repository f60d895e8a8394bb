"""The machine ends it, is full, or is shared: nothing half-written is taken for whole, nothing done is lost."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import warm

import tfxfer

SMALL = ["--limit", "100", "--epochs", "6", "--image-size", "32"]
SMALLER = [*SMALL, "--backbone", "cnn", "--weights", "none", "--unfreeze", "3"]

OFTEN = """
import signal

from tfxfer.runs import command
from tfxfer.recipes import quickstart
from tfxfer.train import checkpoints

checkpoints.SECONDS = 0
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's & would have it ignored, as asked
command.run(quickstart.main)
"""  # a checkpoint after each call, not after seconds


def start(home, *words, before=(), program=("-m", "tfxfer.recipes.quickstart"), **environment):
    python = [sys.executable] if before else warm.python()  # mounts are not those of a warm process
    command = [*before, *python, *program, "--out", str(home / "runs"), *words]
    own = {"TFXFER_CACHE": str(home / "cache")} | environment
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=os.environ | own, **pipes)


def finished(home):
    return sorted((home / "runs" / "quickstart").glob("[0-9]*"))


def without_times(folder):
    metrics = json.loads((folder / "metrics.json").read_text())
    return {key: value for key, value in metrics.items() if not key.startswith("seconds/")}


@pytest.mark.parametrize(
    ("number", "code", "said"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_stop_is_clean_and_the_run_goes_on(tmp_path, number, code, said):
    process = start(tmp_path, *SMALLER, program=("-c", OFTEN))
    while not process.stdout.readline().startswith("epoch 2/"):
        assert process.poll() is None, process.stderr.read()
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    *_, kept, last = err.splitlines()
    assert kept.startswith("stopped; what was written so far is kept in ")
    assert kept.endswith(" continues it")
    assert last == said
    assert "Traceback" not in err
    assert finished(tmp_path) == []
    process = start(tmp_path, "--resume", "last")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "epoch 1/" not in out
    (folder,) = finished(tmp_path)
    assert len(tfxfer.load(folder).history["loss"]) == 6


def test_a_full_disk_is_one_line_and_no_run(tmp_path, alone):
    """A disk of 3 MB: the model alone has more."""
    (tmp_path / "runs").mkdir()
    disk = f"mount -t tmpfs -o size=3m none {tmp_path / 'runs'}"
    listed = f"code=$?; ls -A {tmp_path / 'runs' / 'quickstart'} >&2; exit $code"
    process = start(tmp_path, *SMALL, before=[*alone, "sh", "-c", f'{disk} && "$@"; {listed}', "sh"])
    _, err = process.communicate(timeout=300)
    assert process.returncode == 2, err
    kept, error, left = [line for line in err.splitlines() if not line.startswith("warning: ")]
    assert kept.startswith("stopped; what was written so far is kept in ")
    assert error.startswith("error: ")
    assert "No space left on device" in error or "no space left" in error
    assert left.startswith(".partial-")  # and nothing that looks whole


def test_a_cache_that_cannot_be_written_is_said_before_anything_is_computed(tmp_path):
    process = start(tmp_path, *SMALL, "--cache", "disk", TFXFER_CACHE="/proc/nowhere")
    _, err = process.communicate(timeout=300)
    assert process.returncode == 2
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert "/proc/nowhere" in line
    assert finished(tmp_path) == []


def test_two_runs_at_once_share_a_cache(tmp_path):
    both = [start(tmp_path, *SMALLER, "--cache", "disk", TF_DETERMINISTIC_OPS="1") for _ in range(2)]
    for process in both:
        _, err = process.communicate(timeout=400)
        assert process.returncode == 0, err
    first, second = finished(tmp_path)
    assert without_times(first) == without_times(second)
    assert not list(Path(tmp_path / "cache").rglob(".partial*"))
