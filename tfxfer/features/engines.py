"""What computes a frozen network on CPUs: TensorFlow, or ONNX Runtime, which takes a third to two thirds of the time.

ONNX Runtime computes what lies behind `scaled`, from float pixels; resizing and scaling stay with TensorFlow, where
they are exact. The network is converted once by tf2onnx and compared with TensorFlow on a batch.
"""

import functools
import importlib.util
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfxfer.core import console, distribute, live_lines, private_names
from tfxfer.core.errors import InputError
from tfxfer.model import folding

ENGINES = ("auto", "tensorflow", "onnxruntime")
TOLERANCE = 1e-4  # of the largest number of an output
# Seconds that a conversion takes: at all, for each million parameters, for each layer. It gives 3.9 for EfficientNet-
# Lite0 (measured: 2.7), 6.0 for ResNet18 (5.9), 8.7 for VGG19 (7.8), 11.2 for ResNet50 (10.4).
CONVERSION = (1.5, 0.35, 0.008)
WORTH_TIMING = 40  # batches: below, timing four of them would take longer than it could save
SAVED = 0.3  # at least this share of TensorFlow's time, where ONNX Runtime is faster at all

Function = Callable[[tf.Tensor], dict[str, tf.Tensor]]


def check(engine: str) -> None:
    """Raises InputError for anything but the names in `ENGINES`, and for onnxruntime where it cannot run."""
    if engine not in ENGINES:
        raise InputError(f"engine {engine!r}: expected one of {', '.join(ENGINES)}")
    if engine == "onnxruntime" and (reason := _missing()):
        raise InputError(f"engine onnxruntime {reason}")


def candidates(engine: str) -> tuple[str, ...]:
    """The engines whose results, kept by an earlier run, are taken: either with "auto", else the one that was named."""
    return ENGINES[1:] if engine == "auto" else (engine,)


def _missing() -> str:
    if not all(importlib.util.find_spec(name) for name in ("tf2onnx", "onnxruntime")):
        return "needs tf2onnx and onnxruntime, which are not installed: pip install 'tfxfer[onnx]'"
    if tf.config.list_physical_devices("GPU") or tf.config.list_physical_devices("TPU"):
        return "computes on the CPU, and there is a faster device: use --engine tensorflow"
    return ""


def earlier(engine: str, record: Path | None, strategy: tf.distribute.Strategy | None = None) -> str:
    """What "auto" chose for the same training before it was cut off, which must not choose again; or the given engine.

    Args:
        engine: one of `ENGINES`.
        record: the file with an earlier choice; None if there is no place for one.
        strategy: all workers take what the first has read.
    """
    content = b""
    if engine == "auto" and record and distribute.is_chief(strategy) and record.exists():
        content = record.read_bytes()
    return distribute.broadcast(strategy, content).decode() or engine


def choose(
    engine: str,
    model: keras.Model,
    traced: Function,
    batch_size: int,
    images: int,
    strategy: tf.distribute.Strategy | None = None,
    training: bool = False,
) -> tuple[str, Function]:
    """Resolves "auto" for one job, and prepares what was chosen.

    "auto" times a batch with TensorFlow. Where ONNX Runtime could save more than its conversion costs, it converts the
    network and times a batch with that, too. All workers take the choice of the first.

    Args:
        engine: one of `ENGINES`.
        model: uint8 images -> dict of tensors.
        traced: its forward pass by TensorFlow.
        batch_size: images per batch.
        images: how many images there are to compute; below 0 if that is not known.
        strategy: where it runs.
        training: the mode in which layers before `scaled` are called.

    Returns:
        "tensorflow" or "onnxruntime", and the function.

    Raises:
        InputError: "onnxruntime" was asked for, and the network cannot be converted or differs.
    """
    made: dict[str, Callable[[], Function]] = {
        "tensorflow": lambda: traced,
        "onnxruntime": functools.cache(lambda: convert(model, training)),
    }
    if engine == "auto":
        found = _faster(made, model, batch_size, images) if distribute.is_chief(strategy) else ""
        engine = distribute.broadcast(strategy, found.encode()).decode()
    return engine, made[engine]()


@live_lines.line("timing engines", after=live_lines.PATIENCE)
def _faster(made: dict[str, Callable[[], Function]], model: keras.Model, batch_size: int, images: int) -> str:
    """The engine that needs less time for a job, conversion included."""
    if _missing() or "scaled" not in {layer.name for layer in model.layers}:
        return "tensorflow"
    if images < WORTH_TIMING * batch_size:
        return "tensorflow"
    noise = _noise(model, batch_size)
    seconds = _seconds(made["tensorflow"](), noise)
    start, million, layer = CONVERSION
    if seconds * images / batch_size * SAVED < start + million * model.count_params() / 1e6 + layer * len(model.layers):
        return "tensorflow"
    try:
        return "onnxruntime" if _seconds(made["onnxruntime"](), noise) < seconds else "tensorflow"
    except InputError as reason:
        print(f"{reason}; computed by TensorFlow", flush=True)
        return "tensorflow"


def _seconds(function: Function, images: tf.Tensor) -> float:
    times = []
    for _ in range(4):  # of which the first allocates memory
        started = time.perf_counter()
        function(images)
        times.append(time.perf_counter() - started)
    return min(times[1:])


def _noise(model: keras.Model, images: int) -> tf.Tensor:
    shape = (images, *model.input_shape[1:])
    return tf.constant(np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8))


def convert(model: keras.Model, training: bool = False) -> Function:
    """A model's forward pass with the layers behind `scaled` computed by ONNX Runtime, on as many threads.

    What it gives for eight images of noise is compared with the network's own outputs.

    Args:
        model: uint8 images (batch, height, width, channels) -> dict of tensors (batch, ...); behind `scaled`, layers
            are called in inference mode.
        training: the mode in which layers before `scaled` are called.

    Raises:
        InputError: tf2onnx cannot convert the model, or its outputs differ by more than `TOLERANCE` of the largest.
    """
    behind = _behind_scaled(model)
    if not behind:
        raise InputError(f"engine onnxruntime: nothing in {model.name} lies behind scaled: use --engine tensorflow")
    before = {name: tensor for name, tensor in model.output.items() if name not in behind}
    pixels = model.get_layer("scaled").output
    head = keras.Model(model.input, [pixels, before])
    body = keras.Model(pixels, {name: model.output[name] for name in behind})
    run = _session(body)
    _compare(body, head(_noise(model, 8), training=False)[0], run)
    kinds = [tf.as_dtype(model.output[name].dtype) for name in behind]

    @tf.function(input_signature=[tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8)], autograph=False)
    def forward(images: tf.Tensor) -> dict[str, tf.Tensor]:
        scaled, others = head(images, training=training)
        values = tf.numpy_function(run, [scaled], kinds)
        shaped = {name: tf.ensure_shape(value, model.output[name].shape) for name, value in zip(behind, values)}
        return {name: shaped[name] if name in shaped else others[name] for name in model.output}

    return forward.get_concrete_function()


def _behind_scaled(model: keras.Model) -> list[str]:
    """The outputs of a model that its layer `scaled` leads to."""
    reached: set[int] = set()
    for node in private_names.calls(model):
        if node.operation.name == "scaled":
            continue
        if any(id(x) in reached or private_names.origin(x)[0].name == "scaled" for x in node.input_tensors):
            reached.update(map(id, node.output_tensors))
    return [name for name, tensor in model.output.items() if id(tensor) in reached]


def _session(body: keras.Model) -> Callable[[np.ndarray], list[np.ndarray]]:
    """A model in ONNX Runtime: float32 (batch, ...) -> its outputs."""
    import onnxruntime
    import tf2onnx

    function = tf.function(lambda pixels: list(body(pixels, training=False).values()), autograph=False)
    signature = [tf.TensorSpec((None, *body.input_shape[1:]), body.input.dtype, name="pixels")]
    try:
        with console.native_stderr(), console.loggers(), folding.folded(body, largest=math.inf):
            traced = function.get_concrete_function(*signature)
            converted, _ = tf2onnx.convert.from_function(function, signature)
    except Exception as error:  # its rewriters raise errors of any class
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise InputError(f"engine onnxruntime cannot convert {body.name} ({reason}): use --engine tensorflow") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _threads()
    session = onnxruntime.InferenceSession(converted.SerializeToString(), options, ["CPUExecutionProvider"])
    # layers such as Normalization hold tensors that are no weights, which tf2onnx makes inputs
    needed = {given.name for given in session.get_inputs()}
    held = {inside.name: tensor.numpy() for tensor, inside in traced.graph.captures if inside.name in needed}
    return lambda pixels: session.run(None, {"pixels": pixels} | held)


def _threads() -> int:
    given = tf.config.threading.get_intra_op_parallelism_threads() or int(os.environ.get("TF_NUM_INTRAOP_THREADS", 0))
    return given or os.cpu_count() or 1


def _compare(body: keras.Model, pixels: tf.Tensor, run: Callable[[np.ndarray], list[np.ndarray]]) -> None:
    for (name, expected), found in zip(body(pixels, training=False).items(), run(pixels.numpy()), strict=True):
        largest = max(float(tf.reduce_max(tf.abs(expected))), 1e-9)
        difference = float(np.abs(found - expected.numpy()).max()) / largest
        if not difference <= TOLERANCE:
            raise InputError(
                f"engine onnxruntime: its {name} differs from TensorFlow's by {difference:.2g} of the largest number, "
                f"expected at most {TOLERANCE}: use --engine tensorflow"
            )
