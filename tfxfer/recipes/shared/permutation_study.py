"""What spatial structure is worth: a learner on images as they are, and on the same with their pixels permuted."""

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

ARRANGEMENTS = ("plain", "permuted")
SAMPLE = 10_000  # training images that learners are compared on


@dataclass
class Trained:
    """A learner's scores on the test images, logits or probabilities (n, classes); of a network, it and its history."""

    scores: Bank
    net: keras.Model | None = None
    history: dict[str, list[float]] = field(default_factory=dict)

    @property
    def predicted(self) -> np.ndarray:
        (scores,) = self.scores.values.values()
        return scores.argmax(1)


@dataclass(frozen=True)
class Learner:
    """How a backbone learns: `pixels` by a multilayer perceptron; one without ImageNet weights from scratch, at its own
    size; one with them by tuning its last layers and head.

    Args:
        image_size: that pretrained backbones see.
        unfreeze: of pretrained backbones, as `model.unfreeze_last` takes it.
        epochs: from scratch; `tune_epochs` of pretrained ones.
        options: from a name for the fit to what `train.fit` takes.
    """

    weights: str
    image_size: int
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
        """Trains and tests.

        Args:
            name: of `backbones.TABLE`.
            seed: of initial weights and order.
            fit: a name of its own.
        """
        keras.utils.set_random_seed(seed)
        if name == "pixels":
            return _perceptron(splits, seed)
        net, options = self.build(name, splits), self.options(fit) | {"seed": seed}
        epochs = self.tune_epochs if backbones.get(name).imagenet else self.epochs
        history = train.fit(net, splits, epochs, self.rate, **options)
        return Trained(features.extract(net, splits.test, ("logits",), strategy=options.get("strategy")), net, history)


def _perceptron(splits: Splits, seed: int) -> Trained:
    net = model.build("pixels", splits)
    pictures = {split: features.extract(net, getattr(splits, split), ("image",)) for split in SPLITS}
    predict, _ = model_evaluation.on_pixels(pictures, "mlp", seed, sweep=False)
    test = pictures["test"]
    return Trained(Bank({"probabilities": predict(test["image"])}, test.labels, test.ids))


@dataclass(frozen=True)
class Task:
    """What is learned by whom; `keys` are the prefixes under which its figures are known, "" or ending in "/"."""

    keys: tuple[str, ...]
    backbone: str
    splits: Splits

    @property
    def title(self) -> str:
        return self.keys[0].rstrip("/") or self.backbone


def tasks(whole: Splits, groups: Mapping[str, Sequence[str]], names: Sequence[str]) -> list[Task]:
    """The first of the backbones on all images in groups; each on `SAMPLE` images in groups, and in the classes
    themselves. Where `SAMPLE` images are all there are, the first two are one.

    Raises:
        InputError: the first is no network, one is named twice, or classes are not the data set's.
    """
    if names[0] == "pixels" or len(set(names)) < len(names):
        raise InputError(f"backbones {','.join(names)}: expected each once, and a network that is saved first")
    first, some = names[0], whole.only(train=slice(SAMPLE), validation=slice(SAMPLE // 4))
    same = whole.size("train") == some.size("train")
    found = [Task(("", f"groups/{first}/") if same else ("",), first, data.relabel(whole, groups))]
    rest = [name for name in names if name != first or not same]
    found += [Task((f"groups/{name}/",), name, data.relabel(some, groups)) for name in rest]
    return found + [Task((f"classes/{name}/",), name, some) for name in names]


def compare(learner: Learner, task: Task, seed: int) -> tuple[dict[str, Trained], dict[str, float]]:
    """Trains a learner twice, and tests it on the same images both ways.

    Returns:
        `Trained` by arrangement; and plain/accuracy, permuted/accuracy and cost, their difference, with its 95%
        confidence interval cost_low to cost_high.
    """
    sides = dict(zip(ARRANGEMENTS, (task.splits, data.permute_pixels(task.splits, seed))))
    title = f"{task.title.replace('/', '-')}-{seed}"
    found = {side: learner(task.backbone, some, seed, f"{title}-{side}") for side, some in sides.items()}
    labels, bases = found["plain"].scores.labels, found["plain"].scores.bases
    figures = {f"{side}/accuracy": metrics.accuracy(labels, one.predicted) for side, one in found.items()}
    cost = paired.difference(*(found[side].predicted == labels for side in ("permuted", "plain")), bases)
    return found, figures | {"cost": cost["difference"], "cost_low": cost["low"], "cost_high": cost["high"]}


@dataclass
class Repeat:
    """What one seed gave: its permutation, the images in groups, and by key of the tasks what was trained and found."""

    order: np.ndarray
    splits: Splits
    trained: dict[str, Trained] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)

    def add(self, task: Task, trained: dict[str, Trained], figures: dict[str, float]) -> None:
        self.trained |= {f"{task.keys[0]}{side}": one for side, one in trained.items()}
        self.figures |= {f"{key}{name}": value for key in task.keys for name, value in figures.items()}

    def line(self, task: Task) -> str:
        n = len(task.splits.bases("test"))
        shares = [self.figures[f"{task.keys[0]}{side}/accuracy"] for side in ARRANGEMENTS]
        plain, permuted = (intervals.text(share, intervals.wilson(share, n)) for share in shares)
        return f"{task.title}: plain {plain}, permuted {permuted}"


def summary(runs: list[dict[str, float]]) -> dict[str, float]:
    """Means of each figure over seeds, and `<figure>_std`, ddof 1, of accuracies and costs; of one seed, its figures.

    Of several seeds there is no interval: it would be that of one seed's test images.
    """
    if len(runs) == 1:
        return runs[0]
    columns = {key: [run[key] for run in runs] for key in runs[0] if not key.endswith(("_low", "_high"))}
    means = {key: float(np.mean(column)) for key, column in columns.items()}
    return means | {f"{key}_std": float(np.std(column, ddof=1)) for key, column in columns.items()}
