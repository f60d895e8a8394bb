from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from conftest import make_pictures
from PIL import Image

from tfxfer import data, features
from tfxfer.core.cache import Store
from tfxfer.core.errors import InputError
from tfxfer.data import corruptions
from tfxfer.data.corrupted import Corrupt, CorruptedCopy

SPLITS = ("train", "validation", "test")


def read(splits, split):
    parts = list(splits.batches(split, 7))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def test_a_corrupted_data_set_has_the_same_images(pictures):
    corrupted = data.corrupt(pictures, "gaussian_noise", 3, seed=4)
    for split in SPLITS:
        found, plain = read(corrupted, split), read(pictures, split)
        np.testing.assert_array_equal(found["label"], plain["label"])
        np.testing.assert_array_equal(found["base"], plain["id"])
        assert set(found["severity"]) == {3}
        assert set(found["corruption"]) == {corruptions.NAMES.index("gaussian_noise")}
        expected = corruptions.corrupt(tf.constant(plain["image"]), tf.constant(plain["id"]), "gaussian_noise", 3, 4)
        np.testing.assert_array_equal(found["image"], expected)
    assert len(np.unique(np.concatenate([*corrupted.ids.values(), *pictures.ids.values()]))) == 2 * 400
    assert corrupted.fingerprint == data.corrupt(pictures, "gaussian_noise", 3, seed=4).fingerprint
    others = [("gaussian_noise", 3, 5), ("gaussian_noise", 2, 4), ("fog", 3, 4)]
    prints = {data.corrupt(pictures, *other[:2], seed=other[2]).fingerprint for other in others}
    assert len(prints | {corrupted.fingerprint, pictures.fingerprint}) == 5


def test_single_examples_and_training_see_the_same(pictures):
    corrupted = data.corrupt(pictures, "motion_blur", (5, 2))
    by_id = dict(zip((found := read(corrupted, "test"))["id"].tolist(), found["image"]))
    assert int(corrupted.test.cardinality()) == 200
    for example in corrupted.test.take(9):
        np.testing.assert_array_equal(example["image"], by_id[int(example["id"])])
    shuffled = next(iter(corrupted.batches("test", 50, seed=3)))
    for number, image in zip(shuffled["id"].numpy().tolist(), shuffled["image"]):
        np.testing.assert_array_equal(image, by_id[number])
    assert sorted(set(shuffled["severity"].numpy())) == [2, 5]


def test_mixed_cells_are_each_their_own(pictures):
    cells = (("fog", 1), ("contrast", 5), ("jpeg_compression", 2))
    corrupted = CorruptedCopy.of(pictures)
    found = read(corrupted.grid(cells, np.arange(10)), "test")
    for i, cell in enumerate(cells):
        some = slice(10 * i, 10 * i + 10)
        base = pictures.rows["test"].images[:10]
        expected = corruptions.corrupt(tf.constant(base), tf.constant(pictures.ids["test"][:10]), *cell)
        np.testing.assert_array_equal(found["image"][some], expected)
        assert set(found["severity"][some]) == {cell[1]}


def test_folders_are_corrupted_too(tmp_path):
    images, labels = make_pictures(24, classes=2)
    for i, (image, label) in enumerate(zip(images, labels)):
        (tmp_path / "ab"[label]).mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / "ab"[label] / f"{i}.png")
    splits = data.load(f"folder:{tmp_path}", image_size=32)
    plain, blurred = read(splits, "test"), read(data.corrupt(splits, "gaussian_blur", 5), "test")
    expected = corruptions.corrupt(tf.constant(plain["image"]), tf.constant(plain["id"]), "gaussian_blur", 5)
    np.testing.assert_array_equal(blurred["image"], expected)


def test_division_is_by_base_image_and_stratified(pictures):
    cells = [("fog", severity) for severity in (1, 2, 3, 4, 5)]
    splits = CorruptedCopy.of(pictures).divide(cells, seed=1)
    assert [splits.size(split) for split in SPLITS] == [200, 50, 250]
    bases = {split: set(splits.bases(split)) for split in SPLITS}
    assert not bases["test"] & (bases["train"] | bases["validation"])
    assert set().union(*bases.values()) == set(pictures.ids["test"])
    assert np.bincount(splits.rows["train"].labels).tolist() == [20] * 10
    assert len(set(zip(*splits.rows["test"].facts.values()))) == 250  # each image under each cell, once


def test_the_first_versions_are_of_as_many_images_of_all_classes_and_cells(pictures):
    splits = CorruptedCopy.of(pictures).divide([("fog", severity) for severity in (1, 2, 3, 4, 5)])
    first = splits.only(train=slice(40)).rows["train"]
    assert len(set(first.facts["base"])) == 40  # of 40
    assert np.bincount(first.labels).tolist() == [4] * 10
    assert np.bincount(first.facts["severity"])[1:].min() >= 3
    assert len(set(zip(first.labels, first.facts["severity"]))) > 20  # no class has a severity of its own


def test_a_leak_is_refused_with_its_size_but_by_name(pictures):
    cells = [("fog", 1), ("fog", 5)]
    leaky = CorruptedCopy.of(pictures).divide(cells, leaky=True)
    assert [leaky.size(split) for split in SPLITS] == [80, 20, 200]
    assert leaky.leaky
    shared = len(set(leaky.bases("train", "validation")) & set(leaky.bases("test")))
    with pytest.raises(InputError, match=f"^{shared} base images are in training or validation of arrays, fog"):
        replace(leaky, leaky=False)
    honest = CorruptedCopy.of(pictures).divide(cells)
    planted = {name: rows.take(np.arange(len(rows.labels))) for name, rows in honest.rows.items()}
    planted["train"].facts["base"][:3] = honest.rows["test"].facts["base"][:6:2]
    with pytest.raises(InputError, match=r"^3 base images are in training or validation"):
        replace(honest, rows=planted)
    with pytest.raises(InputError, match=r"50 base images .* of arrays, fog and in the test of arrays"):
        data.refuse_leak(honest, pictures)


def test_features_of_a_corrupted_data_set_are_extracted(pictures, small_cnn, tmp_path):
    corrupted = data.corrupt(pictures, "pixelate", 5)
    bank = features.extract(small_cnn, corrupted.test, ("embedding", "image"), out=tmp_path / "bank")
    np.testing.assert_array_equal(np.asarray(bank["image"]), read(corrupted, "test")["image"])
    again = features.extract(small_cnn, corrupted.test, ("embedding", "image"), out=tmp_path / "bank")
    np.testing.assert_array_equal(again["embedding"][:], bank["embedding"][:])


@pytest.mark.parametrize(
    ("name", "severity", "complaint"),
    [("rain", 1, "corruption 'rain'"), ("fog", 7, "severity 7"), ("fog", (1, 0), "sev")],
)
def test_bad_requests(pictures, name, severity, complaint):
    with pytest.raises(InputError, match=complaint):
        data.corrupt(pictures, name, severity)


def test_a_corrupted_data_set_is_not_corrupted_again(pictures):
    with pytest.raises(InputError, match="arrays, fog 1 is corrupted already"):
        data.corrupt(data.corrupt(pictures, "fog", 1), "snow", 2)


def test_small_images_are_refused():
    with pytest.raises(InputError, match="images of 8 x 8 x 1: corruptions are for square ones of at least 28"):
        data.corrupt(data.load("digits", limit=50), "fog", 1)


def test_what_a_transform_does_follows_from_its_repr():
    known = f"revision={corruptions.REVISION}, photographs=None)"
    assert repr(Corrupt((("fog", 1),), 0)) == f"Corrupt(cells=(('fog', 1),), seed=0, {known}"


def photographs_of_ice(folder, seed):
    folder.mkdir()
    pixels = np.random.default_rng(seed).integers(0, 256, (200, 220, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "ice.png")
    return folder


def test_features_of_one_texture_are_never_taken_for_anothers(pictures, small_cnn, tmp_path, monkeypatch):
    """One cache, three textures; the fourth are the first's photographs in another folder, which are known already."""
    monkeypatch.setenv("TFXFER_CACHE", str(tmp_path / "cache"))
    folders = [photographs_of_ice(tmp_path / name, seed) for name, seed in (("a", 0), ("b", 1), ("c", 0))]
    some, given = pictures.only(test=slice(10)), {}
    plain = tf.constant(some.rows["test"].images), tf.constant(some.ids["test"])
    for folder in (None, *folders):
        corrupted = data.corrupt(some, "frost", 5, frost_textures=folder)
        bank = features.extract(small_cnn, corrupted.test, ("embedding", "image"), out=Store())
        given[folder] = corrupted.fingerprint, np.asarray(bank["embedding"])
        np.testing.assert_array_equal(bank["image"], corruptions.corrupt(*plain, "frost", 5, 0, folder))
    assert len({name for name, _ in given.values()}) == 3
    assert given[folders[0]][0] == given[folders[2]][0]
    none, first, second, same = (embedding for _, embedding in given.values())
    assert not any(np.allclose(one, other) for one, other in ((none, first), (none, second), (first, second)))
    np.testing.assert_array_equal(first, same)


def test_photographs_are_nothing_to_what_has_no_frost(pictures, tmp_path):
    ice = corruptions.read_photographs(photographs_of_ice(tmp_path / "ice", 0))
    some = pictures.only(test=slice(10))
    fog, frost = (data.corrupt(some, name, 1, frost_textures=ice) for name in ("fog", "frost"))
    assert fog.fingerprint == data.corrupt(some, "fog", 1).fingerprint
    corrupted = CorruptedCopy.of(some, frost_textures=ice)
    both = read(corrupted.grid([("fog", 1), ("frost", 1)], np.arange(10)), "test")
    expected = [read(splits, "test")["image"] for splits in (fog, frost)]
    np.testing.assert_array_equal(both["image"], np.concatenate(expected))
    assert "the photographs in" in corrupted.remark
    assert "generated textures" in CorruptedCopy.of(pictures).remark
