"""Moments against NumPy in float64, whatever the batches, the precision, the order and the devices."""

import json
import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import tensorflow as tf
import warm
from cluster_job import config_of, free_ports

from tfxfer.analysis import feature_batches, moments
from tfxfer.core.errors import InputError

NAMES = ("shift", "count", "sum", "squares", "scatter")


def make(n=700, d=9, classes=4, dtype=np.float64, seed=0):
    """Unbalanced classes, correlated features: (n, d) and labels (n,)."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, n, p=np.arange(1, classes + 1) / np.arange(1, classes + 1).sum())
    x = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 3 * rng.normal(size=(classes, d))[labels]
    return (x + 5).astype(dtype), labels


def plain(x, labels, classes) -> dict[str, np.ndarray]:
    """What moments give, by definition."""
    x = x.astype(np.float64)
    of = [x[labels == c] for c in range(classes)]
    within = sum(np.outer(row, row) for part in of for row in part - part.mean(0)) / len(x)
    return {
        "mean": x.mean(0),
        "std": x.std(0),
        "class_means": np.stack([part.mean(0) for part in of]),
        "class_variances": np.array([((part - part.mean(0)) ** 2).sum(1).mean() for part in of]),
        "within": within,
        "covariance": np.cov(x.T),
    }


def check(found: moments.Moments, x, labels, classes, rtol=1e-10) -> None:
    for name, expected in plain(x, labels, classes).items():
        value = found.covariance(ddof=1) if name == "covariance" else getattr(found, name)
        assert value.dtype == np.float64
        np.testing.assert_allclose(value, expected, rtol, rtol * np.abs(expected).max(), err_msg=name)
    assert found.n == len(x)
    np.testing.assert_array_equal(found.count, np.bincount(labels, minlength=classes))
    np.testing.assert_allclose(np.trace(found.scatter), found.squares.sum(), 1e-6)


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 1e-6), (np.float16, 1e-6)])
@pytest.mark.parametrize("size", [1, 50, 10_000])
def test_equals_the_definition(dtype, rtol, size):
    x, labels = make(dtype=dtype)
    check(moments.collect(moments.blocks(x, labels, size), 4), x, labels, 4, rtol)


def test_batches_are_joined_and_cut(monkeypatch):
    """Blocks of 64 rows whatever comes: 1, 0, 199, 64 and 436 rows; a class that first comes in a later block."""
    monkeypatch.setattr(feature_batches, "ROWS", 64)
    x, labels = make()
    x, labels = x[(order := np.argsort(labels, kind="stable"))], labels[order]
    edges = [0, 1, 1, 200, 264, 700]
    parts = [(x[a:b], labels[a:b]) for a, b in pairwise(edges)]
    assert [len(part) for part, _ in feature_batches.regroup(iter(parts))] == [64] * 10 + [60]
    check(moments.collect(parts, 4), x, labels, 4, 1e-12)
    images = tf.data.Dataset.from_tensor_slices((x.reshape(700, 3, 3, 1), labels)).batch(30)
    check(moments.collect(images, 4), x, labels, 4, 1e-12)


@pytest.mark.parametrize("order", ["shuffled", "sorted"])
def test_large_means_cost_no_precision(order):
    """Means 10,000 times the standard deviation; and classes that far apart, sorted, so that they come one by one."""
    rng = np.random.default_rng(0)
    labels = np.sort(np.arange(9000) % 3) if order == "sorted" else np.arange(9000) % 3
    far = 1e4 * rng.normal(size=(3, 20))[labels] if order == "sorted" else 1e4
    x = (rng.normal(size=(9000, 20)) + far).astype(np.float32)
    found, expected = moments.collect(moments.blocks(x, labels), 3), plain(x, labels, 3)
    assert np.abs(found.within - expected["within"]).max() < 1e-6
    assert np.abs(found.class_means - expected["class_means"]).max() < 1e-6
    np.testing.assert_allclose(found.class_variances, expected["class_variances"], 1e-6)


@pytest.mark.parametrize("d", [5, 300])
def test_statistics_add_up(d):
    """In tf.function, of float32 and float64, with and without the split product; rows with label -1 do not count."""
    x, labels = make(120, d)
    shift = x[:10].mean(0)
    blank = np.concatenate([x[:70], shift[None]]), np.append(labels[:70], -1)
    one = tf.function(lambda x, labels: moments.statistics(x, labels, 4, tf.constant(shift)), reduce_retracing=True)
    parts = [one(*blank), one(x[70:], labels[70:])]
    sums = {name: sum(part[name] for part in parts).numpy() for name in parts[0]}
    check(moments.Moments(shift, **sums), x, labels, 4, 1e-12)
    for dtype in (tf.bfloat16, tf.float32):
        single = tf.cast(x, dtype)
        found = moments.statistics(single, labels, 4, tf.zeros(d, dtype))
        scatter = tf.matmul(*[tf.cast(single, tf.float64)] * 2, transpose_a=True)
        np.testing.assert_allclose(found["scatter"], scatter, 1e-5, 1e-2)
        assert {value.dtype for value in found.values()} == {tf.float64}


def test_many_classes():
    labels = np.arange(300) % 130
    x = np.random.default_rng(0).normal(size=(300, 4))
    check(moments.collect([(x, labels)], 130), x, labels, 130, 1e-12)


def test_merging_equals_all_at_once():
    x, labels = make()
    first, second, third = (
        moments.collect([(x[part], labels[part])], 4) for part in np.split(np.arange(700), [9, 250])
    )
    check(first + second + third, x, labels, 4, 1e-12)
    check(third + (second + first), x, labels, 4, 1e-12)
    single = moments.collect([(x[:5].astype(np.float32), labels[:5])], 4)
    assert (single + first).epsilon == (first + single).epsilon == np.finfo(np.float32).eps > first.epsilon
    with pytest.raises(InputError, match="4 classes of 9 features and 5 classes of 9 features cannot be added"):
        first + moments.collect([(x, labels)], 5)


def test_classes_without_examples():
    x, labels = make()
    found = moments.collect([(x, labels)], 6)
    assert np.isnan(found.class_means[4:]).all()
    assert np.isnan(found.class_variances[4:]).all()
    np.testing.assert_allclose(found.within, plain(x, labels, 4)["within"], atol=1e-12)


def test_blocks_read_no_more_than_is_used(tmp_path):
    x = np.memmap(tmp_path / "x", np.float32, "w+", shape=(10, 2))
    parts = list(moments.blocks(x, np.arange(10), 4))
    assert [len(part) for part, _ in parts] == [4, 4, 2]
    assert all(np.shares_memory(part, x) for part, _ in parts)
    with pytest.raises(InputError, match="10 examples and 9 labels"):
        list(moments.blocks(x, np.arange(9)))


def test_normalisation(pictures):
    """Grey pictures by NumPy; three channels, one constant, by hand."""
    mean, std = moments.normalisation(pictures.train)
    images = pictures.rows["train"].images.astype(np.float64)
    np.testing.assert_allclose([mean, std], [[images.mean()], [images.std()]], rtol=1e-14)
    image = np.full((2, 1, 1, 3), 255, np.uint8)
    image[0] = 0, 255, 1
    mean, std = moments.normalisation(tf.data.Dataset.from_tensor_slices({"image": image}))
    assert (mean.tolist(), std.tolist()) == ([127.5, 255, 128], [127.5, 0, 127])
    with pytest.raises(InputError, match="expected at least one"):
        moments.normalisation(pictures.train.take(0))
    with pytest.raises(InputError, match="expected dicts with image, uint8"):
        moments.normalisation(pictures.train.batch(2))


X = np.zeros((4, 2))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "no examples"),
        ([(X[:0], X[:0, 0])], "no examples"),
        ([(X, [0, 1, 2, 3])], "labels int64 from 0 to 3: expected integers from 0 to 2"),
        ([(X, [0, -1, 2, 2])], "labels int64 from -1 to 2"),
        ([(X, X[:, 0])], "labels float64 from 0.0 to 0.0: expected integers"),
        ([(X, [0, 1])], r"float64 \(4, 2\) with labels \(2,\)"),
        ([(X[0], [0, 1])], r"float64 \(2,\) with labels \(2,\)"),
        ([(X.astype(str), [0] * 4)], r"expected numbers \(n, ...\)"),
        ([(X, [0] * 4), (X[:, :1], [0] * 4)], "a batch of 1 features after one of 2"),
        ([(X + np.nan, [0] * 4)], "NaN, infinity"),
        ([(X - np.inf, [0] * 4)], "NaN, infinity"),
        ([(np.float32([[1], [0]]) * 1e30, [0] * 2)], "squares are too large for float32"),
    ],
)
def test_wrong_input(given, said):
    with pytest.raises(InputError, match=said):
        moments.collect(given, 3)


def uneven() -> list:
    """Batches of 7, 1 and 692 examples."""
    x, labels = make()
    return [(x[part], labels[part]) for part in np.split(np.arange(700), [7, 8])]


def job(name: str, out: str) -> None:
    """Collects with the strategy, in blocks of 101 examples, the last one of 94 or, of fewer batches, of one."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    if name == "mirrored":
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    from tfxfer.core import distribute

    strategy = distribute.create(name)
    feature_batches.ROWS = 101
    for file, given in (("all", uneven()), ("one", uneven()[1:2])):
        found = moments.collect(given, 4, strategy)
        np.savez(f"{out}-{file}.npz", **{key: getattr(found, key) for key in NAMES})
    try:
        moments.collect([*uneven(), (X, np.zeros(4, int))], 4, strategy)
    except InputError as error:
        print(error)


@pytest.mark.enable_socket
@pytest.mark.parametrize("name", ["mirrored", "multiworker"])
def test_replicas_and_workers_give_what_one_device_gives(tmp_path, name):
    ports = free_ports()
    configs = [{"TF_CONFIG": json.dumps(config_of(i, ports))} for i in range(2)] if name == "multiworker" else [{}]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COV")} | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    command = [*warm.python(), __file__, name]
    workers = [
        subprocess.Popen([*command, tmp_path / str(i)], env=environment | config, stdout=-1, stderr=-1, text=True)
        for i, config in enumerate(configs)
    ]
    for i, worker in enumerate(workers):
        printed, errors = worker.communicate(timeout=120)
        assert worker.returncode == 0, errors
        assert "a batch of 2 features after one of 9" in printed
        for file, given in (("all", uneven()), ("one", uneven()[1:2])):
            expected = moments.collect(given, 4)
            with np.load(tmp_path / f"{i}-{file}.npz") as found:
                for key in NAMES:
                    scale = np.abs(getattr(expected, key)).max()
                    np.testing.assert_allclose(found[key], getattr(expected, key), 1e-9, 1e-12 * scale, err_msg=key)


if __name__ == "__main__":
    job(*sys.argv[1:])
