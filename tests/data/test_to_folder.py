import sys
import warnings

import numpy as np
import pytest
from conftest import write_idx_set

from tfxfer import data
from tfxfer.cli import main
from tfxfer.core.errors import InputError
from tfxfer.data import to_folder


def test_a_folder_reads_back_the_same(pictures, tmp_path):
    assert to_folder.write(pictures, tmp_path / "out", classes=7, images=5) == 35
    found = data.sources.find(f"folder:{tmp_path / 'out'}")
    assert found.classes == tuple("0123456")
    assert np.bincount(found.train.labels).tolist() == [5] * 7
    rows = {number: row for row, number in enumerate(pictures.ids["train"].tolist())}
    splits = data.load(f"folder:{tmp_path / 'out'}", image_size=28)
    for split in ("train", "validation", "test"):
        some = splits.rows[split]
        for image, path, label in zip(some.images[:], some.images.paths, some.labels):
            row = rows[int(path.split("/")[-1].removesuffix(".png"))]
            np.testing.assert_array_equal(image[..., :1], pictures.rows["train"].images[row])
            assert label == pictures.rows["train"].labels[row]


def test_nothing_is_overwritten(pictures, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="out exists: give the name of a new folder"):
        to_folder.write(pictures, tmp_path / "out")
    with pytest.raises(InputError, match="cannot write"):
        (tmp_path / "file").touch()
        to_folder.write(pictures, tmp_path / "file" / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"out", "file"}


def test_the_command(tmp_path, monkeypatch, capsys):
    write_idx_set(tmp_path / "data")
    words = ["--data-dir", str(tmp_path / "data"), "--classes", "3", "--images", "4", "--folder", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["tfxfer", "make-folder", *words])
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    with warnings.catch_warnings(), pytest.raises(SystemExit) as end:
        warnings.simplefilter("always")
        main.main()
    assert end.value.code == 0
    assert capsys.readouterr().out.splitlines() == ["12 images written to", str(tmp_path / "out")]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["Pullover", "T-shirt_top", "Trouser"]
