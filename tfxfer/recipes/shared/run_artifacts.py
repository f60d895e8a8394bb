"""What a run keeps to be looked at: pictures of test images, maps of where the network looks, a study of the data."""

import keras
import numpy as np
import tensorflow as tf

from tfxfer import analysis, model
from tfxfer.analysis import attribution, dataset, deletion
from tfxfer.core.errors import InputError
from tfxfer.data import Splits
from tfxfer.data.splits import first_of_each
from tfxfer.features import inference
from tfxfer.features.bank import Bank
from tfxfer.recipes.shared import model_evaluation
from tfxfer.recipes.shared.feature_sets import PROJECTIONS, SHOWN

MISTAKES = 2000  # wrong predictions kept as pictures, the surest
EXPLAINED = 1000  # test images among which those explained are chosen
JUDGED = 60, 200  # validation images of the deletion test: for large pictures, and for those up to 64 x 64
PANELS = 6  # right, and as many wrong, predictions explained
LAYER_IMAGES = 2000  # training images of which collapse is measured by depth
SAMPLES = 8  # of each class
LISTED = 50  # groups of equal images
SUSPECTS = 24


def images(splits: Splits, split: str, rows: np.ndarray) -> Bank:
    """Some images of a split, by row: "image", uint8 (n, height, width, channels)."""
    some = splits.only(**{split: rows})
    found = [batch["image"].numpy() for batch in some.batches(split, 256)]
    pixels = np.concatenate(found) if found else np.zeros((0, *splits.image_shape), np.uint8)
    return Bank({"image": pixels}, some.rows[split].labels, some.ids[split])


def pictures(splits: Splits, scores: np.ndarray) -> Bank:
    """Test images to look at: the first, and the surest mistakes; never all of a large test.

    Args:
        scores: logits or probabilities of all test images, (n, classes).
    """
    wrong = np.flatnonzero(scores.argmax(1) != splits.rows["test"].labels)
    sure = tf.nn.softmax(scores[wrong]).numpy().max(1) if len(wrong) else np.zeros(0)
    rows = np.union1d(np.arange(min(SHOWN, len(scores))), wrong[np.argsort(-sure, kind="stable")[:MISTAKES]])
    return images(splits, "test", rows)


def network(
    run, net: keras.Model, splits: Splits, shown: Bank, size: int | None = None, project: bool = False
) -> dict[str, Bank]:
    """What is kept of a trained network: `explain`, and the bank "final": the embedding of the first pictures.

    Args:
        project: with their projections, where the page has no others to show.
    """
    first = shown[:SHOWN]
    forward = keras.Model(net.input, net.get_layer("embedding").output)
    values = {"embedding": model_evaluation.predictor(forward, tf.identity)(first["image"])}
    if project and len(first) >= 4:
        values |= {method: analysis.project(values["embedding"], method) for method in PROJECTIONS}
    return explain(run, net, splits, shown, size) | {"final": Bank(values, first.labels, first.ids)}


def explain(run, net: keras.Model, splits: Splits, shown: Bank, size: int | None = None) -> dict[str, Bank]:
    """Class activation maps of right and wrong predictions, the deletion test that chooses their layers and the method
    shown first, and the check that they depend on the weights.

    Args:
        run: notes facts `explained` and metrics `deletion/<method>/<figure>` (of `deletion.measure`, on validation
            images) and `sanity/<down to>`.
        net: from `model.build`, computing in float32.
        shown: with "image", of test images.
        size: pixels a side at which the network looks, its own by default.

    Returns:
        A bank "explained": image, predicted, sure (its probability) and float16 maps by method; none for a network
        without feature maps, which `run.facts` then says.

    Raises:
        InputError: the network cannot look at that size.
    """
    net = net if size is None else attribution.enlarge(net, splits, size)
    try:
        attribution.layer_to_explain(net)
    except InputError as reason:
        run.facts["left_out"] = run.facts.get("left_out", {}) | {"explanations": str(reason)}
        return {}
    explainer = attribution.Explainer(net)
    layers, figures, tried = deletion.choose(explainer, _judged(splits, _side(net, "scaled")))
    for name, values in figures.items():
        run.note(f"deletion/{name}", values)
    shown = shown[:EXPLAINED]
    given = explainer.probabilities(shown["image"])
    predicted, sure = given.argmax(1), given.max(1)
    rows = np.concatenate([_varied(shown.labels, predicted, sure, right) for right in (True, False)])
    some = shown["image"][rows]
    values = {"image": some, "predicted": predicted[rows], "sure": sure[rows]}
    for method in attribution.METHODS:
        values[method] = explainer.maps(some, predicted[rows], method, layers[method]).astype(np.float16)
    method = next(iter(layers))
    run.note("sanity", attribution.sanity(net, some, method, layers[method]))
    run.facts["explained"] = {"method": method, "size": _side(net, "scaled"), "tried": tried} | {
        "layers": {name: {"layer": layer, "side": _side(net, layer)} for name, layer in layers.items()}
    }
    return {"explained": Bank(values, shown.labels[rows], shown.ids[rows])}


def _side(net: keras.Model, layer: str) -> int:
    return min(net.get_layer(layer).output.shape[1:3])


def _judged(splits: Splits, side: int) -> np.ndarray:
    """Images for `deletion.choose`, which are neither shown nor tested; fewer where each takes longer."""
    least, most = JUDGED
    wanted = max(least, min(most, most * 64**2 // side**2))
    return images(splits, "validation", np.arange(min(wanted, splits.size("validation"))))["image"]


def _varied(labels: np.ndarray, predicted: np.ndarray, sure: np.ndarray, right: bool) -> np.ndarray:
    """Rows of right or of wrong predictions, the surest, first one of each pair of classes."""
    rows = np.flatnonzero((labels == predicted) == right)
    rows = rows[np.argsort(-sure[rows], kind="stable")]
    _, first = np.unique(np.stack([labels[rows], predicted[rows]]), axis=1, return_index=True)
    order = np.concatenate([np.sort(first), np.setdiff1d(np.arange(len(rows)), first)])
    return rows[order[:PANELS]]


def collapse_by_depth(net: keras.Model, splits: Splits) -> dict[str, float]:
    """How far classes have collapsed after each stage, its maps averaged over places: `<stage>/nc1`, `<stage>/cdnv`,
    of the first `LAYER_IMAGES` training images, and some of each class."""
    ends = {name: members[-1].output for name, members in model.stages(net).items()}
    pool = keras.layers.GlobalAveragePooling2D()
    staged = keras.Model(net.input, {name: pool(end) if len(end.shape) == 4 else end for name, end in ends.items()})
    forward = tf.function(lambda images: staged(images, training=False), reduce_retracing=True)
    some, figures = splits.only(train=first_of_each(splits.rows["train"].labels, LAYER_IMAGES)), {}
    parts = [forward(batch["image"]) for batch in some.batches("train", inference.images_per_batch(net))]
    for name in ends:
        x = np.concatenate([part[name].numpy() for part in parts])
        of_stage = analysis.neural_collapse(x, some.rows["train"].labels)
        figures |= {f"{name}/{figure}": of_stage[figure] for figure in ("nc1", "cdnv")}
    return figures


def study(run, splits: Splits, known: Bank | None = None, seed: int = 0) -> dict[str, Bank]:
    """A look at the data before training: counts, pixels, equal images, samples and, with features, suspicious labels.

    Args:
        run: notes facts `dataset` and metrics `data/<figure>`.
        known: of training images, with "embedding".

    Returns:
        Banks "samples" and, if a probe can be fitted to `known`, "suspicious": image, score and the likelier class.
    """
    pixels, groups = dataset.pixels(splits), dataset.duplicates(splits)
    leaking = sum(map(dataset.leaks, groups))
    found = {"mean": pixels.mean, "median": pixels.median, "std": pixels.std}
    run.note("data", found | {"duplicate_groups": len(groups), "leaking_groups": leaking})
    run.facts["dataset"] = {
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
        banks["suspicious"] = Bank(seen.values | {"score": score[worst], "other": other[worst]}, seen.labels, seen.ids)
    return banks
