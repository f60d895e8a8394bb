"""Unreadable files and duplicates are found before anything trains, once; what is read then is what is learned from."""

import hashlib
import warnings

import numpy as np
import pytest
from PIL import Image

from tfxfer import data, features, model, train
from tfxfer.core.cache import Store
from tfxfer.core.errors import InputError
from tfxfer.data import image_decoding, image_validation, kept_pixels, lazy_images

SPLITS = ("train", "validation", "test")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two classes of 12 noisy pictures, and a cache of its own."""
    monkeypatch.setenv("TFXFER_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for i in range(12):
            picture = Image.fromarray(rng.integers(0, 256, (30, 30)).astype(np.uint8))
            picture.save(tmp_path / "pictures" / name / f"{i:02}.{'png' if i % 2 else 'jpg'}")
    return tmp_path / "pictures"


def load(folder, **options):
    return data.load(f"folder:{folder}", image_size=16, **options)


def watched(monkeypatch) -> list[str]:
    """The files that are decoded from now on."""
    decoded = []

    def counted(path, *args, pixels=image_decoding.pixels, **options):
        decoded.append(path)
        return pixels(path, *args, **options)

    monkeypatch.setattr(image_decoding, "pixels", counted)
    return decoded


def check_pixels(splits):
    """Compares all images with the decoder's, one by one."""
    for split in SPLITS:
        images = splits.rows[split].images
        for image, path in zip(images[:], images.paths):
            expected = image_decoding.pixels(path, splits.image_shape, aspect=splits.aspect)
            np.testing.assert_array_equal(image, expected)


def without_room(folder, tmp_path):
    line = f"^{folder}: the cache {tmp_path}/cache cannot be written or has no room for 24 images of 16 x 16 "
    line += r"\(0.0 MB\), so files are decoded in every pass: raise TFXFER_CACHE_GB, or set TFXFER_CACHE to another "
    with pytest.warns(UserWarning, match=line + "folder$"):
        return load(folder)


def damage(path):
    path.write_bytes(path.read_bytes()[:-200])


def test_unreadable_files_are_refused_with_their_reasons(folder):
    for name in ("a/00.jpg", "b/01.png", "b/02.jpg", "b/03.png"):
        damage(folder / name)
    (folder / "b/03.png").write_bytes(b"text")
    with pytest.raises(InputError, match="4 of 24 files cannot be read: ") as caught:
        load(folder)
    line = str(caught.value)
    assert "\n" not in line
    assert line.count(str(folder)) == image_validation.NAMED
    assert "truncated" in line
    assert "; and 1 more: repair them, remove them, or leave them out with --skip-bad" in line


def test_skipping_leaves_everything_else_where_it_was(folder):
    whole = load(folder)
    damage(folder / "a/00.jpg")
    (folder / "b/03.png").write_bytes(b"text")
    with pytest.warns(UserWarning, match="2 of 24 files cannot be read: .*: left out"):
        rest = load(folder, skip_bad=True)
    gone = {0, 12 + 3}
    for split in SPLITS:
        kept = [i for i in whole.ids[split] if i not in gone]
        assert rest.ids[split].tolist() == kept
        assert len(rest.rows[split].labels) == len(kept)
    assert rest.describe()["unreadable"].keys() == {str(folder / "a/00.jpg"), str(folder / "b/03.png")}
    assert (
        rest.notes["unreadable"][str(folder / "b/03.png")]
        == "not a JPEG, PNG, WebP, BMP, GIF or TIFF file, or cut off in its header"
    )
    assert "unreadable" not in whole.describe()
    assert rest.fingerprint != whole.fingerprint


def test_a_link_to_nowhere_cannot_be_read(folder):
    (folder / "a" / "99.png").symlink_to(folder / "nothing.png")
    with pytest.raises(InputError, match=r"1 of 25 files cannot be read: .*99.png: No such file or directory: repair"):
        load(folder)
    with pytest.warns(UserWarning, match="left out"):
        assert sum(load(folder, skip_bad=True).size(split) for split in SPLITS) == 24


def test_skipping_may_leave_too_little(folder):
    for path in (folder / "b").iterdir():
        path.write_bytes(b"text")
    with pytest.warns(UserWarning, match="left out"), pytest.raises(InputError, match="no training image of class b"):
        load(folder, skip_bad=True)


def test_files_are_decoded_once_for_as_long_as_they_stay(folder, monkeypatch):
    decoded = watched(monkeypatch)
    splits = load(folder)
    assert len(decoded) == 24
    load(folder)
    load(folder, seed=5)
    for split in SPLITS:
        list(splits.batches(split, 5, epochs=2))
        list(load(folder).batches(split, None))
    assert len(decoded) == 24
    Image.new("RGB", (9, 9), "red").save(folder / "a/01.png")
    (folder / "a/03.png").write_bytes(b"text")
    for _ in range(2):  # what cannot be read is tried again
        with pytest.raises(InputError, match="1 of 24 files"):
            load(folder)
    assert sorted(decoded[24:]) == [str(folder / name) for name in ("a/01.png", "a/03.png", "a/03.png")]


def test_a_limit_decodes_no_more_than_it_uses(folder, monkeypatch):
    """What is missing later is kept beside it, and both are read."""
    decoded = watched(monkeypatch)
    assert sum(load(folder, limit=8).size(split) for split in SPLITS) == len(decoded) == 12
    check_pixels(load(folder))
    assert len(decoded) == 24 + 24  # those of `check_pixels` too
    assert len(Store().entries()) == 2


def test_what_is_read_is_what_the_decoder_gives(folder):
    check_pixels(load(folder))
    (entry,) = Store().entries()
    assert entry.about.items() >= {"model": "pixels of files", "layer": "16 x 16", "data": f"folder:{folder}"}.items()
    assert entry.bytes < 24 * (16 * 16 * 3 + 32) + 5000


def test_another_size_is_kept_beside(folder):
    check_pixels(load(folder))
    check_pixels(data.load(folder, image_size=12))
    assert sorted(entry.about["layer"] for entry in Store().entries()) == ["12 x 12", "16 x 16"]


def test_another_aspect_is_kept_beside(folder, tmp_path, monkeypatch):
    """With and without room for the pixels: what is known of one is never taken for another, and stays known."""
    for path in (folder / "a").iterdir():
        Image.open(path).crop((0, 0, 30, 20)).save(path)
    decoded = watched(monkeypatch)
    prints = {}
    for aspect in ("squash", "crop", "pad"):
        splits = load(folder, aspect=aspect)
        assert len(decoded) == 24
        prints[aspect] = splits.fingerprint
        check_pixels(splits)
        assert load(folder, aspect=aspect).fingerprint == splits.fingerprint
        assert len(decoded) == 48  # those of `check_pixels`
        decoded.clear()
    assert len(set(prints.values())) == 3
    names = sorted(entry.about["layer"] for entry in Store().entries())
    assert names == ["16 x 16", "16 x 16, crop", "16 x 16, pad"]
    Store().clear()
    monkeypatch.setenv("TFXFER_CACHE_GB", "1e-6")
    for aspect in ("squash", "crop"):
        with pytest.warns(UserWarning, match="so files are decoded in every pass"):
            splits = load(folder, aspect=aspect)
        assert len(decoded) == 24
        assert splits.fingerprint == prints[aspect]
        for split in SPLITS:
            images = splits.rows[split].images
            digests = [kept_pixels.digest(image) for image in images[:]]
            assert digests == [known.tobytes() for known in images.kept.digests]
        decoded.clear()


def test_squashed_pixels_are_known_as_before_there_was_another_aspect(folder):
    """What earlier versions have kept is found."""
    splits = load(folder, limit=8, aspect="squash")
    marks = np.concatenate([splits.rows[split].images.kept.marks for split in SPLITS])
    (entry,) = Store().entries()
    known = repr(("pixels of files", image_decoding.REVISION, 16)).encode() + marks.tobytes()
    assert entry.key == hashlib.sha256(known).hexdigest()
    assert "aspect" not in entry.about
    rows = splits.rows["test"]
    expected = hashlib.sha256(b"decoder %d" % image_decoding.REVISION + rows.images.kept.marks.tobytes()).digest()
    assert lazy_images.fingerprint(rows.images) == expected


def test_many_changes_become_one_entry(folder, monkeypatch):
    """An entry for each change, up to eight; then one again, for which only what is new is decoded."""
    load(folder)
    paths = sorted((folder / "a").iterdir())
    decoded = watched(monkeypatch)
    for number in range(kept_pixels.MOST):
        Image.new("L", (20, 20), 9 * number).save(paths[number])
        splits = load(folder)
        parts = splits.rows["train"].images.kept.pixels.parts
        assert len(parts) == (number + 2 if number < kept_pixels.MOST - 1 else 1)
    assert decoded == [str(path) for path in paths[: kept_pixels.MOST]]
    check_pixels(splits)


@pytest.mark.parametrize("content", [b"", b"no array", None])
def test_without_room_files_are_decoded_whenever_they_are_needed(folder, monkeypatch, tmp_path, content):
    """They are checked once even so; a list of what has been checked that is no good costs time alone."""
    kept = load(folder)
    assert Store().clear() > 0
    monkeypatch.setenv("TFXFER_CACHE_GB", "1e-6")
    decoded = watched(monkeypatch)
    first, second = without_room(folder, tmp_path), without_room(folder, tmp_path)
    assert len(decoded) == 24
    assert first.fingerprint == second.fingerprint == kept.fingerprint
    for split in SPLITS:
        (batch,) = second.batches(split, 24)
        np.testing.assert_array_equal(batch["image"], second.rows[split].images[:])
    check_pixels(second)
    decoded.clear()
    (place,) = (tmp_path / "cache" / "pictures").iterdir()
    if content is None:
        place.unlink()
        place.parent.rmdir()
        place.parent.write_text("in the way")
    else:
        place.write_bytes(content)
    assert without_room(folder, tmp_path).fingerprint == kept.fingerprint
    assert len(decoded) == 24


def test_a_file_that_changes_in_a_run(folder, monkeypatch, tmp_path):
    """What was checked is what is learned from: kept pixels stay, and without them the changed file is refused."""
    kept = load(folder)
    monkeypatch.setenv("TFXFER_CACHE_GB", "0")
    monkeypatch.setenv("TFXFER_CACHE", str(tmp_path / "other"))
    with pytest.warns(UserWarning, match="so files are decoded in every pass"):
        unkept = load(folder)
    expected, path = kept.rows["train"].images[:], kept.rows["train"].images.paths[3]
    Image.new("RGB", (30, 30), "red").save(path)
    np.testing.assert_array_equal(kept.rows["train"].images[:], expected)
    assert kept.fingerprint == unkept.fingerprint
    np.testing.assert_array_equal(unkept.rows["train"].images[:3], expected[:3])
    with pytest.raises(InputError, match=f"^{path}: has changed since the data set was loaded: start again"):
        unkept.rows["train"].images[:]


def test_kept_pixels_that_were_damaged_are_decoded_again(folder):
    """A single image when it is read, more of them when the entry is found."""
    splits = load(folder)
    expected = {split: splits.rows[split].images[:] for split in SPLITS}
    (entry,) = Store().entries()
    kept = np.load(entry.path / "0.npy", mmap_mode="r+")
    kept[5] ^= 1
    again = load(folder)
    for split in SPLITS:
        np.testing.assert_array_equal(again.rows[split].images[:], expected[split])
    kept[:] = 0
    with pytest.warns(UserWarning, match="its pixels were changed; files are decoded again"):
        again = load(folder)
    check_pixels(again)
    assert load(folder).rows["train"].images.kept.found.all()


def test_duplicates_by_content_are_reported(folder):
    first = load(folder)
    tested = first.rows["test"].images.paths[0]
    (learned,) = first.rows["train"].images.paths[:1]
    Image.open(tested).save(learned if learned.endswith("png") else folder / "a/00.png", format="PNG")
    with pytest.warns(UserWarning, match=r"occur more than once: 2 \(different ones: 1\)") as caught:
        found = load(folder)
    notes = found.notes["duplicates"]
    assert (notes["groups"], notes["images"]) == (1, 2)
    assert tested in notes["such_as"]
    assert " = ".join(notes["such_as"]) in str(caught[0].message)


def test_duplicates_on_both_sides_and_under_two_names(folder):
    for path in (folder / "b").iterdir():  # b is a once more
        path.unlink()
    for path in (folder / "a").iterdir():
        (folder / "b" / path.name).write_bytes(path.read_bytes())
    with pytest.warns(UserWarning, match=r"once: 24 \(different ones: 12\), .* under several classes: 12,"):
        found = load(folder)
    ids = {split: set((found.ids[split] % 12).tolist()) for split in SPLITS}
    across = len(ids["test"] & (ids["train"] | ids["validation"]))
    assert found.notes["duplicates"]["across_test"] == across
    assert found.notes["duplicates"]["across_validation"] == len(ids["train"] & ids["validation"])


def test_a_file_that_goes_bad_later_is_named(folder, tmp_path, monkeypatch):
    """Where training meets it, in a run that decodes files as it needs them: one line, as for any other bad input."""
    from tfxfer.runs import Run

    monkeypatch.setenv("TFXFER_CACHE_GB", "1e-6")
    splits = without_room(folder, tmp_path)
    bad = splits.rows["train"].images.paths[5]
    with open(bad, "wb"):
        pass
    with (
        pytest.raises(InputError, match=f"{bad}: not a JPEG, PNG, WebP, BMP, GIF or TIFF file"),
        Run("x", {}, tmp_path / "runs"),
    ):
        features.extract(model.build("pixels", splits), splits.train)
    net = model.build("cnn", splits, 28, "none")
    with (
        pytest.raises(InputError, match=f"{bad}: not a JPEG, PNG, WebP, BMP, GIF or TIFF file"),
        Run("x", {}, tmp_path / "runs"),
    ):
        train.fit(net, splits, 1)


def test_nothing_warns_of_a_good_folder(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load(folder).notes == {}
