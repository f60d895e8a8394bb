"""Planted near-copies and outliers among images like photographs: recall and precision, and AUROC of outliers.

1,500 training and 500 test images (`photo_like.py`, of another seed than the one that the thresholds were chosen on),
of which 240 test images are near-copies of training images: cropped, encoded anew, shifted, mirrored. With and without
features of EfficientNet-Lite0, whose seconds are stated apart, as a run has them anyhow. Outliers are 24 images of four
other kinds, and 24 like photographs but of other looks, among the training images. Then how many images of data sets
without planted copies are called near-copies.

    python benchmarks/near_duplicates.py --json FILE

Goal: recall 0.9 at precision 0.95.
"""

import time
import warnings
from collections.abc import Callable, Mapping

import common
import keras
import numpy as np
import photo_like
import tensorflow as tf

from tfxfer import analysis, data, features, model
from tfxfer.analysis import outliers
from tfxfer.data import near_duplicates
from tfxfer.data.lazy_images import Rows
from tfxfer.data.splits import SPLITS, Splits

EACH = 24  # outliers of other kinds, and of other looks


def planted(images: int, side: int, seed: int) -> tuple[Splits, np.ndarray, np.ndarray]:
    """Images of which an eighth are near-copies: the splits; and for each test image, the kind of copy ("" for none)
    and the training row that it is a copy of (-1)."""
    pixels, labels = photo_like.photographs(images, side, seed)
    rng, n = np.random.default_rng([seed, 1]), images * 3 // 4
    kinds, sources = np.full(images - n, "", dtype="U8"), np.full(images - n, -1)
    for number in range(images * 12 // 100):
        kinds[number], sources[number] = photo_like.KINDS[number % 4], rng.integers(n)
        pixels[n + number] = photo_like.near_copy(pixels[sources[number]], kinds[number], rng)
        labels[n + number] = labels[sources[number]]
    parts = {"train": slice(n), "validation": slice(0), "test": slice(n, None)}
    rows = {split: Rows(pixels[part], labels[part]) for split, part in parts.items()}
    ids = {split: np.arange(images)[part] for split, part in parts.items()}
    names = tuple(map(str, range(photo_like.CLASSES)))
    return Splits("photographs", names, (side, side, 3), "photo_like.py", seed, rows, ids), kinds, sources


def scores(
    splits: Splits, kinds: np.ndarray, sources: np.ndarray, known: Mapping[str, np.ndarray] | None
) -> dict[str, float]:
    """Recall by kind, precision, and the seconds of the search."""
    started = time.perf_counter()
    copies = near_duplicates.find(splits, known)
    seconds = time.perf_counter() - started
    right = copies.other_row == sources[copies.row]
    found = kinds[copies.row[right]]
    row = {kind: float((found == kind).sum() / (kinds == kind).sum()) for kind in photo_like.KINDS}
    row["recall"], row["precision"] = (
        float(len(found) / (kinds != "").sum()),
        float(right.mean()) if len(right) else 0.0,
    )
    print("  " + ", ".join(f"{name} {value:.3f}" for name, value in row.items()) + f": {seconds:.1f} s", flush=True)
    return row | {"seconds": seconds}


def auroc(embed: Callable[[np.ndarray], np.ndarray], x: np.ndarray, labels: np.ndarray, arguments) -> dict[str, float]:
    """How well the score tells planted outliers, under labels of any class, from the other training images."""
    looks, _ = photo_like.photographs(EACH, arguments.side, arguments.seed + 1000)
    row = {}
    for name, pixels in (("kinds", photo_like.outliers(EACH, arguments.side, arguments.seed)), ("looks", looks)):
        both = np.concatenate([x, embed(pixels)]), np.concatenate([labels, np.arange(EACH) % photo_like.CLASSES])
        score = outliers.outlier_scores(*both, photo_like.CLASSES)
        row[name] = analysis.metrics.auroc(score[len(x) :], score[: len(x)])
        print(f"  outliers of other {name}: AUROC {row[name]:.3f}", flush=True)
    return row


def measure(arguments) -> dict:
    splits, kinds, sources = planted(arguments.images, arguments.side, arguments.seed)
    net = model.build(arguments.backbone, splits, arguments.side, common.weights(arguments.backbone))
    started = time.perf_counter()
    known = {split: features.extract(net, getattr(splits, split))["embedding"] for split in ("train", "test")}
    seconds = time.perf_counter() - started
    print(f"{arguments.images:,} images of {arguments.side} x {arguments.side}; features {seconds:.1f} s", flush=True)
    embed = features.inference.predictor(keras.Model(net.input, net.get_layer("embedding").output), tf.identity)
    results = {
        "features": scores(splits, kinds, sources, known),
        "pixels": scores(splits, kinds, sources, None),
        "auroc": auroc(embed, known["train"], splits.rows["train"].labels, arguments),
    }
    for name in filter(None, arguments.others.split(",")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            other = data.load(name, limit=arguments.limit)
        net = model.build(arguments.backbone, other, arguments.side, common.weights(arguments.backbone))
        known = {split: features.extract(net, getattr(other, split))["embedding"] for split in SPLITS}
        started = time.perf_counter()
        summary = near_duplicates.find(other, known).summary()
        seconds = time.perf_counter() - started
        results[name] = summary | {"images": sum(map(other.size, SPLITS)), "seconds": seconds}
        print(f"  {name}: {results[name]}", flush=True)
    return results


def main(argv: list[str] | None = None) -> dict:
    options = {"images": 2000, "side": 96, "seed": 7, "backbone": "efficientnet_lite0", "limit": 2000}
    parser = common.parser(__doc__, **options, others="digits,mnist_sample,fashion_mnist")
    return common.run(measure, parser.parse_args(argv))


if __name__ == "__main__":
    main()
