"""Where weights are, against Keras's own folder and kagglehub's own rules."""

import os
from pathlib import Path

import pytest

from tfxfer.core import private_names
from tfxfer.model import downloaded

HANDLE = "kaggle://keras/vgg/keras/vgg_11_imagenet/3"


def test_keras_s_folder(monkeypatch, tmp_path):
    assert downloaded.keras_models() == private_names.keras_folder("models")
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert downloaded.keras_models() == tmp_path / ".keras" / "models"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert downloaded.keras_models() == Path("/tmp/.keras/models")  # as Keras has it


def test_applications(keras_models):
    assert downloaded.application("net_*_no_top.h5", 224) == "to be downloaded"
    (keras_models / "net_96_no_top.h5").touch()
    (keras_models / "net_128_no_top.h5").touch()
    assert downloaded.application("net_*_no_top.h5", 224) == "on this machine for 96, 128"
    (keras_models / "net_224_no_top.h5").touch()
    assert downloaded.application("net_*_no_top.h5", 224) == "on this machine"
    assert downloaded.application("other_notop.h5", 224) == "to be downloaded"
    (keras_models / "other_notop.h5").touch()
    assert downloaded.application("other_notop.h5", 224) == "on this machine"


@pytest.mark.parametrize("file", ["model.weights.h5", "model.weights.json"])
def test_presets(monkeypatch, tmp_path, file):
    """Kagglehub writes a file first, and a mark when it is whole."""
    from kagglehub import cache, handle

    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    theirs = handle.parse_model_handle(HANDLE.removeprefix("kaggle://"))
    assert downloaded.preset(HANDLE) == "to be downloaded"
    path = Path(cache.get_cached_path(theirs, file))
    path.parent.mkdir(parents=True)
    path.touch()
    assert downloaded.preset(HANDLE) == "to be downloaded"
    cache.Cache().mark_as_complete(theirs, file)
    assert downloaded.preset(HANDLE) == "on this machine"
    assert downloaded.preset(HANDLE.replace("vgg_11", "vgg_13")) == "to be downloaded"


def test_presets_without_keras_hub(monkeypatch):
    monkeypatch.setattr(downloaded.importlib.util, "find_spec", lambda name: None)
    assert downloaded.preset(HANDLE) == "needs the extra hub"
