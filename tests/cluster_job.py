"""What the tests of strategies run, alone or as one of several workers.

python cluster_job.py STRATEGY OUT [die|endless]
"""

import dataclasses
import json
import os
import signal
import socket
import sys

import numpy as np


def job(strategy, ending: str = "") -> dict[str, np.ndarray]:
    """Trains two small networks, batches of 7 so that parts are uneven, and extracts; returns all that came of it."""
    import conftest
    import keras

    from tfxfer import data, features, model, train

    class Die(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if ending == "die" and epoch == 2:
                os.kill(os.getpid(), signal.SIGKILL)

    splits = data.from_arrays(conftest.make_pictures(75), conftest.make_pictures(31, seed=1))
    rows = splits.rows["validation"]  # of wrong labels, so that the best epoch is not the last
    wrong = dataclasses.replace(rows, labels=(rows.labels + 1) % 10)
    splits = dataclasses.replace(splits, rows=splits.rows | {"validation": wrong})
    found = {}
    for name, unfrozen, train_batch_norm, cache, engine in (
        ("cnn", "dense", False, "disk", "tensorflow"),
        ("small_resnet", "block5", True, "memory", "onnxruntime"),
        ("small_resnet", "block5", False, "off", "tensorflow"),
        # 1 x 1 convolutions and batch norm that waits for the others
        ("mobilenet_v2", 4, True, "memory", "tensorflow"),
    ):
        keras.utils.set_random_seed(0)
        net = model.build(name, splits, 32 if name == "mobilenet_v2" else None, "none")
        for layer in net.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True
        model.unfreeze_last(net, unfrozen, train_batch_norm)
        # batch norm behind batch norm gives gradients that are zero but for rounding, which Adam makes steps of
        optimizer = "sgd" if name == "mobilenet_v2" else "adam"
        options = {"batch_size": 7, "strategy": strategy, "cache": cache, "callbacks": [Die()], "optimizer": optimizer}
        options |= {"engine": engine, "keep": "best" if train_batch_norm and optimizer == "adam" else "last"}
        if name == "cnn":
            options |= {"loss": "categorical_focal_crossentropy", "metrics": ["auc", keras.metrics.F1Score("macro")]}
        history = train.fit(net, splits, 500 if ending else 2, backbone_learning_rate=3e-4, **options)
        layers, inference = ("logits", "embedding", "image"), {"strategy": strategy, "engine": engine}
        bank = features.extract(net, splits.test, layers, **inference, batch_size=10)
        np.testing.assert_array_equal(bank["image"], splits.rows["test"].images)
        key = f"{name}-{train_batch_norm}"
        found |= {f"{key}/weight/{v.path}": v.numpy() for v in net.variables if v.dtype == "float32"}
        found |= {f"{key}/history/{k}": np.asarray(v) for k, v in history.items() if k != "seconds"}
        found |= {f"{key}/kept": np.array(history.facts["weights_of_epoch"])}
        found |= {f"{key}/bank/{k}": bank[k] for k in ("logits", "embedding")} | {f"{key}/ids": bank.ids}
        assert net.optimizer.iterations == 2 * -(-splits.size("train") // 7)
    return found


def main(name: str, out: str, *rest: str) -> None:
    import tensorflow as tf

    if name == "mirrored":
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    from tfxfer.core import cluster, distribute
    from tfxfer.core.errors import InputError

    cluster.START_SECONDS = 60
    try:
        strategy = distribute.create(name)
        content = f"from {json.loads(os.environ.get('TF_CONFIG', '{}')).get('task', {}).get('index')}".encode()
        assert distribute.broadcast(strategy, content) in (b"from 0", b"from None")
        assert distribute.broadcast(strategy, b"") == b""
        assert distribute.agree(strategy, True)
        assert distribute.workers(strategy) == 1 or not distribute.agree(strategy, distribute.is_chief(strategy))
        np.savez(out, **job(strategy, *rest))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def config_of(index: int, ports: list[int]) -> dict:
    """TF_CONFIG of one of the workers on loopback."""
    workers = [f"localhost:{port}" for port in ports]
    return {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}


def free_ports() -> list[int]:
    """Two that no one listens on."""
    sockets = [socket.socket() for _ in range(2)]
    for each in sockets:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(__file__))
    main(*sys.argv[1:])
