"""What a machine may be like: places that can be read alone, a clock that jumps, memory that does not suffice."""

import datetime
import itertools
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import tfxfer
from tfxfer import data, runs
from tfxfer.core.cache import Store
from tfxfer.recipes import quickstart
from tfxfer.runs import command as recipe_command

TINY = {"backbone": "cnn", "weights": "none", "image_size": 28, "unfreeze": "all", "limit": 100, "epochs": 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    home = tmp_path_factory.mktemp("runs")
    quickstart.main(**TINY, out=str(home))
    return tfxfer.latest("quickstart", home)


def listing(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["predict", "RUN", "PICTURE"], 0, ""),
        (["report", "RUN"], 2, "Read-only file system: give a folder that you have permission to use"),
        (["export", "RUN", "--formats", "saved_model"], 2, "(Read-only file system): export into another folder"),
        (["export", "RUN", "--formats", "saved_model", "--out", "OUT"], 0, ""),
    ],
)
def test_a_run_that_can_only_be_read(run, tmp_path, alone, words, code, said):
    Image.fromarray(np.zeros((28, 28), np.uint8)).save(tmp_path / "1.png")
    places = {"RUN": run, "PICTURE": tmp_path / "1.png", "OUT": tmp_path / "out"}
    locked = f'mount --bind {run} {run} && mount -o remount,bind,ro {run} && exec "$@"'
    command = [sys.executable, "-m", "tfxfer", *(str(places.get(word, word)) for word in words)]
    before = listing(run)
    done = subprocess.run([*alone, "sh", "-c", locked, "sh", *command], capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stderr
    errors = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    assert len(errors) == (code > 0), errors
    assert all(line.startswith("error: ") and line.endswith(said) for line in errors), errors
    assert listing(run) == before


YEAR = 365 * 24 * 3600


@pytest.mark.parametrize("error", [lambda look: YEAR * (look % 2), lambda look: -look])
def test_a_clock_that_jumps_loses_nothing(tmp_path, monkeypatch, error):
    """Each look at the clock is a year after or before the last one, or a second before."""
    monkeypatch.setenv("TFXFER_CACHE", str(tmp_path / "cache"))
    looks, started = itertools.count(), time.time()

    class Jumping(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls.fromtimestamp(time.time(), tz)

    monkeypatch.setattr(time, "time", lambda: started + error(next(looks)))
    monkeypatch.setattr(datetime, "datetime", Jumping)
    small = TINY | {"unfreeze": 1, "cache": "disk"}
    found = [quickstart.main(**small, out=str(tmp_path / "runs")) for _ in range(2)]
    folders = sorted((tmp_path / "runs" / "quickstart").iterdir())
    assert len(folders) == 2
    assert all((folder / "report.html").exists() for folder in folders)
    assert all(value >= 0 for metrics in found for name, value in metrics.items() if name.startswith("seconds/"))
    assert len(Store().entries()) == 2  # training and validation, found by the second run
    assert {name: value for name, value in found[0].items() if not name.startswith("seconds/")} == {
        name: value for name, value in found[1].items() if not name.startswith("seconds/")
    }


def test_runs_of_one_second_come_in_any_order(tmp_path, monkeypatch):
    """As when summer time ends: the same hour twice."""

    class Same(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 10, 25, 2, 30, tzinfo=tz)

    monkeypatch.setattr(datetime, "datetime", Same)
    names = []
    for _ in range(2):
        with runs.Run("quickstart", {}, tmp_path) as made:
            made.save({})
        names.append(made.final.name)
    assert names == ["20261025-023000", "20261025-023000-2"]


@pytest.mark.parametrize("allocate", [lambda: np.ones((1 << 22, 1 << 22)), lambda: tf.zeros((1 << 22, 1 << 22))])
def test_too_little_memory_is_one_line(tmp_path, monkeypatch, capsys, allocate):
    monkeypatch.setattr(data, "load", lambda *_, **__: allocate())
    monkeypatch.setattr(sys, "argv", ["quickstart", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as end:
        recipe_command.run(quickstart.main)
    assert end.value.code == 2
    *kept, line = capsys.readouterr().err.splitlines()
    assert line.startswith("error: out of memory: take fewer images (limit), smaller ones (image_size) or a smaller")
    assert all(line.startswith("stopped; what was written so far is kept in ") for line in kept)
