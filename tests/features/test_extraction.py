from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfxfer import features, model
from tfxfer.core import memory
from tfxfer.core.cache import Store
from tfxfer.core.concatenated import Concatenated
from tfxfer.core.errors import InputError
from tfxfer.data.examples import Examples
from tfxfer.features import extraction, inference


def test_agrees_with_the_plain_forward_pass(pictures, lite0):
    """Several layers in one pass, batch by batch, in the data's order."""
    bank = features.extract(lite0, pictures.test, ("embedding", "logits", "block15_project_bn"), batch_size=32)
    images = pictures.rows["test"].images
    np.testing.assert_allclose(bank["logits"], lite0(images, training=False), atol=1e-4)
    tapped = keras.Model(lite0.input, lite0.get_layer("embedding").output)
    np.testing.assert_allclose(bank["embedding"], tapped(images), atol=1e-4)
    assert bank["block15_project_bn"].shape == (100, 2, 2, 320)
    np.testing.assert_array_equal(bank.labels, pictures.rows["test"].labels)
    np.testing.assert_array_equal(bank.ids, pictures.ids["test"])
    assert bank["embedding"].dtype == np.float32


def test_limit_pixels_and_slices(pictures, small_cnn):
    bank = features.extract(small_cnn, pictures.test, ("image", "embedding"), limit=7, batch_size=4)
    assert len(bank) == 7
    assert bank["image"].dtype == np.uint8
    np.testing.assert_array_equal(bank["image"], pictures.rows["test"].images[:7])
    assert len(bank[2:5]) == 3
    np.testing.assert_array_equal(bank[2:5].ids, bank.ids[2:5])
    assert list(bank.only("image").values) == ["image"]


def test_inference_mode(pictures):
    """Dropout and augmentation are off: two passes agree."""
    net = model.build("dropout_cnn", pictures, weights="none", augment=True)
    first, second = (features.extract(net, pictures.test, ("logits",), limit=8)["logits"] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_bank_round_trip(tmp_path, pictures, small_cnn):
    bank = features.extract(small_cnn, pictures.test, limit=5)
    bank.save(tmp_path / "bank.npz")
    again = features.Bank.load(tmp_path / "bank.npz")
    np.testing.assert_array_equal(again["embedding"], bank["embedding"])
    np.testing.assert_array_equal(again.ids, bank.ids)
    assert [path.name for path in tmp_path.iterdir()] == ["bank.npz"]


def test_a_bank_is_never_unpickled(tmp_path):
    np.savez(tmp_path / "bank.npz", labels=np.array([{}], object), ids=np.arange(1))
    with pytest.raises(InputError, match="not a feature bank"):
        features.Bank.load(tmp_path / "bank.npz")


@pytest.mark.parametrize("content", [None, b"", b"PK torn"])
def test_a_torn_bank_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "bank.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"bank\.npz: not a feature bank"):
        features.Bank.load(tmp_path / "bank.npz")


def test_floats_and_batches_are_refused(pictures, small_cnn):
    floats = pictures.test.map(lambda row: row | {"image": tf.cast(row["image"], tf.float32) / 255})
    with pytest.raises(InputError, match="expected dicts of image"):
        features.extract(small_cnn, floats)
    with pytest.raises(InputError, match="expected dicts of image"):
        features.extract(small_cnn, pictures.batches("test", 4))
    small = pictures.test.map(lambda row: row | {"image": row["image"][:20]})
    with pytest.raises(InputError, match="expected dicts of image"):
        features.extract(small_cnn, small)
    with pytest.raises(InputError, match="cnn has no layer fc2; the last are"):
        features.extract(small_cnn, pictures.test, ("fc2",))
    with pytest.raises(InputError, match="data set is empty"):
        features.extract(small_cnn, pictures.test, limit=0)


def test_shards_need_to_know_how_many_images_there_are(tmp_path, pictures, small_cnn):
    some = pictures.test.filter(lambda row: row["label"] < 5)
    assert len(features.extract(small_cnn, some)) == 50
    with pytest.raises(InputError, match="assert_cardinality"):
        features.extract(small_cnn, some, out=tmp_path)


def test_any_dataset_of_such_dicts(small_cnn):
    images = np.random.default_rng(0).integers(0, 256, (6, 28, 28, 1)).astype(np.uint8)
    own = tf.data.Dataset.from_tensor_slices({"image": images, "label": np.arange(6), "id": np.arange(6)})
    assert features.extract(small_cnn, own)["embedding"].shape == (6, 128)


@pytest.fixture
def shards(monkeypatch):
    """Four shards of 30 images or less for 100 images of `cnn`, in batches of 10."""
    monkeypatch.setattr(extraction, "SHARD_BYTES", 30 * (128 * 4 + 16))


@pytest.fixture
def computed(monkeypatch) -> list[int]:
    """How many images each pass of a network was over."""
    passes, over = [], inference.Forward.over

    def counting(self, batches, what):
        passes.append(0)
        for values in over(self, batches, what):
            passes[-1] += len(values["id"])
            yield values

    monkeypatch.setattr(inference.Forward, "over", counting)
    return passes


def extract(net, dataset, out, **options):
    return features.extract(net, dataset, batch_size=10, out=out, **options)


def test_shards_hold_what_memory_would(tmp_path, pictures, small_cnn, shards):
    whole = features.extract(small_cnn, pictures.test, batch_size=10)
    bank = extract(small_cnn, pictures.test, tmp_path / "bank")
    assert [len(part) for part in bank["embedding"].parts] == [30, 30, 30, 10]
    assert all(isinstance(part, np.memmap) for part in bank["embedding"].parts)
    for one in (bank, features.Bank.load(tmp_path / "bank")):
        np.testing.assert_array_equal(one["embedding"], whole["embedding"])
        np.testing.assert_array_equal(one.labels, whole.labels)
        np.testing.assert_array_equal(one.ids, whole.ids)
        np.testing.assert_array_equal(one[25:65]["embedding"], whole[25:65]["embedding"])
    x, y = zip(*bank.batches("embedding", 7))
    np.testing.assert_array_equal(np.concatenate(x), whole["embedding"])
    np.testing.assert_array_equal(np.concatenate(y), whole.labels)


def test_an_interrupted_extraction_continues(tmp_path, pictures, small_cnn, shards, computed, monkeypatch):
    """Stopped in the third shard of four, it computes what is missing; a third run computes nothing."""
    write = Store.write

    def failing(self, *args):
        if len(list(self.entries())) == 2:
            raise KeyboardInterrupt
        return write(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "write", failing)
        with pytest.raises(KeyboardInterrupt):
            extract(small_cnn, pictures.test, tmp_path)
    with pytest.raises(InputError, match="not a feature bank"):
        features.Bank.load(tmp_path)
    bank = extract(small_cnn, pictures.test, tmp_path)
    assert computed[1:] == [40]
    extract(small_cnn, pictures.test, tmp_path)
    assert len(computed) == 2
    np.testing.assert_allclose(bank["embedding"], features.extract(small_cnn, pictures.test)["embedding"], atol=1e-4)


def test_a_damaged_shard_is_computed_anew(tmp_path, pictures, small_cnn, shards, computed):
    bank = extract(small_cnn, pictures.test, tmp_path)
    before = np.array(bank["embedding"])
    path = bank["embedding"].parts[1].filename
    with open(path, "r+b") as file:
        file.seek(-4, 2)
        file.write(b"torn")
    with pytest.raises(InputError, match=r"was changed.*: extract the features again"):
        features.Bank.load(tmp_path)
    with pytest.warns(UserWarning, match="is computed again"):
        again = extract(small_cnn, pictures.test, tmp_path)
    assert computed == [100, 30]
    np.testing.assert_array_equal(again["embedding"], before)


def test_shards_are_known_by_network_pixels_and_layer(pictures, small_cnn, computed, tmp_path):
    """In one store: the same again is found; other weights, another split, other layers are not taken for it."""
    store = Store(tmp_path)
    extract(small_cnn, pictures.test, store)
    extract(small_cnn, pictures.test, store)
    assert computed == [100]
    extract(small_cnn, pictures.test, store, layers=("logits",))
    extract(small_cnn, pictures.test, store, limit=50)
    extract(small_cnn, pictures.validation, store)
    kernel = small_cnn.get_layer("conv1").kernel
    kernel.assign(kernel * 1.01)
    extract(small_cnn, pictures.test, store)
    assert computed == [100, 100, 50, 30, 100]
    unknown = pictures.test.map(lambda row: row | {"image": 255 - row["image"]})  # not the split's own pixels
    for _ in range(2):
        extract(small_cnn, unknown, store)
    assert computed[5:] == [100]


def test_examples_bring_their_fingerprint(pictures, small_cnn, computed, tmp_path, monkeypatch):
    """Nobody reads them to recognise them, in this store or in the next process's."""
    monkeypatch.setattr(Examples, "of", lambda dataset: pytest.fail("read once more"))
    test, store = pictures.examples("test"), Store(tmp_path)
    bank = extract(small_cnn, test, store)
    again = extract(small_cnn, replace(pictures).examples("test"), Store(tmp_path))
    extract(small_cnn, pictures.examples("validation"), store)
    extract(small_cnn, replace(test, fingerprint="another"), store)
    assert computed == [100, 30, 100]
    np.testing.assert_array_equal(again["embedding"], bank["embedding"])
    assert {(entry.about["data"], entry.about["split"]) for entry in store.entries()} == {
        (pictures.name, "test"),
        (pictures.name, "validation"),
    }
    np.testing.assert_array_equal(features.extract(small_cnn, test).ids, pictures.ids["test"])


@pytest.mark.parametrize("change", ["nothing", "copies", "pixels", "labels", "ids", "order", "fewer"])
def test_a_changed_dataset_is_known_by_its_content(pictures, small_cnn, computed, tmp_path, change):
    """After `.map` what is the same is found, not silently computed again; and nothing else is taken for it."""
    changes = {
        "nothing": lambda data: data,
        "copies": lambda data: data.map(lambda row: row | {"weight": 1.0}),
        "pixels": lambda data: data.map(lambda row: row | {"image": 255 - row["image"]}),
        "labels": lambda data: data.map(lambda row: row | {"label": 9 - row["label"]}),
        "ids": lambda data: data.map(lambda row: row | {"id": row["id"] + 1}),
        "order": lambda data: data.shuffle(100, seed=1, reshuffle_each_iteration=False),
        "fewer": lambda data: data.take(50),
    }
    extract(small_cnn, pictures.test, Store(tmp_path))
    for _ in range(2):
        bank = extract(small_cnn, changes[change](pictures.test), Store(tmp_path))
    expected = {"nothing": [100], "copies": [100], "fewer": [100, 50]}
    assert computed == expected.get(change, [100, 100])
    whole = features.extract(small_cnn, changes[change](pictures.test), batch_size=10)
    np.testing.assert_array_equal(bank.labels, whole.labels)
    np.testing.assert_array_equal(bank.ids, whole.ids)


def test_what_memory_cannot_hold_goes_to_the_cache(pictures, small_cnn, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("TFXFER_CACHE", str(tmp_path))
    monkeypatch.setattr(memory, "SHARE", 0.0)
    bank = features.extract(small_cnn, pictures.test)
    assert isinstance(bank["embedding"], Concatenated)
    assert f"features take 0.1 MB: kept in shards in {tmp_path}" in capsys.readouterr().out
    monkeypatch.setenv("TFXFER_CACHE_GB", "0")
    with pytest.raises(InputError, match="does not have that much room: set TFXFER_CACHE"):
        features.extract(small_cnn, pictures.validation)


def test_a_folder_bank_is_never_unpickled(tmp_path, pictures, small_cnn):
    extract(small_cnn, pictures.test, tmp_path)
    (shard,) = Store(tmp_path).entries()
    np.save(shard.path / "0.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(InputError, match="not a feature bank"):
        features.Bank.load(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", '{"shards": ["../../etc"]}', '{"shards": [3]}', '{"shards": []}'])
def test_a_manifest_of_something_else(tmp_path, content):
    (tmp_path / extraction.MANIFEST).write_text(content)
    with pytest.raises(InputError, match="not a feature bank"):
        features.Bank.load(tmp_path)


def test_stacked_is_indexed_as_an_array():
    whole = np.arange(60).reshape(20, 3)
    stacked = Concatenated(np.split(whole, [4, 5, 11]))
    mask = np.arange(20) % 3 == 0
    for key in (0, -1, slice(None), slice(3, 12), slice(None, None, -2), [7, 7, 0, 19], mask, slice(5, 5)):
        np.testing.assert_array_equal(stacked[key], whole[key])
    np.testing.assert_array_equal(stacked, whole)
    assert (stacked.shape, stacked.ndim, len(stacked), stacked.nbytes) == ((20, 3), 2, 20, whole.nbytes)
    assert np.asarray(stacked, np.float32).dtype == np.float32
    with pytest.raises(IndexError):
        stacked[20]
    with pytest.raises(ValueError, match="without a copy"):
        np.asarray(stacked, copy=False)
