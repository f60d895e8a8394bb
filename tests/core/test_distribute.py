"""One device, two logical devices and two worker processes on loopback must do the same."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import cluster_job
import numpy as np
import pytest
import tensorflow as tf
import warm
from cluster_job import config_of, free_ports

from tfxfer.core import cluster, distribute
from tfxfer.core.errors import InputError
from tfxfer.runs import loading

JOB = Path(cluster_job.__file__)


@pytest.fixture(scope="module")
def alone():
    found = cluster_job.job(None)
    assert found["small_resnet-True/kept"] == 0  # an epoch that is not the last
    return found


def start(name, out, *rest, config=None) -> subprocess.Popen:
    return launch([str(JOB), name, str(out), *rest], config)


def launch(words, config) -> subprocess.Popen:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COV")} | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    environment |= {"TF_CONFIG": json.dumps(config)} if config else {}
    pipes = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([*warm.python(), *words], env=environment, **pipes)


def check(path: Path, alone: dict[str, np.ndarray]) -> None:
    with np.load(path) as file:
        assert set(file.files) == set(alone)
        for name in alone:
            np.testing.assert_allclose(file[name], alone[name], atol=1e-5, rtol=1e-5, err_msg=name)


def test_two_logical_devices_train_and_extract_as_one(tmp_path, alone):
    process = start("mirrored", tmp_path / "out.npz")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    check(tmp_path / "out.npz", alone)


@pytest.mark.enable_socket
def test_two_workers_train_and_extract_as_one(tmp_path, alone):
    ports = free_ports()
    paths = [tmp_path / f"{index}.npz" for index in range(2)]
    workers = [start("multiworker", paths[index], config=config_of(index, ports)) for index in range(2)]
    printed = [worker.communicate(timeout=300) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], printed
    for path in paths:
        check(path, alone)
    assert "epoch 1/2" in printed[0][0]
    assert printed[1][0] == ""  # the chief speaks for all


@pytest.mark.enable_socket
def test_a_recipe_on_two_workers_is_resumed_by_both(tmp_path):
    """Stopped in its training, it goes on with both; the chief alone prints, and leaves the one run."""
    home, ports = tmp_path / "pretrain", free_ports()

    def pair(*words):
        command = ["-m", "tfxfer.recipes.pretrain", "--out", str(tmp_path), *words]
        return [launch(command, config_of(index, ports)) for index in range(2)]

    small = ["--dataset", "digits", "--backbone", "cnn", "--image-size", "28", "--limit", "60"]
    workers = pair(*small, "--strategy", "multiworker", "--epochs", "12")
    while not workers[0].stdout.readline().startswith("epoch 3/"):
        assert workers[0].poll() is None, [worker.communicate() for worker in workers]
    for worker in workers:
        worker.terminate()
    (_, errors), _ = [worker.communicate(timeout=120) for worker in workers]
    assert {worker.returncode for worker in workers} <= {143, 2}  # the second to hear of it may lose the first before
    assert "continues it" in errors
    workers = pair("--resume", "last")
    (out, errors), (silent, _) = [worker.communicate(timeout=300) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], errors
    assert silent == ""
    (folder,) = home.iterdir()
    assert out.splitlines()[-1] == str(folder)
    assert "epoch 12/12" in out
    assert "epoch 1/12" not in out
    assert len(loading.load(folder).history["loss"]) == 12


@pytest.mark.enable_socket
def test_a_worker_that_dies_ends_the_others_within_a_minute(tmp_path):
    ports = free_ports()
    workers = [
        start("multiworker", tmp_path / "0.npz", "die" if index else "endless", config=config_of(index, ports))
        for index in range(2)
    ]
    workers[1].communicate(timeout=300)
    died = time.monotonic()
    assert workers[1].returncode == -signal.SIGKILL
    _, errors = workers[0].communicate(timeout=60)
    assert time.monotonic() - died < 60
    assert workers[0].returncode == 2
    assert "error: a worker of the cluster is gone" in errors.splitlines()[-1]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (None, "TF_CONFIG is None: multiworker expects it to specify cluster and task"),
        ("{torn", "TF_CONFIG is '{torn'"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}', "TF_CONFIG is "),
    ],
)
def test_no_cluster(monkeypatch, config, said):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config:
        monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(InputError) as error:
        distribute.create("multiworker")
    assert said in str(error.value)


@pytest.mark.enable_socket
def test_a_worker_that_never_starts_is_named():
    with pytest.raises(RuntimeError, match=r"localhost:1 does not answer after 300 s"):
        cluster._await("localhost:1", time.monotonic())


def test_names():
    assert distribute.create("none") is None
    with pytest.raises(InputError, match="strategy 'all': expected one of none, mirrored, multiworker, tpu"):
        distribute.create("all")
    with pytest.raises(InputError, match=r"no TPU found: .* built without TPUs.* && pip install tensorflow-tpu"):
        distribute.create("tpu")


def found(name):
    """A resolver that finds a TPU under this name alone."""

    def resolver(tpu=None):
        if tpu != name:
            raise ValueError("Please provide a TPU Name to connect to.")
        return f"resolver of {tpu}"

    return resolver


@pytest.mark.parametrize("name", [None, "local"])
def test_a_tpu_is_looked_for_by_its_name_and_then_here(monkeypatch, name):
    started = []
    monkeypatch.setattr(tf.distribute.cluster_resolver, "TPUClusterResolver", found(name))
    monkeypatch.setattr(tf.config, "experimental_connect_to_cluster", started.append)
    monkeypatch.setattr(tf.tpu.experimental, "initialize_tpu_system", started.append)
    monkeypatch.setattr(tf.distribute, "TPUStrategy", lambda resolver: ("strategy", resolver))
    assert distribute.create("tpu") == ("strategy", f"resolver of {name}")
    assert started == [f"resolver of {name}"] * 2


def test_both_reasons_are_given_where_a_tpu_does_not_start(monkeypatch):
    def fail(resolver):
        raise tf.errors.NotFoundError(None, None, "TPUs not found in the cluster.\nmore")

    monkeypatch.setattr(tf.distribute.cluster_resolver, "TPUClusterResolver", found("local"))
    monkeypatch.setattr(tf.config, "experimental_connect_to_cluster", print)
    monkeypatch.setattr(tf.tpu.experimental, "initialize_tpu_system", fail)
    with pytest.raises(InputError) as error:
        distribute.create("tpu")
    assert str(error.value) == (
        "no TPU found (by TPU_NAME: Please provide a TPU Name to connect to.; local: TPUs not found in the cluster.): "
        "run on a TPU machine, or with another --strategy"
    )
