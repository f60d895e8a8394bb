"""`tfxfer predict` against the SavedModel's own signatures."""

import errno
import io
import json
import os
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from finished_run import finish
from PIL import Image

from tfxfer import data, export, model
from tfxfer.cli import main as cli
from tfxfer.core.errors import InputError
from tfxfer.data import aspect_ratio, image_decoding
from tfxfer.data.image_folder import SUFFIXES
from tfxfer.export import image_ops, prediction, savedmodel


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory, pictures):
    """A finished run of an untrained `cnn`, and its SavedModel."""
    net = model.build("cnn", pictures, weights="none")
    folder = finish(tmp_path_factory.mktemp("runs"), pictures, net).final
    export.saved_model(net, folder)
    return folder


@pytest.fixture(scope="module")
def images(pictures):
    return pictures.rows["test"].images[:7]


@pytest.fixture
def folder(tmp_path, images):
    """Seven pictures in nested folders, among things that are none."""
    for number, image in enumerate(images):
        path = tmp_path / "pictures" / ("deep/er" if number > 4 else "") / f"{number}.PNG"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(path)
    (tmp_path / "pictures" / "notes.txt").write_text("no picture")
    (tmp_path / "pictures" / ".hidden.png").write_text("no picture")
    return tmp_path / "pictures"


def command(monkeypatch, capsys, *words, stdin: bytes = b""):
    monkeypatch.setattr(sys, "argv", ["tfxfer", "predict", *map(str, words)])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    with pytest.raises(SystemExit) as end:
        cli.main()
    captured = capsys.readouterr()
    return end.value.code, captured.out.splitlines(), captured.err


def test_folders_give_what_the_signatures_give(run_dir, folder, images, monkeypatch, capsys):
    warnings.simplefilter("always", UserWarning)  # a line, no error
    status, lines, stderr = command(monkeypatch, capsys, run_dir, folder, "--batch-size", "3")
    left = f"warning: {folder}: 1 file left out, not named {', '.join(SUFFIXES[:-1])} or .tiff: notes.txt\n"
    assert (status, stderr) == (0, left)
    rows = [json.loads(line) for line in lines]
    names = [f"{number}.PNG" for number in range(5)] + ["deep/er/5.PNG", "deep/er/6.PNG"]
    assert [row["file"] for row in rows] == [str(folder / name) for name in names]
    loaded = tf.saved_model.load(str(run_dir / "saved_model"))
    by_pixels = loaded.signatures["serving_default"](image=tf.constant(images))
    contents = tf.constant([(folder / name).read_bytes() for name in names])
    by_bytes = loaded.signatures["serving_bytes"](image_bytes=contents)
    for served in (by_pixels, by_bytes):
        found = [list(row["probabilities"].values()) for row in rows]
        np.testing.assert_allclose(found, served["probabilities"], atol=1e-6)
        assert [row["class_index"] for row in rows] == served["class_index"].numpy().tolist()
        assert [row["class_name"].encode() for row in rows] == served["class_name"].numpy().tolist()
    for row in rows:
        assert list(row["probabilities"]) == list("0123456789")
        assert row["probabilities"][row["class_name"]] == row["probability"] == max(row["probabilities"].values())


def test_it_says_which_run_a_name_means(run_dir, folder, monkeypatch, capsys):
    monkeypatch.chdir(run_dir.parent)
    status, lines, stderr = command(monkeypatch, capsys, f"../{run_dir.parent.name}", folder / "0.PNG")
    assert (status, len(lines), stderr) == (0, 1, f"by ../{run_dir.parent.name}/{run_dir.name}\n")


def test_bad_files_are_lines_and_the_others_go_on(run_dir, folder, tmp_path, monkeypatch, capsys):
    (tmp_path / "torn.png").write_bytes((folder / "0.PNG").read_bytes()[:100])
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(1 << 30)
    bad = {
        tmp_path / "torn.png": "truncated",
        tmp_path / "text.jpg": "not a JPEG, PNG, WebP, BMP, GIF or TIFF file, or cut off in its header",
        tmp_path / "empty": f"is a folder without {', '.join(SUFFIXES)} files",
        tmp_path / "pipe.png": "is not a regular file",
        tmp_path / "huge.png": "has 1,073,741,824 bytes, expected at most 536,870,912",
        tmp_path / "nowhere.png": "No such file or directory",
        "x" * 300: "File name too long",
        tmp_path / "vast.png": "has 100,000 x 100,000 pixels, more than can be decoded here: make it smaller",
    }
    vast = bytearray((folder / "0.PNG").read_bytes())
    vast[16:24] = struct.pack(">II", 100_000, 100_000)
    vast[29:33] = struct.pack(">I", zlib.crc32(vast[12:29]))
    (tmp_path / "vast.png").write_bytes(vast)
    words = [folder / "0.PNG", *bad, folder / "1.PNG"]
    status, lines, stderr = command(monkeypatch, capsys, run_dir, *words)
    assert (status, stderr) == (1, "")
    first, *rows, last = (json.loads(line) for line in lines)
    assert [row["file"] for row in (first, *rows, last)] == [str(word) for word in words]
    assert "class_name" in first
    assert "class_name" in last
    for row, reason in zip(rows, bad.values()):
        assert set(row) == {"file", "error"}
        assert reason in row["error"]
        assert "\n" not in row["error"]
        assert not {"{{", "[[", "Op"} & set(row["error"].split())


def test_links_to_folders_are_followed_but_not_in_circles(tmp_path):
    for place in ("set/deep", "else"):
        (tmp_path / place).mkdir(parents=True)
    for place in ("set/b.png", "set/deep/c.png", "else/a.png"):
        (tmp_path / place).write_bytes(b"")
    (tmp_path / "set" / "link").symlink_to(tmp_path / "else")
    (tmp_path / "set" / "deep" / "up").symlink_to(tmp_path / "set")
    (tmp_path / "else" / "back").symlink_to(tmp_path / "set")
    found = prediction.expand([str(tmp_path / "set")], io.BytesIO())
    assert found == [str(tmp_path / "set" / name) for name in ("b.png", "deep/c.png", "link/a.png")]


def test_links_to_nowhere_and_locked_folders_are_lines(run_dir, folder, tmp_path, monkeypatch, capsys):
    (folder / "lost.png").symlink_to(tmp_path / "nowhere.png")
    scandir = os.scandir
    locked = str(folder / "deep")

    def refuse(path):  # root may read everything
        if path == locked:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return scandir(path)

    (folder / "notes.txt").unlink()
    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != locked)
    status, lines, _ = command(monkeypatch, capsys, run_dir, folder)
    assert status == 1
    found = {row["file"]: row.get("error") for row in map(json.loads, lines)}
    assert found == {str(folder / f"{number}.PNG"): None for number in range(5)} | {
        locked: "Permission denied",
        str(folder / "lost.png"): "No such file or directory",
    }


def test_names_that_no_file_can_have(run_dir, monkeypatch, capsys):
    status, lines, _ = command(monkeypatch, capsys, run_dir, "-", "", stdin=b"a.png\0b.png\0\n")
    assert status == 1
    first, second = map(json.loads, lines)
    assert "null" in first["error"]
    assert second == {"file": "", "error": "has no name"}


def test_names_on_standard_input(run_dir, folder, monkeypatch, capsys):
    given = f"{folder}/1.PNG\n\n{folder}/0.PNG\r\n".encode() + b"/no\xffwhere\n"
    status, lines, _ = command(monkeypatch, capsys, run_dir, "-", folder / "2.PNG", stdin=given)
    assert status == 1
    rows = [json.loads(line) for line in lines]
    expected = [f"{folder}/1.PNG", f"{folder}/0.PNG", os.fsdecode(b"/no\xffwhere"), f"{folder}/2.PNG"]
    assert [row["file"] for row in rows] == expected
    assert ["error" in row for row in rows] == [False, False, True, False]


def test_a_table_is_one_line_a_file_whatever_its_name(run_dir, folder, tmp_path, monkeypatch, capsys):
    strange = tmp_path / "two\nlines\x1b[31m.png"
    strange.write_bytes((folder / "0.PNG").read_bytes())
    status, lines, _ = command(monkeypatch, capsys, run_dir, strange, tmp_path / "none.png", "--format", "table")
    assert status == 1
    assert len(lines) == 2
    assert r"two\nlines\x1b[31m.png" in lines[0]
    assert float(lines[0].split()[0]) <= 1
    assert lines[1].split(maxsplit=2)[::2] == ["-", "error: No such file or directory"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["/nowhere", "x.png"], "/nowhere contains no saved_model: give a finished run, or a SavedModel"),
        (["{run}", "-"], "expected files to classify, got none: give images, folders, or -"),
        (["{run}"], "Missing argument"),
        (["{run}", "x.png", "--batch-size", "0"], "Input should be greater than or equal to 1"),
        (["{run}", "x.png", "--format", "xml"], "'--format'"),
        (["{tmp}/damaged", "x.png"], "damaged cannot be loaded"),
        (["{tmp}/other", "x.png"], "expected uint8 images to class_index, class_name, probabilities"),
    ],
)
def test_bad_input_is_one_line(run_dir, tmp_path, words, complaint, monkeypatch, capsys):
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "saved_model.pb").write_bytes(b"no protocol buffer")
    module = tf.Module()
    module.serve = tf.function(lambda image: {"sum": tf.reduce_sum(image)})
    spec = tf.TensorSpec((None, 2, 2, 1), tf.float32, name="image")
    tf.saved_model.save(module, str(tmp_path / "other"), module.serve.get_concrete_function(spec))
    words = [word.format(run=run_dir, tmp=tmp_path) for word in words]
    status, lines, stderr = command(monkeypatch, capsys, *words)
    assert (status, lines) == (2, [])
    assert stderr.startswith("error: ")
    assert complaint in stderr
    assert stderr.count("\n") == 1


def test_a_serving_folder_means_its_latest_version(tmp_path):
    for version in ("2", "10"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "saved_model.pb").write_text("")
    assert prediction.saved_model(tmp_path) == tmp_path / "10"


def test_batch_sizes_in_python(run_dir):
    with pytest.raises(InputError, match="batch_size 0: expected at least 1"):
        next(prediction.predict(run_dir, ["x.png"], 0))


def test_from_a_shell_into_a_pipe_that_closes(run_dir, folder):
    """Nothing but the rows comes out, and `| head -1` is no traceback."""
    many = [str(folder / "0.PNG")] * 1000  # more than a pipe holds
    words = [sys.executable, "-m", "tfxfer", "predict", str(run_dir), *many]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert "class_name" in json.loads(process.stdout.readline())
    process.stdout.close()
    stderr = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), stderr) == (1, b"")


KINDS = {"a.jpg": "JPEG", "b.png": "PNG", "c.webp": "WEBP", "d.bmp": "BMP", "e.gif": "GIF", "f.tif": "TIFF"}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A folder of pictures of all kinds and of names that are not ASCII; one is large, to be reduced."""
    home, rng = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    for name in ("Äpfel", "苹果 🍎"):
        (home / name).mkdir()
        for file, kind in KINDS.items():
            for copy in range(4):
                pixels = rng.integers(0, 256, (5, 7, 3)).astype(np.uint8)
                large = (600, 400) if copy == 0 else (70, 50)
                picture = Image.fromarray(pixels).resize(large, Image.Resampling.BICUBIC)
                picture.save(home / name / f"{copy}{file}", kind)
    return home


@pytest.mark.parametrize("aspect", ["squash", "crop"])
def test_prediction_reads_every_kind_as_training_does(photographs, tmp_path, monkeypatch, capsys, aspect):
    """Training's own batches through the network, and `tfxfer predict` of the same files, without a word of how."""
    monkeypatch.setattr(image_decoding, "LARGE", 100_000)
    splits = data.load(f"folder:{photographs}", image_size=20, validation=0.25, aspect=aspect)
    net = model.build("cnn", splits, 28, "none")
    export.saved_model(net, tmp_path)
    expected = {}
    for split in ("train", "validation", "test"):
        files = splits.rows[split].images.paths
        for batch in splits.batches(split, 16):
            values = tf.nn.softmax(net(batch["image"], training=False)).numpy()
            ids = batch["id"].numpy().tolist()
            at = [splits.ids[split].tolist().index(number) for number in ids]
            expected |= dict(zip(files[at].tolist(), values))
    status, lines, stderr = command(monkeypatch, capsys, tmp_path, photographs)
    assert (status, stderr) == (0, "")
    assert all(name in line for line in lines for name in ("Äpfel", "苹果 🍎"))  # not escaped
    rows = [json.loads(line) for line in lines]
    assert sorted(row["file"] for row in rows) == sorted(expected)
    assert len(rows) == 2 * 4 * len(KINDS)
    for row in rows:
        assert list(row["probabilities"]) == ["Äpfel", "苹果 🍎"]
        np.testing.assert_allclose(list(row["probabilities"].values()), expected[row["file"]], atol=1e-6)
    served = tf.saved_model.load(str(tmp_path / "saved_model")).signatures["serving_bytes"]
    files = [file for file in sorted(expected) if file.endswith((".jpg", ".png"))]
    found = served(image_bytes=tf.constant([Path(file).read_bytes() for file in files]))["probabilities"]
    np.testing.assert_allclose(found, [expected[file] for file in files], atol=0.01)  # their pixels differ by a level


def test_a_saved_model_with_an_aspect_that_is_none(run_dir, tmp_path, small_cnn, monkeypatch):
    monkeypatch.setattr(aspect_ratio, "check", lambda aspect: None)
    small_cnn.aspect = "stretch"
    monkeypatch.setattr(image_ops, "decode", lambda content, shape, aspect: tf.zeros(shape, tf.uint8))
    savedmodel.write(small_cnn, tmp_path / "saved_model")
    monkeypatch.undo()
    with pytest.raises(InputError, match=r"cannot be loaded \(aspect 'stretch': expected one of squash, crop, pad"):
        next(prediction.predict(tmp_path, ["x.png"]))


def test_lines_are_utf8_whatever_the_terminals_encoding_is(run_dir, folder, tmp_path):
    """And a name that is no UTF-8 stays one that json reads back to the same bytes."""
    names = [tmp_path / "ü.png", tmp_path / os.fsdecode(b"\xff.png")]
    for name in names:
        name.write_bytes((folder / "0.PNG").read_bytes())
    words = [sys.executable, "-m", "tfxfer", "predict", str(run_dir), *map(str, names)]
    latin = os.environ | {"PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(words, capture_output=True, env=latin)
    assert (done.returncode, done.stderr) == (0, b"")
    rows = [json.loads(line) for line in done.stdout.decode("utf-8").splitlines()]
    assert [row["file"] for row in rows] == list(map(str, names))
    assert "ü.png".encode() in done.stdout
