"""Data sets of TFDS by name, made on the spot."""

import numpy as np
import pytest
import tensorflow_datasets
import tfds_sets
from PIL import Image

from tfxfer import data
from tfxfer.core import memory
from tfxfer.core.errors import InputError
from tfxfer.data import aspect_ratio, image_decoding, kept_pixels, tfds_prepared
from tfxfer.data.splits import SPLITS

features = tensorflow_datasets.features
PARTS = {"train": range(12), "validation": range(12, 18), "test": range(18, 24)}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TFXFER_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """TFDS's folder, with pets of many sizes in one pool."""
    folder = tmp_path_factory.mktemp("tfds")
    tfds_sets.store(folder)
    return folder


def by_id(splits):
    """Images and labels in the order of the source."""
    ids = np.concatenate([splits.ids[split] for split in SPLITS])
    images = np.concatenate([splits.rows[split].images[:] for split in SPLITS])
    labels = np.concatenate([splits.rows[split].labels for split in SPLITS])
    order = np.argsort(ids)
    assert ids[order].tolist() == list(range(len(ids)))
    return images[order], labels[order]


# --- images of many sizes ---


@pytest.mark.parametrize("aspect", ["squash", "crop", "pad"])
def test_the_pixels_are_those_of_a_folder_with_the_same_files(tmp_path, aspect):
    kinds = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")

    def make(number):
        return {"image": tfds_sets.encoded(tfds_sets.pixels(number), kinds[number % 5]), "label": number % 3}

    tfds_sets.store(tmp_path / "tfds", make=make)
    files = tmp_path / "files"
    files.mkdir()
    rows = ["path,label"]
    for number in range(24):
        (files / f"{number}.img").write_bytes(make(number)["image"].read())
        rows.append(f"{number}.img,{tfds_sets.CLASSES[number % 3]}")
    (files / "all.csv").write_text("\n".join(rows))
    found = data.load("tfds:pets", tmp_path / "tfds", image_size=16, aspect=aspect)
    expected = data.load(f"csv:{files / 'all.csv'}", image_size=16, aspect=aspect)
    assert found.classes == expected.classes == tfds_sets.CLASSES
    assert found.image_shape == (16, 16, 3)
    for split in SPLITS:
        np.testing.assert_array_equal(found.ids[split], expected.ids[split])
        np.testing.assert_array_equal(found.rows[split].labels, expected.rows[split].labels)
        np.testing.assert_array_equal(found.rows[split].images[:], expected.rows[split].images[:])
    example = next(iter(found.test))
    number = int(example["id"])
    assert int(example["label"]) == number % 3
    picture = Image.open(make(number)["image"]).convert("RGB")
    if kinds[number % 5] != "JPEG":
        resized = aspect_ratio.fit(picture, (16, 16), aspect)
        np.testing.assert_array_equal(example["image"], resized)


def test_a_later_load_reads_the_cache_alone(home, monkeypatch):
    first = data.load("tfds:pets", home, image_size=16)
    images, labels = by_id(first)

    def fail(*_, **__):
        raise AssertionError("it was read again")

    with monkeypatch.context() as patch:
        patch.setattr(tfds_prepared.Prepared, "_features", fail)
        again = data.load("tfds:pets", home, image_size=16)
        for ours, theirs in zip(by_id(again), (images, labels), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert again.fingerprint == first.fingerprint
    assert data.load("tfds:pets", home, image_size=8).fingerprint != first.fingerprint


@pytest.mark.parametrize("most", [1, 8])
def test_only_what_is_used_is_decoded_and_once(home, monkeypatch, most):
    """Whether the cache's entries are joined or stay beside each other."""
    monkeypatch.setattr(kept_pixels, "MOST", most)
    decoded, decode = [], image_decoding.pixels
    monkeypatch.setattr(image_decoding, "pixels", lambda *args: decoded.append(args[0]) or decode(*args))
    some = data.load("tfds:pets", home, limit=6, image_size=16)
    used = {str(path) for split in SPLITS for path in some.rows[split].paths}
    assert set(decoded) == used
    assert len(decoded) == len(used) == 8
    whole = data.load("tfds:pets", home, image_size=16)
    images, _ = by_id(whole)
    assert len(decoded) == len(set(decoded)) == 24
    assert len(whole.rows["train"].images.kept.pixels.parts) == (1 if most == 1 else 2)
    path = "train[3:4]"
    np.testing.assert_array_equal(images[3], decode(path, (16, 16, 3), tfds_sets.example(3)["image"].read()))


def test_no_more_than_a_block_is_in_memory(home, monkeypatch):
    monkeypatch.setattr(data.tfds_records, "BLOCK", 5)
    blocks, read = [], data.tfds_records.Records._blocks
    monkeypatch.setattr(
        data.tfds_records.Records,
        "_blocks",
        lambda *args: (blocks.append(len(numbers)) or (numbers, contents) for numbers, contents in read(*args)),
    )
    found = data.load("tfds:pets", home, image_size=16)
    assert blocks == [5, 5, 5, 5, 4]
    assert type(found.rows["train"].images.kept.pixels.parts[0]) is np.memmap


def test_damaged_pixels_in_the_cache_are_read_from_tfds_again(home, tmp_path):
    first = data.load("tfds:pets", home, image_size=16)
    images, _ = by_id(first)
    (file,) = [path for path in (tmp_path / "cache").rglob("0.npy") if path.stat().st_size > 24 * 16 * 16 * 3]
    again = data.load("tfds:pets", home, image_size=16)
    pixels = np.lib.format.open_memmap(file, "r+")
    pixels[7] ^= 255
    pixels.flush()
    np.testing.assert_array_equal(by_id(again)[0], images)


def test_without_room_in_the_cache_it_is_refused(home, monkeypatch):
    monkeypatch.setenv("TFXFER_CACHE_GB", "0")
    with pytest.raises(
        InputError, match=r"no room for 24 images of 16 x 16 .* one after another: raise TFXFER_CACHE_GB"
    ):
        data.load("tfds:pets", home, image_size=16)


def test_without_a_size_they_are_refused_as_files_are(home):
    with pytest.raises(InputError, match="tfds:pets: images of different sizes need a common one: image_size is None"):
        data.load("tfds:pets", home)


def test_images_that_cannot_be_decoded_are_named_or_left_out(tmp_path):
    def make(number):
        image = tfds_sets.encoded(tfds_sets.pixels(number))
        return {"image": image if number != 5 else type(image)(b"\x89PNG\r\n\x1a\n torn"), "label": number % 3}

    tfds_sets.store(tmp_path, make=make)
    with pytest.raises(InputError, match=r"1 of 24 examples cannot be read: train\[5:6\]: .*--skip-bad"):
        data.load("tfds:pets", tmp_path, image_size=16)
    with pytest.warns(UserWarning, match="1 of 24 examples cannot be read"):
        found = data.load("tfds:pets", tmp_path, image_size=16, skip_bad=True)
    assert sum(found.size(split) for split in SPLITS) == 23
    assert list(found.notes["unreadable"]) == ["train[5:6]"]


def test_equal_images_are_found_across_splits(tmp_path):
    def make(number):
        return tfds_sets.example(number % 18)

    tfds_sets.store(tmp_path, make=make, splits=PARTS)
    with pytest.warns(
        UserWarning, match=r"test images also in training or validation: 6.* such as test\[\d:\d\] = train\["
    ):
        data.load("tfds:pets", tmp_path, image_size=16)


def test_a_damaged_file_is_one_line(tmp_path):
    folder = tfds_sets.store(tmp_path)
    (shard,) = folder.glob("*.tfrecord*")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 255
    shard.write_bytes(content)
    with pytest.raises(InputError, match=r"tfds:pets: a file in .*pets/1\.0\.0 is missing or damaged .*: remove that"):
        data.load("tfds:pets", tmp_path, image_size=16)
    shard.unlink()
    with pytest.raises(InputError, match="is missing or damaged"):
        data.load("tfds:pets", tmp_path, image_size=16)


# --- images of one size ---


def square(number):
    return tfds_sets.pixels(number, 12)


def squares(number):
    return {"image": tfds_sets.encoded(square(number)), "label": number % 3}


SQUARES = tfds_sets.FEATURES | {"image": features.Image(shape=(12, 12, 3))}


def test_images_of_one_size_are_arrays_of_that_size(tmp_path):
    tfds_sets.store(tmp_path, make=squares, features=SQUARES)
    found = data.load("tfds:pets", tmp_path)
    assert all(type(found.rows[split].images) is np.ndarray for split in SPLITS)
    images, labels = by_id(found)
    np.testing.assert_array_equal(images, [square(number) for number in range(24)])
    np.testing.assert_array_equal(labels, np.arange(24) % 3)


def test_grey_images_keep_one_channel(tmp_path):
    grey = SQUARES | {"image": features.Image(shape=(12, 12, 1))}
    make = lambda number: {"image": tfds_sets.encoded(square(number)[..., :1]), "label": number % 3}  # noqa: E731
    tfds_sets.store(tmp_path, make=make, features=grey)
    assert data.load("tfds:pets", tmp_path).image_shape == (12, 12, 1)


def test_more_than_memory_holds_goes_through_the_cache(tmp_path, monkeypatch):
    tfds_sets.store(tmp_path, make=squares, features=SQUARES)
    expected = data.load("tfds:pets", tmp_path)
    monkeypatch.setattr(memory, "fits", lambda nbytes: False)
    found = data.load("tfds:pets", tmp_path)
    assert not isinstance(found.rows["train"].images, np.ndarray)
    np.testing.assert_array_equal(by_id(found)[0], by_id(expected)[0])


# --- splits and labels ---


@pytest.mark.parametrize(
    ("splits", "sizes", "warning"),
    [
        (PARTS, (12, 6, 6), None),
        ({"train": range(18), "test": range(18, 24)}, (16, 2, 6), None),
        ({"train": range(18), "val": range(18, 24)}, (13, 6, 5), None),
        ({"everything": range(24)}, (16, 2, 6), None),
        ({"training": range(12), "testing": range(12, 18), "extra": range(18, 24)}, (10, 2, 6), "left out.*: extra"),
    ],
)
def test_splits(tmp_path, splits, sizes, warning):
    tfds_sets.store(tmp_path, splits=splits, make=squares, features=SQUARES)
    if warning is None:
        found = data.load("tfds:pets", tmp_path)
    else:
        with pytest.warns(UserWarning, match=warning):
            found = data.load("tfds:pets", tmp_path)
    assert tuple(found.size(split) for split in SPLITS) == sizes


@pytest.mark.parametrize("splits", [{"test": range(12)}, {"a": range(6), "b": range(6, 12)}])
def test_without_training_images_it_is_refused(tmp_path, splits):
    tfds_sets.store(tmp_path, splits=splits)
    with pytest.raises(InputError, match=f"has the splits {', '.join(splits)}, and none called train: give data.from"):
        data.load("tfds:pets", tmp_path, image_size=16)


def test_splits_with_hidden_labels_are_left_out(tmp_path):
    def make(number):
        return squares(number) | ({"label": -1} if number >= 18 else {})

    tfds_sets.store(tmp_path, splits=PARTS, make=make, features=SQUARES)
    with pytest.warns(UserWarning, match=r"6 of 6 labels of the split test are hidden \(-1\): the split is left out"):
        found = data.load("tfds:pets", tmp_path)
    assert {split: found.size(split) for split in SPLITS} == {"train": 9, "validation": 6, "test": 3}
    assert sorted(np.concatenate(list(found.ids.values()))) == list(range(18))
    tfds_sets.store(tmp_path, "none", splits={"train": range(12, 24)}, make=make, features=SQUARES)
    with pytest.raises(InputError, match="tfds:none: 6 of 12 labels of the split train are hidden"):
        data.load("tfds:none", tmp_path)


# --- features ---

MANY = {
    "image": features.Image(shape=(12, 12, 3)),
    "views": {"left": features.Image(shape=(12, 12, 3)), "kind": features.ClassLabel(names=["b", "a"])},
    "label": features.ClassLabel(names=tfds_sets.CLASSES),
    "boxes": features.Sequence(features.ClassLabel(num_classes=9)),
    "mask": features.LabeledImage(labels=2, shape=(12, 12, 1)),
    "id": features.Text(),
}


def many(number):
    views = {"left": tfds_sets.encoded(square(number)[:, ::-1]), "kind": number % 2}
    rest = {"boxes": [1, 2], "mask": tfds_sets.encoded(square(number)[..., :1]), "id": "x"}
    return squares(number) | {"views": views} | rest


def test_keys_choose_where_there_are_several(tmp_path):
    tfds_sets.store(tmp_path, make=many, features=MANY)
    found = data.load("tfds:pets", tmp_path, image_key="views/left", label_key="views/kind")
    images, labels = by_id(found)
    np.testing.assert_array_equal(images, [square(number)[:, ::-1] for number in range(24)])
    np.testing.assert_array_equal(labels, np.arange(24) % 2)
    assert found.classes == ("b", "a")
    for keys, line in (
        ({}, r"has 2 images, image, views/left: choose one, such as --image-key image \(image_key=\"image\"\)"),
        ({"image_key": "image"}, "has 2 labels, label, views/kind: choose one, such as --label-key label"),
        ({"image_key": "mask"}, "image_key 'mask': expected image or views/left"),
        ({"image_key": "image", "label_key": 3}, "label_key 3: expected label or views/kind"),
    ):
        with pytest.raises(InputError, match=line):
            data.load("tfds:pets", tmp_path, **keys)
    with pytest.raises(InputError, match="image_key and label_key were given for digits: they are for tfds:NAME"):
        data.load("digits", label_key="label")


@pytest.mark.parametrize(
    ("other", "make", "line"),
    [
        ({"label": features.Text()}, {"label": "cat"}, "has no label among its features image, label: expected a data"),
        ({"image": features.Text()}, {"image": "cat"}, "has no image among its features image, label: expected"),
        (
            {"image": features.Image(shape=(12, 12, 4))},
            {"image": np.zeros((12, 12, 4), np.uint8)},
            r"image is uint8 \(12, 12, 4\): expected images of 8 bits with 1 or 3 channels.*: convert them, and give",
        ),
        (
            {"image": features.Image(shape=(12, 12, 1), dtype=np.uint16, encoding_format="png")},
            {"image": np.zeros((12, 12, 1), np.uint16)},
            r"image is uint16 \(12, 12, 1\)",
        ),
    ],
)
def test_other_features_are_refused(tmp_path, other, make, line):
    tfds_sets.store(tmp_path, make=lambda number: squares(number) | make, features=SQUARES | other)
    with pytest.raises(InputError, match=f"tfds:pets:? ?{line}"):
        data.load("tfds:pets", tmp_path)


# --- the relatives of CIFAR-10 and MNIST that TFDS knows: its own code, with a few images in place of what it downloads


@pytest.fixture
def relative(tmp_path):
    """Prepares one of them in the folder that is returned."""

    def prepare(name, splits):
        builder = tensorflow_datasets.builder(name, data_dir=tmp_path)
        own = dict(builder.info.features.items())
        side, _, channels = own["image"].shape
        filled = {key: np.zeros(of.shape, of.np_dtype) for key, of in own.items() if None not in of.shape}
        filled |= {key: "x" for key, of in own.items() if isinstance(of, features.Text)}
        filled |= {key: [] for key, of in own.items() if isinstance(of, features.Sequence)}

        def make(number):
            image = tfds_sets.encoded(tfds_sets.pixels(number, side)[..., :channels])
            return filled | {"image": image, "label": number % own["label"].num_classes}

        config = builder.builder_config
        tfds_sets.store(tmp_path, builder.name, make, own, splits, config and config.name, str(builder.version))
        return tmp_path

    return prepare


def test_cifar100_has_two_labels(relative):
    folder = relative("cifar100", {"train": range(200), "test": range(200, 300)})
    with pytest.raises(InputError, match="has 2 labels, coarse_label, label: choose one, such as --label-key label"):
        data.load("tfds:cifar100", folder)
    found = data.load("tfds:cifar100", folder, label_key="label")
    assert (len(found.classes), found.image_shape, found.size("test")) == (100, (32, 32, 3), 100)
    assert found.origin == f"TFDS cifar100/3.0.2 in {folder}"


def test_cifar10_h_has_one_class_label_beside_those_of_people(relative):
    found = data.load("tfds:cifar10_h", relative("cifar10_h", {"train": range(40), "test": range(40, 60)}))
    assert (len(found.classes), found.size("test")) == (10, 20)


def test_cifar10_1_has_nothing_to_learn_from(relative):
    folder = relative("cifar10_1/v6", {"test": range(20)})
    with pytest.raises(InputError, match=r"tfds:cifar10_1/v6: has the splits test, and none called train"):
        data.load("tfds:cifar10_1/v6", folder)


def test_mnist_corrupted_has_configurations(relative):
    folder = relative("mnist_corrupted/fog", {"train": range(40), "test": range(40, 60)})
    found = data.load("tfds:mnist_corrupted/fog", folder)
    assert (found.image_shape, found.size("test")) == ((28, 28, 1), 20)
    relative("mnist_corrupted", {"train": range(40), "test": range(40, 60)})
    with pytest.warns(UserWarning, match=r"of identity, shot_noise, .* and 10 more, TFDS's default is used: identity"):
        assert data.load("tfds:mnist_corrupted", folder).origin.startswith("TFDS mnist_corrupted/identity/1.0.0 in")


def test_a_folder_with_metadata_alone_is_enough(tmp_path):
    """As tfds.folder_dataset writes them beside records of anyone's."""
    folder = tfds_sets.store(tmp_path, make=squares, features=SQUARES)
    for name in ("dataset_info.json", "features.json"):
        (folder / name).unlink()
    tensorflow_datasets.folder_dataset.write_metadata(
        data_dir=str(folder),
        features=features.FeaturesDict(SQUARES),
        split_infos=[
            tensorflow_datasets.core.SplitInfo(name="train", shard_lengths=[24], num_bytes=0),
        ],
        filename_template="{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
    )
    np.testing.assert_array_equal(by_id(data.load("tfds:pets", tmp_path))[1], np.arange(24) % 3)
