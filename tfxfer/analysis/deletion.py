"""Whether maps mark what a prediction rests on: the deletion test, and the layer and method that do best in it.

The pixels that a map ranks highest are removed, and the predicted class loses probability: more than with as many
pixels elsewhere, if the map means anything (Samek et al. 2017, arXiv:1509.06321; Petsiuk et al. 2018, RISE,
arXiv:1806.07421). It does not tell a reason from an outline; `attribution.sanity` asks for that.
"""

from collections.abc import Callable

import numpy as np
from scipy import ndimage, stats

from tfxfer.analysis import attribution
from tfxfer.core.errors import InputError

SHARE = 0.2  # of the pixels, removed
DRAWS = 4  # of each map moved at random
CONFIDENCE = 0.95
BLUR = 1 / 8  # of an image's side: the standard deviation
MIDDLE = "middle"  # what `choose` calls a disc in the middle of every image


def measure(
    predict: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    maps: np.ndarray,
    replacement: np.ndarray | None = None,
    share: float = SHARE,
    seed: int = 0,
) -> dict[str, float]:
    """How much probability the predicted class loses with the pixels that maps rank highest, lowest, and elsewhere.

    Chance is the same map moved: shifted cyclically and mirrored at random, so that what is removed has the same shape
    and only its place differs. Pixels drawn one by one would not do: strewn over the image they cost a network more
    than a hole of their area (measured on MNIST: 0.58 against 0.39). Ties are broken at random.

    Args:
        predict: uint8 images -> probabilities (n, classes), such as `attribution.Explainer.probabilities`.
        images: uint8 (n, height, width, channels).
        maps: (n, height, width), as from `attribution.explain`.
        replacement: uint8 like `images`, what removed pixels become; by default `blurred(images)`.
        share: of the pixels, in (0, 0.5].
        seed: of what is random.

    Returns:
        Means over the images: probability; what is lost of it, each in [-1, 1]: top, lowest, random (a map moved
        `DRAWS` times); gain, top less random, with low and high of its 95 % confidence interval (Student's t, paired by
        image); empty, the share of maps that point at nothing; and images, their number.

    Raises:
        InputError: maps that are not of these images, no images, or a share out of range.
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

    highest, last = _ends(maps, share, rng)
    top, lowest = lost(highest), lost(last)
    random = np.mean([lost(_ends(_moved(maps, rng), share, rng)[0]) for _ in range(DRAWS)], axis=0)
    gain, reach = top - random, 1.0
    if len(images) > 1:
        error = gain.std(ddof=1) / np.sqrt(len(images))
        reach = stats.t.ppf(0.5 + CONFIDENCE / 2, len(images) - 1) * error
    found = {"probability": before.max(1), "top": top, "lowest": lowest, "random": random, "gain": gain}
    found |= {"low": max(gain.mean() - reach, -1), "high": min(gain.mean() + reach, 1)}
    found |= {"empty": attribution.empty(maps), "images": len(images)}
    return {name: float(np.mean(value)) for name, value in found.items()}


def choose(explainer: attribution.Explainer, images: np.ndarray, seed: int = 0) -> tuple[dict, dict, list[dict]]:
    """For each method the layer whose maps gain most in the deletion test, and what that gain is on other images.

    The first half of the images chooses, the second measures what was chosen: the best of several figures flatters
    itself. Layers where a map of the first half is empty are left to those where none is.

    Args:
        explainer: of the network.
        images: uint8 (n, *input shape): neither shown nor tested, such as validation images. 200 give intervals of
            about 0.08 to either side, and take about (layers x methods + methods) x 700 predictions.
        seed: of what is random.

    Returns:
        Layers by method, the one with the highest gain first; figures of `measure` by method, and of a disc in the
        `MIDDLE` of every image, which needs no network; and all candidates: layer, method, figures.

    Raises:
        InputError: the network gives no feature map.
    """
    half = (len(images) + 1) // 2
    first, second = images[:half], images[half:] if len(images) > 1 else images
    copies = [(some, blurred(some), explainer.probabilities(some).argmax(1)) for some in (first, second)]

    def judge(part: int, method: str, layer: str) -> dict[str, float]:
        some, replacement, classes = copies[part]
        maps = explainer.maps(some, classes, method, layer)
        return measure(explainer.probabilities, some, maps, replacement, seed=seed)

    pairs = [(layer, method) for layer in attribution.candidates(explainer.net) for method in attribution.METHODS]
    tried = [{"layer": layer, "method": method} | judge(0, method, layer) for layer, method in pairs]
    ranked = sorted(tried, key=lambda each: (each["empty"] > 0, -each["gain"]))
    layers: dict[str, str] = {}
    for each in ranked:
        layers.setdefault(each["method"], each["layer"])
    found = {method: judge(1, method, layer) for method, layer in layers.items()}
    found[MIDDLE] = measure(explainer.probabilities, second, _middle(second.shape), copies[1][1], seed=seed)
    return layers, found, tried


def blurred(images: np.ndarray) -> np.ndarray:
    """Images (n, height, width, channels), uint8, without what is smaller than a quarter of their side.

    A blurred copy stays what it was where nothing is, and adds no edge. The mean colour, which takes as much away where
    something is, lays grey patches on an empty ground, and a network takes them for strokes: digits lose as much by
    them wherever they are (top 0.54, moved 0.50, interval of the difference -0.04 to 0.13), with blurring they don't
    (0.64, 0.39, 0.17 to 0.32).
    """
    sigma = (0, BLUR * images.shape[1], BLUR * images.shape[2], 0)
    given = ndimage.gaussian_filter(images.astype(np.float32), sigma, mode="nearest", truncate=3)
    return given.round().astype(np.uint8)


def _ends(maps: np.ndarray, share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels are among the highest and which among the lowest, bool (n, height, width) both."""
    flat = maps.reshape(len(maps), -1)
    order = np.lexsort((rng.random(flat.shape), flat), axis=-1)
    count = max(1, round(share * flat.shape[1]))
    place = order.argsort(1).reshape(maps.shape)
    return place >= flat.shape[1] - count, place < count


def _moved(maps: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    shifts = rng.integers(maps.shape[1:], size=(len(maps), 2))
    steps = rng.choice([-1, 1], (len(maps), 2))
    pairs = zip(maps, shifts, steps, strict=True)
    return np.stack([np.roll(each, shift, (0, 1))[::down, ::right] for each, shift, (down, right) in pairs])


def _middle(shape: tuple[int, ...]) -> np.ndarray:
    """Maps that fall off from the middle of images of this shape."""
    y, x = (np.linspace(-1, 1, side) for side in shape[1:3])
    return np.broadcast_to(-(y[:, None] ** 2) - x**2, shape[:3])
