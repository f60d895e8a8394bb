"""Spatter's rims step by step: against loops and graphs, then against numbers that OpenCV gave."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage
from scipy.sparse import csgraph, csr_array
from skimage import filters

from tfxfer.data.corruptions import edges, weather

# severity: mean, deviation, sigma, least level
CONSTANTS = {1: (0.62, 0.1, 0.7, 0.7), 2: (0.65, 0.1, 0.8, 0.7), 3: (0.65, 0.3, 1, 0.69)}

# OpenCV 4.14.0's Canny, distanceTransform, blur, equalizeHist and filter2D, called as the benchmark calls them, on
# `liquids(severity)`. For each of four maps the sums of: bytes, edges, edges * place, distances, equalised levels,
# these * place, relief, relief * place; the place of a pixel is 32 * row + column.
OPENCV = {
    1: (
        (3086, 58, 38716, 6008, 127481, 57252377, 115836, 60053916),
        (8422, 137, 73609, 1711, 136087, 65910631, 132148, 66369010),
        (4907, 83, 30248, 3182, 130249, 75875820, 155348, 83982327),
        (5467, 110, 54313, 2436, 130529, 66824441, 136907, 68288020),
    ),
    2: (
        (14020, 141, 77816, 1613, 134720, 66213524, 139012, 68483115),
        (11135, 124, 77493, 1916, 130238, 56709211, 121911, 55541598),
        (18427, 162, 80792, 1394, 120510, 62114259, 121701, 63077996),
        (16766, 209, 96633, 899, 105636, 62293664, 116950, 66941190),
    ),
    3: (
        (75395, 295, 149973, 390, 72063, 38863201, 76608, 41163420),
        (69851, 284, 144186, 426, 79458, 42925185, 89804, 45616752),
        (56996, 255, 128851, 562, 90113, 47447230, 100717, 54202445),
        (57259, 268, 136385, 586, 86101, 45622225, 102333, 52972463),
    ),
}


def liquids(severity):
    """Levels 0-255, float32 (4, 32, 32)."""
    mean, deviation, sigma, least = CONSTANTS[severity]
    drawn = np.random.default_rng(severity).normal(mean, deviation, (4, 32, 32))
    smooth = np.stack([filters.gaussian(each, sigma) for each in drawn])
    return np.float32(np.uint8(255 * np.where(smooth < least, 0, smooth)))


@pytest.mark.parametrize("severity", CONSTANTS)
def test_every_step_is_opencvs(severity):
    levels = liquids(severity)
    found = edges.canny(tf.constant(levels)).numpy()
    far = edges.distance_transform(tf.constant(found))
    equal, relief = edges.equalize_histogram(far), weather.emboss_drops(tf.constant(levels))
    place = np.arange(1024).reshape(32, 32)
    steps = (levels, found, found * place, far, equal, equal * place, relief, relief * place)
    steps = [np.int64(step).sum((1, 2)) for step in steps]
    np.testing.assert_array_equal(np.stack(steps, 1), OPENCV[severity])


@pytest.mark.parametrize("severity", CONSTANTS)
def test_edges_are_connected_crests_of_the_gradient(severity):
    """Canny's method pixel by pixel: Sobel's gradient, directions by their angle, SciPy's connected regions."""
    for levels, found in zip(liquids(severity), edges.canny(tf.constant(liquids(severity))).numpy()):
        down, across = (ndimage.sobel(levels.astype(float), axis, mode="nearest") for axis in (0, 1))
        length = np.abs(down) + np.abs(across)
        around = np.pad(length, 1)
        crest = np.zeros((32, 32), bool)
        for i, j in np.argwhere(length > 50):
            angle = np.degrees(np.arctan2(abs(down[i, j]), abs(across[i, j])))
            if angle < 22.5 or angle > 67.5:
                step = np.array((0, 1) if angle < 22.5 else (1, 0))
            else:
                step = np.array((1, 1) if down[i, j] * across[i, j] >= 0 else (1, -1))
            before, behind = (around[tuple(np.array([i, j]) + 1 + side * step)] for side in (-1, 1))
            diagonal = abs(step).sum() == 2
            crest[i, j] = length[i, j] > before and (length[i, j] > behind or (not diagonal and length[i, j] >= behind))
        regions, _ = ndimage.label(crest, np.ones((3, 3)))
        strong = np.unique(regions[crest & (length > 150)])
        np.testing.assert_array_equal(found, np.isin(regions, strong) & crest)


def test_weak_edges_far_along_a_line_belong_to_a_strong_one():
    """A step of 200 levels at one end that fades to 20 along 40 pixels; another that never exceeds 20 has no edge."""
    levels = np.zeros((2, 40, 40), np.float32)
    levels[0, 20:] = np.linspace(200, 20, 40)
    levels[1, 20:] = 20
    found = edges.canny(tf.constant(levels)).numpy()
    assert found[0].sum() >= 38
    assert not found[1].any()


def test_distances_are_shortest_paths_of_chess_moves():
    """Dijkstra's paths over a graph in which king and knight move, costs in ten-thousandths; then 3 x 3 means."""
    rng = np.random.default_rng(0)
    maps = rng.random((3, 32, 32)) < np.array([0.003, 0.02, 0.1])[:, None, None]
    places, costs = [], []
    for i, j in np.ndindex(32, 32):
        for a, b in np.ndindex(5, 5):
            y, x = i + a - 2, j + b - 2
            cost = {1: 10_000, 2: 14_000, 5: 21_969}.get((a - 2) ** 2 + (b - 2) ** 2)
            if cost and 0 <= y < 32 and 0 <= x < 32:
                places.append((32 * i + j, 32 * y + x))
                costs.append(cost)
    graph = csr_array((costs, np.transpose(places)), (1024, 1024))
    for edge, found in zip(maps, edges.distance_transform(tf.constant(maps)).numpy()):
        far = csgraph.dijkstra(graph, indices=np.flatnonzero(edge), min_only=True).reshape(32, 32)
        total = ndimage.correlate(np.int64(np.minimum(far, 200_000)), np.ones((3, 3), int), mode="mirror")
        np.testing.assert_array_equal(found, total // 90_000)


def test_without_an_edge_all_is_as_far_as_can_be():
    np.testing.assert_array_equal(
        edges.distance_transform(tf.zeros((1, 32, 32), tf.bool)), np.full((1, 32, 32), edges.MAX_DISTANCE)
    )


def test_equalised_levels_are_as_often_one_as_another():
    """The least level becomes 0, the highest 255, others by how many lie below; a single level stays what it is."""
    levels = np.repeat([0, 3, 7, 20], [4, 6, 3, 3]).reshape(1, 4, 4).astype(np.float32)
    expected = np.repeat([0, round(255 * 6 / 12), round(255 * 9 / 12), 255], [4, 6, 3, 3]).reshape(1, 4, 4)
    np.testing.assert_array_equal(edges.equalize_histogram(tf.constant(levels)), expected)
    alone = tf.fill((1, 4, 4), 20.0)
    np.testing.assert_array_equal(edges.equalize_histogram(alone), alone)
