"""One device or many: `tf.distribute` strategies by name, and operations that work with any of them."""

import contextlib
import re
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from tfxfer.core import batching, cluster
from tfxfer.core.errors import InputError

NAMES = ("none", "mirrored", "multiworker", "tpu")
_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.InternalError, tf.errors.CancelledError)


def create(name: str) -> tf.distribute.Strategy | None:
    """Creates a strategy by name; "multiworker" has to be created before TensorFlow runs anything else.

    Args:
        name: "none" (one device), "mirrored" (all GPUs of this machine; if it has none, all logical CPUs),
            "multiworker" (the cluster that the variable TF_CONFIG describes, with the same program started on each
            machine), or "tpu" (the one that TPU_NAME names, or else that of this machine).

    Returns:
        The strategy, or None for "none".

    Raises:
        InputError: the name is unknown, TF_CONFIG is missing or wrong, workers do not answer, or there is no TPU.
    """
    if name not in NAMES:
        raise InputError(f"strategy {name!r}: expected one of {', '.join(NAMES)}")
    if name == "none":
        return None
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    if name == "multiworker":
        return cluster.start()
    return _tpu()


def _tpu() -> tf.distribute.TPUStrategy:
    """The TPU that the environment names (TPU_NAME), or the one of this machine."""
    reasons = []
    for name in (None, "local"):
        try:
            resolver = tf.distribute.cluster_resolver.TPUClusterResolver(name)
            tf.config.experimental_connect_to_cluster(resolver)
            tf.tpu.experimental.initialize_tpu_system(resolver)
        except (ValueError, RuntimeError, tf.errors.OpError) as error:
            reasons.append(str(error).strip().splitlines()[0])
        else:
            return tf.distribute.TPUStrategy(resolver)
    if "No OpKernel was registered" in reasons[-1]:  # for the operation that starts a TPU
        raise InputError(
            "no TPU found: this TensorFlow is built without TPUs. On a TPU machine, `pip uninstall -y tensorflow && "
            "pip install tensorflow-tpu`; elsewhere use another --strategy"
        )
    raise InputError(
        f"no TPU found (by TPU_NAME: {reasons[0]}; local: {reasons[1]}): run on a TPU machine, or with another "
        "--strategy"
    )


def default(strategy: tf.distribute.Strategy | None) -> tf.distribute.Strategy:
    """The strategy, or TensorFlow's default for one device."""
    return tf.distribute.get_strategy() if strategy is None else strategy


def is_chief(strategy: tf.distribute.Strategy | None) -> bool:
    """Whether this process writes the files: it is the only one, or the first of several workers."""
    if strategy is None or workers(strategy) == 1:
        return True
    resolver = strategy.cluster_resolver
    kind = "chief" if "chief" in resolver.cluster_spec().jobs else "worker"
    return (resolver.task_type, resolver.task_id) == (kind, 0)


def mirror(model: keras.Model, strategy: tf.distribute.Strategy | None) -> keras.Model:
    """The model itself on one device; otherwise a copy whose variables live on every replica of the strategy."""
    if strategy is None:
        return model
    with strategy.scope():
        copy = keras.models.clone_model(model)
    assign(copy, model)
    return copy


def assign(target: keras.Model | keras.Optimizer, source: keras.Model | keras.Optimizer) -> None:
    """Copies every variable (weights, moving statistics, random states) of a model or optimizer to another like it."""
    if target is not source:
        for ours, theirs in zip(target.variables, source.variables, strict=True):
            ours.assign(keras.ops.convert_to_numpy(theirs))


def distribute(
    strategy: tf.distribute.Strategy | None, batches: tf.data.Dataset, read: Callable, batch_size: int
) -> tf.data.Dataset:
    """Splits batches among the replicas of all workers; each worker reads only its own replicas' parts.

    Args:
        strategy: the strategy; None for one device.
        batches: as `batching.shares` takes them; the same on every worker.
        read: maps a part to elements, (part, weights) -> elements.
        batch_size: the most examples in a batch.
    """
    strategy = default(strategy)

    def pipeline(context: tf.distribute.InputContext) -> tf.data.Dataset:
        total = context.num_replicas_in_sync
        per_worker = total // context.num_input_pipelines
        first = context.input_pipeline_id * per_worker
        full = -(-batch_size // total) if isinstance(strategy, tf.distribute.TPUStrategy) else None
        parts = batching.shares(batches, range(first, first + per_worker), total, full)
        as_it_is = tf.autograph.experimental.do_not_convert(read)
        return batching.steady(parts.map(as_it_is, tf.data.AUTOTUNE).prefetch(2))

    return strategy.distribute_datasets_from_function(pipeline)


def broadcast(strategy: tf.distribute.Strategy | None, content: bytes) -> bytes:
    """Returns the chief's bytes on each worker."""
    if strategy is None or workers(strategy) == 1:
        return content
    own = np.frombuffer(content + b"." if is_chief(strategy) else b"", np.uint8)  # all empty: TensorFlow would crash
    joined = _from_all(strategy, own.astype(np.int32)).astype(np.uint8).tobytes()
    return joined[: len(joined) // (strategy.num_replicas_in_sync // workers(strategy)) - 1]


def workers(strategy: tf.distribute.Strategy | None) -> int:
    """The number of processes that take part."""
    if strategy is None or not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 1
    return sum(map(len, strategy.cluster_resolver.cluster_spec().as_dict().values())) or 1


def agree(strategy: tf.distribute.Strategy | None, condition: bool) -> bool:
    """Whether the condition holds on every worker."""
    if strategy is None or workers(strategy) == 1:
        return condition
    return bool(_from_all(strategy, np.array([condition], np.int32)).all())


def _from_all(strategy: tf.distribute.Strategy, own: np.ndarray) -> np.ndarray:
    """Concatenates the arrays of all workers, each repeated for each of its replicas, on every worker."""
    joined = tf.function(lambda: strategy.gather(strategy.run(lambda: tf.constant(own)), axis=0), autograph=False)
    with watch(strategy):
        return joined.get_concrete_function()().numpy()


@contextlib.contextmanager
def watch(strategy: tf.distribute.Strategy | None) -> Iterator[None]:
    """Turns the errors by which TensorFlow reports a lost worker into one line."""
    try:
        yield
    except _LOST as error:
        if workers(strategy) == 1:
            raise
        reason = re.sub(r"{{.*?}}", "", error.message).strip().splitlines()[0][:200]
        raise InputError(f"a worker of the cluster is gone ({reason}): start all workers again with --resume") from None
