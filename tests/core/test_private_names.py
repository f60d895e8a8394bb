"""Each private name that tfxfer relies on is still there and still does what is asked of it."""

import contextlib
import hashlib
import pickle
import subprocess
import sys

import keras
import pytest
import tensorflow as tf

from tfxfer.core import private_names


@contextlib.contextmanager
def needed(name: str, owner: str):
    """An upgrade that takes a name away, or changes what it is, fails with a sentence."""
    try:
        yield
    except (AssertionError, AttributeError, ImportError, TypeError, ValueError) as error:
        pytest.fail(f"{owner} no longer has {name} as tfxfer.core.private_names uses it: {error!r}")


def graph() -> keras.Model:
    image = keras.Input((4,), name="image")
    dense = keras.layers.Dense(4, name="dense")
    return keras.Model(image, keras.layers.Add(name="sum")([dense(image), dense(dense(image))]))


def test_python_unpickler():
    with needed("pickle._Unpickler", "Python"):

        class Counting(private_names.PythonUnpickler):
            dispatch = private_names.PythonUnpickler.dispatch.copy()

            def stop(self):
                self.seen = list(self.stack)
                return private_names.PythonUnpickler.dispatch[pickle.STOP[0]](self)

            dispatch[pickle.STOP[0]] = stop

        import io

        reader = Counting(io.BytesIO(pickle.dumps([1, "a"])))
        assert reader.load() == reader.seen[0] == [1, "a"]


def test_functional_models():
    class Own(keras.Model):
        def call(self, x):
            return x

    with needed("keras.src.models.functional.Functional", "Keras"):
        assert private_names.functional_class() in type(graph()).__mro__
        assert private_names.is_functional(graph())
        assert not private_names.is_functional(Own())
        assert not private_names.is_functional(keras.Sequential([keras.layers.Dense(1)]))


def test_calls_of_a_graph():
    with needed("Model._nodes_by_depth", "Keras"):
        calls = private_names.calls(graph())
        assert [call.operation.name for call in calls] in (
            ["image", "dense", "dense", "dense", "sum"],
            ["image", "dense", "dense", "sum"],
        ) or [call.operation.name for call in calls].count("dense") == 3
        known = set()
        for call in calls:  # what a call needs was given before
            assert {id(tensor) for tensor in call.input_tensors} <= known
            known.update(map(id, call.output_tensors))


def test_layers_within_layers():
    class Block(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = [keras.layers.Dense(1), keras.Sequential([keras.layers.BatchNormalization()])]

    with needed("Layer._flatten_layers", "Keras"):
        block = Block()
        dense, several = block.inner
        assert set(private_names.flattened(block)) == {block, dense, several, *several.layers}


def test_where_a_tensor_comes_from():
    with needed("KerasTensor._keras_history", "Keras"):
        net = graph()
        assert private_names.origin(net.output) == (net.get_layer("sum"), 0)
        once, twice = private_names.inputs_of(net.output)
        assert private_names.inputs_of(once)[0] is net.input
        (between,) = private_names.inputs_of(twice)
        assert private_names.inputs_of(between)[0] is net.input
        assert private_names.inputs_of(net.input) == []


def test_another_function_for_each_operation():
    with needed("Function._run_through_graph", "Keras"):
        net, image, twice = graph(), keras.Input((4,)), keras.layers.Rescaling(2.0)
        output = private_names.run_through_graph(net, image, lambda layer: twice if layer.name == "dense" else layer)
        assert keras.Model(image, output)(tf.ones((1, 4))).numpy().tolist() == [[6.0] * 4]


def test_where_downloads_are_kept(tmp_path, monkeypatch):
    """As Keras's own download has it; nothing is fetched, the file is there."""
    with needed("keras.src.backend.config.keras_home", "Keras"):
        path = private_names.keras_folder("tfxfer-test") / "weights.h5"
        assert path.name == "weights.h5"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"weights")
    try:
        digest = hashlib.sha256(b"weights").hexdigest()
        found = keras.utils.get_file("weights.h5", "https://localhost/x", cache_subdir="tfxfer-test", file_hash=digest)
        assert str(path) == str(found)
    finally:
        path.unlink()
        path.parent.rmdir()


def test_checksums(tmp_path):
    path = tmp_path / "weights.h5"
    path.write_bytes(b"weights")
    with needed("keras.src.utils.file_utils.validate_file", "Keras"):
        for kind in ("md5", "sha256"):
            assert private_names.has_checksum(path, hashlib.new(kind, b"weights").hexdigest())
            assert not private_names.has_checksum(path, hashlib.new(kind, b"others").hexdigest())


def test_downloads_of_applications():
    class AskedError(Exception):
        pass

    def get_file(fname, origin, *args, cache_subdir="datasets", file_hash=None, **options):
        raise AskedError(fname, cache_subdir)

    with (
        needed("keras.src.utils.file_utils.get_file", "Keras"),
        private_names.downloading_by(get_file),
        pytest.raises(AskedError, match=r"resnet50.*'models'"),
    ):
        keras.applications.ResNet50(include_top=False, weights="imagenet", input_shape=(32, 32, 3))


def test_the_leader_of_a_cluster():
    with needed("multi_worker_util.coordination_leader", "TensorFlow"):
        workers = tf.train.ClusterSpec({"worker": ["a:1", "b:1"]})
        assert private_names.coordination_leader(workers) == "/job:worker/replica:0/task:0"
        chief = tf.train.ClusterSpec({"chief": ["a:1"], "worker": ["b:1"]})
        assert private_names.coordination_leader(chief) == "/job:chief/replica:0/task:0"


REGISTRATION = """
import tensorflow as tf
from tensorflow.python.eager import context
from tfxfer.core import private_names

spec = tf.train.ClusterSpec({"worker": ["localhost:1", "localhost:2"]})
private_names.await_registration(spec, "/job:worker/replica:0/task:0", 7)
config = context.context().coordination_service
text = str(context.context().config.experimental.coordination_config) or str(config)
assert "cluster_register_timeout_in_ms: 7000" in text and "num_tasks: 2" in text, text
"""


def test_the_wait_for_a_cluster():
    """In another process, whose runtime has not started."""
    made = subprocess.run([sys.executable, "-c", REGISTRATION], capture_output=True, text=True)
    with needed("context().configure_coordination_service", "TensorFlow"):
        assert made.returncode == 0, made.stderr[-500:]


def test_nothing_private_is_used_elsewhere():
    """What is gathered in one module stays there."""
    import re
    from pathlib import Path

    import tfxfer

    private = re.compile(r"keras\.src|tensorflow\.python|tensorflow\.compiler|_nodes_by_depth|_keras_history|pickle\._")
    home = Path(tfxfer.__file__).parent
    users = {path.relative_to(home).as_posix() for path in home.rglob("*.py") if private.search(path.read_text())}
    assert users == {"core/private_names.py"}
