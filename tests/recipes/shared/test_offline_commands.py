"""Where there is no internet, errors end with the same recipe on what is bundled."""

import importlib
import shlex
import sys
import warnings

import pytest
import requests

from tfxfer import data
from tfxfer.cli import main as cli
from tfxfer.core import offline
from tfxfer.core.errors import InputError
from tfxfer.recipes import RECIPES
from tfxfer.recipes.shared import offline_commands
from tfxfer.runs import option

LITE0 = "--backbone efficientnet_lite0"
DATA = {
    "transfer": "tfxfer transfer",
    "quickstart": "tfxfer quickstart",
    "mobilenet_mnist": f"tfxfer mobilenet_mnist --dataset mnist_sample {LITE0}",
    "fashion_features": "tfxfer fashion_features --dataset mnist_sample --backbones "
    "pixels,scattering,efficientnet_lite0",
    "fashion_models": "tfxfer fashion_models --dataset mnist_sample",
    "cifar10c_shift": f"tfxfer cifar10c_shift --dataset mnist_sample {LITE0}",
    "few_shot": "tfxfer few_shot",
    "study": "tfxfer study",
    "pretrain": "tfxfer pretrain --dataset mnist_sample",
    "fashion_groups": "tfxfer quickstart",
    "emotion_resnet18": f"tfxfer emotion_resnet18 --dataset mnist_sample {LITE0}",
}


def ends(title: str, **asked) -> tuple[str, str]:
    main = importlib.import_module(f"tfxfer.recipes.{title}").main
    defaults = {name: parameter.default for name, parameter in main.__signature__.parameters.items()}
    with offline_commands.named(title, defaults, defaults | asked):
        return offline.ending("data", ""), offline.ending("weights", "")


@pytest.mark.parametrize("title", RECIPES)
def test_each_recipe_has_a_command_whose_options_exist(title):
    ours, _ = ends(title)
    assert ours == f"; this works offline: {DATA[title]}"
    _, name, *words = shlex.split(DATA[title])
    annotations = importlib.import_module(f"tfxfer.recipes.{name}").main.annotations
    values = dict(zip([word.removeprefix("--") for word in words[::2]], words[1::2], strict=True))
    option.check(values, annotations)


def test_without_weights_the_data_stay():
    _, weights = ends("mobilenet_mnist", dataset="folder:my cats", data_dir="/data", skip_bad=True, epochs=9)
    options = f"--dataset 'folder:my cats' --data-dir /data --skip-bad {LITE0}"
    _, keyed = ends("mobilenet_mnist", dataset="tfds:cifar100", label_key="coarse_label", aspect="pad")
    assert f"--dataset tfds:cifar100 --label-key coarse_label --aspect pad {LITE0}" in keyed
    assert weights == f"; this works offline: tfxfer mobilenet_mnist {options}"
    assert ends("emotion_resnet18")[1] == f"; this works offline: tfxfer emotion_resnet18 {LITE0}"
    assert ends("fashion_groups", backbones="resnet50")[1] == "; this works offline: tfxfer fashion_groups"


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["mobilenet_mnist"], DATA["mobilenet_mnist"]),
        (["rank", "--dataset", "mnist"], "tfxfer rank"),
        (["make-folder"], "tfxfer make-folder --dataset mnist_sample"),
    ],
)
def test_the_error_of_a_command_ends_with_one_that_works(words, command, monkeypatch, capsys, tmp_path):
    def refuse(url, **options):
        raise requests.exceptions.ConnectionError(f"no route to {url}")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(requests, "get", refuse)
    monkeypatch.setattr(sys, "argv", ["tfxfer", *words])
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # cli replaces it
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "mnist is not on this machine and could not be downloaded (http" in line
    assert "gz: no route to http" in line
    assert line.endswith(f"; this works offline: {command}")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match=r'; this works offline: data\.load\("mnist_sample"\)$'):
        data.load("mnist")  # no command is running any more
