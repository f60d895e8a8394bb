"""Keras's weights: downloaded once, however many processes start at once, or an error that says all there is to say."""

import contextlib
import json
import os
import subprocess
import sys
import time

import keras
import pytest
import requests
from cluster_job import config_of, free_ports
from conftest import write_legacy
from file_server import serve
from keras.src.applications import mobilenet_v2
from keras.src.backend import config

from tfxfer import model, runs
from tfxfer.core.errors import InputError
from tfxfer.model import backbones

FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{}_no_top.h5"
OFFLINE = '; this works offline: model.build("efficientnet_lite0", splits)'

WORKER = """
import sys

from keras.src.applications import mobilenet_v2

from tfxfer.core import cluster, distribute
from tfxfer.core.console import import_tensorflow

import_tensorflow()
cluster.START_SECONDS = 120
mobilenet_v2.BASE_WEIGHT_PATH = sys.argv[1]
strategy = distribute.create("multiworker")
from tfxfer.model import backbones

net = backbones.create("mobilenet_v2", (32, 32, 3), "imagenet")
assert distribute.agree(strategy, True)
print(net.weights_file, sum(float(weight.astype("float64").sum()) for weight in net.get_weights()))
"""


def refuse(*args, **options):
    raise requests.exceptions.ConnectionError("no network")


@pytest.mark.enable_socket
def test_two_workers_started_cold_download_once(tmp_path):
    """From an empty KERAS_HOME; the server holds the second half back until both workers want the file."""
    source = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3))
    write_legacy(source, tmp_path / "weights.h5")
    environment = os.environ | {"KERAS_HOME": str(tmp_path / "keras"), "PYTHONUNBUFFERED": "1"}
    ports, workers = free_ports(), []
    printed = [tmp_path / f"{index}.txt" for index in range(2)]
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serve({f"/{FILE.format(224)}": (tmp_path / "weights.h5").read_bytes()}))
        server.go_on.clear()
        for index, path in enumerate(printed):
            own = environment | {"TF_CONFIG": json.dumps(config_of(index, ports))}
            with path.open("w") as file:
                command = [sys.executable, "-c", WORKER, f"{server.url}/"]
                workers.append(subprocess.Popen(command, env=own, stdout=file, stderr=subprocess.STDOUT))
            stack.callback(workers[-1].kill)
        waits = f"waiting for another process to download {FILE.format(224)}: "
        while len(server.asked) < 2 and not any(waits in path.read_text() for path in printed):
            assert all(worker.poll() is None for worker in workers), [path.read_text() for path in printed]
            time.sleep(0.1)
        server.go_on.set()
        assert [worker.wait(120) for worker in workers] == [0, 0], [path.read_text() for path in printed]
        assert [path for path, _ in server.asked] == [f"/{FILE.format(224)}"]
    total = sum(float(weight.astype("float64").sum()) for weight in source.get_weights())
    assert [path.read_text().splitlines()[-1] for path in printed] == [f"{FILE.format(224)} {total}"] * 2
    assert [path.name for path in (tmp_path / "keras" / "models").iterdir()] == [FILE.format(224)]


@pytest.mark.enable_socket
def test_a_server_that_refuses_is_named_with_its_status(keras_models, monkeypatch):
    with serve({}) as server:
        monkeypatch.setattr(mobilenet_v2, "BASE_WEIGHT_PATH", f"{server.url}/")
        with pytest.raises(InputError) as caught:
            backbones.create("mobilenet_v2", (32, 32, 3), "imagenet")
    said = f"could not be downloaded ({server.url}/{FILE.format(224)}: HTTP status 404 Not Found): put it into that"
    assert said in str(caught.value)
    assert str(caught.value).endswith(OFFLINE)
    assert list(keras_models.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(monkeypatch):
    """Keras would write into /tmp/.keras without a word."""
    monkeypatch.setattr(config, "_KERAS_DIR", "/proc/nowhere")
    with pytest.raises(
        InputError, match=r"^/proc/nowhere/models cannot be written \(.*: set KERAS_HOME to a"
    ) as caught:
        backbones.create("mobilenet_v2", (32, 32, 3), "imagenet")
    assert str(caught.value).endswith(OFFLINE)


def test_a_home_that_cannot_be_written_is_named(keras_models, monkeypatch):
    """Without KERAS_HOME, Keras decides for another folder when it is imported."""
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", "/proc/nowhere")
    monkeypatch.setattr(requests, "get", refuse)
    said = f"^/proc/nowhere/.keras cannot be written, so Keras keeps weights in {keras_models}: set KERAS_HOME to a fo"
    with pytest.warns(UserWarning, match=said), pytest.raises(InputError, match="could not be downloaded"):
        backbones.create("mobilenet_v2", (32, 32, 3), "imagenet")


def test_a_run_says_which_file_it_started_from(keras_models, pictures, tmp_path):
    """MobileNetV2 at 96 pixels is another network than at 48, where the file for 224 is taken."""
    source = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(96, 96, 3))
    write_legacy(source, keras_models / FILE.format(96))
    net = model.build("mobilenet_v2", pictures, image_size=96)
    with runs.Run("trial", {}, tmp_path) as run:
        run.describe(net, pictures)
        run.save({})
    facts = json.loads((run.final / "run.json").read_text())
    assert facts["model"]["weights_file"] == FILE.format(96)
    assert "weights_file" not in model.describe(model.build("mobilenet_v2", pictures, image_size=32, weights="none"))
