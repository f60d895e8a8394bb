"""The table of backbones: what each one is, the size and pixel range it was trained on, and where its weights are."""

import difflib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tfxfer.core.errors import InputError
from tfxfer.model import applications
from tfxfer.model import weights as weights_files
from tfxfer.model.weights import BUNDLED as BUNDLED

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Backbone:
    """The facts of one backbone. `tests/model/test_backbones.py` checks every row against the built graph."""

    summary: str
    builder: str  # module:function, with the signature of a Keras application
    native_size: int | None  # pixels a side, of the pretraining or of the publication; None: the data's own
    embedding: int  # length of the pooled (or last dense) feature; of 28 x 28 grey, where it follows from the size
    parameters: int  # without the head; of 28 x 28 grey, likewise
    scaling: str  # "tf" [-1, 1], "caffe" BGR minus mean, "torch" ImageNet's mean and deviation, "unit" [0, 1]
    stages: tuple[tuple[str, str], ...]  # (name, how its first layer's name begins), each up to the next
    rgb: bool = True  # False: takes the data's own channels
    imagenet: bool = True  # whether there are ImageNet weights
    dropout: float = 0.0  # between embedding and logits
    loads: bool = False  # whether the builder takes a weights path itself
    any_size: bool = True  # False: pretrained weights fit the native size only
    weights_from: str = ""  # the file that Keras downloads (* for the image size), or hub: and a preset of keras-hub

    @property
    def weightless(self) -> bool:
        """Whether there are no weights to train or to load: the features are defined without any."""
        return self.native_size is None

    @property
    def last_stage(self) -> str:
        """The last stage that looks at neighbouring pixels; `top`, a 1 x 1 convolution, goes with it."""
        return next(name for name, _ in reversed(self.stages) if name != "top")

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
        2_257_984,
        "tf",
        _stages("Conv1 expanded_conv_ block_1_ block_3_ block_6_ block_10_ block_13_ block_16_ Conv_1", _PAPER),
        weights_from=applications.TABLE["MobileNetV2"].weights_file,
    ),
    "vgg19": Backbone(
        "VGG19, 20 million parameters, ImageNet weights from the internet",
        "keras.applications:VGG19",
        224,
        512,
        20_024_384,
        "caffe",
        _stages("block1 block2 block3 block4 block5"),
        weights_from=applications.TABLE["VGG19"].weights_file,
    ),
    "vgg19_fc2": Backbone(
        "VGG19 up to its dense layer fc2, 140 million parameters, at 224, ImageNet weights from the internet",
        "tfxfer.model.architectures:vgg19_fc2",
        224,
        4096,
        139_570_240,
        "caffe",
        _stages("block1 block2 block3 block4 block5 flatten", "block1 block2 block3 block4 block5 dense"),
        loads=True,
        any_size=False,
        weights_from="vgg19_weights_tf_dim_ordering_tf_kernels.h5",
    ),
    "resnet50": Backbone(
        "ResNet50, 24 million parameters, ImageNet weights from the internet",
        "keras.applications:ResNet50",
        224,
        2048,
        23_587_712,
        "caffe",
        _stages("conv1 conv2 conv3 conv4 conv5"),
        weights_from=applications.TABLE["ResNet50"].weights_file,
    ),
    "resnet18": Backbone(
        "ResNet18, 11 million parameters, ImageNet weights from the internet by keras-hub (extra hub)",
        "tfxfer.model.hub:resnet18",
        224,
        512,
        11_186_112,
        "torch",
        _stages("conv1 stack0 stack1 stack2 stack3", "conv1 conv2 conv3 conv4 conv5"),
        loads=True,
        weights_from="hub:resnet_18_imagenet",
    ),
    "efficientnet_lite0": Backbone(
        "EfficientNet-Lite0, 3.4 million parameters, ImageNet weights bundled: works offline",
        "tfxfer.model.architectures:efficientnet_lite0",
        224,
        1280,
        3_413_024,
        "tf",
        _stages("stem block0_ block1_ block3_ block5_ block8_ block11_ block15_ top", _PAPER),
    ),
    "cnn": Backbone(
        "three convolutions and a dense layer, from scratch",
        "tfxfer.model.architectures:cnn",
        28,
        128,
        240_256,
        "unit",
        _stages("conv1 conv2 conv3 dense"),
        rgb=False,
        imagenet=False,
    ),
    "small_resnet": Backbone(
        "five residual blocks of 32 filters, from scratch",
        "tfxfer.model.architectures:small_resnet",
        28,
        32,
        93_856,
        "unit",
        _stages("stem block1 block2 block3 block4 block5"),
        rgb=False,
        imagenet=False,
    ),
    "dropout_cnn": Backbone(
        "four convolutions with dropout, dense 512 with batch norm, from scratch",
        "tfxfer.model.architectures:dropout_cnn",
        28,
        512,
        1_689_568,
        "unit",
        _stages("conv1 conv2 dense"),
        rgb=False,
        imagenet=False,
        dropout=0.5,
    ),
    "scattering": Backbone(
        "wavelet scattering coefficients, nothing learned: for small images, 81 for every 4 x 4 pixels",
        "tfxfer.model.scattering:scattering",
        None,
        3969,
        0,
        "unit",
        _stages("scattering"),
        rgb=False,
        imagenet=False,
    ),
    "pixels": Backbone(
        "the pixels themselves, nothing learned",
        "tfxfer.model.architectures:pixels",
        None,
        784,
        0,
        "unit",
        _stages("flatten", "pixels"),
        rgb=False,
        imagenet=False,
    ),
}


def known(name: str) -> str | None:
    """The name that `full_name` returns, or None if there is neither."""
    table = {applications.plain(key): key for key in TABLE}
    return table.get(applications.plain(name)) or applications.find(name)


def full_name(name: str) -> str:
    """The name of the table's row, or of the function of keras.applications, that is meant: `EfficientNetV2B0`,
    `efficientnet-v2-b0` and `efficientnetv2b0` are one. The table comes first: `MobileNetV2` is its `mobilenet_v2`.

    Raises:
        InputError: there is neither.
    """
    found = known(name)
    if found is None:
        near = difflib.get_close_matches(name, [*TABLE, *applications.TABLE], 1, 0.8)
        meant = "".join(f", did you mean {other}?" for other in near)
        raise InputError(
            f"unknown backbone {name!r}{meant}: expected one of {', '.join(TABLE)}, a function of keras.applications, "
            "such as EfficientNetV2B0, hub:PRESET, or a .keras file or run (tfxfer backbones WORD searches)"
        )
    return found


def get(name: str) -> Backbone:
    """The row of a name, as `full_name` understands it; InputError if there is none."""
    found = full_name(name)
    if found in TABLE:
        return TABLE[found]
    row = applications.TABLE[found]
    summary = f"{found}, {row.parameters / 1e6:.1f} million parameters, ImageNet weights from the internet"
    facts = (row.native_size, row.embedding, row.parameters, row.scaling)
    return Backbone(summary, f"keras.applications:{found}", *facts, (), weights_from=row.weights_file)


def create(name: str, input_shape: tuple[int, int, int], weights: str) -> "keras.Model":
    """Builds a backbone of the table, float pixels in its own range -> feature map or vector.

    Args:
        name: a key of `TABLE`.
        input_shape: (height, width, channels).
        weights: "imagenet", "none", or the path of a weights file that fits.

    Returns:
        The network; its attribute `weights_file` names the file that Keras's ImageNet weights were read from, if any.

    Raises:
        InputError: the weights are not available or do not fit, or the images are too small.
    """
    row = get(name)
    named = weights in ("imagenet", "none")
    if row.weightless:
        if not named:
            raise InputError(f"{name} has nothing to load weights {weights} into: leave weights out")
        weights = "none"
    if weights == "imagenet" and not row.imagenet:
        raise InputError(f"{name} has no ImageNet weights: pass weights='none', a file, or another backbone")
    path = None if named else Path(weights).expanduser()
    if path and row.loads and not weights_files.saved_by_keras_3(path):
        try:
            return row.build(input_shape=input_shape, weights=str(path))
        except (ValueError, OSError, KeyError) as error:
            raise weights_files.misfit(path, name, error) from None
    options = {"weights": "imagenet" if weights == "imagenet" else None, "include_top": False} if row.rgb else {}
    net = weights_files.build(name, lambda: row.build(input_shape=input_shape, **options))
    return net if path is None else weights_files.load(net, path, name)


def application(
    function: Callable[..., "keras.Model"], input_shape: tuple[int, int, int], weights: str
) -> "keras.Model":
    """Builds any function of keras.applications without its top; `weights` is "imagenet" or "none"."""
    options = {"include_top": False, "weights": None if weights == "none" else weights, "input_shape": input_shape}
    return weights_files.build(function.__name__, lambda: function(**options))
