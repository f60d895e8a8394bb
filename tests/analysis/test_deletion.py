import types

import numpy as np
import pytest
from scipy import ndimage

from tfxfer import model
from tfxfer.analysis import attribution, deletion, feature_map_layers
from tfxfer.core.errors import InputError


def lit_share(images):
    """Probability of class 0: how far the upper fifth of 10 x 10 images is lit, and nothing else counts."""
    share = images[:, :2, :, 0].mean((1, 2)) / 255
    return np.stack([share, 1 - share], 1)


def lit(n):
    return np.full((n, 10, 10, 1), 255, np.uint8)


def upper(n):
    return np.repeat((np.arange(10) < 2).astype(float), 10).reshape(1, 10, 10).repeat(n, 0)


def test_the_deletion_of_all_that_counts_in_closed_form():
    """The map marks the upper fifth: it costs everything, the lowest nothing, and a strip of two rows shifted by s
    rows covers 1, 1/2, 0, ..., 0, 1/2 of the upper fifth, a mirrored one likewise: 1/5 on average."""
    n = 2000
    found = deletion.measure(lit_share, lit(n), upper(n), np.zeros_like(lit(n)))
    assert (found["probability"], found["top"], found["lowest"], found["empty"], found["images"]) == (1, 1, 0, 0, n)
    spread = np.sqrt((1 + 2 * 0.25) / 10 - 0.2**2)
    assert found["random"] == pytest.approx(0.2, abs=4 * spread / np.sqrt(n * deletion.DRAWS))
    assert found["gain"] == pytest.approx(1 - found["random"])
    reach = 1.9612 * spread / np.sqrt(n * deletion.DRAWS)  # t of 1,999 degrees of freedom
    assert found["high"] - found["gain"] == pytest.approx(reach, rel=0.1)
    assert found["gain"] - found["low"] == pytest.approx(reach, rel=0.1)


def test_a_map_of_the_opposite_is_worse_than_chance():
    found = deletion.measure(lit_share, lit(50), -upper(50), np.zeros_like(lit(50)))
    assert (found["top"], found["lowest"]) == (0, 1)
    assert found["high"] < 0


@pytest.mark.parametrize("what", ["noise", "empty"])
def test_maps_that_mean_nothing_seldom_beat_chance(what):
    """At most 2.5 % of intervals may lie above 0; of 400, 5 % would be 3 standard errors more."""
    rng, above = np.random.default_rng(0), 0
    for seed in range(400):
        maps = rng.random((30, 10, 10)) if what == "noise" else np.zeros((30, 10, 10))
        found = deletion.measure(lit_share, lit(30), maps, np.zeros_like(lit(30)), seed=seed)
        above += found["low"] > 0
        assert found["empty"] == (what == "empty")
    assert above <= 20


def test_one_image_decides_nothing():
    found = deletion.measure(lit_share, lit(1), upper(1), np.zeros_like(lit(1)))
    assert (found["low"], found["high"]) == (max(found["gain"] - 1, -1), 1)


def test_it_is_a_plain_loop_s(small_cnn, pictures):
    images, share = pictures.rows["test"].images[:12], 0.3
    maps = np.random.default_rng(0).random(images.shape[:3])
    explainer = attribution.Explainer(small_cnn)
    found = deletion.measure(explainer.probabilities, images, maps, share=share)
    lost = {"top": [], "lowest": []}
    for image, map_ in zip(images, maps):
        soft = ndimage.gaussian_filter(image[..., 0].astype(float), 28 / 8, mode="nearest", truncate=3)
        for name, places in zip(lost, (np.argsort(-map_.ravel()), np.argsort(map_.ravel()))):
            changed = image.copy().ravel()
            changed[places[: round(share * 784)]] = np.round(soft).ravel()[places[: round(share * 784)]]
            logits = small_cnn(np.stack([image, changed.reshape(image.shape)])).numpy().astype(float)
            p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
            lost[name].append(p[0].max() - p[1, p[0].argmax()])
    for name, values in lost.items():
        assert found[name] == pytest.approx(np.mean(values), abs=1e-4)


def test_blurring_mixes_neither_images_nor_colors():
    images = np.zeros((2, 16, 16, 3), np.uint8)
    images[0, ..., 1], images[1, 8:, :, 2] = 200, 200
    soft = deletion.blurred(images)
    np.testing.assert_array_equal(soft[0], images[0])
    assert (soft[1, ..., :2] == 0).all()
    assert 0 < soft[1, 7, 7, 2] < 200


def test_the_default_maps_of_a_trained_network_beat_chance(trained_cnn, pictures):
    """Grad-CAM, the default of version 0.1, leaves maps empty here."""
    images = pictures.rows["test"].images
    maps = attribution.explain(trained_cnn, images)
    assert not attribution.empty(maps).any()
    explainer = attribution.Explainer(trained_cnn)
    assert deletion.measure(explainer.probabilities, images, maps)["low"] > 0.2
    assert attribution.empty(attribution.explain(trained_cnn, images, method="gradcam")).any()


class Known:
    """An explainer whose maps are known: right ones by one method at one layer, else noise, and some empty ones."""

    def __init__(self, right, empty=None):
        self.right, self.empty, self.seen = right, empty, []
        self.net = types.SimpleNamespace(name="known")

    def probabilities(self, images):
        return lit_share(images)

    def maps(self, images, classes, method, layer):
        self.seen.append((method, layer, images[:, 9, 0, 0].tolist()))
        if (method, layer) == self.empty:
            return upper(len(images)) * (np.arange(len(images)) > 0)[:, None, None]
        noise = np.random.default_rng(len(self.seen)).random(images.shape[:3])
        return upper(len(images)) if (method, layer) == self.right else noise


def numbered(n):
    """Lit in the upper fifth, dark below, where blurring takes light away; a corner holds the image's number."""
    images = np.zeros((n, 10, 10, 1), np.uint8)
    images[:, :2], images[:, 9, 0, 0] = 255, np.arange(n)
    return images


def test_the_best_layer_is_chosen_by_one_half_and_measured_on_the_other(monkeypatch):
    monkeypatch.setattr(feature_map_layers, "candidates", lambda net: ["fine", "coarse"])
    explainer = Known(("layercam", "coarse"))
    layers, figures, tried = deletion.choose(explainer, numbered(61))
    assert next(iter(layers)) == "layercam"
    assert layers["layercam"] == "coarse"
    assert set(layers) == set(attribution.METHODS)
    assert set(figures) == {*attribution.METHODS, deletion.MIDDLE}
    assert figures["layercam"]["low"] > 0.05
    assert figures["layercam"]["images"] == 30
    assert {(each["layer"], each["method"]) for each in tried} == {
        (layer, method) for layer in ("fine", "coarse") for method in attribution.METHODS
    }
    assert all(numbers == list(range(31)) for _, _, numbers in explainer.seen[:6])
    assert all(numbers == list(range(31, 61)) for _, _, numbers in explainer.seen[6:])
    assert [(method, layer) for method, layer, _ in explainer.seen[6:]] == list(layers.items())


def test_a_layer_with_empty_maps_is_left_to_one_without(monkeypatch):
    monkeypatch.setattr(feature_map_layers, "candidates", lambda net: ["fine", "coarse"])
    layers, _, tried = deletion.choose(Known(("gradcam", "coarse"), empty=("layercam", "fine")), numbered(60))
    gains = {(each["method"], each["layer"]): each["gain"] for each in tried}
    assert gains["layercam", "fine"] > gains["layercam", "coarse"]
    assert layers["layercam"] == "coarse"


def test_one_image_is_enough_to_choose(monkeypatch):
    monkeypatch.setattr(feature_map_layers, "candidates", lambda net: ["only"])
    layers, figures, _ = deletion.choose(Known(("layercam", "only")), lit(1))
    assert set(layers.values()) == {"only"}
    assert figures["layercam"]["images"] == 1


@pytest.mark.parametrize(
    ("backbone", "size", "sides"),
    [("mobilenet_v2", 48, [6, 12]), ("small_resnet", 28, [7, 14]), ("cnn", 28, [11, 26]), ("resnet50", 32, [8, 16])],
)
def test_candidates_are_the_coarsest_that_can_point(pictures, backbone, size, sides):
    net = model.build(backbone, pictures, size, "none")
    names = feature_map_layers.candidates(net)
    assert [net.get_layer(name).output.shape[1] for name in names] == sides


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            {"maps": np.zeros((2, 9, 10))},
            r"maps \(2, 9, 10\): expected \(n, height, width\) of images \(2, 10, 10, 1\)",
        ),
        ({"images": lit(0), "maps": upper(0)}, "at least one"),
        ({"share": 0.0}, "share 0.0: expected more than 0"),
        ({"share": 0.6}, "at most 0.5"),
    ],
)
def test_bad_requests(change, complaint):
    with pytest.raises(InputError, match=complaint):
        deletion.measure(**({"predict": lit_share, "images": lit(2), "maps": upper(2)} | change))
