"""Whether an exported file computes what the network computes."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfxfer.export import reload_script

PYTHON = (sys.executable, "-P")  # -P keeps the script's own folder off the path
TOLERANCE = 1e-4  # of a probability
EMBEDDING_TOLERANCE = 1e-3  # of their range: batch norm of tiny variance magnifies differences in rounding


def compare(
    net: keras.Model, format: str, path: Path, images: np.ndarray, fresh: bool = True, labels: np.ndarray | None = None
) -> dict[str, float]:
    """Reloads a file and compares its outputs with the network's.

    Args:
        net: the network that the file was written from.
        format: a key of `formats.FORMATS`.
        path: the file.
        images: uint8 (n, height, width, channels).
        fresh: reload in a process of its own, in which neither Keras nor tfxfer can be imported, nor TensorFlow for an
            ONNX file. A .keras file needs both.
        labels: int (n,), the classes of the images.

    Returns:
        `images`, their number; `max_difference`, the largest of a probability; `agreement`, the share of images whose
        most probable class is the same; `bytes`, the file's size. For a SavedModel also `embedding_difference`, the
        largest, relative to the largest number in the embeddings. With labels, `accuracy` of the file and
        `network_accuracy`.

    Raises:
        RuntimeError: the file cannot be run.
    """
    expected = _network(net, images)
    actual = _afresh(format, path, images) if fresh else reload_script.outputs(format, str(path), images)
    wanted, probabilities = expected["probabilities"], actual["probabilities"]
    figures = {
        "images": len(images),
        "max_difference": float(np.abs(probabilities - wanted).max()),
        "agreement": float(np.mean(probabilities.argmax(1) == wanted.argmax(1))),
        "bytes": sum(file.stat().st_size for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()),
    }
    if "embedding" in actual:
        largest = max(np.abs(expected["embedding"]).max(), 1e-9)
        figures["embedding_difference"] = float(np.abs(actual["embedding"] - expected["embedding"]).max() / largest)
    if labels is not None:
        figures["accuracy"] = float(np.mean(probabilities.argmax(1) == labels))
        figures["network_accuracy"] = float(np.mean(wanted.argmax(1) == labels))
    return figures


def exact(format: str, figures: dict[str, float]) -> None:
    """Checks that a file that is not quantized agrees with its network.

    Args:
        format: a key of `formats.FORMATS`.
        figures: from `compare`.

    Raises:
        RuntimeError: probabilities differ by more than `TOLERANCE`, or embeddings by more than `EMBEDDING_TOLERANCE`.
    """
    probability, embedding = figures["max_difference"], figures.get("embedding_difference", 0)
    if not (probability <= TOLERANCE and embedding <= EMBEDDING_TOLERANCE):
        raise RuntimeError(
            f"the {format} reloaded differs: expected probabilities within {TOLERANCE} and embeddings within "
            f"{EMBEDDING_TOLERANCE} of their range, got {probability:.2g} and {embedding:.2g}: leave {format} out"
        )


def _network(net: keras.Model, images: np.ndarray) -> dict[str, np.ndarray]:
    both = keras.Model(net.input, [net.output, net.get_layer("embedding").output])
    batches = [images[first : first + reload_script.BATCH] for first in range(0, len(images), reload_script.BATCH)]
    # of the network itself
    forward = tf.function(lambda batch: both(batch, training=False), reduce_retracing=True, autograph=False)
    logits, embedding = (np.concatenate(parts) for parts in zip(*(forward(tf.constant(batch)) for batch in batches)))
    return {"probabilities": keras.ops.convert_to_numpy(keras.ops.softmax(logits)), "embedding": embedding}


def _afresh(format: str, path: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        pixels, result = Path(folder, "images.npy"), Path(folder, "result.npz")
        np.save(pixels, images)
        # tfxfer is found wherever the working directory is
        home = str(Path(__file__).parents[2])
        paths = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))
        command = [*PYTHON, reload_script.__file__, format, str(path), str(pixels), str(result)]
        environment = os.environ | {"PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise RuntimeError(f"the {format} cannot be run in a fresh process ({reason}): leave {format} out")
        with np.load(result) as file:
            return {name: file[name] for name in file.files}
