import json

import pytest

from tfxfer.core.errors import InputError
from tfxfer.runs import backbone_names


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A finished run and a preset in the folder where we are."""
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "saved_models" / "quickstart" / "20261130-101500"
    run.mkdir(parents=True)
    (run / "run.json").write_text(json.dumps({}))
    (run / "model.keras").touch()
    (tmp_path / "preset").mkdir()
    (tmp_path / "own.keras").touch()
    return tmp_path


def test_names_in_any_folder(runs):
    run = str(runs / "saved_models" / "quickstart" / "20261130-101500" / "model.keras")
    for name, meant in {
        "cnn": "cnn",
        "EfficientNetV2B0": "EfficientNetV2B0",
        "hub:resnet_50_imagenet": "hub:resnet_50_imagenet",
        "hub:preset": f"hub:{runs / 'preset'}",
        "preset": str(runs / "preset"),
        "hf://someone/net": "hf://someone/net",
        "last": run,
        "quickstart": run,
        "20261130-101500": run,
        "saved_models/quickstart/20261130-101500": run,
        "own.keras": str(runs / "own.keras"),
        "./missing.keras": str(runs / "missing.keras"),
        "somewhere/else": str(runs / "somewhere" / "else"),
        "alexnet": "alexnet",
    }.items():
        assert backbone_names.portable(name) == meant


def test_no_last_run(tmp_path):
    with pytest.raises(InputError, match="contains no finished run"):
        backbone_names.portable("last", str(tmp_path))
