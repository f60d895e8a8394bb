"""Connects the workers that TF_CONFIG describes, or says in one line why that failed."""

import itertools
import json
import os
import signal
import socket
import threading
import time

import tensorflow as tf

from tfxfer.core import private_names
from tfxfer.core.errors import InputError

START_SECONDS = 300  # how long workers wait for each other at the start


def start() -> tf.distribute.MultiWorkerMirroredStrategy:
    """Creates the strategy of this worker, once all workers of TF_CONFIG are running.

    Raises:
        InputError: TF_CONFIG is missing or wrong, or workers do not answer.
    """
    _check(os.environ.get("TF_CONFIG"))
    try:
        _await_workers()
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"the cluster of TF_CONFIG did not start ({reason}): start every worker") from None
    if threading.current_thread() is threading.main_thread():
        # TensorFlow catches SIGTERM as a notice of preemption: without this line it would not end the process
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM) or signal.SIG_DFL)
    return strategy


def _check(config: str | None) -> None:
    example = '{"cluster": {"worker": ["host1:port", "host2:port"]}, "task": {"type": "worker", "index": 0}}'
    try:
        parsed = json.loads(config or "")
        fits = parsed["cluster"][parsed["task"]["type"]][int(parsed["task"]["index"])]
    except (ValueError, KeyError, IndexError, TypeError):
        fits = None
    if not fits:
        raise InputError(
            f"TF_CONFIG is {config!r}: multiworker expects it to specify cluster and task, such as {example}"
        )


def _await_workers() -> None:
    """Limits the wait for workers that never start.

    TensorFlow's leader would wait for ever and the others for an hour, all without reacting to signals.
    """
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    spec = resolver.cluster_spec()
    leader = private_names.coordination_leader(spec)
    if leader == f"/job:{resolver.task_type}/replica:0/task:{resolver.task_id}":
        own = spec.task_address(resolver.task_type, resolver.task_id)
        deadline = time.monotonic() + START_SECONDS
        for address in itertools.chain(*spec.as_dict().values()):
            if address != own:
                _await(address, deadline)
    private_names.await_registration(spec, leader, START_SECONDS)


def _await(address: str, deadline: float) -> None:
    host, port = address.rsplit(":", 1)
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{address} does not answer after {START_SECONDS} s: {error}") from None
        time.sleep(0.5)
