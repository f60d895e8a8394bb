"""One table of backbones: what each is, the size and pixel range it was trained on, and where its weights are."""

import contextlib
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
    stages: tuple[tuple[str, str], ...]  # (name, how its first layer's name begins), each up to the next
    rgb: bool = True  # False: takes the data's own channels
    imagenet: bool = True  # whether there are ImageNet weights
    dropout: float = 0.0  # between embedding and logits

    @property
    def build(self) -> Callable[..., "keras.Model"]:
        module, _, function = self.builder.partition(":")
        return getattr(importlib.import_module(module), function)


# The rows of MobileNetV2's table 2 (arXiv:1801.04381) and of EfficientNet's table 1 (arXiv:1905.11946)
_PAPER = "stem stage1 stage2 stage3 stage4 stage5 stage6 stage7 top"


def _stages(prefixes: str, names: str | None = None) -> tuple[tuple[str, str], ...]:
    return tuple(zip((names or prefixes).split(), prefixes.split(), strict=True))


TABLE = {
    "mobilenet_v2": Backbone(
        "MobileNetV2, 2.3 million parameters, ImageNet weights from the internet",
        "keras.applications:MobileNetV2",
        224,
        1280,
        "tf",
        _stages("Conv1 expanded_conv_ block_1_ block_3_ block_6_ block_10_ block_13_ block_16_ Conv_1", _PAPER),
    ),
    "vgg19": Backbone(
        "VGG19, 20 million parameters, ImageNet weights from the internet",
        "keras.applications:VGG19",
        224,
        512,
        "caffe",
        _stages("block1 block2 block3 block4 block5"),
    ),
    "resnet50": Backbone(
        "ResNet50, 24 million parameters, ImageNet weights from the internet",
        "keras.applications:ResNet50",
        224,
        2048,
        "caffe",
        _stages("conv1 conv2 conv3 conv4 conv5"),
    ),
    "efficientnet_lite0": Backbone(
        "EfficientNet-Lite0, 3.4 million parameters, ImageNet weights bundled: works offline",
        "tfxfer.architectures:efficientnet_lite0",
        224,
        1280,
        "tf",
        _stages("stem block0_ block1_ block3_ block5_ block8_ block11_ block15_ top", _PAPER),
    ),
    "cnn": Backbone(
        "three convolutions and a dense layer, from scratch",
        "tfxfer.architectures:cnn",
        28,
        128,
        "unit",
        _stages("conv1 conv2 conv3 dense"),
        rgb=False,
        imagenet=False,
    ),
    "small_resnet": Backbone(
        "five residual blocks of 32 filters, from scratch",
        "tfxfer.architectures:small_resnet",
        28,
        32,
        "unit",
        _stages("stem block1 block2 block3 block4 block5"),
        rgb=False,
        imagenet=False,
    ),
    "dropout_cnn": Backbone(
        "four convolutions with dropout, dense 512 with batch norm, from scratch",
        "tfxfer.architectures:dropout_cnn",
        28,
        512,
        "unit",
        _stages("conv1 conv2 dense"),
        rgb=False,
        imagenet=False,
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
    if weights == "imagenet" and not row.imagenet:
        raise InputError(f"{name} has no ImageNet weights: pass weights='none', a file, or another backbone")
    with _keras_downloads(name):
        options = {"include_top": False, "weights": "imagenet" if weights == "imagenet" else None} if row.rgb else {}
        net = row.build(input_shape=input_shape, **options)
    return net if weights in ("imagenet", "none") else _load(net, Path(weights).expanduser(), name)


def application(function: Callable[..., "keras.Model"], input_shape: tuple[int, int, int], weights: str):
    """Builds any function of keras.applications without its top; `weights` is "imagenet" or "none"."""
    with _keras_downloads(function.__name__):
        weights = None if weights == "none" else weights
        return function(include_top=False, weights=weights, input_shape=input_shape)


@contextlib.contextmanager
def _keras_downloads(name: str):
    """Around the building of a Keras application: its own download, but for two things.

    Keras deletes a file in its cache whose checksum differs, to download it again; here that is an error, and the file
    stays. And what goes wrong becomes one line.
    """
    from keras.src.backend.config import keras_home  # where get_file looks: $KERAS_HOME, else ~/.keras
    from keras.src.utils import file_utils

    ways = f"use --backbone {BUNDLED}, whose weights are bundled, or --weights PATH, or --weights none"
    fetch, paths = file_utils.get_file, []

    def get_file(fname, origin, *args, cache_subdir="datasets", file_hash=None, **options):
        paths.append(path := Path(keras_home()) / cache_subdir / fname)
        if path.exists() and file_hash and not file_utils.validate_file(path, file_hash):
            raise InputError(f"{path} is not the file Keras expects, its checksum differs: move it away, or {ways}")
        try:
            return fetch(fname, origin, *args, cache_subdir=cache_subdir, file_hash=file_hash, **options)
        except Exception as error:  # Keras raises a bare Exception
            raise InputError(
                f"{name} needs {path.name}, which is not in {path.parent} and could not be downloaded "
                f"({type(error).__name__}): put it into that folder, or {ways}"
            ) from None

    file_utils.get_file = get_file
    try:
        with warnings.catch_warnings():
            # Keras loads MobileNetV2's 224 weights at other sizes, as intended here, and warns of it.
            warnings.filterwarnings("ignore", "`input_shape` is undefined or non-square", UserWarning)
            yield
    except InputError:
        raise
    except (ValueError, OSError, KeyError) as error:
        if paths:
            raise InputError(f"{paths[-1]} does not hold {name}'s weights ({error}): move it away, or {ways}") from None
        raise InputError(f"{name} cannot be built for these images: {error}") from None  # too small for it
    finally:
        file_utils.get_file = fetch


def _load(net: "keras.Model", path: Path, name: str) -> "keras.Model":
    if not path.is_file():
        raise InputError(f"weights {path}: no such file; expected imagenet, none, or a file saved by tfxfer or Keras")
    import h5py  # Keras's own requirement

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
