"""What version 0.1 called its modules still finds them; each stands in a fresh process's own table of modules once."""

import importlib
import subprocess
import sys

import pytest

from tfxfer.core import former_names


@pytest.mark.parametrize("name", former_names.MODULES)
def test_a_former_name_is_the_module(name):
    assert importlib.import_module(name) is importlib.import_module(former_names.MODULES[name])


def test_as_version_0_1_was_used():
    """What its README, notebooks and model cards said."""
    code = """
import warnings
import matplotlib.pyplot  # in some versions it warns of itself
warnings.simplefilter("error")
import tfxfer
from tfxfer import backbones, channels, corruptions, data, exhibits, shifts
from tfxfer.banks import Bank
from tfxfer.corruptions import blur
from tfxfer.twins import Twin
import tfxfer.loaded
from tfxfer.runs import loading
from tfxfer.features import bank
assert tfxfer.loaded.network is loading.network
assert Bank is bank.Bank
assert "mobilenet_v2" in backbones.TABLE
assert blur is corruptions.blur
assert len(corruptions.NAMES) == 19
assert Twin is data.Twin is data.CorruptedCopy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_as_folder_is_the_command_make_folder(tmp_path):
    words = [sys.executable, "-m", "tfxfer.as_folder", "--dataset", "digits", "--images", "2"]
    words += ["--folder", str(tmp_path / "out")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").rglob("*.png"))) == 14


def test_other_names_are_still_refused():
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        importlib.import_module("tfxfer.no_such_module")
