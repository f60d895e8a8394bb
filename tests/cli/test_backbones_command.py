"""The command `tfxfer backbones`: what is listed, what is found, and the stages of one network."""

import re
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from tfxfer import model
from tfxfer.cli import backbones_command
from tfxfer.core.errors import InputError
from tfxfer.model import backbone_list, downloaded, hub_presets


@pytest.fixture(autouse=True)
def nothing_downloaded(keras_models, monkeypatch, tmp_path):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kagglehub"))


def cells(text: str) -> list[list[str]]:
    """The cells of all lines of tables."""
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines() if line.startswith("  ")]


def test_all_are_listed_in_groups():
    text = backbones_command.show([], None)
    rows = [row for row in cells(text) if row[0] != "name"]
    assert [row[0] for row in rows] == [one.name for one in backbone_list.listed()]
    assert all(len(row) == 5 for row in rows)
    assert {row[-1] for row in rows} == {"bundled", "to be downloaded", "none needed", "no ImageNet weights"}
    titles = [line for line in text.splitlines() if line and not line.startswith(" ")][:3]
    assert [title.split(" (")[0] for title in titles] == ["tfxfer's own", "keras.applications", "keras-hub"]
    assert max(map(len, text.splitlines())) <= 100
    assert text.isascii()


def test_columns_are_facts():
    row = next(row for row in cells(backbones_command.show(["v2b0", "efficient"], None)) if row[0] != "name")
    assert row == ["EfficientNetV2B0", "5.9 M", "224", "24", "to be downloaded"]  # 5,919,312 of 4 bytes
    rows = {row[0]: row[1:] for row in cells(backbones_command.show([], None))}
    assert rows["name"] == ["parameters", "size", "MB", "weights"]
    assert rows["cnn"] == ["240 k", "28", "1.0", "no ImageNet weights"]
    assert rows["pixels"] == ["0", "any", "0", "none needed"]
    assert rows["ConvNeXtXLarge"] == ["348.1 M", "224", "1,393", "to be downloaded"]
    assert rows["hub:xception_41_imagenet"] == ["20.9 M", "-", "83", "to be downloaded"]


def test_a_pipe_gets_the_same_text():
    command = [sys.executable, "-m", "tfxfer", "backbones", "mobilenet"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == backbones_command.show(["mobilenet"], None) + "\n"


def test_the_stages_of_one():
    text = backbones_command.show(["CNN"], None)
    (_, one), stages = cells(text)[:2], cells(text)[2:]
    assert one[:2] == ["cnn", "240 k"]
    assert "Stages of cnn at 28 x 28: --unfreeze takes a name or its number of layers" in text
    assert stages == [
        ["stage", "layers to the end", "feature maps", "channels", "parameters"],
        ["conv1", "7", "26 x 26", "32", "320"],
        ["conv2", "5", "11 x 11", "64", "18,496"],
        ["conv3", "3", "3 x 3", "128", "73,856"],
        ["dense", "1", "-", "128", "147,584"],
    ]
    assert text.splitlines()[-1] == "See also: dropout_cnn"
    assert "Stages of cnn at 32 x 32" in backbones_command.show(["cnn"], 32)


def test_the_stages_of_files_and_runs(tmp_path, small_cnn, monkeypatch):
    (tmp_path / "run").mkdir()
    model.save(small_cnn, tmp_path / "run" / "model.keras")
    monkeypatch.chdir(tmp_path)
    for path in ("run", str(tmp_path / "run"), "run/model.keras"):
        assert "Stages of cnn at 28 x 28" in backbones_command.show([path], None)
    image = keras.Input((12, 12, 3))
    keras.Model(image, keras.layers.Conv2D(5, 3)(image), name="own").save("own.keras")
    rows = cells(backbones_command.show(["own.keras"], None))
    assert rows[1] == ["own.keras", "140", "12", "0.0", "in the file"]
    assert rows[3] == ["stage1", "1", "10 x 10", "5", "140"]


def test_the_stages_of_a_preset_that_is_on_this_machine():
    """Where kagglehub keeps it; nothing is downloaded for it, and its weights are not read."""
    import keras_hub
    from kagglehub import cache, handle

    preset = handle.parse_model_handle(hub_presets.table()["vgg_11_imagenet"].handle.removeprefix("kaggle://"))
    folder = Path(cache.get_cached_path(preset))
    keras_hub.models.VGGBackbone([1, 1], [8, 16]).save_to_preset(str(folder))
    keras_hub.layers.ImageConverter(image_size=(32, 32), scale=1 / 255).save_to_preset(str(folder))
    for file in folder.rglob("*.*"):
        cache.Cache().mark_as_complete(preset, file.name)
    rows = cells(backbones_command.show(["hub:vgg_11_imagenet"], None))
    assert rows[1][-1] == "on this machine"
    assert rows[3:] == [
        ["stage1", "4", "32 x 32", "8", "224"],
        ["stage2", "3", "16 x 16", "16", "1,168"],
    ]


def test_a_preset_that_is_not_there_has_a_row_and_a_way(monkeypatch):
    text = backbones_command.show(["hub:vgg_19_imagenet"], None)
    assert cells(text)[1] == ["hub:vgg_19_imagenet", "20.0 M", "224", "80", "to be downloaded"]
    assert text.endswith("use it as --backbone hub:vgg_19_imagenet,\nwhich downloads it.")
    monkeypatch.setattr(downloaded.importlib.util, "find_spec", lambda name: None)
    text = backbones_command.show(["hub:vgg_19_imagenet"], None)
    assert "`pip install 'tfxfer[hub]'`, then use it" in text


def test_what_is_wrong_is_said():
    for words, size, complaint in (
        (["resnet"], 96, "--image-size is for the stages of one backbone: give its full name"),
        ([], 96, "--image-size is for the stages of one backbone"),
        (["nothing-like-it"], 96, "no backbone matches 'nothing-like-it'"),
        (["nowhere.keras"], None, "nowhere.keras: no such file"),
        (["hub:resnet_51_imagenet"], None, "no backbone matches 'hub:resnet_51_imagenet', did you mean"),
        (["EfficientNetV2B0"], 1, "EfficientNetV2B0 cannot be built for these images"),
    ):
        with pytest.raises(InputError, match=re.escape(complaint)):
            backbones_command.show(words, size)
