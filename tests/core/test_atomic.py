"""One file beside its place; folders are tested with the store that makes them."""

import pytest

from tfxfer.core import atomic


def test_a_file_has_its_name_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "figures.json"
    with atomic.file(path) as beside:
        beside.write_text("all of it")
        assert beside.parent == path.parent
        assert beside.name.endswith("-figures.json")  # NumPy adds a suffix to what has not its own
        assert not path.exists()
    assert [file.read_text() for file in path.parent.iterdir()] == ["all of it"]
    assert path.exists()


def test_what_was_there_stays_after_an_error(tmp_path):
    path = tmp_path / "figures.json"
    path.write_text("before")
    with pytest.raises(OSError, match="full"), atomic.file(path) as beside:
        beside.write_text("half")
        raise OSError("full")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["before"]


def test_two_at_once_do_not_meet(tmp_path):
    path = tmp_path / "figures.json"
    with atomic.file(path) as first:
        with atomic.file(path) as second:
            first.write_text("first")
            second.write_text("second")
        assert path.read_text() == "second"
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]
