"""A SavedModel's signatures as a server calls them: any number of pictures, also none; pixels of one shape alone."""

import json
import os
import subprocess
import sys
import warnings

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from conftest import free, make_pictures

from tfxfer import data, model
from tfxfer.export import converters, savedmodel
from tfxfer.model import backbones

SIDE = 24
NETWORKS = [name for name in backbones.TABLE if name != "vgg19_fc2"]  # which is vgg19 and two dense layers, at 224

SERVE = """
import gc, json
import numpy as np
import tensorflow as tf
images = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 1)).astype(np.uint8)
found = {}
for name in NETWORKS:
    loaded = tf.saved_model.load(f"FOLDER/{name}")
    for signature, given, kind in [
        ("serving_default", {"image": images}, np.uint8),
        ("embed", {"image": images}, np.uint8),
        ("serving_bytes", {"image_bytes": np.array([tf.io.encode_png(i).numpy() for i in images])}, None),
    ]:
        call = loaded.signatures[signature]
        (key, values), = given.items()
        type_ = tf.string if key == "image_bytes" else tf.uint8
        for n in (0, 1, 3):
            try:
                answer = call(**{key: tf.constant(values[:n], type_)})
                found[f"{name}/{signature}/{n}"] = {
                    k: [list(v.shape), v.numpy().tolist() if v.dtype == tf.float32 else []] for k, v in answer.items()
                }
            except tf.errors.OpError as error:
                found[f"{name}/{signature}/{n}"] = str(error)
    del loaded, call
    gc.collect()  # a network and its functions refer to each other
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def grey():
    """Small grey images, 24 x 24, of two classes."""
    return data.from_arrays(make_pictures(20, 2, SIDE), make_pictures(10, 2, SIDE))


@pytest.fixture(scope="module")
def served(tmp_path_factory, grey):
    """SavedModels of networks with random weights."""
    folder = tmp_path_factory.mktemp("served")
    for name in sorted(NETWORKS, key=lambda name: name != "resnet50"):  # which takes most, before others leave anything
        savedmodel.write(model.build(name, grey, 32, "none"), folder / name)
        free()  # a network and its graph refer to each other
    return folder


@pytest.mark.parametrize("onednn", ["0", "1"])
def test_any_number_of_pictures(served, onednn):
    """Also none, where oneDNN's convolutions refuse it; and each picture's answer is its own."""
    code = SERVE.replace("SIDE", str(SIDE)).replace("NETWORKS", repr(NETWORKS)).replace("FOLDER", str(served))
    switched = os.environ | {"TF_ENABLE_ONEDNN_OPTS": onednn, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=switched)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert len(found) == len(NETWORKS) * 9
    assert {call: answer for call, answer in found.items() if isinstance(answer, str)} == {}
    for call, answer in found.items():
        name, signature, n = call.split("/")
        keys = {"embedding"} if signature == "embed" else {"probabilities", "class_index", "class_name"}
        assert {key: shape[0] for key, (shape, _) in answer.items()} == dict.fromkeys(keys, int(n))
        for key, (shape, values) in answer.items():
            (whole, expected) = found[f"{name}/{signature}/3"][key]
            assert shape[1:] == whole[1:]
            if values:
                np.testing.assert_allclose(values, expected[: int(n)], rtol=1e-4, atol=1e-5)
    for name in NETWORKS:
        by_pixels, by_bytes = (found[f"{name}/{signature}/3"] for signature in ("serving_default", "serving_bytes"))
        np.testing.assert_allclose(by_pixels["probabilities"][1], by_bytes["probabilities"][1], atol=1e-5)


WRONG = [(2, 200, 300, 1), (1, 2 * SIDE, 2 * SIDE, 1), (2, SIDE // 2, 2 * SIDE, 1), (2, SIDE, SIDE, 3), (0, 48, 48, 1)]


@pytest.mark.parametrize("signature", ["serving_default", "embed"])
@pytest.mark.parametrize("shape", [*WRONG, (SIDE, SIDE, 1), (1, 1, SIDE, SIDE, 1)])
def test_pixels_of_another_shape_are_refused(served, signature, shape):
    """TensorFlow checks names and types alone; small_resnet, which ends in a mean, would answer."""
    loaded = tf.saved_model.load(str(served / "small_resnet"))
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        loaded.signatures[signature](image=tf.zeros(shape, tf.uint8))
    text = str(caught.value)
    assert f"[image: expected uint8 (batch, {SIDE}, {SIDE}, 1), got] [{' '.join(map(str, shape[:4]))}" in text
    assert "give the image files to serving_bytes" in text


def test_the_shape_is_still_declared(served):
    """For `saved_model_cli show`, and for servers that look at it."""
    for name in ("serving_default", "embed"):
        loaded = tf.saved_model.load(str(served / "small_resnet"))
        given = loaded.signatures[name].structured_input_signature[1]["image"]
        assert (given.shape.as_list(), given.dtype) == ([None, SIDE, SIDE, 1], tf.uint8)


@pytest.mark.parametrize("quantized", ["", "dynamic", "int8"])
def test_litert_refuses_pixels_of_another_shape(tmp_path, grey, quantized):
    """Its interpreter fits itself to what it is given, as far as the operations do."""
    net = model.build("small_resnet", grey, 32, "none")
    images = grey.rows["test"].images[:4]
    converters.litert(net, tmp_path / "model.tflite", quantized, images)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # LiteRT's interpreter will be a package of its own
        interpreter = tf.lite.Interpreter(str(tmp_path / "model.tflite"))
    run = interpreter.get_signature_runner("serving_default")
    expected = tf.nn.softmax(net(images, training=False))
    for n in (1, 4):
        np.testing.assert_allclose(run(image=images[:n])["probabilities"], expected[:n], atol=0.05)
    for shape in (*WRONG[:-1], (SIDE, SIDE, 1)):
        with pytest.raises(RuntimeError, match="CONCATENATION"):
            run(image=np.zeros(shape, np.uint8))
    np.testing.assert_allclose(run(image=images)["probabilities"], expected, atol=0.05)


def test_onnx_refuses_pixels_of_another_shape(tmp_path, grey):
    """By itself: its file declares the shape."""
    net = model.build("small_resnet", grey, 32, "none")
    converters.onnx(net, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for n in (0, 1, 3):
        found = session.run(["probabilities"], {"image": np.zeros((n, SIDE, SIDE, 1), np.uint8)})
        assert found[0].shape == (n, 2)
    for shape in (*WRONG, (SIDE, SIDE, 1)):
        with pytest.raises(Exception, match=r"Got invalid dimensions|Invalid rank"):
            session.run(["probabilities"], {"image": np.zeros(shape, np.uint8)})
