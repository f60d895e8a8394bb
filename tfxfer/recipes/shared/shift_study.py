"""What pages about corrupted images share: both sides of a shift, every corruption, stages tuned alone."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tfxfer import analysis, data, features, model, train
from tfxfer.core.errors import InputError
from tfxfer.data import Splits, Twin, corruptions
from tfxfer.data.cifar10c import Cell
from tfxfer.features.bank import Bank
from tfxfer.recipes.shared import run_artifacts
from tfxfer.recipes.shared.corruption_grid import ALL, LAYERS, CachedFeatures, Grid, accuracy, contact_sheet
from tfxfer.recipes.shared.feature_measures import SHOWN
from tfxfer.recipes.shared.recipe_run import Run
from tfxfer.train import History

OFFICIAL = "cifar10_corrupted"
SURGERY_EPOCHS = 4
TUNED = 20_000  # images to tune on, as in the report


def cells(corruption: str, severities: str) -> tuple[Cell, ...]:
    """A corruption at severities such as "1,2,5".

    Raises:
        InputError: the corruption or a severity is unknown.
    """
    named = []
    for text in severities.split(","):
        if not text.strip().isdecimal():
            raise InputError(f"severities {severities!r}: expected numbers from 1 to 5, such as 1,2,3,4,5")
        corruptions.check(corruption, int(text), (32, 32, 3))
        named.append((corruption, int(text)))
    return tuple(dict.fromkeys(named))


def load(run: Run, wanted: Iterable[Cell], frost_textures: str | None = None) -> tuple[Splits, Twin]:
    """The run's data set and the twin of its test images: CIFAR-10-C's files for `cifar10_corrupted`, else made here.

    Args:
        wanted: corruptions and severities that will be asked for.
        frost_textures: a folder of photographs of ice.
    """
    chosen = run.options
    official = chosen.dataset == OFFICIAL
    if official and frost_textures:
        raise InputError(f"{OFFICIAL} is read as it was published, its frost too: leave frost_textures out")
    photographs = corruptions.read_photographs(frost_textures) if frost_textures else None
    clean = run.load_data("cifar10" if official else chosen.dataset)
    if official:
        return clean, Twin.published(clean, tuple(wanted), chosen.data_dir)
    return clean, Twin.of(clean, seed=chosen.seed, frost_textures=photographs)


def about(twin: Twin, corrupted: Mapping[str, Splits]) -> dict[str, Any]:
    """What a run records of its corrupted images: the facts `corrupted`, by way of choosing them, and `corruptions`,
    how they were made."""
    photographs = twin.photographs and {"names": list(twin.photographs.pixels), "sha256": twin.photographs.sha256}
    origin = {"revision": corruptions.REVISION, "photographs": photographs, "remark": twin.remark}
    return {"corrupted": {name: side.describe() for name, side in corrupted.items()}, "corruptions": origin}


def sides(
    clean: Splits, twin: Twin, cells: tuple[Cell, ...], leaky: bool, seed: int, strict: bool = False
) -> dict[str, Splits]:
    """Corrupted images to tune on, to validate with and to test on, for each way of choosing them.

    Args:
        leaky: adds "as_published", which tunes on 40% of the twins of test images and tests on all of them; and, where
            training images have twins, "as_few": as many images tuned on, but made of others than are tested.
        strict: refuses equal images in two splits of CIFAR-10-C's files, as `data.load` does in the data set itself.

    Returns:
        "tfxfer": twins of training images (the first `TUNED`), tested on those of all test images; for CIFAR-10-C,
        which has twins of test images only, these divided by image.
    """
    divided = twin.divide(cells, seed=seed)
    if twin.images is None:
        ways = {"tfxfer": data.duplicates.check(divided, strict)}
    else:
        (name, _), *_ = cells
        corrupted = data.corrupt(clean, name, [severity for _, severity in cells], twin.seed, twin.photographs)
        subset = corrupted.only(train=slice(TUNED), validation=slice(TUNED))
        ways = {"tfxfer": subset} | ({"as_few": divided} if leaky else {})
    return ways | ({"as_published": twin.divide(cells, seed=seed, leaky=True)} if leaky else {})


def held_out(clean: Splits, corrupted: Splits) -> Splits:
    """The data set with only those test images whose twins are tested; the twins of the others are learned from.

    Raises:
        InputError: images of the test are learned from as twins, unless `corrupted` is leaky by name.
    """
    tested = clean.only(test=np.flatnonzero(np.isin(clean.ids["test"], corrupted.bases("test"))))
    if not corrupted.leaky:
        data.refuse_leak(corrupted, tested)
    return tested


def accuracies(sides: dict[str, Bank]) -> dict[str, float]:
    """`<side>_accuracy` of logits, and its 95% interval `_low` to `_high`, clustered by the image they were made of."""
    metrics: dict[str, float] = {}
    for side, bank in sides.items():
        ends = analysis.intervals.accuracy(bank["logits"].argmax(1) == bank.labels, bank.bases)
        names = (f"{side}_accuracy{end}" for end in ("", "_low", "_high"))
        metrics |= dict(zip(names, (accuracy(bank), *ends), strict=True))
    return metrics


def planes(sides: dict[str, Bank]) -> dict[str, np.ndarray]:
    """One PCA of all sides' embeddings together, so that they share axes: for each (at most `SHOWN`, 2)."""
    shown = {name: bank["embedding"][:SHOWN] for name, bank in sides.items()}
    points = analysis.project(np.concatenate(list(shown.values())), "pca")
    return dict(zip(shown, np.split(points, np.cumsum([len(part) for part in shown.values()])[:-1]), strict=True))


class Study:
    """How the network does on both sides before and after it is tuned, and what is kept of that to look at.

    Args:
        net: as it will be trained.
        clean, corrupted: what is tested, by way of choosing it; see `sides`.
        grid_images: test images under all corruptions; 0 for none.
    """

    def __init__(
        self,
        run: Run,
        net: keras.Model,
        clean: dict[str, Splits],
        corrupted: dict[str, Splits],
        twin: Twin,
        grid_images: int,
    ):
        self.run, self.clean, self.corrupted = run, clean, corrupted
        images = sum(side.size("test") for side in (*corrupted.values(), *clean.values()))
        self.look = CachedFeatures(net, images + len(ALL) * grid_images, run.options.cache, run.strategy)
        self.grid = Grid(twin, clean["tfxfer"].ids["test"][:grid_images]) if grid_images else None
        self.planes: dict[str, dict[str, np.ndarray]] = {}

    def __call__(self, when: str, name: str, prefix: str) -> Bank:
        """Notes the metrics `<prefix><when>/...` of the way `name` of choosing images; features of the corrupted."""
        with self.run.phase(f"{prefix}{when}"):
            both = {"corrupted": self.corrupted[name], "clean": self.clean[name]}
            seen = {side: self.look(splits.examples("test")) for side, splits in both.items()}
            self.run.note(f"{prefix}{when}", accuracies(seen))
            if name == "tfxfer":
                self.planes[when] = planes(seen)
                if self.grid is not None:
                    self.run.note(f"{prefix}{when}/grid", self.grid(self.look))
        return seen["corrupted"]

    def banks(self) -> dict[str, Bank]:
        """Both sides projected by the original and by the tuned network; and with a grid, the first image under all."""
        banks = {}
        for side, splits in (("corrupted", self.corrupted["tfxfer"]), ("clean", self.clean["tfxfer"])):
            values = {name: self.planes[when][side] for name, when in (("original", "before"), ("tuned", "after"))}
            banks[side] = Bank(values, splits.rows["test"].labels[:SHOWN], splits.ids["test"][:SHOWN])
        return banks | ({"contact": contact_sheet(self.grid.twin)} if self.grid is not None else {})


def overfitting(history: History) -> dict[str, float]:
    """The epoch after which the validation loss was never lower: overfits_after_epoch, from 1."""
    losses = history["val_loss"]
    return {"overfits_after_epoch": float(losses.index(min(losses)) + 1)}


def surgery(
    run: Run,
    net: keras.Model,
    start: Sequence[np.ndarray],
    twin: Twin,
    tuned: Splits,
    cells: Sequence[Cell],
    images: int,
) -> dict[str, float]:
    """Which single stage is best to tune (Lee et al. 2023, arXiv:2210.11466): from weights that the network started
    with, each stage trains alone, head and all others frozen, under each of the corruptions. Afterwards the network has
    the weights and the frozen layers that it came with.

    Args:
        start: of `model.values`, the weights that each stage starts from.
        tuned: says of which images twins may be learned from: `images` learn here, and as many validate.

    Returns:
        Validation accuracy: `<corruption>/<stage>`, and `<corruption>/none` of the network as it is.
    """
    twin = twin if twin.images is None else Twin.of(twin.like, "train", twin.seed, twin.photographs)
    rows = np.flatnonzero(np.isin(twin.bases, tuned.bases("train", "validation")))[: 2 * images]
    kept, trainable, metrics = model.values(net), [layer.trainable for layer in net.layers], {}
    options = {"keep": "best", "batch_size": 16, "cache": run.options.cache}
    model.assign_values(net, start)
    for name, severity in cells:
        subset = twin.only(rows).divide([(name, severity)], 0.5, 0.5)
        metrics[f"{name}/none"] = accuracy(features.extract(net, subset.validation, LAYERS))
        for stage in model.stages(net):
            model.unfreeze_stage(net, stage)  # batch norm of this data would be new to the frozen stages behind it
            training = run.training(f"surgery-{name}-{stage}") | options
            history = train.fit(net, subset, SURGERY_EPOCHS, run.options.learning_rate / 10, **training)
            metrics[f"{name}/{stage}"] = history.kept("val_accuracy")
            model.assign_values(net, start)
    model.assign_values(net, kept)
    for layer, flag in zip(net.layers, trainable, strict=True):
        layer.trainable = flag
    return metrics


def both_sides(shown: Bank, clean: Splits) -> Bank:
    """Pictures of corrupted images and, behind them, of the first clean ones."""
    others = run_artifacts.images(clean, "test", np.arange(min(SHOWN, clean.size("test"))))
    columns = ((shown["image"], others["image"]), (shown.labels, others.labels), (shown.ids, others.ids))
    image, labels, ids = map(np.concatenate, columns)
    return Bank({"image": image}, labels, ids)
