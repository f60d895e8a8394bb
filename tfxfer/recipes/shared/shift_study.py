"""What recipes on corrupted images share: clean and corrupted splits, and accuracies on both."""

from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np

from tfxfer import analysis, data
from tfxfer.core.errors import InputError
from tfxfer.data import CorruptedCopy, Splits, corruptions
from tfxfer.data.cifar10c import Cell
from tfxfer.features.bank import Bank
from tfxfer.recipes.shared import run_artifacts
from tfxfer.recipes.shared.adaptation_study import ADAPTATION, AdaptedFeatures, adapted_features, relative_errors
from tfxfer.recipes.shared.corruption_grid import ALL, CachedFeatures, Grid, accuracy, contact_sheet
from tfxfer.recipes.shared.feature_measures import SHOWN
from tfxfer.recipes.shared.recipe_run import Run

OFFICIAL = "cifar10_corrupted"
TUNED = 20_000  # images to tune on, as in the report


def cells(corruption: str, severities: str) -> tuple[Cell, ...]:
    """Parses severities such as "1,2,5" into cells of the corruption, each once.

    Raises:
        InputError: the corruption or a severity is unknown.
    """
    texts = severities.split(",")
    if not all(text.strip().isdecimal() for text in texts):
        raise InputError(f"severities {severities!r}: expected numbers from 1 to 5, such as 1,2,3,4,5")
    for text in texts:
        corruptions.check(corruption, int(text), (32, 32, 3))
    return tuple(dict.fromkeys((corruption, int(text)) for text in texts))


def phases(run: Run, adapt_images: int, interpolation_images: int, surgery: str) -> list[str]:
    """The phases of a run until it finishes, in their order.

    Args:
        adapt_images, interpolation_images, surgery: as `cifar10c_shift` takes them.
    """
    protocols = [""]  # the last of them, see `corrupted_splits`
    if run.options.published:
        protocols = ["as_published/", *([] if run.options.dataset == OFFICIAL else ["as_few/"]), ""]
    tuning = []
    for prefix in protocols:
        adapted = [ADAPTATION] if adapt_images and not prefix else []
        tuning += [f"{prefix}before", *adapted, f"{prefix}tuning", f"{prefix}after"]
    last = [*(["interpolation"] if interpolation_images else []), *(["surgery"] if surgery.strip(",") else [])]
    return ["data_and_model", "features", "training_head", *tuning, *last]


def load(run: Run, needed: Iterable[Cell], frost_textures: str | None = None) -> tuple[Splits, CorruptedCopy]:
    """Loads the run's data set and the corrupted copy of its test images.

    For `cifar10_corrupted` these are CIFAR-10 and CIFAR-10-C's files; otherwise the copy is generated.

    Args:
        run: the run, whose options name the data set.
        needed: corruptions and severities that the recipe will use.
        frost_textures: a folder of photographs of ice.

    Raises:
        InputError: the data are not available, or there are photographs for a data set that needs none.
    """
    chosen = run.options
    official = chosen.dataset == OFFICIAL
    if official and frost_textures:
        raise InputError(f"{OFFICIAL} is read as it was published, with its own frost: leave frost_textures out")
    photographs = corruptions.read_photographs(frost_textures) if frost_textures else None
    clean = run.load_data("cifar10" if official else chosen.dataset)
    if official:
        return clean, CorruptedCopy.published(clean, tuple(needed), chosen.data_dir)
    return clean, CorruptedCopy.of(clean, seed=chosen.seed, frost_textures=photographs)


def describe(copy: CorruptedCopy, corrupted: Mapping[str, Splits]) -> dict[str, Any]:
    """The facts that a run records about its corrupted images: `corrupted`, the data by protocol, and `corruptions`,
    how they were made."""
    photographs = copy.photographs and {"names": list(copy.photographs.pixels), "sha256": copy.photographs.sha256}
    origin = {"revision": corruptions.REVISION, "photographs": photographs, "remark": copy.remark}
    return {"corrupted": {name: side.describe() for name, side in corrupted.items()}, "corruptions": origin}


def corrupted_splits(
    clean: Splits, copy: CorruptedCopy, cells: tuple[Cell, ...], leaky: bool, seed: int, strict: bool = False
) -> dict[str, Splits]:
    """Corrupted images to tune on, to validate with and to test on, for each protocol.

    Args:
        clean: the data set.
        copy: the corrupted copy of its test images.
        cells: the corruption to tune on, at its severities.
        leaky: whether to add "as_published", which tunes on 40% of the corrupted test images and tests on all of them;
            and, if training images can be corrupted, "as_few", which tunes on as many images, but not on tested ones.
        seed: the random seed of the division.
        strict: whether to refuse equal images in two splits of CIFAR-10-C's files, as `data.load` does in a data set.

    Returns:
        By protocol. "tfxfer" tunes on corrupted training images (the first `TUNED`) and tests on all corrupted test
        images; CIFAR-10-C, which consists of corrupted test images only, is divided by image.
    """
    divided = copy.divide(cells, seed=seed)
    if copy.images is None:
        protocols = {"tfxfer": data.duplicates.check(divided, strict)}
    else:
        (name, _), *_ = cells
        corrupted = data.corrupt(clean, name, [severity for _, severity in cells], copy.seed, copy.photographs)
        subset = corrupted.only(train=slice(TUNED), validation=slice(TUNED))
        protocols = {"tfxfer": subset} | ({"as_few": divided} if leaky else {})
    return protocols | ({"as_published": copy.divide(cells, seed=seed, leaky=True)} if leaky else {})


def held_out(clean: Splits, corrupted: Splits) -> Splits:
    """The data set with only those test images whose corrupted versions are tested; the others are trained on.

    Raises:
        InputError: versions of tested images are trained on, although `corrupted` is not marked as leaky.
    """
    tested = clean.only(test=np.flatnonzero(np.isin(clean.ids["test"], corrupted.bases("test"))))
    if not corrupted.leaky:
        data.refuse_leak(corrupted, tested)
    return tested


def accuracies(sides: dict[str, Bank]) -> dict[str, float]:
    """`<side>_accuracy` by the logits, and its 95% interval from `_low` to `_high`, clustered by original image."""
    metrics: dict[str, float] = {}
    for side, bank in sides.items():
        low, high = analysis.intervals.accuracy(np.asarray(bank["logits"]).argmax(1) == bank.labels, bank.bases)
        name = f"{side}_accuracy"
        metrics |= {name: accuracy(bank), f"{name}_low": low, f"{name}_high": high}
    return metrics


def planes(sides: dict[str, Bank]) -> dict[str, np.ndarray]:
    """Projects all sides' embeddings by one PCA, so that they share axes: (at most `SHOWN`, 2) for each side."""
    shown = {name: bank["embedding"][:SHOWN] for name, bank in sides.items()}
    points = analysis.project(np.concatenate(list(shown.values())), "pca")
    return dict(zip(shown, np.split(points, np.cumsum([len(part) for part in shown.values()])[:-1]), strict=True))


class Study:
    """Measures the network on clean and corrupted images before and after tuning, and keeps what the report shows.

    Args:
        run: the run that notes the metrics.
        net: the network, with the layers unfrozen that will be tuned.
        clean: the clean images to test on, by protocol; see `held_out`.
        corrupted: the corrupted images to test on, by protocol; see `corrupted_splits`.
        copy: the corrupted copy of the test images.
        grid_images: the number of test images under all corruptions; 0 for none.
        adapt_images: the number of unlabelled test images that batch norm is adapted to before tuning, for each
            corruption and severity; 0 for none.
    """

    def __init__(
        self,
        run: Run,
        net: keras.Model,
        clean: dict[str, Splits],
        corrupted: dict[str, Splits],
        copy: CorruptedCopy,
        grid_images: int,
        adapt_images: int = 0,
    ):
        self.run, self.net, self.clean, self.corrupted = run, net, clean, corrupted
        images = sum(side.size("test") for side in (*corrupted.values(), *clean.values()))
        self.extract = CachedFeatures(net, images + len(ALL) * grid_images, run.options.cache, **run.inference)
        self.grid = Grid(copy, clean["tfxfer"].ids["test"][:grid_images]) if grid_images else None
        self.planes: dict[str, dict[str, np.ndarray]] = {}
        self.before: dict[str, float] = {}  # accuracies under all corruptions
        self.adapted = adapted_features(run, net, adapt_images, self.extract.store)

    def __call__(self, when: str, protocol: str, prefix: str) -> Bank:
        """Notes the metrics `<prefix><when>/...` of a protocol and returns the features of its corrupted images."""
        with self.run.phase(f"{prefix}{when}"):
            sides = {"corrupted": self.corrupted[protocol], "clean": self.clean[protocol]}
            banks = {side: self.extract(splits.examples("test")) for side, splits in sides.items()}
            self.run.note(f"{prefix}{when}", accuracies(banks))
            if protocol == "tfxfer":
                self.planes[when] = planes(banks)
                self._measure_grid(when, self.extract)
        if protocol == "tfxfer" and when == "before" and self.adapted is not None:
            with self.run.phase(ADAPTATION):
                known = {side: self.adapted(splits.examples("test")) for side, splits in sides.items()}
                self.run.note("adapted", accuracies(known))
                self._measure_grid("adapted", self.adapted)
        return banks["corrupted"]

    def _measure_grid(self, state: str, extract: CachedFeatures | AdaptedFeatures) -> None:
        """Notes accuracy under all corruptions, `<state>/grid/...`, and errors relative to those before tuning."""
        if self.grid is None:
            return
        grid, clean = self.grid(extract), "clean_accuracy"
        self.before = self.before or grid
        if grid is not self.before:
            metrics = self.run.metrics
            grid |= relative_errors(grid, metrics[f"{state}/{clean}"], self.before, metrics[f"before/{clean}"])
        self.run.note(f"{state}/grid", grid)

    def banks(self) -> dict[str, Bank]:
        """Projections of both sides by the original and the tuned network, and with a grid, its contact sheet."""
        banks = {}
        for side, splits in (("corrupted", self.corrupted["tfxfer"]), ("clean", self.clean["tfxfer"])):
            values = {name: self.planes[when][side] for name, when in (("original", "before"), ("tuned", "after"))}
            banks[side] = Bank(values, splits.rows["test"].labels[:SHOWN], splits.ids["test"][:SHOWN])
        return banks | ({"contact": contact_sheet(self.grid.copy)} if self.grid is not None else {})


def append_clean(shown: Bank, clean: Splits) -> Bank:
    """Appends the first clean test images to pictures of corrupted ones."""
    others = run_artifacts.images(clean, "test", np.arange(min(SHOWN, clean.size("test"))))
    columns = ((shown["image"], others["image"]), (shown.labels, others.labels), (shown.ids, others.ids))
    image, labels, ids = map(np.concatenate, columns)
    return Bank({"image": image}, labels, ids)
