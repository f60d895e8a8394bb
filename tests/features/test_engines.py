"""ONNX Runtime against TensorFlow, and when it is chosen."""

import importlib.util

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfxfer import features, model, train
from tfxfer.core.cache import Store
from tfxfer.core.errors import InputError
from tfxfer.features import activation_cache, engines, frozen_prefix, inference
from tfxfer.model import folding


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("TFXFER_CACHE", str(tmp_path / "cache"))
    return Store()


@pytest.fixture(scope="module")
def net(pictures):
    keras.utils.set_random_seed(0)
    net = model.build("small_resnet", pictures, weights="none")
    random = np.random.default_rng(0)
    for layer in net.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 2, weight.shape) for weight in layer.get_weights()])
    return net


@pytest.fixture
def conversions(monkeypatch):
    """Counts them."""
    counted, convert = [], engines.convert
    monkeypatch.setattr(engines, "convert", lambda *given: (counted.append(given), convert(*given))[1])
    return counted


LAYERS = ("image", "block3_add", "embedding", "logits")


@pytest.mark.parametrize("strategy", [None, "mirrored"])
def test_agrees_with_tensorflow(net, pictures, strategy):
    options = {"strategy": strategy and tf.distribute.MirroredStrategy(["CPU:0"]), "batch_size": 33}
    expected = features.extract(net, pictures.test, LAYERS, engine="tensorflow")
    found = features.extract(net, pictures.test, LAYERS, engine="onnxruntime", **options)
    for name in LAYERS:
        atol = engines.TOLERANCE * np.abs(expected[name]).max()
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=atol, err_msg=name)
    np.testing.assert_array_equal(found["image"], expected["image"])
    np.testing.assert_array_equal(found.ids, expected.ids)


def test_tensors_that_are_no_weights_are_converted_too(pictures):
    """Keras's EfficientNet has its own normalization, whose mean and variance are not among its weights."""
    image = keras.Input((28, 28, 1))
    x = keras.layers.Normalization(mean=[100.0], variance=[400.0])(image)
    own = keras.Model(image, keras.layers.Conv2D(3, 3, activation="relu")(x), name="own")
    net = model.build(own, pictures, scaling="none")
    expected, found = (
        features.extract(net, pictures.test, ("logits",), engine=engine)["logits"]
        for engine in ("tensorflow", "onnxruntime")
    )
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_large_weights_are_converted_too(net, pictures, monkeypatch):
    monkeypatch.setattr(folding, "LARGEST", 1000)
    expected, found = (
        features.extract(net, pictures.test, ("logits",), engine=engine)["logits"]
        for engine in ("tensorflow", "onnxruntime")
    )
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_weights_that_change_are_converted_anew(net, pictures, conversions):
    extract = features.Extractor(net, ("logits",), engine="onnxruntime")
    before = extract(pictures.test)["logits"]
    bias = net.get_layer("logits").bias
    bias.assign_add(tf.ones(bias.shape))
    np.testing.assert_allclose(extract(pictures.test)["logits"], before + 1, atol=1e-4)
    extract(pictures.validation)
    bias.assign_sub(tf.ones(bias.shape))
    assert len(conversions) == 2


def test_views_are_augmented_and_converted(pictures):
    """Random layers before `scaled` stay with TensorFlow, and draw the same views."""
    keras.utils.set_random_seed(0)
    net = model.build("small_resnet", pictures, weights="none", augment=True)
    tensors = frozen_prefix.frontier(net, views=2).tensors
    both = [
        activation_cache.compute(net, tensors, pictures, "memory", views=2, engine=engine).arrays["train"]
        for engine in ("tensorflow", "onnxruntime")
    ]
    for name, values in both[0].items():
        assert len(values) == 2 * pictures.size("train")
        np.testing.assert_allclose(both[1][name], values, atol=1e-5)


def choose(net, engine, images, seconds, monkeypatch):
    """What is chosen where TensorFlow and ONNX Runtime take these seconds for a batch of 10."""
    tapped = keras.Model(net.input, {"logits": net.output})
    forward = inference.Forward(tapped, batch_size=10, engine=engine)
    times = iter(seconds)
    monkeypatch.setattr(engines, "_seconds", lambda function, images: next(times))
    return forward.choose(images)


def test_small_jobs_stay_with_tensorflow(net, conversions, monkeypatch):
    # 50 batches of 0.1 s: five seconds, of which it might save one and a half, for more than that of conversion
    assert choose(net, "auto", 500, [0.1], monkeypatch) == "tensorflow"
    assert choose(net, "auto", -1, [0.1], monkeypatch) == "tensorflow"
    assert not conversions


@pytest.mark.parametrize(("seconds", "expected"), [((0.1, 0.05), "onnxruntime"), ((0.1, 0.11), "tensorflow")])
def test_large_jobs_take_the_faster(net, conversions, monkeypatch, seconds, expected):
    assert choose(net, "auto", 2000, seconds, monkeypatch) == expected
    assert len(conversions) == 1


def test_on_a_gpu_tensorflow_stays(net, monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind] if kind == "GPU" else [])
    assert choose(net, "auto", 10**6, [], monkeypatch) == "tensorflow"
    with pytest.raises(InputError, match="onnxruntime computes on the CPU, and there is a faster device"):
        engines.check("onnxruntime")


def test_what_differs_is_refused(net, pictures, monkeypatch, capsys):
    monkeypatch.setattr(engines, "TOLERANCE", -1.0)
    with pytest.raises(InputError, match=r"its logits differs from TensorFlow's by .* use --engine tensorflow"):
        features.extract(net, pictures.test, ("logits",), engine="onnxruntime")
    assert choose(net, "auto", 10**6, [0.1], monkeypatch) == "tensorflow"
    assert "computed by TensorFlow" in capsys.readouterr().out


def test_without_the_packages(net, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'tfxfer\[onnx\]'"):
        inference.Forward(net, engine="onnxruntime")
    assert choose(net, "auto", 10**6, [], monkeypatch) == "tensorflow"
    with pytest.raises(InputError, match="engine 'openvino': expected one of auto, tensorflow, onnxruntime"):
        engines.check("openvino")


def test_what_is_kept_is_known_by_its_engine(net, pictures, store, conversions, monkeypatch):
    passes, over = [], inference.Forward.over
    monkeypatch.setattr(inference.Forward, "over", lambda *given: (passes.append(given), over(*given))[1])
    examples = pictures.examples("test")
    for engine in ("onnxruntime", "onnxruntime", "auto", "tensorflow", "auto"):
        features.extract(net, examples, ("embedding",), out=store, engine=engine)
    assert len(passes) == 2  # "auto" takes what is there
    assert len(store.entries()) == 2
    tensors = frozen_prefix.frontier(net).tensors
    found = [activation_cache.compute(net, tensors, pictures, "disk", engine=e) for e in ("onnxruntime", "auto")]
    assert [activations.engine for activations in found] == ["onnxruntime"] * 2
    assert activation_cache.compute(net, tensors, pictures, "disk", engine="tensorflow").engine == "tensorflow"


def test_training_records_its_engine_and_keeps_it(net, pictures, tmp_path, monkeypatch):
    start = model.values(net)
    fit = {"epochs": 1, "cache": "memory", "checkpoint_dir": tmp_path / "checkpoints"}
    plain = train.fit(net, pictures, epochs=1, cache="memory")
    model.assign_values(net, start)
    monkeypatch.setattr(engines, "_faster", lambda *given: "onnxruntime")
    history = train.fit(net, pictures, **fit)
    assert (plain.facts["engine"], history.facts["engine"]) == ("tensorflow", "onnxruntime")
    np.testing.assert_allclose(history["loss"], plain["loss"], atol=1e-4)
    monkeypatch.setattr(engines, "_faster", lambda *given: "tensorflow")
    assert train.fit(net, pictures, **fit).facts["engine"] == "onnxruntime"
    model.assign_values(net, start)
