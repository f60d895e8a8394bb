"""What an exported file computes, run as its user would run it.

As a script, `python -P reload_script.py FORMAT FILE IMAGES.npy RESULT.npz`, it stands alone: neither tfxfer nor Keras
can be imported, except for a .keras file.
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

BATCH = 32


def outputs(format: str, path: str, images: np.ndarray) -> dict[str, np.ndarray]:
    """What a file computes for images.

    Args:
        format: a key of `formats.FORMATS`.
        path: the file.
        images: uint8 (n, height, width, channels).

    Returns:
        `probabilities` float32 (n, classes); of a SavedModel also `class_index` int64 (n,) and `embedding` (n, d).
    """
    run = _READERS[format](path)
    parts = [run(images[first : first + BATCH]) for first in range(0, len(images), BATCH)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


Function = Callable[[np.ndarray], dict[str, np.ndarray]]


def _saved_model(path: str) -> Function:
    import tensorflow as tf

    loaded = tf.saved_model.load(path)  # `run` holds on to it: without it the variables are gone

    def run(images: np.ndarray) -> dict[str, np.ndarray]:
        results: dict[str, Any] = {}
        for name in ("serving_default", "embed"):
            results |= loaded.signatures[name](image=tf.constant(images))
        return {name: value.numpy() for name, value in results.items() if name != "class_name"}  # .npz would pickle it

    return run


def _litert(path: str) -> Function:
    import warnings

    import tensorflow as tf

    with warnings.catch_warnings():  # which say that the interpreter will move to a package of its own
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


_READERS: dict[str, Callable[[str], Function]] = {
    "saved_model": _saved_model,
    "litert": _litert,
    "litert_dynamic": _litert,
    "litert_int8": _litert,
    "onnx": _onnx,
    "keras": _keras,
}


def main(format: str, path: str, images: str, result: str) -> None:
    """Saves the outputs as .npz."""
    reader = _READERS[format]
    blocked = [] if reader is _keras else ["keras", "tfxfer"]
    for name in [*blocked, *(["tensorflow"] if reader is _onnx else [])]:
        sys.modules[name] = None  # type: ignore[assignment]  # makes its import fail
    arrays: dict[str, Any] = outputs(format, path, np.load(images))
    np.savez(result, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
