"""The forward pass of frozen networks: plain Keras, folded, ONNX Runtime, and by other libraries where installed.

Networks up to their embedding, on images of their own size, in memory, in batches as `features.extract` chooses them.
Each way is traced or converted before it is timed, and its clock runs over the same batches in turn, five times:

    keras             a traced `tf.function` of the network
    folded            ours, `engine="tensorflow"`: `model.folding`
    onnxruntime       ours, `engine="onnxruntime"`
    bare_onnxruntime  ONNX Runtime on what tf2onnx makes of the whole network, without our TensorFlow before it
    openvino          OpenVINO in float32, if the package is installed; it is no dependency

All of it twice, each time in a process of its own: with oneDNN's kernels in TensorFlow and without them
(TF_ENABLE_ONEDNN_OPTS is read when TensorFlow is imported).

Bounds: folding leaves the multiplications of convolutions and takes away two passes over each feature map; that pays
where feature maps are large beside the work on them. Goals on two cores, by plain Keras: folded 1.7 on
EfficientNet-Lite0 and MobileNetV2 with oneDNN and 1.25 without, 1.15 on ResNet50; ONNX Runtime 2.1 on the first two,
0.9 of bare ONNX Runtime, and ahead of OpenVINO. Measured on an Intel Xeon with AVX-512, 30 November 2026: folded 1.88
and 1.76 with oneDNN, 1.35 and 1.78 without, 1.32 on ResNet50; ONNX Runtime 2.06 and 2.11 with oneDNN, 2.25 and 2.75
without. Our engine has 0.93 and 0.85 of bare ONNX Runtime with oneDNN and falls behind OpenVINO there (2.12, 2.43):
TensorFlow turns bytes to floats first and hands over four times as much. Without waiting threads (allow_spinning 0),
or with four times as many images in a batch, ONNX Runtime is no faster.

    python benchmarks/folding.py --json FILE
"""

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import common
import costs

CASES = ("efficientnet_lite0 96", "mobilenet_v2 224", "resnet50 224", "EfficientNetV2B0 96")
SETTINGS = {"onednn": "1", "no_onednn": "0"}


def main(argv: list[str] | None = None) -> dict:
    parser = common.parser(__doc__, repeats=5, batches=4)
    parser.add_argument("--cases", nargs="+", default=CASES, help="a network and a size each, such as 'resnet50 224'")
    parser.add_argument("--setting", choices=SETTINGS, help="this one only, in this process")
    given = parser.parse_args(argv)
    return common.run(measure if given.setting else both, given)


def both(given) -> dict:
    """Measures in two processes."""
    found = {}
    for setting, switch in SETTINGS.items():
        print(f"\n{setting}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "found.json")
            options = ["--setting", setting, "--json", str(file), "--repeats", str(given.repeats)]
            options += ["--batches", str(given.batches), "--cases", *given.cases]
            environment = os.environ | {"TF_ENABLE_ONEDNN_OPTS": switch}
            subprocess.run([sys.executable, __file__, *options], env=environment, check=True)
            found[setting] = json.loads(file.read_text())[setting]
    return found


def measure(given) -> dict:
    return {given.setting: {case: one(*case.split(), given) for case in given.cases}}


def one(name: str, size: str, given) -> dict:
    """Measures one network at one size."""
    import keras
    import numpy as np
    import tensorflow as tf

    from tfxfer import data, model
    from tfxfer.features import engines, inference
    from tfxfer.model import backbones, folding

    pixels = np.random.default_rng(0).integers(0, 256, (4, int(size), int(size), 3)).astype(np.uint8)
    splits = data.from_arrays((pixels, [0, 1, 0, 1]), (pixels[:2] // 2, [0, 1]), validation=0.5)
    backbone = name if name in backbones.TABLE else getattr(keras.applications, name)
    net = model.build(backbone, splits, int(size), "imagenet" if name == backbones.BUNDLED else "none")
    tapped = keras.Model(net.input, {"embedding": net.get_layer("embedding").output})
    batch = inference.images_per_batch(tapped)
    noise = np.random.default_rng(1).integers(0, 256, (given.batches, batch, *net.input_shape[1:])).astype(np.uint8)
    print(f"\n{name} at {size}, batches of {batch}", flush=True)

    plain = tf.function(lambda images: tapped(images, training=False)).get_concrete_function(
        tf.TensorSpec((None, *net.input_shape[1:]), tf.uint8)
    )
    functions = {"keras": plain, "folded": folding.Forward(tapped).current(), "onnxruntime": engines.convert(tapped)}
    ways = {way: lambda images, run=run: run(tf.constant(images))["embedding"] for way, run in functions.items()}
    with tempfile.TemporaryDirectory() as folder:
        ways |= peers(tapped, Path(folder, "net.onnx"))
    expected = ways["keras"](noise[0]).numpy()
    seconds, found = {way: [] for way in ways}, {}
    for way, run in ways.items():
        found[f"{way}_difference"] = float(np.abs(run(noise[0]) - expected).max() / np.abs(expected).max())
    for _ in range(given.repeats):
        for way, run in ways.items():
            started = time.perf_counter()
            for images in noise:
                run(images)
            seconds[way].append(time.perf_counter() - started)
    for way, values in seconds.items():
        found[f"{way}_images_a_second"] = given.batches * batch / statistics.median(values)
        print(f"  {way}: {found[f'{way}_images_a_second']:,.0f} images/s", flush=True)
        if way != "keras":
            found |= ratio(f"{way}", costs.paired(seconds["keras"], values))
    found |= ratio("engine_by_bare", costs.paired(seconds["bare_onnxruntime"], seconds["onnxruntime"]))
    return found


def ratio(name: str, ratios: list[float]) -> dict:
    """Prints and returns the median and the spread."""
    middle, spread = statistics.median(ratios), [min(ratios), max(ratios)]
    print(f"  {name}: ratio {middle:.3g} ({spread[0]:.3g} to {spread[1]:.3g}, {len(ratios)} pairs)", flush=True)
    return {f"{name}_ratio": middle, f"{name}_spread": spread}


def peers(net, file: Path) -> dict:
    """The whole network in ONNX Runtime and, where it is installed, in OpenVINO: uint8 images to the embedding."""
    import onnxruntime
    import tensorflow as tf
    import tf2onnx

    from tfxfer.core import console

    signature = [tf.TensorSpec((None, *net.input_shape[1:]), tf.uint8, name="image")]
    function = tf.function(lambda image: net(image, training=False))
    traced = function.get_concrete_function(*signature)
    with console.native_stderr(), console.loggers():
        tf2onnx.convert.from_function(function, signature, output_path=str(file))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = os.cpu_count()
    session = onnxruntime.InferenceSession(str(file), options, ["CPUExecutionProvider"])
    # a constant that a layer holds, such as the mean of ImageNet, becomes an input
    needed = {given.name for given in session.get_inputs()}
    held = {inside.name: tensor.numpy() for tensor, inside in traced.graph.captures if inside.name in needed}
    ways = {"bare_onnxruntime": lambda images: session.run(None, {"image": images} | held)[0]}
    if importlib.util.find_spec("openvino"):
        import openvino

        compiled = openvino.compile_model(str(file), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        ways["openvino"] = lambda images: compiled({"image": images} | held)[0]
    return ways


if __name__ == "__main__":
    main()
