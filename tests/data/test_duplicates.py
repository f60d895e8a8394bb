"""Equal images in every kind of source: planted, counted, warned of, refused."""

import warnings
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from cifar_files import write_folder
from conftest import make_pictures, noise, write_idx
from PIL import Image

from tfxfer import data
from tfxfer.core.errors import InputError
from tfxfer.data import binary_readers, duplicates, image_decoding, loading
from tfxfer.data.partition import Partition
from tfxfer.recipes.shared import shift_study
from tfxfer.runs import model_card

SPLITS = ("train", "validation", "test")
BAD = "test images also in training or validation: 1,000, validation images also in training: 0"


def arrays(n=3000, planted=1000):
    """Grey images, as many to learn from as to test, of which some are those of the test."""
    images, labels = make_pictures(2 * n, side=8)
    images[n : n + planted] = images[:planted]
    labels[n : n + planted] = labels[:planted]
    return (images[:n], labels[:n]), (images[n:], labels[n:])


def counted(splits) -> dict[str, int]:
    """The same figures by another way: a dictionary of pixels."""
    read = {s: [image["image"].numpy().tobytes() for image in getattr(splits, s)] for s in SPLITS}
    train, validation, test = map(set, read.values())
    times = Counter(image for images in read.values() for image in images)
    labels = {}
    for split in SPLITS:
        for image, label in zip(read[split], splits.rows[split].labels):
            labels.setdefault(image, set()).add(int(label))
    return {
        "groups": sum(n > 1 for n in times.values()),
        "images": sum(n for n in times.values() if n > 1),
        "across_test": sum(image in train | validation for image in read["test"]),
        "across_validation": sum(image in train for image in read["validation"]),
        "several_classes": sum(len(each) > 1 for each in labels.values()),
        "both": len(test & (train | validation)),
    }


def test_a_thousand_planted_copies_in_arrays():
    with pytest.warns(
        UserWarning, match=f"^arrays: images that occur more than once: 2,000 .*: 1,000\\), {BAD}"
    ) as seen:
        splits = data.from_arrays(*arrays())
    assert len(seen) == 1
    assert splits.describe()["duplicates"]["across_test"] == 1000
    with pytest.raises(
        InputError, match=f"^arrays: {BAD}, such as test .* = train .*: remove the copies, or leave out"
    ):
        data.from_arrays(*arrays(), strict=True)


def test_a_thousand_planted_copies_in_idx_files(tmp_path):
    for (images, labels), names in zip(arrays(), (binary_readers.IDX_FILES[:2], binary_readers.IDX_FILES[2:])):
        write_idx(tmp_path / names[0], images)
        write_idx(tmp_path / names[1], labels)
    with pytest.warns(UserWarning, match=BAD):
        splits = data.load(f"idx:{tmp_path}")
    assert splits.notes["duplicates"]["images"] == 2000
    with pytest.raises(InputError, match=BAD):
        data.load(f"idx:{tmp_path}", strict=True)


def test_the_figures_are_those_of_a_dictionary():
    """Copies within training, into validation, under other labels, three of one: few different images, many copies."""
    rng = np.random.default_rng(3)
    images, labels = make_pictures(300, classes=3, side=8)
    chosen = rng.integers(200, size=300)
    images, labels = images[chosen], np.where(rng.random(300) < 0.1, 0, labels[chosen])
    with pytest.warns(UserWarning, match="validation images also in training: [1-9]"):
        splits = data.from_arrays((images[:220], labels[:220]), (images[220:], labels[220:]), validation=0.3)
    expected = counted(splits)
    assert expected.pop("both") < expected["across_test"]
    found = splits.notes["duplicates"]
    assert {name: found[name] for name in expected} == expected
    assert min(expected.values()) > 0
    groups = duplicates.find(splits).members()
    assert len(groups) == expected["groups"]
    by_id = {i: splits.rows[s].images[row].tobytes() for s in SPLITS for row, i in enumerate(splits.ids[s])}
    pixels = [{by_id[member["id"]] for member in group} for group in groups]
    assert all(len(each) == 1 for each in pixels)
    assert len(set.union(*pixels)) == len(groups)
    kinds = [
        ("test" in inside and len(inside) > 1, {"train", "validation"} <= inside, len(classes) > 1)
        for inside, classes in (({m["split"] for m in g}, {m["class"] for m in g}) for g in groups)
    ]
    assert kinds == sorted(kinds, reverse=True)


def test_copies_within_the_test_are_no_leak():
    images, labels = make_pictures(50, seed=1)
    images[1], labels[1] = images[0], (labels[0] + 1) % 10
    with pytest.warns(
        UserWarning, match=r"validation: 0, validation images also in training: 0, .* classes: 1, such as"
    ):
        splits = data.from_arrays(make_pictures(100), (images, labels), strict=True)
    assert splits.notes["duplicates"]["several_classes"] == 1


def test_numbers_that_agree_by_chance_are_no_copies(monkeypatch):
    monkeypatch.setattr(duplicates.pixel_digests, "keys", lambda fetch, rows: np.zeros(len(rows), np.uint64))
    with pytest.warns(UserWarning, match=BAD):
        data.from_arrays(*arrays())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert data.from_arrays(*arrays(planted=0)).notes == {}


@pytest.mark.parametrize("side", [1, 3, 7])
def test_sizes_that_do_not_fill_words(side):
    """Each image differs from another in one pixel alone, the last."""
    images = (
        np.repeat(np.arange(120, dtype=np.uint8), 2)[:, None, None, None] // 2 * np.ones((1, side, side, 3), np.uint8)
    )
    images[:, -1, -1, -1] = np.arange(240)
    labels = np.arange(240) % 2
    assert data.from_arrays((images[:200], labels[:200]), (images[200:], labels[200:]), strict=True).notes == {}
    images[200] = images[5]
    with pytest.raises(InputError, match="test images also in training or validation: 1, "):
        data.from_arrays((images[:200], labels[:200]), (images[200:], labels[200:]), strict=True)


@pytest.mark.filterwarnings("ignore:arrays. images that occur")
def test_what_transforms_make_is_compared():
    """Pixels in another order are as equal as before; under noise, which follows the image's id, none are."""
    splits = data.from_arrays(*arrays(300, 100))
    found = duplicates.find(data.permute_pixels(splits)).summary()
    assert found == splits.notes["duplicates"]
    (train, labels), (test, others) = arrays(300, 100)
    train, test = (np.kron(images, np.ones((1, 4, 4), np.uint8)) for images in (train, test))
    larger = data.from_arrays((train, labels), (test, others))
    assert duplicates.find(data.corrupt(larger, "gaussian_noise", 3)).summary() == {}
    contrasts = duplicates.find(data.corrupt(larger, "contrast", (1, 5))).summary()
    assert contrasts["groups"] == 2 * larger.notes["duplicates"]["groups"] == 200


def test_a_folder_is_decoded_once_for_load_and_study(tmp_path, monkeypatch):
    monkeypatch.setenv("TFXFER_CACHE", str(tmp_path / "cache"))
    images, labels = make_pictures(40, classes=2)
    images[7] = images[30]
    for number, (image, label) in enumerate(zip(images, labels)):
        (tmp_path / "p" / "ab"[label]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "p" / "ab"[label] / f"{number:02}.png")
    with pytest.warns(UserWarning, match="occur more than once: 2 "):
        splits = data.load(f"folder:{tmp_path / 'p'}", image_size=8)
    monkeypatch.setattr(image_decoding, "pixels", lambda path, shape: pytest.fail(f"{path} decoded again"))
    (group,) = duplicates.find(splits).members()
    names = {path: i for s in SPLITS for path, i in zip(splits.rows[s].images.paths, splits.ids[s])}
    assert sorted(member["id"] for member in group) == sorted(
        names[path] for path in splits.notes["duplicates"]["such_as"]
    )


@pytest.fixture(scope="module")
def corrupted(tmp_path_factory):
    """CIFAR-10-C's files: fog, at severities 4 and 5, of 10,000 pictures, where 300 are others' copies."""
    pictures = noise(10_000, 32, 32, 3)
    labels = np.load(write_folder(tmp_path_factory.mktemp("labels") / "CIFAR-10-C") / "labels.npy")[:10_000]
    pictures[:300] = pictures[5000:5300]
    pixels = {("fog", 30_000): pictures, ("fog", 40_000): pictures}
    return write_folder(tmp_path_factory.mktemp("data") / "CIFAR-10-C", pixels), labels


def test_copies_in_cifar_10_c(corrupted):
    """Severities of one image that are equal do not count, other images that are do."""
    folder, _ = corrupted
    with pytest.warns(UserWarning, match="occur more than once: 600 "):
        splits = data.load("cifar10_corrupted/fog_5", folder)
    expected = counted(splits)
    assert 0 < expected.pop("both") <= 300
    assert {name: splits.notes["duplicates"][name] for name in expected} == expected
    with pytest.raises(InputError, match="test images also in training or validation"):
        data.load("cifar10_corrupted/fog_5", folder, strict=True)
    both = loading._corrupted("cifar10_corrupted/fog", folder, Partition(None, 0.1, 0.25, 0))
    severe = both.only(**{s: np.flatnonzero(both.rows[s].facts["severity"] >= 4) for s in SPLITS})
    found = duplicates.find(severe).summary()
    assert (found["groups"], found["images"]) == (300, 1200)


def test_copies_in_the_files_that_a_network_is_tuned_on(corrupted):
    folder, labels = corrupted
    clean = data.from_arrays(
        (noise(50_000, 32, 32, 1, seed=1), np.tile(labels, 5)), (noise(10_000, 32, 32, 1, seed=2), labels)
    )
    copy = data.CorruptedCopy.published(clean, [("fog", 5)], folder)
    with pytest.warns(UserWarning, match="occur more than once: 600 "):
        found = shift_study.corrupted_splits(clean, copy, (("fog", 5),), False, 0)
    assert found["tfxfer"].describe()["duplicates"]["groups"] == 300
    with pytest.raises(InputError, match="--strict"):
        shift_study.corrupted_splits(clean, copy, (("fog", 5),), False, 0, strict=True)


def test_training_and_validation_share_no_base_image(pictures):
    copy = data.CorruptedCopy.of(pictures).divide([("fog", 1), ("fog", 5)])
    planted = {name: rows.take(np.arange(len(rows.labels))) for name, rows in copy.rows.items()}
    planted["validation"].facts["base"][:4] = np.unique(copy.rows["train"].facts["base"])[:2].repeat(2)
    with pytest.raises(InputError, match=r"^2 base images are in training and in validation of arrays, fog"):
        replace(copy, rows=planted)
    with pytest.raises(InputError, match="30 base images are in training and in validation of arrays"):
        replace(
            pictures,
            rows=pictures.rows | {"train": pictures.rows["validation"]},
            ids=pictures.ids | {"train": pictures.ids["validation"]},
        )


def test_the_card_says_so():
    assert model_card.copies({}) == "No image is in two of the splits."
    within = {"groups": 1, "images": 2, "across_test": 0, "across_validation": 0}
    assert model_card.copies({"duplicates": within}) == "No image is in two of the splits."
    said = model_card.copies({"duplicates": within | {"across_test": 1234}})
    assert "1,234 of the test images are equal in every pixel to one in training or validation" in said
