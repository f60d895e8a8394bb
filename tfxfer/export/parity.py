"""Whether an exported file gives what the network gives."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np

from tfxfer.export import reload_script

TOLERANCE = 1e-4  # of a probability
EMBEDDING_TOLERANCE = 1e-3  # of their range: batch norm of hardly any variance magnifies what is rounded otherwise


def compare(
    net: keras.Model, format: str, path: Path, images: np.ndarray, fresh: bool = True, labels: np.ndarray | None = None
) -> dict[str, float]:
    """Reloads a file and compares what it gives with the network.

    Args:
        images: uint8 (n, height, width, channels).
        fresh: reload in a process of its own, in which neither Keras nor tfxfer can be imported, nor TensorFlow for an
            ONNX file.
        labels: int (n,), the classes that the images are of.

    Returns:
        `images`, their number; `max_difference`, the largest of a probability; `agreement`, the share of images with
        the same class first; `bytes` of the file; of a SavedModel also `embedding_difference`, the largest, relative to
        the largest number in the embeddings. With labels, `accuracy` of the file and `network_accuracy`.

    Raises:
        RuntimeError: the file cannot be run.
    """
    expected = _network(net, images)
    got = _afresh(format, path, images) if fresh else reload_script.outputs(format, str(path), images)
    ours, theirs = expected["probabilities"], got["probabilities"]
    figures = {
        "images": len(images),
        "max_difference": float(np.abs(theirs - ours).max()),
        "agreement": float(np.mean(theirs.argmax(1) == ours.argmax(1))),
        "bytes": sum(file.stat().st_size for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()),
    }
    if "embedding" in got:
        largest = max(np.abs(expected["embedding"]).max(), 1e-9)
        figures["embedding_difference"] = float(np.abs(got["embedding"] - expected["embedding"]).max() / largest)
    if labels is not None:
        figures["accuracy"] = float(np.mean(theirs.argmax(1) == labels))
        figures["network_accuracy"] = float(np.mean(ours.argmax(1) == labels))
    return figures


def exact(format: str, figures: dict[str, float]) -> None:
    """Raises RuntimeError if a file that is not quantized differs by more than the tolerances."""
    probability, embedding = figures["max_difference"], figures.get("embedding_difference", 0)
    if not (probability <= TOLERANCE and embedding <= EMBEDDING_TOLERANCE):
        raise RuntimeError(
            f"the {format} reloaded differs: probabilities by {probability:.2g}, more than {TOLERANCE}, or embeddings "
            f"by {embedding:.2g} of their range, more than {EMBEDDING_TOLERANCE}"
        )


def _network(net: keras.Model, images: np.ndarray) -> dict[str, np.ndarray]:
    both = keras.Model(net.input, [net.output, net.get_layer("embedding").output])
    rows = [images[first : first + reload_script.BATCH] for first in range(0, len(images), reload_script.BATCH)]
    logits, embedding = (np.concatenate(parts) for parts in zip(*(both(some, training=False) for some in rows)))
    return {"probabilities": keras.ops.convert_to_numpy(keras.ops.softmax(logits)), "embedding": embedding}


def _afresh(format: str, path: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        given, result = Path(folder, "images.npy"), Path(folder, "result.npz")
        np.save(given, images)
        # -P: not this folder's modules; where tfxfer is does not follow from the working directory
        home = str(Path(__file__).parents[2])
        paths = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))
        command = [sys.executable, "-P", reload_script.__file__, format, str(path), str(given), str(result)]
        quiet = os.environ | {"PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(command, capture_output=True, text=True, env=quiet)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise RuntimeError(f"the {format} cannot be run in a fresh process: {reason}")
        with np.load(result) as file:
            return {name: file[name] for name in file.files}
