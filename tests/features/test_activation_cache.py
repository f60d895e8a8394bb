import keras
import numpy as np
import pytest
import tensorflow as tf

from tfxfer import data, model
from tfxfer.core import memory
from tfxfer.core.cache import Store
from tfxfer.core.errors import InputError
from tfxfer.features import activation_cache, frozen_prefix, inference


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("TFXFER_CACHE", str(tmp_path / "cache"))
    return Store()


@pytest.fixture
def net(pictures):
    keras.utils.set_random_seed(0)
    net = model.build("small_resnet", pictures, weights="none")
    model.unfreeze_last(net, 8)
    return net


def compute(net, pictures, mode="memory", **options):
    return activation_cache.compute(
        net, frozen_prefix.frontier(net, options.get("views", 0)).tensors, pictures, mode, **options
    )


def passes(monkeypatch):
    """Counts the passes over the data."""
    counted = []
    over = inference.Forward.over
    monkeypatch.setattr(inference.Forward, "over", lambda *given: (counted.append(given[-1]), over(*given))[1])
    return counted


def test_are_what_the_layer_gives(net, pictures):
    found = compute(net, pictures)
    (name,) = frozen_prefix.frontier(net).tensors
    layer = keras.Model(net.input, net.get_layer(name).output)
    for split in ("train", "validation"):
        batches = [layer(batch["image"], training=False) for batch in pictures.batches(split, 70)]
        np.testing.assert_allclose(found.arrays[split][name], tf.concat(batches, 0), rtol=1e-5, atol=1e-5)
        rows = tf.constant([5, 0, 5], tf.int64)
        values, labels = found.reader(split, [name])(rows)
        np.testing.assert_array_equal(values, np.asarray(found.arrays[split][name])[[5, 0, 5]])
        np.testing.assert_array_equal(labels, pictures.rows[split].labels[[5, 0, 5]])


def test_disk_agrees_and_is_reused_by_later_runs(net, pictures, monkeypatch):
    counted = passes(monkeypatch)
    memory, disk = compute(net, pictures), compute(net, pictures, "disk")
    assert len(counted) == 4
    again, auto = compute(net, pictures, "disk"), compute(net, pictures, "auto")
    assert len(counted) == 4
    assert "found on disk" in again.where
    assert isinstance(auto.arrays["train"][next(iter(auto.arrays["train"]))], np.memmap)
    for found in (disk, again, auto):
        for split, table in memory.arrays.items():
            for name, array in table.items():
                np.testing.assert_array_equal(array, found.arrays[split][name])


def test_another_weight_depth_data_set_or_dtype_is_another_entry(net, pictures, monkeypatch, store):
    compute(net, pictures, "disk")
    counted = passes(monkeypatch)
    others = data.from_arrays(
        (pictures.rows["train"].images[..., 0] ^ 1, pictures.rows["train"].labels),
        (pictures.rows["test"].images, pictures.rows["test"].labels),
    )
    compute(net, pictures, "disk", dtype="bfloat16")
    compute(net, others, "disk")
    model.unfreeze_last(net, 3)
    compute(net, pictures, "disk")
    model.unfreeze_last(net, 8)
    kernel = net.get_layer("stem_conv").kernel
    kernel.assign(kernel + 1e-6)
    compute(net, pictures, "disk")
    assert len(counted) == 8
    behind = net.get_layer("block5_2_conv").kernel  # not in the prefix
    behind.assign(behind + 1)
    compute(net, pictures, "disk")
    assert len(counted) == 8
    assert len(store.entries()) == 10


def test_a_torn_file_is_computed_anew(net, pictures, store):
    first = compute(net, pictures, "disk")
    path = next(store.entries()[0].path.glob("*.npy"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.warns(UserWarning, match="computed again"):
        second = compute(net, pictures, "disk")
    name = next(iter(first.arrays["validation"]))
    for split in ("train", "validation"):
        assert np.isfinite(second.arrays[split][name]).all()
    assert "found" in compute(net, pictures, "disk").where


def test_auto_without_room_says_so(net, pictures, monkeypatch):
    monkeypatch.setattr(memory, "SHARE", 0.0)
    assert "on disk" in compute(net, pictures, "auto", seed=1).where
    monkeypatch.setenv("TFXFER_CACHE_GB", "0.000001")
    model.unfreeze_last(net, 3)
    assert compute(net, pictures, "auto") is None


def test_memory_that_is_not_there_is_refused_before_anything_is_computed(net, pictures, monkeypatch):
    found = compute(net, pictures).arrays
    sizes = [array.numpy().nbytes for part in found.values() for array in part.values()]
    monkeypatch.setattr(memory, "available", lambda: sum(sizes) + max(sizes) - 1)  # one is there twice for a moment
    with pytest.raises(InputError, match=r"activations need [\d.]+ MB, [\d.]+ MB are free: use --cache auto, disk"):
        compute(net, pictures, "memory")
    monkeypatch.setattr(memory, "available", lambda: sum(sizes) + max(sizes))
    assert "in memory" in compute(net, pictures, "memory").where
    monkeypatch.setenv("TFXFER_CACHE_GB", "0.000001")
    assert compute(net, pictures, "auto") is None


def test_bfloat16_halves_and_rounds(net, pictures):
    full, half = compute(net, pictures), compute(net, pictures, dtype="bfloat16")
    name = next(iter(full.arrays["train"]))
    assert half.arrays["train"][name].dtype == "bfloat16"
    values, _ = half.reader("train", [name])(tf.range(10, dtype=tf.int64))
    np.testing.assert_allclose(tf.cast(values, tf.float32), full.arrays["train"][name][:10], rtol=2**-8)


def test_views_are_fixed_random_and_do_not_disturb_the_network(pictures):
    keras.utils.set_random_seed(0)
    net = model.build("cnn", pictures, weights="none", augment=True)
    states = [v.numpy() for v in net.variables]
    found, again = (compute(net, pictures, views=2, seed=5) for _ in range(2))
    n = pictures.size("train")
    table = np.asarray(found.arrays["train"]["embedding"])
    assert len(table) == 2 * n
    np.testing.assert_array_equal(table, again.arrays["train"]["embedding"])
    assert np.abs(table[:n] - table[n:]).mean() > 0.05 * table.mean()
    plain = keras.Model(net.input, net.get_layer("embedding").output)
    images = pictures.rows["validation"].images
    np.testing.assert_allclose(found.arrays["validation"]["embedding"], plain(images, training=False), atol=1e-4)
    assert np.abs(table[:n] - plain(pictures.rows["train"].images, training=False)).mean() > 0.05 * table.mean()
    for before, after in zip(states, net.variables):
        np.testing.assert_array_equal(before, after)
    other = compute(net, pictures, views=2, seed=6)
    assert np.abs(other.arrays["train"]["embedding"] - table).mean() > 0.05 * table.mean()
    _, labels = found.reader("train", ["embedding"])(tf.constant([3, n + 3], tf.int64))
    assert labels[0] == labels[1] == pictures.rows["train"].labels[3]
