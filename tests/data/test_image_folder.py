"""Folders of pictures as data sets: what is listed, what is read, what is refused."""

import os
import warnings

import numpy as np
import pytest
from PIL import Image

from tfxfer import data
from tfxfer.core.errors import InputError
from tfxfer.data import sources
from tfxfer.data.lazy_images import Files

SPLITS = ("train", "validation", "test")


def write_folder(root, classes=("cat", "dog"), n=3, seed=0):
    rng = np.random.default_rng(seed)
    for name in classes:
        (root / name).mkdir(parents=True)
        for i in range(n):
            pixels = np.full((20 + i, 30, 3), rng.integers(0, 256, 3), np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.{'jpg' if i % 5 == 3 else 'png'}", quality=95)


def names(paths, below):
    return [os.path.relpath(path, below) for path in paths]


def test_classes_and_files_are_listed_in_order(tmp_path):
    write_folder(tmp_path)
    (tmp_path / ".cache").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "cat" / "._0.jpg").write_text("a Mac's")
    (tmp_path / "cat" / "notes.txt").write_text("not an image")
    with pytest.warns(UserWarning, match=r"1 file left out, not named \.jpg, .* or \.tiff: cat/notes\.txt$"):
        found = sources.find(f"folder:{tmp_path}")
    assert found.classes == ("cat", "dog")
    assert found.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert names(found.train.images[:3], tmp_path) == ["cat/0.png", "cat/1.png", "cat/2.png"]
    assert found.test is found.validation is None


def test_what_is_left_out_is_named(tmp_path):
    write_folder(tmp_path)
    for name in ("cat/a.heic", "cat/b.HEIC", "dog/c.svg", "dog/d", "dog/.hidden"):
        (tmp_path / name).write_text("")
    with pytest.warns(UserWarning, match=r"4 files left out, .*: cat/a\.heic, cat/b\.HEIC, dog/c\.svg, and 1 more$"):
        sources.find(f"folder:{tmp_path}")


def test_every_kind_of_picture_is_learned_from(tmp_path):
    write_folder(tmp_path, ("cat",))
    (tmp_path / "dog").mkdir()
    kinds = {"a.webp": "WEBP", "b.BMP": "BMP", "c.gif": "GIF", "d.tif": "TIFF", "e.tiff": "TIFF", "f.jpeg": "PNG"}
    for name, kind in kinds.items():
        Image.new("RGB", (20, 30), "red").save(
            tmp_path / "dog" / name, kind, **{"lossless": True} if kind == "WEBP" else {}
        )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = sources.find(f"folder:{tmp_path}").train
    assert names(found.images[3:], tmp_path) == [f"dog/{name}" for name in kinds]
    for image in Files(found.images[3:], 8)[:]:
        np.testing.assert_array_equal(image, np.broadcast_to((255, 0, 0), (8, 8, 3)))


def test_pictures_lie_anywhere_below_their_class(tmp_path):
    write_folder(tmp_path / "cat", ("b", "a"))
    write_folder(tmp_path, ("dog",))
    Image.new("L", (4, 4)).save(tmp_path / "cat" / "a0.PNG")
    (tmp_path / "cat" / "z").mkdir()
    found = sources.find(f"folder:{tmp_path}")
    inside = ["cat/a/0.png", "cat/a/1.png", "cat/a/2.png", "cat/a0.PNG", "cat/b/0.png", "cat/b/1.png", "cat/b/2.png"]
    assert names(found.train.images, tmp_path) == [*inside, "dog/0.png", "dog/1.png", "dog/2.png"]
    assert found.train.labels.tolist() == [0] * 7 + [1] * 3


def test_links_to_folders_are_followed_but_not_in_circles(tmp_path):
    write_folder(tmp_path / "elsewhere", ("cats",))
    write_folder(tmp_path / "root", ("dog",))
    (tmp_path / "root" / "cat").symlink_to(tmp_path / "elsewhere" / "cats")
    assert sources.find(f"folder:{tmp_path / 'root'}").classes == ("cat", "dog")
    (tmp_path / "root" / "dog" / "again").symlink_to(tmp_path / "root" / "dog")
    with pytest.raises(InputError, match="again: is a link to a folder that contains it"):
        sources.find(f"folder:{tmp_path / 'root'}")


@pytest.mark.parametrize("spelt", [("train", "validation", "test"), ("Training", "val", "Testing"), ("train", "test")])
def test_a_divided_folder_stays_divided(tmp_path, spelt):
    for number, part in enumerate(spelt):
        write_folder(tmp_path / part, n=10 if number == 0 else 6, seed=number)
    splits = data.load(f"folder:{tmp_path}", image_size=8)
    own = dict(zip(("train", "test") if len(spelt) == 2 else SPLITS, spelt))
    for split, part in own.items():
        assert {path.split("/")[-3] for path in splits.rows[split].images.paths} == {part}
    if len(spelt) == 3:
        assert [splits.size(split) for split in SPLITS] == [20, 12, 12]
        assert [sorted(splits.ids[split]) for split in SPLITS] == [
            list(range(20)),
            list(range(20, 32)),
            list(range(32, 44)),
        ]
    else:
        assert [splits.size(split) for split in SPLITS] == [18, 2, 12]
    assert splits.rows["train"].labels[:4].tolist() in ([0, 1, 0, 1], [0, 1, 1, 0], [1, 0, 0, 1], [1, 0, 1, 0])
    assert splits.classes == ("cat", "dog")
    some = data.load(f"folder:{tmp_path}", limit=8, image_size=8)
    assert [some.size(split) for split in SPLITS] == [8, 2, 2]


def test_a_test_without_a_class_is_taken_one_with_another_is_not(tmp_path):
    write_folder(tmp_path / "train", n=8)
    write_folder(tmp_path / "test", ("dog",), seed=1)
    splits = data.load(f"folder:{tmp_path}", image_size=8)
    assert splits.rows["test"].labels.tolist() == [1, 1, 1]
    write_folder(tmp_path / "test", ("doge",), seed=2)
    with pytest.raises(InputError, match=f"doge: class doge is not among those of {tmp_path / 'train'}"):
        data.load(f"folder:{tmp_path}", image_size=8)


def test_faults_are_named(tmp_path):
    with pytest.raises(InputError, match="0 class folders found, expected at least 2"):
        sources.find(f"folder:{tmp_path}")
    write_folder(tmp_path)
    strange = tmp_path / "dog" / os.fsdecode(b"\xff.png")
    strange.touch()
    with pytest.raises(InputError, match="a name that is not UTF-8"):
        sources.find(f"folder:{tmp_path}")
    strange.unlink()
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: no \.jpg"):
        sources.find(f"folder:{tmp_path}")


def test_a_folder_half_divided_is_named(tmp_path):
    write_folder(tmp_path / "train")
    write_folder(tmp_path / "test")
    write_folder(tmp_path / "drafts")
    with pytest.raises(InputError, match="contains drafts beside test, train: move it elsewhere"):
        sources.find(f"folder:{tmp_path}")
    (tmp_path / "drafts").rename(tmp_path / "Test")
    with pytest.raises(InputError, match="contains both Test and test: expected one of them"):
        sources.find(f"folder:{tmp_path}")


def test_train_alone_is_a_class(tmp_path):
    write_folder(tmp_path, ("train", "bus"))
    assert sources.find(f"folder:{tmp_path}").classes == ("bus", "train")


def test_pixels_are_read_and_resized_as_asked_for(tmp_path):
    write_folder(tmp_path, ("a", "b"), n=12)
    with pytest.raises(InputError, match="image_size is None, expected pixels per side"):
        data.load(f"folder:{tmp_path}")
    splits = data.load(f"folder:{tmp_path}", image_size=16)
    assert splits.image_shape == (16, 16, 3)
    assert sum(splits.size(name) for name in SPLITS) == 24
    paths = sources.find(f"folder:{tmp_path}").train.images
    for example in splits.train:
        color = np.asarray(Image.open(paths[int(example["id"])]))[0, 0]
        np.testing.assert_array_equal(example["image"], np.broadcast_to(color, (16, 16, 3)))
    assert next(iter(splits.batches("train", 5)))["image"].shape == (5, 16, 16, 3)
    images = splits.rows["train"].images
    assert isinstance(images, Files)
    np.testing.assert_array_equal(images[3], images[np.array([0, 3])][1])
    assert images[:0].shape == (0, 16, 16, 3)


def test_resizing_is_bilinear_and_antialiased(tmp_path):
    """As tf.image.resize does it, to a grey level or two of rounding."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3)).astype(np.uint8))
    smooth = coarse.resize((64, 48), Image.Resampling.BICUBIC)
    smooth.save(tmp_path / "0.png")
    for size in (16, 100):
        ours = Files(np.array([str(tmp_path / "0.png")]), size)[0].astype(int)
        theirs = tf.image.resize(np.asarray(smooth), (size, size), antialias=True)
        assert np.abs(ours - theirs).max() <= 2


def test_the_fingerprint_is_of_path_size_and_time(tmp_path):
    write_folder(tmp_path, n=8)
    first = data.load(f"folder:{tmp_path}", image_size=8).fingerprint
    assert data.load(f"folder:{tmp_path}", image_size=8).fingerprint == first
    os.utime(tmp_path / "cat" / "0.png", (1, 1))
    assert data.load(f"folder:{tmp_path}", image_size=8).fingerprint != first
