import json
import re
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import test_losses
import warm
from test_checkpoints import Kill

from tfxfer import model, train
from tfxfer.core.errors import InputError
from tfxfer.features import activation_cache
from tfxfer.train import checkpoints, loop
from tfxfer.train.checkpoints import Checkpoints
from tfxfer.train.epoch_metrics import EpochMetrics

SGD = keras.optimizers.SGD


def confidence(y_true, y_pred):
    return keras.ops.max(keras.ops.softmax(y_pred), axis=-1)


def margin(y_true, y_pred):
    """One number for the batch."""
    return keras.ops.mean(keras.ops.square(keras.ops.one_hot(y_true, 10) * 4 - y_pred))


class Distance(keras.metrics.Metric):
    """How far the highest logit is from the label, in steps of classes."""

    def __init__(self, power=1, name="distance", **options):
        super().__init__(name=name, **options)
        self.power = power
        self.total, self.count = self.add_variable((), "zeros"), self.add_variable((), "zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        away = keras.ops.abs(keras.ops.argmax(y_pred, -1) - keras.ops.cast(y_true, "int32"))
        self.total.assign_add(keras.ops.sum(keras.ops.cast(away, "float32") ** self.power))
        self.count.assign_add(keras.ops.cast(keras.ops.size(y_true), "float32"))

    def result(self):
        return self.total / self.count


class Complete(Distance):
    def get_config(self):
        return super().get_config() | {"power": self.power}


def of_labels():
    return ["acc", "sparse_top_k_categorical_accuracy", Complete(power=2), confidence]


def of_one_hot():
    metrics = keras.metrics
    return [metrics.AUC(), "categorical_accuracy", metrics.F1Score("macro"), metrics.CategoricalCrossentropy(), "mse"]


def plain_keras(net, splits, metrics, one_hot):
    """With a softmax layer and one-hot rows for metrics that want them."""
    if one_hot:
        return test_losses.plain_keras(
            net, splits, "categorical_crossentropy", "one-hot", "probabilities", metrics=metrics
        )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return test_losses.plain_keras(net, splits, loss, metrics=metrics)


@pytest.mark.parametrize("one_hot", [False, True])
def test_are_keras_s_own_in_history_progress_and_callbacks(pictures, one_hot, capsys):
    """Of training and validation; two fits with the same objects, which stay as they were."""
    keras.utils.set_random_seed(3)
    net = model.build("cnn", pictures, weights="none")
    model.unfreeze_last(net, "dense")
    start, metrics = model.values(net), of_one_hot() if one_hot else of_labels()
    expected = plain_keras(net, pictures, of_one_hot() if one_hot else of_labels(), one_hot)
    expected = {re.sub(r"auc_\d+", "auc", name): values for name, values in expected.items()}  # as Keras numbers it
    seen = {}
    spy = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.update(batch=set(logs)),
        on_epoch_end=lambda epoch, logs: seen.update(epoch=dict(logs)),
    )
    for _ in range(2):
        model.assign_values(net, start)
        history = train.fit(net, pictures, 2, optimizer=SGD(0.1), seed=7, metrics=metrics, callbacks=[spy])
    names = history.facts["metrics"].keys()
    assert expected.keys() - {"loss", "val_loss"} == {*names, *(f"val_{name}" for name in names)}
    for name, values in expected.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-4, atol=1e-6, err_msg=name)
        assert seen["epoch"][name] == history[name][-1]
    assert seen["batch"] == {"loss", "accuracy", *names}
    last = ", ".join(f"{name} {history[name][1]:.4f}" for name in ("loss", "accuracy", *names))
    assert f"epoch 2/2: {last}, val_loss" in capsys.readouterr().out
    for metric in metrics:
        if isinstance(metric, keras.metrics.Metric):
            assert not any(np.any(variable) for variable in metric.variables)


def test_callbacks_can_watch_a_metric(pictures, small_cnn):
    watch = keras.callbacks.EarlyStopping("val_auc", mode="max", patience=1, restore_best_weights=True)
    model.unfreeze_last(small_cnn, "all")
    history = train.fit(small_cnn, pictures, 8, 2e-2, metrics=["auc"], callbacks=[watch], schedule="constant")
    assert history.facts["weights_of_epoch"] == int(np.argmax(history["val_auc"]))


def test_compiled_steps_count_the_same(pictures, small_cnn):
    start, histories = model.values(small_cnn), []
    for jit in ("off", "on"):
        model.assign_values(small_cnn, start)
        histories.append(train.fit(small_cnn, pictures, 1, jit=jit, loss=margin, metrics=of_one_hot()))
    for name in histories[0].keys() - {"seconds"}:
        np.testing.assert_allclose(histories[1][name], histories[0][name], rtol=1e-4, err_msg=name)


def test_fine_tune_has_a_column_over_all_phases(pictures):
    net = model.build("cnn", pictures, weights="none")
    history = train.fine_tune(net, pictures, 1, epochs=1, tune_epochs=1, metrics=["auc"])
    assert len(history["val_auc"]) == 2
    assert np.isfinite(history["val_auc"]).all()


def test_a_training_cut_off_within_an_epoch_goes_on_counting(pictures, small_cnn, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "SECONDS", 0.0)
    monkeypatch.setattr(loop, "MOST_STEPS", 2)
    start = model.values(small_cnn)

    def fit(calls, **options):
        model.assign_values(small_cnn, start)
        metrics = ["sparse_top_k_categorical_accuracy", keras.metrics.AUC(), keras.metrics.F1Score("macro")]
        return train.fit(small_cnn, pictures, 2, batch_size=40, metrics=metrics, callbacks=[Kill(calls)], **options)

    expected = fit(1000)
    with pytest.raises(KeyboardInterrupt):
        fit(7, checkpoint_dir=tmp_path)
    state = checkpoints.unpack(Checkpoints(tmp_path).load())[0]["position"]
    assert (state["epoch"], 0 < state["step"] < 8) == (1, True)
    resumed = fit(1000, checkpoint_dir=tmp_path)
    for name in expected.keys() - {"seconds"}:
        np.testing.assert_allclose(resumed[name], expected[name], rtol=1e-4, err_msg=name)
    model.assign_values(small_cnn, start)
    for other in ([], ["auc"]):
        with pytest.raises(InputError, match="contains checkpoints of another training"):
            train.fit(small_cnn, pictures, 2, batch_size=40, metrics=other, checkpoint_dir=tmp_path)


MIRRORED = """
import json, sys
import keras, numpy as np, tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
import conftest
from tfxfer import data, model, train
from tfxfer.train import checkpoints, loop
splits = data.from_arrays(conftest.make_pictures(42), conftest.make_pictures(9, seed=1))
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
checkpoints.SECONDS, loop.MOST_STEPS = 0.0, 2
net = model.build("cnn", splits, weights="none")
start = model.values(net)

class Kill(keras.callbacks.Callback):
    calls = 0

    def on_train_batch_end(self, batch, logs=None):
        Kill.calls += 1
        if Kill.calls == 3:
            raise KeyboardInterrupt

def fit(strategy, folder=None, callbacks=()):
    model.assign_values(net, start)
    metrics = [keras.metrics.AUC(), keras.metrics.F1Score("macro"), "sparse_top_k_categorical_accuracy"]
    loss = keras.losses.CategoricalFocalCrossentropy(reduction="sum")
    history = train.fit(net, splits, 2, optimizer=keras.optimizers.SGD(0.05), batch_size=4, strategy=strategy,
        loss=loss, metrics=metrics, class_weights=np.linspace(1, 2, 10), checkpoint_dir=folder, callbacks=callbacks)
    found = {name: values for name, values in history.items() if name != "seconds"}
    return found | {"weights": net.get_layer("logits").kernel.numpy().tolist()}

try:
    fit(strategy, sys.argv[1], [Kill()])
except KeyboardInterrupt:
    position = checkpoints.unpack(checkpoints.Checkpoints(sys.argv[1]).load())[0]["position"]
    sizes = [splits.size("train"), splits.size("validation"), position["step"]]
    print(json.dumps([sizes, fit(None), fit(strategy, sys.argv[1], [Kill()])]))
"""


def test_two_devices_count_as_one(tmp_path):
    """Batches of 4, the last of 1, whose second part only fills it up; and a checkpoint within an epoch."""
    words = [*warm.python(), "-c", MIRRORED, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=Path(warm.__file__).parent)
    assert done.returncode == 0, done.stderr
    sizes, alone, resumed = json.loads(done.stdout.splitlines()[-1])
    assert sizes[:2] == [37, 5]
    assert 0 < sizes[2] < 10
    assert {"val_auc", "f1_score", "sparse_top_k_categorical_accuracy"} < alone.keys()
    for name, values in alone.items():
        np.testing.assert_allclose(resumed[name], values, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(
    ("metrics", "complaint"),
    [
        ("auc", "metrics: expected a list of Keras metrics, their names, or functions, got 'auc'"),
        ([3], "metrics: expected names, Keras metrics or functions, got 3 in it"),
        (["areas"], "metrics: 'areas' is not the name of a Keras metric that needs no arguments: expected one such as"),
        (["MeanIoU"], "metrics: 'MeanIoU' is not the name of a Keras metric that needs no arguments"),
        (
            lambda: [keras.metrics.MeanIoU(10)],
            "MeanIoU of Keras is not defined on labels and logits of classes: write a func",
        ),
        ([keras.metrics.MeanIoU], "metrics: the class MeanIoU needs arguments: give an object of it"),
        (lambda: [keras.metrics.Mean()], "Mean of Keras is not defined on labels and logits"),
        (
            lambda: [keras.metrics.F1Score()],
            "metrics: f1_score gives several numbers, expected one, as with average='macro'",
        ),
        (
            lambda: [keras.metrics.AUC(name="val_auc")],
            "metrics: no column can be called 'val_auc': give the metric another name",
        ),
        (lambda: [keras.metrics.AUC(name="seconds")], "metrics: no column can be called 'seconds'"),
        ([lambda y_true, y_pred: y_true], "metrics: no column can be called '<lambda>': give the metric another name"),
        (
            lambda: [Distance(power=2)],
            r"distance cannot be made again from its settings \(a setting is missing in get_config",
        ),
        (
            lambda: [keras.metrics.MeanMetricWrapper(confidence)],
            r"cannot be made again .*, or give the class, or the function",
        ),
        (
            lambda: [keras.metrics.SparseTopKCategoricalAccuracy(from_sorted_ids=True)],
            "with from_sorted_ids=True is not supp",
        ),
        (
            lambda: [keras.metrics.AUC(num_labels=3, multi_label=True)],
            r"metrics: auc fails on labels \(11,\), logits \(11, 10",
        ),
    ],
    ids=range(15),
)
def test_what_cannot_be_measured_is_said_before_anything_is_computed(
    pictures, small_cnn, metrics, complaint, monkeypatch
):
    monkeypatch.setattr(activation_cache, "compute", lambda *given, **options: pytest.fail("computed"))
    with pytest.raises(InputError, match=complaint):
        train.fit(small_cnn, pictures, metrics=metrics() if callable(metrics) else metrics)


def test_equal_names_are_numbered_and_accuracy_is_there_already(monkeypatch):
    found = EpochMetrics(["auc", keras.metrics.AUC(), "accuracy", keras.metrics.AUC(from_logits=True)], 3)
    assert list(found.metrics) == ["auc", "auc_1", "auc_2"]
    softmax = "one-hot labels and probabilities (softmax of the logits)"
    assert found.facts == {"metrics": {"auc": softmax, "auc_1": softmax, "auc_2": "one-hot labels and logits"}}
    monkeypatch.setattr(tf.distribute, "TPUStrategy", type(tf.distribute.get_strategy()))
    with pytest.raises(InputError, match="metrics: not on a TPU"):
        EpochMetrics(["auc"], 3, tf.distribute.get_strategy())
