"""Every private name of Keras, TensorFlow and Python that tfxfer relies on, in one place.

There is no promise that an upgrade keeps them. Each function says why no public name will do, and each has a test that
fails with a sentence when its name is gone. Nothing is imported before it is asked for.
"""

import contextlib
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

PythonUnpickler: Any = pickle._Unpickler
"""Python's own implementation of `pickle.Unpickler`, with `dispatch`, opcodes to methods, and the `stack` they work on.

The public class is written in C: it trusts the sizes that a file claims, and its opcodes cannot be taken away.
"""


def is_functional(model: "keras.Model") -> bool:
    """Whether a model is a graph of layers, made by `keras.Model(inputs, outputs)`.

    Keras has no public name for the class: a model of a class of one's own is a `keras.Model` too.
    """
    return isinstance(model, functional_class())


def functional_class() -> type:
    """The class of functional models, whose `call` computes the graph.

    Its public alias `keras.Model` is the base class of all models.
    """
    from keras.src.models.functional import Functional

    return Functional


def run_through_graph(model: "keras.Model", inputs: Any, call: Callable[[Any], Callable]) -> Any:
    """What a functional model returns for inputs, where `call(operation)` takes the place of each operation in it.

    Public is `keras.models.clone_model`, which makes a new model of the outputs, and does not look into nested ones.
    """
    return model._run_through_graph(inputs, operation_fn=call)


def calls(model: "keras.Model") -> list[Any]:
    """The calls of a functional model's layers and operations, in an order in which they can be computed.

    Each has `operation`, `input_tensors` and `output_tensors`. Keras's public `layers` and `operations` name each once,
    however often it is called, and do not say which tensors go from one to the next.
    """
    nodes = model._nodes_by_depth
    return [node for depth in sorted(nodes, reverse=True) for node in nodes[depth]]


def origin(tensor: "keras.KerasTensor") -> tuple[Any, int]:
    """The operation that gives a symbolic tensor, and which of its outputs it is.

    Keras's public API leads from a layer to its output, not back.
    """
    operation, _, index = tensor._keras_history
    return operation, index


def flattened(layer: "keras.Layer") -> "list[keras.Layer]":
    """A layer and all layers within it, however deep.

    Public is `Model.layers`, which other layers that have layers of their own lack.
    """
    return layer._flatten_layers()


def inputs_of(tensor: "keras.KerasTensor") -> list["keras.KerasTensor"]:
    """The tensors from which a symbolic tensor was computed; none for an input.

    The public `input` of a layer is that of its first call, whichever call gave the tensor.
    """
    operation, node, _ = tensor._keras_history
    return list(operation._inbound_nodes[node].input_tensors)


def keras_folder(cache_subdir: str) -> Path:
    """The folder where `keras.utils.get_file` keeps what it downloaded: in $KERAS_HOME or ~/.keras.

    Keras makes no public name for it, and needs it known where a message names a file that is missing.
    """
    from keras.src.backend.config import keras_home

    return Path(keras_home()).expanduser() / cache_subdir


def has_checksum(path: Path, checksum: str) -> bool:
    """Whether a file has a checksum, of whichever kind, by the rule of `keras.utils.get_file`.

    That function only applies the rule, and deletes what does not fit.
    """
    from keras.src.utils import file_utils

    return file_utils.validate_file(path, checksum)


@contextlib.contextmanager
def downloading_by(get_file: Callable[..., str]) -> Iterator[None]:
    """Within the block, Keras's applications download their weights through a function of one's own.

    They take no argument for it, and look the function up in Keras's private module, not under its public name.
    """
    from keras.src.utils import file_utils

    original = file_utils.get_file
    file_utils.get_file = get_file
    try:
        yield
    finally:
        file_utils.get_file = original


def coordination_leader(cluster: "tf.train.ClusterSpec") -> str:
    """The task that the others of a cluster register with, such as "/job:worker/replica:0/task:0".

    TensorFlow decides it by a rule that has no public name.
    """
    from tensorflow.python.distribute import multi_worker_util

    return multi_worker_util.coordination_leader(cluster)


def await_registration(cluster: "tf.train.ClusterSpec", leader: str, seconds: float) -> None:
    """Sets how long the workers of a cluster wait for each other, before TensorFlow's runtime starts.

    `tf.distribute.MultiWorkerMirroredStrategy` makes the same settings without a limit, and takes no argument for it.
    """
    from tensorflow.compiler.xla.tsl.protobuf import coordination_config_pb2
    from tensorflow.python.eager import context

    jobs = [
        coordination_config_pb2.CoordinatedJob(name=name, num_tasks=cluster.num_tasks(name))
        for name in ("chief", "worker")
        if name in cluster.jobs
    ]
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader=leader,
        cluster_register_timeout_in_ms=int(seconds * 1000),
        coordinated_jobs=jobs,
    )
