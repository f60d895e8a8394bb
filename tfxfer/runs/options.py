"""The options that recipes and commands share, each written down once: its type, bounds, help text and check."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Annotated, Any, get_type_hints

from tfxfer.core.errors import InputError
from tfxfer.core.numbers import check_share
from tfxfer.runs.option import Option, absolute, one_of, positive


def _dataset(name: Any) -> str:
    from tfxfer.data import sources

    return sources.full_name(name)


def _backbone(name: str) -> str:
    from tfxfer.runs import backbone_names

    return backbone_names.portable(name)


def _weights(weights: Any) -> str:
    return weights if weights in ("imagenet", "none") else absolute(weights)


def _folder(name: str, value: object) -> None:
    if not str(value):
        raise InputError(f"{name} '': expected a folder, such as saved_models; is a shell variable empty?")


def _aspect(name: str, value: str) -> None:
    from tfxfer.data import aspect_ratio

    aspect_ratio.check(value)


def _cache(name: str, value: str) -> None:
    from tfxfer.features import activation_cache

    activation_cache.check_mode(value, 0)


def _precision(name: str, value: str) -> None:
    from tfxfer.train import precision

    precision.check(value)


def _classifiers(name: str, value: str) -> None:
    from tfxfer.analysis import classifiers

    for method in value.split(","):
        classifiers.method_of(method)


FinishedRun = Annotated[
    str, Option("A finished run: its folder, its name, the name of a recipe (for its last run), or last.")
]
Dataset = Annotated[
    str,
    Option(
        "digits, mnist_sample, mnist, fashion_mnist, cifar10, cifar10_corrupted, idx:PATH, folder:PATH, csv:FILE, "
        "npz:FILE, tfds:NAME, or the path of a folder or file.",
        portable=_dataset,
    ),
]
DataDir = Annotated[str | None, Option("Folder with the data set's files.", portable=absolute)]
ImageKey = Annotated[str | None, Option("For tfds:NAME: which feature is the image, where there are several.")]
LabelKey = Annotated[str | None, Option("For tfds:NAME: which feature is the label, where there are several.")]
Backbone = Annotated[
    str,
    Option(
        "Name of a network (`tfxfer backbones` lists them), hub:PRESET, a .keras file, or a run to continue from: its "
        "folder, its name, the name of a recipe, or last.",
        portable=_backbone,
    ),
]
Backbones = Annotated[str, Option("Feature sets to compare: names of backbones, comma-separated.")]
Classifiers = Annotated[str, Option("Classifiers to fit on each feature set, comma-separated.", check=_classifiers)]
Weights = Annotated[
    str, Option("imagenet, none (random initial weights), or the path of a weights file.", portable=_weights)
]
ImageSize = Annotated[int | None, Option("Height and width, in pixels, of the images that the backbone sees.", least=1)]
Aspect = Annotated[
    str,
    Option(
        "How pictures that are not square become so: squash, crop (to the centre), or pad (with black).", check=_aspect
    ),
]
Unfreeze = Annotated[
    int | str,
    Option(
        "Number of the backbone's last layers to train, the stage to start from, last (the last stage), or all.",
        depth=True,
    ),
]
Head2toeImages = Annotated[
    int,
    Option(
        "Number of training images for a probe of all stages (Head2Toe) and one of the last layer; 0 leaves both out.",
        least=0,
    ),
]
Epochs = Annotated[int, Option("Passes over the training images.", least=1)]
TuneEpochs = Annotated[int, Option("Passes over the training images when fine-tuning.", least=1)]
Keep = Annotated[
    str | None,
    Option(
        "Epoch whose weights are kept: best (lowest validation loss) or last. The default is best, or last with "
        "--protocol as_published.",
        check=one_of("best", "last"),
    ),
]
EarlyStopping = Annotated[
    int | None, Option("Stop training after this many epochs without a lower validation loss.", least=1)
]
BatchSize = Annotated[int, Option("Batch size.", least=1)]
LearningRate = Annotated[float, Option("Highest learning rate of the schedule.", check=positive)]
Augment = Annotated[bool, Option("Apply small random shifts, rotations and zooms while training.")]
Seed = Annotated[int, Option("Random seed for splits, initial weights, batch order and projections.", least=0)]
Seeds = Annotated[
    int,
    Option(
        "Run this many times, with the seeds from --seed on, and report means and standard deviations; the network of "
        "the first seed is the one that is kept.",
        least=1,
    ),
]
Validation = Annotated[
    float | None,
    Option(
        "Share of the training images to set aside for validation if the data set has no validation set; 0.1 by "
        "default.",
        check=check_share,
    ),
]
Test = Annotated[
    float | None,
    Option(
        "Share of the images to set aside for the test if the data set has no test set; 0.25 by default.",
        check=check_share,
    ),
]
Limit = Annotated[
    int | None,
    Option("Use this many training images, and at most a quarter as many for validation and for the test.", least=1),
]
SkipBad = Annotated[bool, Option("Leave out image files that cannot be read.")]
Strict = Annotated[
    bool, Option("Refuse data that has equal images or near-copies in two splits, instead of only warning.")
]
Protocol = Annotated[
    str,
    Option("tfxfer, or as_published to repeat the report's choices exactly.", check=one_of("tfxfer", "as_published")),
]
Cache = Annotated[
    str,
    Option("Where to keep activations of frozen layers: auto, memory, disk (for later runs too) or off.", check=_cache),
]
Views = Annotated[
    int,
    Option(
        "With --augment, cache this many fixed random views of each image; 0 draws new ones in each epoch.", least=0
    ),
]
Strategy = Annotated[
    str, Option("Distribution: none, mirrored (all devices of this machine), multiworker (TF_CONFIG) or tpu.")
]
Precision = Annotated[
    str,
    Option("Precision of the backbone: float32, bfloat16, float16, or auto, which times two.", check=_precision),
]
Engine = Annotated[
    str,
    Option(
        "What computes frozen layers on a CPU: tensorflow, onnxruntime (extra onnx), or auto, which times both.",
        check=one_of("auto", "tensorflow", "onnxruntime"),
    ),
]
Jit = Annotated[
    str,
    Option("Compile training steps with XLA: on, off, or auto (on a GPU or TPU).", check=one_of("auto", "on", "off")),
]
ExplainSize = Annotated[
    int | None,
    Option("Height and width, in pixels, at which class activation maps are made; by default the network's.", least=1),
]
Resume = Annotated[
    str | None, Option("An unfinished run to continue with its own options: its name, its path, or last.")
]
Quiet = Annotated[bool, Option("Print nothing but the path of the run at the end.")]
Out = Annotated[str, Option("Folder to write runs to.", check=_folder, portable=absolute)]

_NOT_OFFERED: Any = object()  # a page says whether it has the option, and its default
ABSENT: Any = object()
"""In place of a default: the page does not have an option that other pages have."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a run was asked for: the options that pages share, in the order in which `--help` lists them.

    Those with a default here are options of every page. The others are those of the pages whose decorator names them;
    asking for one that a page does not have is an AttributeError.
    """

    dataset: Dataset = _NOT_OFFERED
    data_dir: DataDir = None
    backbone: Backbone = _NOT_OFFERED
    weights: Weights = _NOT_OFFERED
    image_size: ImageSize = _NOT_OFFERED
    aspect: Aspect = "squash"
    epochs: Epochs = _NOT_OFFERED
    keep: Keep = None
    early_stopping: EarlyStopping = None
    batch_size: BatchSize = _NOT_OFFERED
    learning_rate: LearningRate = 1e-3
    augment: Augment = _NOT_OFFERED
    seed: Seed = 0
    seeds: Seeds = 1
    validation: Validation = None
    test: Test = None
    limit: Limit = None
    skip_bad: SkipBad = False
    strict: Strict = False
    image_key: ImageKey = None
    label_key: LabelKey = None
    protocol: Protocol = _NOT_OFFERED
    cache: Cache = _NOT_OFFERED
    views: Views = _NOT_OFFERED
    strategy: Strategy = "none"
    precision: Precision = "float32"
    engine: Engine = "auto"
    jit: Jit = "auto"
    explain_size: ExplainSize = _NOT_OFFERED
    resume: Resume = None
    quiet: Quiet = False
    out: Out = "saved_models"

    def __post_init__(self) -> None:
        for name in [name for name, value in vars(self).items() if value is _NOT_OFFERED]:
            del self.__dict__[name]
        if self.keep is None:  # reports take the last epoch
            object.__setattr__(self, "keep", "last" if self.published else "best")

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"this page has no option {name!r}: name it in its @recipe(...)")

    def with_seed(self, seed: int) -> "Options":
        """The same options with another seed."""
        other = copy.copy(self)
        object.__setattr__(other, "seed", seed)
        return other

    @property
    def published(self) -> bool:
        """Whether the page repeats its report's choices where tfxfer's default differs."""
        return "protocol" in vars(self) and self.protocol == "as_published"


SHARED: Mapping[str, Any] = MappingProxyType(get_type_hints(Options, include_extras=True))
ON_EVERY_PAGE: Mapping[str, Any] = MappingProxyType(
    {option.name: option.default for option in fields(Options) if option.default is not _NOT_OFFERED}
)
for _name in SHARED.keys() - ON_EVERY_PAGE.keys():
    delattr(Options, _name)  # else an instance without it would find the placeholder on its class
