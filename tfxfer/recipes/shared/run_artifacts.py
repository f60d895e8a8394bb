"""What a run keeps to look at: pictures of test images, class activation maps, and a study of the data."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfxfer import analysis
from tfxfer.analysis import attribution, dataset, deletion
from tfxfer.core.errors import InputError
from tfxfer.data import Splits
from tfxfer.data.splits import first_of_each
from tfxfer.features import inference
from tfxfer.features.bank import Bank
from tfxfer.recipes.shared import look_alike_study
from tfxfer.recipes.shared.artifacts import Artifacts
from tfxfer.recipes.shared.feature_measures import PROJECTIONS, SHOWN
from tfxfer.recipes.shared.stage_study import stage_features

MISTAKES = 2000  # wrong predictions kept as pictures, the most confident
EXPLAINED = 1000  # test images from which those to explain are chosen
JUDGED = 60, 200  # validation images in the deletion test: for large pictures, and for those up to 64 x 64
PANELS = 6  # right predictions that are explained, and as many wrong ones
LAYER_IMAGES = 2000  # training images on which collapse is measured by depth
SAMPLES = 8  # of each class
CALIBRATED = 1000, 100_000_000  # validation images on which quantized files are calibrated: number, and bytes
LISTED = 50  # groups of equal images
SUSPECTS = 24


def images(splits: Splits, split: str, rows: np.ndarray) -> Bank:
    """Some images of a split, by row: "image", uint8 (n, height, width, channels)."""
    subset = splits.only(**{split: rows})
    batches = [batch["image"].numpy() for batch in subset.batches(split, 256)]
    pixels = np.concatenate(batches) if batches else np.zeros((0, *splits.image_shape), np.uint8)
    return Bank({"image": pixels}, subset.rows[split].labels, subset.ids[split])


def pictures(splits: Splits, scores: np.ndarray) -> Bank:
    """Test images to look at: the first ones and the most confident mistakes, but never all of a large test.

    Args:
        scores: logits or probabilities of all test images, (n, classes).
    """
    wrong = np.flatnonzero(scores.argmax(1) != splits.rows["test"].labels)
    sure = tf.nn.softmax(scores[wrong]).numpy().max(1) if len(wrong) else np.zeros(0)
    rows = np.union1d(np.arange(min(SHOWN, len(scores))), wrong[np.argsort(-sure, kind="stable")[:MISTAKES]])
    return images(splits, "test", rows)


def calibration_images(splits: Splits, seed: int = 0) -> Artifacts:
    """The bank "calibration": validation images, for the export to calibrate quantized files on.

    A random choice of at most 1,000 images and 100 MB. Only for networks that were not trained on them.
    """
    number, size = CALIBRATED
    wanted = max(1, min(number, size // int(np.prod(splits.image_shape)), splits.size("validation")))
    rows = np.random.default_rng(seed).choice(splits.size("validation"), wanted, replace=False)
    return Artifacts({"calibration": images(splits, "validation", np.sort(rows))})


def embedding(net: keras.Model, shown: Bank, project: bool = False) -> Artifacts:
    """The bank "final": what a trained network makes of the first pictures.

    Args:
        shown: with "image", of test images.
        project: with their projections, where the page has no others to show.
    """
    first = shown[:SHOWN]
    forward = keras.Model(net.input, net.get_layer("embedding").output)
    values = {"embedding": inference.predictor(forward, tf.identity)(first["image"])}
    if project and len(first) >= 4:
        values |= {method: analysis.project(values["embedding"], method) for method in PROJECTIONS}
    return Artifacts({"final": Bank(values, first.labels, first.ids)})


def explain(net: keras.Model, splits: Splits, shown: Bank, size: int | None = None) -> Artifacts:
    """Class activation maps of right and wrong predictions, with the deletion test that chooses their layers and the
    method shown first, and the check that they depend on the weights.

    Args:
        net: from `model.build`, computing in float32.
        shown: with "image", of test images.
        size: height and width in pixels at which the network looks at them; by default its own.

    Returns:
        The bank "explained": image, predicted, sure (its probability) and float16 maps by method; the metrics
        `deletion/<method>/<figure>` (of `deletion.measure`, on validation images) and `sanity/<down to>`; and the fact
        `explained`. For a network without feature maps, only the fact `left_out`, which says so.

    Raises:
        InputError: the network cannot look at that size.
    """
    net = net if size is None else attribution.enlarge(net, splits, size)
    try:
        attribution.layer_to_explain(net)
    except InputError as reason:
        return Artifacts(facts={"left_out": {"explanations": str(reason)}})
    explainer = attribution.Explainer(net)
    layers, figures, tried = deletion.choose(explainer, _judged(splits, _side(net, "scaled")))
    metrics = {f"deletion/{method}/{name}": float(v) for method, row in figures.items() for name, v in row.items()}
    shown = shown[:EXPLAINED]
    probabilities = explainer.probabilities(shown["image"])
    predicted, sure = probabilities.argmax(1), probabilities.max(1)
    rows = np.concatenate([_varied(shown.labels, predicted, sure, right) for right in (True, False)])
    subset = shown["image"][rows]
    values = {"image": subset, "predicted": predicted[rows], "sure": sure[rows]}
    for method in attribution.METHODS:
        values[method] = explainer.maps(subset, predicted[rows], method, layers[method]).astype(np.float16)
    method = next(iter(layers))
    sanity = attribution.sanity(net, subset, method, layers[method], explainer)
    metrics |= {f"sanity/{stage}": float(value) for stage, value in sanity.items()}
    chosen = {name: {"layer": layer, "side": _side(net, layer)} for name, layer in layers.items()}
    about = {"method": method, "size": _side(net, "scaled"), "tried": tried, "layers": chosen}
    return Artifacts({"explained": Bank(values, shown.labels[rows], shown.ids[rows])}, metrics, {"explained": about})


def _side(net: keras.Model, layer: str) -> int:
    return min(net.get_layer(layer).output.shape[1:3])


def _judged(splits: Splits, side: int) -> np.ndarray:
    """Images for `deletion.choose`, which are neither shown nor tested; fewer of them if each takes longer."""
    least, most = JUDGED
    wanted = max(least, min(most, most * 64**2 // side**2))
    return images(splits, "validation", np.arange(min(wanted, splits.size("validation"))))["image"]


def _varied(labels: np.ndarray, predicted: np.ndarray, sure: np.ndarray, right: bool) -> np.ndarray:
    """Rows of the most confident right or wrong predictions, first one of each pair of classes."""
    rows = np.flatnonzero((labels == predicted) == right)
    rows = rows[np.argsort(-sure[rows], kind="stable")]
    _, first = np.unique(np.stack([labels[rows], predicted[rows]]), axis=1, return_index=True)
    order = np.concatenate([np.sort(first), np.setdiff1d(np.arange(len(rows)), first)])
    return rows[order[:PANELS]]


def collapse_by_depth(net: keras.Model, splits: Splits) -> dict[str, float]:
    """How far classes have collapsed after each stage, with its maps averaged over places: `<stage>/nc1` and
    `<stage>/cdnv` of the first `LAYER_IMAGES` training images, with some of each class."""
    subset = splits.only(train=first_of_each(splits.rows["train"].labels, LAYER_IMAGES))
    figures: dict[str, float] = {}
    for name, x in stage_features(net, subset, "train").items():
        of_stage = analysis.neural_collapse(x, subset.rows["train"].labels)
        figures |= {f"{name}/{figure}": of_stage[figure] for figure in ("nc1", "cdnv")}
    return figures


def study(
    splits: Splits,
    known: Bank | None = None,
    seed: int = 0,
    features: Mapping[str, Bank] | None = None,
    strict: bool = False,
) -> Artifacts:
    """Looks at the data before training: counts, pixels, equal images, near-copies and samples; given features,
    suspicious labels and outliers, too.

    Args:
        known: features of the first training images: "embedding".
        seed: random seed of the folds.
        features: by split, "embedding" of its first images, by which more near-copies are found.
        strict: whether to refuse near-copies across splits.

    Returns:
        Banks "samples" and, if a probe can be fitted to `known`, "suspicious": image, score and the likelier class;
        those of `look_alike_study`; metrics `data/<figure>`; and the fact `dataset`.

    Raises:
        InputError: there are near-copies across splits, and `strict` is set.
    """
    pixels, groups = dataset.pixels(splits), dataset.duplicates(splits)
    leaking = sum(map(dataset.leaks, groups))
    figures = {"mean": pixels.mean, "median": pixels.median, "std": pixels.std}
    figures |= {"duplicate_groups": len(groups), "leaking_groups": leaking}
    about = {
        "counts": dataset.counts(splits),
        "histogram": pixels.histogram.tolist(),
        "duplicate_groups": len(groups),
        "leaking_groups": leaking,
        "duplicates": groups[:LISTED],
    }
    banks = {"samples": images(splits, "train", first_of_each(splits.rows["train"].labels, 0, SAMPLES))}
    if known is not None and np.bincount(known.labels).min() >= 5:
        score, other = dataset.suspicious(known["embedding"], known.labels, seed=seed)
        worst = np.argsort(-score, kind="stable")[:SUSPECTS]
        seen = images(splits, "train", worst)  # features are of the first training images, in their order
        banks["suspicious"] = Bank({**seen.values, "score": score[worst], "other": other[worst]}, seen.labels, seen.ids)
    found = [look_alike_study.near_copies(splits, features or {}, strict)]
    found += [look_alike_study.unusual(splits, known)] if known is not None else []
    metrics = {f"data/{name}": float(value) for name, value in figures.items()}
    facts: dict[str, Any] = {"dataset": about}
    for part in found:
        banks, metrics = banks | part.banks, metrics | part.metrics
        facts["dataset"] |= part.facts.get("dataset", {})
    return Artifacts(banks, metrics, facts)
