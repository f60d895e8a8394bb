"""One network in each form, by the functions of `export`."""

import io
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_pictures
from PIL import Image

from tfxfer import data, export, model
from tfxfer.core.errors import InputError
from tfxfer.export import formats, image_ops, parity


@pytest.fixture(scope="module")
def exported(tmp_path_factory, pictures):
    folder = tmp_path_factory.mktemp("run")
    net = model.build("dropout_cnn", pictures, weights="none", augment=True)
    figures = export.saved_model(net, folder, pictures.rows["test"].images[:20])
    return net, folder, figures


def signature(folder, name):
    loaded = tf.saved_model.load(str(folder / "saved_model"))
    found = loaded.signatures[name]
    found.keep = loaded
    return found


def test_reload_agrees_with_the_network(exported, pictures):
    net, folder, figures = exported
    images = pictures.rows["test"].images[:10]
    out = signature(folder, "serving_default")(image=tf.constant(images))
    assert figures["max_difference"] <= export.TOLERANCE
    assert figures["embedding_difference"] <= export.TOLERANCE
    assert (figures["images"], figures["agreement"]) == (20, 1.0)
    np.testing.assert_allclose(out["probabilities"], tf.nn.softmax(net(images, training=False)), atol=1e-6)
    np.testing.assert_allclose(tf.reduce_sum(out["probabilities"], -1), np.ones(10), atol=1e-6)
    index = out["probabilities"].numpy().argmax(-1)
    np.testing.assert_array_equal(out["class_index"], index)
    assert [name.decode() for name in out["class_name"].numpy()] == [net.classes[i] for i in index]


def test_augmentation_and_dropout_are_off(exported, pictures):
    embed = signature(exported[1], "embed")
    images = tf.constant(pictures.rows["test"].images[:4])
    first, second = embed(image=images)["embedding"], embed(image=images)["embedding"]
    assert first.shape == (4, 512)
    np.testing.assert_array_equal(first, second)


def picture(pixels, kind="PNG", **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def test_files_of_any_size_give_what_their_pixels_give(exported, pictures):
    """Grey of the right size, colours that are larger, and a photograph lying on its side."""
    images = pictures.rows["test"].images[:3, ..., 0]
    large = np.repeat(np.repeat(np.repeat(images[1, ..., None], 3, 2), 2, 0), 2, 1)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    contents = [picture(images[0]), picture(large), picture(np.rot90(images[2]).copy(), "JPEG", quality=100, exif=exif)]
    out = signature(exported[1], "serving_bytes")(image_bytes=tf.constant(contents))
    pixels = tf.stack([image_ops.decode(tf.constant(content), (28, 28, 1)) for content in contents])
    expected = signature(exported[1], "serving_default")(image=pixels)
    assert set(out) == set(expected)
    for name in out:
        np.testing.assert_array_equal(out[name], expected[name])
    np.testing.assert_array_equal(pixels[0, ..., 0], images[0])
    assert np.abs(pixels[2, ..., 0].numpy().astype(int) - images[2]).mean() < 4  # of JPEG; the sides' own is 30


def test_bytes_that_are_no_picture_are_refused(exported):
    serve = signature(exported[1], "serving_bytes")
    with pytest.raises(tf.errors.InvalidArgumentError, match="image_bytes: expected a JPEG or PNG file"):
        serve(image_bytes=tf.constant([b"nothing"]))
    assert serve(image_bytes=tf.constant([], tf.string))["probabilities"].shape == (0, 10)


def test_needs_neither_tfxfer_nor_keras(exported):
    """Loaded in a fresh process in which both cannot be imported."""
    code = (
        "import sys; sys.modules['tfxfer'] = sys.modules['keras'] = None\n"
        "import tensorflow as tf\n"
        f"loaded = tf.saved_model.load({str(exported[1] / 'saved_model')!r})\n"
        "out = loaded.signatures['serving_default'](image=tf.zeros((3, 28, 28, 1), tf.uint8))\n"
        "print(sorted(out), out['probabilities'].shape, sorted(loaded.signatures))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (
        "['class_index', 'class_name', 'probabilities'] (3, 10) ['embed', 'serving_bytes', 'serving_default']"
    )


def test_an_export_that_differs_is_an_error_and_leaves_nothing(tmp_path, small_cnn, monkeypatch):
    monkeypatch.setattr(parity, "TOLERANCE", -1.0)
    with pytest.raises(RuntimeError, match="saved_model reloaded differs: expected probabilities within"):
        export.saved_model(small_cnn, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "file"), [(name, row.file) for name, row in export.FORMATS.items()])
def test_nothing_is_overwritten(tmp_path, small_cnn, name, file):
    (tmp_path / file).write_text("mine")
    more = [np.zeros((1, 28, 28, 1), np.uint8)] if name == "litert_int8" else []
    with pytest.raises(InputError, match=f"{file} exists: export into another folder"):
        getattr(export, name)(small_cnn, tmp_path, *more)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path, small_cnn):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write .*file/saved_model \(File exists\)"):
        export.saved_model(small_cnn, tmp_path / "file")


def test_a_file_that_cannot_be_run_is_an_error(tmp_path, small_cnn):
    (tmp_path / "model.onnx").write_bytes(b"nothing")
    with pytest.raises(RuntimeError, match="onnx cannot be run in a fresh process"):
        parity.compare(small_cnn, "onnx", tmp_path / "model.onnx", np.zeros((1, 28, 28, 1), np.uint8))


def test_one_file_alone(tmp_path, small_cnn, pictures):
    """The functions of Python, without a run: ONNX stands for those that are compared in a process of their own."""
    images = pictures.rows["test"].images
    figures = export.onnx(small_cnn, tmp_path / "new", images)
    assert figures["max_difference"] <= export.TOLERANCE
    assert figures["images"] == 100
    assert figures["bytes"] == (tmp_path / "new" / "model.onnx").stat().st_size
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["model.onnx"]


@pytest.fixture(scope="module")
def scattering():
    """Scattering of 8 x 8 pixels, a network with a layer of tfxfer's own."""
    return model.build("scattering", data.from_arrays(make_pictures(40, side=8), make_pictures(20, side=8)))


def test_what_a_format_cannot_hold_is_one_line(tmp_path, scattering):
    """XLA's compiled scattering is no operation of LiteRT's."""
    with pytest.raises(InputError, match=r"scattering cannot be written as LiteRT .* leave litert out of the formats"):
        export.litert(scattering, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_layer_of_tfxfers_own_is_known_in_a_fresh_process(tmp_path, scattering):
    assert export.keras(scattering, tmp_path)["max_difference"] <= export.TOLERANCE


def test_onnx_names_what_is_missing(tmp_path, small_cnn, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(InputError, match=r"onnx needs tf2onnx, which is not installed: pip install 'tfxfer\[onnx\]'"):
        export.onnx(small_cnn, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_versions_count_on_and_leave_the_others_alone(tmp_path, small_cnn):
    (tmp_path / "7").mkdir()
    (tmp_path / "notes").write_text("mine")
    keras.utils.set_random_seed(0)
    assert export.serving(small_cnn, tmp_path) == tmp_path / "8"
    assert {path.name for path in tmp_path.iterdir()} == {"7", "8", "notes"}
    assert tf.saved_model.contains_saved_model(tmp_path / "8")
    assert formats.next_version(tmp_path / "new") == tmp_path / "new" / "1"
    with pytest.raises(InputError, match="notes is a file, expected a folder for versions"):
        formats.next_version(tmp_path / "notes")


def test_versions_finished_at_the_same_time_all_stay(tmp_path, monkeypatch):
    """Four exports take the same next number before any has its place: each ends up in one of its own."""
    together, seen, next_version = threading.Barrier(4), threading.local(), formats.next_version

    def late(folder):
        version = next_version(folder)
        if not hasattr(seen, "once"):
            seen.once = together.wait(timeout=60)
        return version

    made = [tmp_path / f"made{n}" for n in range(4)]
    for n, folder in enumerate(made):
        folder.mkdir()
        (folder / "saved_model.pb").write_text(str(n))
    (tmp_path / "models").mkdir()
    monkeypatch.setattr(formats, "next_version", late)
    with ThreadPoolExecutor(4) as pool:
        places = list(pool.map(formats.as_version, made, [tmp_path / "models"] * 4))
    assert sorted(place.name for place in places) == ["1", "2", "3", "4"]
    assert [(place / "saved_model.pb").read_text() for place in places] == ["0", "1", "2", "3"]
