import keras
import numpy as np
import pytest
import tensorflow as tf

from tfxfer import features, model
from tfxfer.errors import InputError


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


def test_any_dataset_of_such_dicts(small_cnn):
    images = np.random.default_rng(0).integers(0, 256, (6, 28, 28, 1)).astype(np.uint8)
    own = tf.data.Dataset.from_tensor_slices({"image": images, "label": np.arange(6), "id": np.arange(6)})
    assert features.extract(small_cnn, own)["embedding"].shape == (6, 128)
