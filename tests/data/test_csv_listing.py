import numpy as np
import pytest
from conftest import noise
from PIL import Image

from tfxfer import data
from tfxfer.core.errors import InputError
from tfxfer.data import csv_listing, sources

ROWS = "path,label\na.png,dog\nmore/b.png,cat\nc.png,dog\n"


def write(folder, text, encoding="utf-8"):
    file = folder / "pictures.csv"
    file.write_bytes(text.encode(encoding))
    return file


def test_rows_keep_their_order_and_classes_are_sorted(tmp_path):
    classes, parts = csv_listing.listing(write(tmp_path, ROWS))
    assert classes == ("cat", "dog")
    assert list(parts) == ["train"]
    paths, labels = parts["train"]
    assert paths.tolist() == [str(tmp_path / name) for name in ("a.png", "more/b.png", "c.png")]
    np.testing.assert_array_equal(labels, [1, 0, 1])


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_other_separators_spellings_and_a_byte_order_mark(tmp_path, separator, encoding):
    """As spreadsheets write them; whole numbers are classes in the order of numbers."""
    text = "Filename,Target,Subset\nx.jpg,10,Training\ny.jpg,9,training\nz.jpg,9,val\nw.jpg,10,testing\n"
    classes, parts = csv_listing.listing(write(tmp_path, text.replace(",", separator), encoding))
    assert classes == ("9", "10")
    assert {part: labels.tolist() for part, (_, labels) in parts.items()} == {
        "train": [1, 0],
        "validation": [0],
        "test": [1],
    }


def test_absolute_paths_and_quoted_commas(tmp_path):
    classes, parts = csv_listing.listing(write(tmp_path, 'image,class\n/far/a.png,"cat, small"\nb.png,dog\n'))
    assert classes == ("cat, small", "dog")
    assert parts["train"][0].tolist() == ["/far/a.png", str(tmp_path / "b.png")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has the columns none, none for the path: expected one called path"),
        ("path,label\n", "has no rows below its header"),
        ("a,b\nx.png,cat\n", "has the columns a, b, none for the path"),
        ("path,kind\nx.png,cat\n", "none for the label: expected one called label, class"),
        ("path,file,label\nx.png,x.png,cat\n", "path and file could both be the path: remove one"),
        ("path,label\nx.png,\n", "row 2: no label: fill it in, or remove the row"),
        ("path,label\nx.png\n", "row 2: no label"),
        ("path,label\nx.png,cat\nx.png,dog\n", "row 3: x.png is in row 2, too"),
        ("path,label\nx.png,cat\ny.png,cat\n", "1 class found, cat, expected at least 2"),
        ("path,label,split\nx.png,cat,dev\n", "row 2: split 'dev': expected train, validation, test"),
        ("path,label,split\nx.png,cat,test\n", "no row is for training"),
        ("path,label,split\nx.png,cat,train\ny.png,dog,test\n", "class dog has no training image"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        csv_listing.listing(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_bytes_are_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read as CSV"):
        csv_listing.listing(write(tmp_path, "päth,label", "utf-16"))
    with pytest.raises(InputError, match=r"cannot be read as CSV \(No such file"):
        csv_listing.listing(tmp_path / "none.csv")


def test_a_table_is_loaded_as_a_folder_is(tmp_path):
    """The same pixels and splits, by the file's plain path too."""
    lines = ["path,label"]
    for number in range(24):
        name = f"{'ab'[number % 2]}/{number:02}.png"
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(noise(9, 7, 3, seed=number)).save(tmp_path / name)
        lines.append(f"{name},{name[0]}")
    file = write(tmp_path, "\n".join([lines[0], *sorted(lines[1:])]))
    found, expected = data.load(file, image_size=8), data.load(f"folder:{tmp_path}", image_size=8)
    assert sources.full_name(file) == sources.full_name(f"csv:{file}") == f"csv:{file}"
    assert found.classes == expected.classes == ("a", "b")
    for split in ("train", "validation", "test"):
        np.testing.assert_array_equal(found.rows[split].images[:], expected.rows[split].images[:])
        np.testing.assert_array_equal(found.rows[split].labels, expected.rows[split].labels)
