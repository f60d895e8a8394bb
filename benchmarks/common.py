"""What the benchmarks share: options, the machine, results as JSON, data and network."""

import argparse
import importlib.metadata
import json
import os
import platform
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is first imported

import keras
import tensorflow as tf

from tfxfer import data, model
from tfxfer.core import atomic
from tfxfer.model import backbones


def parser(doc: str, **defaults) -> argparse.ArgumentParser:
    """Options of all benchmarks; `defaults` adds more, of their default's type."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--data-dir", help="folder with MNIST's four IDX files, by default the data set mnist_sample")
    made.add_argument("--json", type=Path, help="write the results there")
    for name, value in defaults.items():
        kind, default = (value, None) if isinstance(value, type) else (type(value), value)
        text = "by default the case's" if default is None else f"default {default}"
        made.add_argument(f"--{name.replace('_', '-')}", type=kind, default=default, help=text)
    return made


def run(measure: Callable[[argparse.Namespace], dict], arguments: argparse.Namespace) -> dict:
    """Prints the machine, measures with a cache of its own, and writes the results if asked for."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    machine = {
        "cpus": os.cpu_count(),
        "cpu": next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown"),
        "platform": platform.platform(),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "numpy", "tfxfer")},
    }
    print(", ".join(f"{name} {value}" for name, value in machine.items()), flush=True)
    tf.get_logger().setLevel("ERROR")  # every fit traces anew, of which it would warn
    places = {name for name, value in vars(arguments).items() if isinstance(value, Path)}
    sizes = {name: value for name, value in vars(arguments).items() if name not in {"data_dir", "json", *places}}
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, TFXFER_CACHE=folder):
        results = {"machine": machine, "arguments": sizes} | measure(arguments)
    if arguments.json:
        with atomic.file(arguments.json) as beside:
            beside.write_text(json.dumps(results, indent=1) + "\n")
    return results


def mnist(arguments, limit: int | None = None) -> data.Splits:
    """MNIST from the folder that was given, or a part of it; without one, the 10,000 digits that tfxfer brings."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*used as a subset")  # the sizes are printed
        return data.load("mnist" if arguments.data_dir else "mnist_sample", arguments.data_dir, limit)


def weights(backbone: str) -> str:
    """Weights that need no download."""
    return "imagenet" if backbone == backbones.BUNDLED else "none"


def build(
    backbone: str, image_size: int, arguments, limit: int | None, augment: bool = False
) -> tuple[data.Splits, keras.Model]:
    """MNIST and a network: ImageNet weights if bundled, else random ones of a fixed seed, as fast as any others."""
    splits = mnist(arguments, limit)
    keras.utils.set_random_seed(0)
    net = model.build(backbone, splits, image_size, weights(backbone), augment=augment)
    sizes = ", ".join(f"{splits.size(part):,} {part}" for part in ("train", "validation"))
    print(f"\n{backbone} at {image_size} x {image_size}, weights {weights(backbone)}, MNIST: {sizes}", flush=True)
    return splits, net
