"""What an exported file computes, as its user would run it: `python -P reload.py FORMAT FILE IMAGES.npy RESULT.npz`.

Run as a script it stands alone: neither tfxfer nor Keras can be imported, but for a .keras file.
"""

import sys
from collections.abc import Callable

import numpy as np

BATCH = 32


def outputs(format: str, path: str, images: np.ndarray) -> dict[str, np.ndarray]:
    """What the file gives for uint8 images (n, height, width, channels).

    Returns:
        `probabilities` float32 (n, classes); of a SavedModel also `class_index` and `embedding`.
    """
    run = {"saved_model": _saved_model, "onnx": _onnx, "keras": _keras}.get(format, _litert)(path)
    parts = [run(images[first : first + BATCH]) for first in range(0, len(images), BATCH)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


Function = Callable[[np.ndarray], dict[str, np.ndarray]]


def _saved_model(path: str) -> Function:
    import tensorflow as tf

    loaded = tf.saved_model.load(path)

    def run(images):
        found = {}
        for name in ("serving_default", "embed"):
            found |= loaded.signatures[name](image=tf.constant(images))
        return {name: value.numpy() for name, value in found.items() if name != "class_name"}  # which .npz would pickle

    run.keep = loaded  # a SavedModel's variables go with it
    return run


def _litert(path: str) -> Function:
    import warnings

    import tensorflow as tf

    with warnings.catch_warnings():  # that LiteRT's interpreter will be a package of its own
        warnings.simplefilter("ignore", UserWarning)
        interpreter = tf.lite.Interpreter(model_path=path)
    runner = interpreter.get_signature_runner("serving_default")
    return lambda images: runner(image=images)


def _onnx(path: str) -> Function:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: {"probabilities": session.run(["probabilities"], {"image": images})[0]}


def _keras(path: str) -> Function:
    import keras

    import tfxfer.runs.loading

    net = tfxfer.runs.loading.network(path)
    return lambda images: {
        "probabilities": keras.ops.convert_to_numpy(keras.ops.softmax(net(images, training=False))),
    }


def main(format: str, path: str, images: str, result: str) -> None:
    """Saves the outputs as .npz."""
    if format != "keras":
        sys.modules["keras"] = sys.modules["tfxfer"] = None
    if format == "onnx":
        sys.modules["tensorflow"] = None
    np.savez(result, **outputs(format, path, np.load(images)))


if __name__ == "__main__":
    main(*sys.argv[1:])
