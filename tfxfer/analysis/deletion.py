"""Whether maps mark what a prediction rests on: the deletion test, and the layer and method that do best in it.

The pixels that a map ranks highest are removed, and the predicted class loses probability. If the map means anything,
it loses more than when as many pixels are removed elsewhere (Samek et al. 2017, arXiv:1509.06321; Petsiuk et al. 2018,
RISE, arXiv:1806.07421). The test cannot tell a reason from an outline; that is what `attribution.sanity` is for.
"""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import ndimage, stats

from tfxfer.analysis import attribution, feature_map_layers
from tfxfer.core.count_progress import track
from tfxfer.core.errors import InputError

SHARE = 0.2  # of the pixels, removed
DRAWS = 4  # random displacements of each map
CONFIDENCE = 0.95
BLUR = 1 / 8  # standard deviation, as a share of an image's side
MIDDLE = "middle"  # what `choose` calls a disc in the middle of every image


def measure(
    predict: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    maps: np.ndarray,
    replacement: np.ndarray | None = None,
    share: float = SHARE,
    seed: int = 0,
) -> dict[str, float]:
    """Measures how much probability the predicted class loses when the pixels that a map ranks highest are removed.

    The loss by chance is that with the same map displaced: shifted cyclically and mirrored at random, so that the
    removed region has the same shape and only its place differs. Pixels drawn one by one would not do: scattered over
    the image they cost a network more than one hole of the same area (on MNIST 0.58 against 0.39). Ties are broken at
    random.

    Args:
        predict: a function from uint8 images to probabilities (n, classes), such as
            `attribution.Explainer.probabilities`.
        images: uint8 (n, height, width, channels).
        maps: float (n, height, width), as from `attribution.explain`.
        replacement: uint8 (n, height, width, channels), what replaces the removed pixels; by default `blurred(images)`.
        share: the share of the pixels to remove, in (0, 0.5].
        seed: random seed of the displacements and of broken ties.

    Returns:
        A dict of means over the images: "probability" of the predicted class; the losses "top" (the highest pixels
        removed), "lowest" (the lowest) and "random" (the highest of a map displaced `DRAWS` times), each in [-1, 1];
        "gain", which is top less random, with "low" and "high" of its 95% confidence interval (Student's t, paired by
        image); "empty", the share of maps that point at nothing; and "images", their number.

    Raises:
        InputError: maps of other images, no images, or a share out of range.
    """
    images, maps = np.asarray(images), np.asarray(maps)
    if maps.shape != images.shape[:3] or not len(images):
        raise InputError(f"maps {maps.shape}: expected (n, height, width) of images {images.shape}, at least one")
    if not 0 < share <= 0.5:
        raise InputError(f"share {share}: expected more than 0 and at most 0.5, such as {SHARE}")
    replacement = blurred(images) if replacement is None else replacement
    rng, before = np.random.default_rng(seed), predict(images)
    classes = before.argmax(1)[:, None]

    def lost(removed: np.ndarray) -> np.ndarray:
        after = predict(np.where(removed[..., None], replacement, images))
        return np.take_along_axis(before - after, classes, 1)[:, 0].astype(float)

    highest_pixels, lowest_pixels = _ends(maps, share, rng)
    top, lowest = lost(highest_pixels), lost(lowest_pixels)
    random = np.mean([lost(_ends(_moved(maps, rng), share, rng)[0]) for _ in range(DRAWS)], axis=0)
    gain, reach = top - random, 1.0
    if len(images) > 1:
        error = gain.std(ddof=1) / np.sqrt(len(images))
        reach = stats.t.ppf(0.5 + CONFIDENCE / 2, len(images) - 1) * error
    figures = {"probability": before.max(1), "top": top, "lowest": lowest, "random": random, "gain": gain}
    figures |= {"low": max(gain.mean() - reach, -1), "high": min(gain.mean() + reach, 1)}
    figures |= {"empty": attribution.empty(maps), "images": len(images)}
    return {name: float(np.mean(value)) for name, value in figures.items()}


def choose(
    explainer: attribution.Explainer, images: np.ndarray, seed: int = 0
) -> tuple[dict[str, str], dict[str, dict[str, float]], list[dict[str, Any]]]:
    """Chooses, for each method, the layer whose maps gain most in the deletion test, and measures it on other images.

    The first half of the images chooses, and the second measures what was chosen, because the best of several figures
    flatters itself. Layers with an empty map in the first half are chosen only if all layers have one.

    Args:
        explainer: of the network.
        images: uint8 (n, *input shape), which are neither shown nor tested, such as validation images. 200 of them give
            intervals of about 0.08 to either side, and take about (layers x methods + methods) x 700 predictions.
        seed: random seed of the displacements and of broken ties.

    Returns:
        The layer of each method, the method with the highest gain first; the figures of `measure` for each method, and
        for a disc in the middle of every image, called `MIDDLE`, which needs no network; and all candidates, each a
        dict of its layer, its method and its figures.

    Raises:
        InputError: the network has no feature map.
    """
    half = (len(images) + 1) // 2
    first, second = images[:half], images[half:] if len(images) > 1 else images
    halves = [(part, blurred(part), explainer.probabilities(part).argmax(1)) for part in (first, second)]

    def judge(half: int, method: str, layer: str) -> dict[str, float]:
        part, replacement, classes = halves[half]
        maps = explainer.maps(part, classes, method, layer)
        return measure(explainer.probabilities, part, maps, replacement, seed=seed)

    layers = feature_map_layers.candidates(explainer.net)
    pairs = list(itertools.product(layers, attribution.METHODS))
    candidates: list[dict[str, Any]] = [
        {"layer": layer, "method": method} | judge(0, method, layer)
        for layer, method in track(pairs, "deletion test", len(pairs), "candidates")
    ]
    ranked = sorted(candidates, key=lambda candidate: (candidate["empty"] > 0, -candidate["gain"]))
    chosen: dict[str, str] = {}
    for candidate in ranked:
        chosen.setdefault(candidate["method"], candidate["layer"])
    figures = {method: judge(1, method, layer) for method, layer in chosen.items()}
    figures[MIDDLE] = measure(explainer.probabilities, second, _middle(second.shape), halves[1][1], seed=seed)
    return chosen, figures, candidates


def blurred(images: np.ndarray) -> np.ndarray:
    """Blurs images until details smaller than a quarter of their side are gone.

    A blurred copy leaves empty ground as it was and adds no edge. The mean colour removes as much where something is,
    but puts grey patches on empty ground, which a network takes for strokes: digits lose as much from them wherever
    they are (top 0.54, displaced 0.50, interval of the difference -0.04 to 0.13). With blurring they do not (0.64,
    0.39, 0.17 to 0.32).

    Args:
        images: uint8 (n, height, width, channels).

    Returns:
        uint8 (n, height, width, channels).
    """
    sigma = (0, BLUR * images.shape[1], BLUR * images.shape[2], 0)
    smooth = ndimage.gaussian_filter(images.astype(np.float32), sigma, mode="nearest", truncate=3)
    return smooth.round().astype(np.uint8)


def _ends(maps: np.ndarray, share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels are among the highest and which among the lowest, both bool (n, height, width)."""
    flat = maps.reshape(len(maps), -1)
    order = np.lexsort((rng.random(flat.shape), flat), axis=-1)
    count = max(1, round(share * flat.shape[1]))
    rank = order.argsort(1).reshape(maps.shape)
    return rank >= flat.shape[1] - count, rank < count


def _moved(maps: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The maps, each shifted cyclically and mirrored at random."""
    shifts = rng.integers(maps.shape[1:], size=(len(maps), 2))
    steps = rng.choice([-1, 1], (len(maps), 2))
    pairs = zip(maps, shifts, steps, strict=True)
    return np.stack([np.roll(map_, shift, (0, 1))[::down, ::right] for map_, shift, (down, right) in pairs])


def _middle(shape: tuple[int, ...]) -> np.ndarray:
    """Maps that fall off from the middle, for images of this shape."""
    y, x = (np.linspace(-1, 1, side) for side in shape[1:3])
    return np.broadcast_to(-(y[:, None] ** 2) - x**2, shape[:3])
