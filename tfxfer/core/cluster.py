"""Several workers, described by TF_CONFIG, brought together; or a line that says why they are not."""

import itertools
import json
import os
import signal
import socket
import threading
import time

import tensorflow as tf

from tfxfer.core.errors import InputError

START_SECONDS = 300  # that workers wait for each other at the start


def start() -> tf.distribute.MultiWorkerMirroredStrategy:
    """The strategy of this worker among the others of TF_CONFIG, once all are there.

    Raises:
        InputError: no or a wrong TF_CONFIG, or workers that do not answer.
    """
    _check(os.environ.get("TF_CONFIG"))
    try:
        _await_workers()
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"the cluster of TF_CONFIG did not come up ({reason}): start every worker") from None
    if threading.current_thread() is threading.main_thread():
        # TensorFlow takes it for a notice that something else has to answer: without this SIGTERM would do nothing
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
        raise InputError(f"TF_CONFIG is {config!r}: multiworker expects it to say cluster and task, such as {example}")


def _await_workers() -> None:
    """Bounds the wait for workers that never start: TensorFlow's leader waits for ever, the others an hour, all deaf
    to signals."""
    from tensorflow.compiler.xla.tsl.protobuf import coordination_config_pb2
    from tensorflow.python.distribute import multi_worker_util
    from tensorflow.python.eager import context

    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    spec = resolver.cluster_spec()
    leader = multi_worker_util.coordination_leader(spec)
    if leader == f"/job:{resolver.task_type}/replica:0/task:{resolver.task_id}":
        own = spec.task_address(resolver.task_type, resolver.task_id)
        deadline = time.monotonic() + START_SECONDS
        for address in itertools.chain(*spec.as_dict().values()):
            if address != own:
                _await(address, deadline)
    jobs = [
        coordination_config_pb2.CoordinatedJob(name=name, num_tasks=spec.num_tasks(name))
        for name in ("chief", "worker")
        if name in spec.jobs
    ]
    context.context().configure_coordination_service(  # as the strategy would, but for the limit, which it has not
        service_type="standalone",
        service_leader=leader,
        cluster_register_timeout_in_ms=START_SECONDS * 1000,
        coordinated_jobs=jobs,
    )


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
