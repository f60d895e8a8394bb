"""What spatial structure is worth: one learner on images as they are, and on the same images with permuted pixels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import keras
import numpy as np

from tfxfer import data, features, model, train
from tfxfer.analysis import intervals, metrics, paired
from tfxfer.core.errors import InputError
from tfxfer.data import Splits
from tfxfer.data.splits import SPLITS
from tfxfer.features.bank import Bank
from tfxfer.model import backbones
from tfxfer.recipes.shared import model_evaluation
from tfxfer.train import History

ARRANGEMENTS = ("plain", "permuted")
SAMPLE = 10_000  # training images on which learners are compared


@dataclass
class Trained:
    """A learner's scores on the test images, logits or probabilities (n, classes); for a network, also itself and its
    history."""

    scores: Bank
    net: keras.Model | None = None
    history: History | None = None

    @property
    def predicted(self) -> np.ndarray:
        (name,) = self.scores.values  # logits or probabilities
        return self.scores[name].argmax(1)


@dataclass(frozen=True)
class Learner:
    """How a backbone learns: `pixels` with a multilayer perceptron, a backbone without ImageNet weights from scratch at
    its own size, and one that has them by tuning its last layers and head.

    Attributes:
        weights: of pretrained backbones: imagenet, none, or a weights file.
        image_size: height and width, in pixels, that pretrained backbones see.
        unfreeze: what is tuned of pretrained backbones, as `model.unfreeze_last` takes it.
        epochs: of networks from scratch.
        tune_epochs: of pretrained networks.
        rate: highest learning rate of the schedule.
        options: from a name for the fit to further options of `train.fit`.
    """

    weights: str
    image_size: int | None
    unfreeze: int | str
    epochs: int
    tune_epochs: int
    rate: float
    options: Callable[[str], dict]

    def build(self, name: str, splits: Splits) -> keras.Model:
        """The network as it will be trained."""
        pretrained = backbones.get(name).imagenet
        net = model.build(name, splits, self.image_size if pretrained else None, self.weights if pretrained else "none")
        model.unfreeze_last(net, self.unfreeze if pretrained else "all", train_batch_norm=True)
        return net

    def __call__(self, name: str, splits: Splits, seed: int, fit: str) -> Trained:
        """Trains and tests a learner.

        Args:
            name: a backbone of `backbones.TABLE`.
            seed: of initial weights and batch order.
            fit: a name for this fit alone.
        """
        keras.utils.set_random_seed(seed)
        if name == "pixels":
            return _perceptron(splits, seed)
        net, options = self.build(name, splits), self.options(fit) | {"seed": seed}
        epochs = self.tune_epochs if backbones.get(name).imagenet else self.epochs
        history = train.fit(net, splits, epochs, self.rate, **options)
        return Trained(
            features.extract(
                net, splits.test, ("logits",), strategy=options.get("strategy"), engine=options.get("engine", "auto")
            ),
            net,
            history,
        )


def _perceptron(splits: Splits, seed: int) -> Trained:
    net = model.build("pixels", splits)
    pictures = {split: features.extract(net, getattr(splits, split), ("image",)) for split in SPLITS}
    predict, _ = model_evaluation.on_pixels(pictures, "mlp", seed, sweep=False)
    test = pictures["test"]
    return Trained(Bank({"probabilities": predict(test["image"])}, test.labels, test.ids))


@dataclass(frozen=True)
class Task:
    """What is learned, and by which backbone.

    Attributes:
        keys: prefixes of its metrics, each "" or ending in "/".
        backbone: its name.
        splits: what it learns from and is tested on.
    """

    keys: tuple[str, ...]
    backbone: str
    splits: Splits

    @property
    def title(self) -> str:
        return self.keys[0].rstrip("/") or self.backbone


def tasks(whole: Splits, groups: Mapping[str, Sequence[str]], names: Sequence[str]) -> list[Task]:
    """Tasks to compare: the first backbone on all images, in groups; then each backbone on `SAMPLE` images, in groups
    and in the original classes. With no more than `SAMPLE` images, the first two coincide.

    Raises:
        InputError: the first backbone is not a network, one is named twice, or the groups name other classes than the
            data set has.
    """
    if names[0] == "pixels" or len(set(names)) < len(names):
        raise InputError(f"backbones {','.join(names)}: expected each once, first the network to save")
    first, sample = names[0], whole.only(train=slice(SAMPLE), validation=slice(SAMPLE // 4))
    same = whole.size("train") == sample.size("train")
    in_groups = [Task(("", f"groups/{first}/") if same else ("",), first, data.relabel(whole, groups))]
    rest = [name for name in names if name != first or not same]
    in_groups += [Task((f"groups/{name}/",), name, data.relabel(sample, groups)) for name in rest]
    return in_groups + [Task((f"classes/{name}/",), name, sample) for name in names]


def compare(learner: Learner, task: Task, seed: int) -> tuple[dict[str, Trained], dict[str, float]]:
    """Trains a learner on plain and on permuted images, and tests each on the same test images.

    Returns:
        `Trained` by arrangement; and plain/accuracy, permuted/accuracy and cost, their difference, with its 95%
        confidence interval cost_low to cost_high.
    """
    sides = dict(zip(ARRANGEMENTS, (task.splits, data.permute_pixels(task.splits, seed))))
    title = f"{task.title.replace('/', '-')}-{seed}"
    trained = {side: learner(task.backbone, splits, seed, f"{title}-{side}") for side, splits in sides.items()}
    labels, bases = trained["plain"].scores.labels, trained["plain"].scores.bases
    figures = {f"{side}/accuracy": metrics.accuracy(labels, learned.predicted) for side, learned in trained.items()}
    right = {side: learned.predicted == labels for side, learned in trained.items()}
    cost = paired.difference(right["permuted"], right["plain"], bases)
    return trained, figures | {"cost": cost["difference"], "cost_low": cost["low"], "cost_high": cost["high"]}


@dataclass
class Comparison:
    """What was trained and measured, by key of task."""

    trained: dict[str, Trained] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)

    def add(self, task: Task, trained: dict[str, Trained], figures: dict[str, float]) -> None:
        self.trained |= {f"{task.keys[0]}{side}": learned for side, learned in trained.items()}
        self.figures |= {f"{key}{name}": value for key in task.keys for name, value in figures.items()}

    def line(self, task: Task) -> str:
        n = len(task.splits.bases("test"))
        shares = [self.figures[f"{task.keys[0]}{side}/accuracy"] for side in ARRANGEMENTS]
        plain, permuted = (intervals.text(share, intervals.wilson(share, n)) for share in shares)
        return f"{task.title}: plain {plain}, permuted {permuted}"
