"""Files and folders that are whole or absent; those of the cache are tested with it."""

import os
import subprocess
import sys

import pytest

from tfxfer.core import atomic
from tfxfer.core.errors import InputError


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


def test_what_a_killed_process_left_is_removed(tmp_path):
    """By the next file of this host in the folder; another host's, a running process's and the user's files stay."""
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    number = int(gone.stdout)
    left = tmp_path / f".partial-{atomic.host()}-{number}-00000001-figures.json"
    others = [
        tmp_path / f".partial-{atomic.host()}-{os.getppid()}-00000001-figures.json",
        tmp_path / f".partial-elsewhere-{number}-00000001-figures.json",
        tmp_path / ".partial-mine",
    ]
    for path in (left, *others):
        path.touch()
    with atomic.file(tmp_path / "other.json", durable=True) as partial:
        partial.write_text("whole")
    assert {path.name for path in tmp_path.iterdir()} == {"other.json", *(path.name for path in others)}


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_something_new_appears_when_it_is_whole(tmp_path, kind):
    path = tmp_path / "a" / "b" / "net.keras"
    with atomic.new(path) as partial:
        assert partial.name == path.name
        partial.write_text("all of it") if kind == "file" else partial.mkdir()
        assert not path.exists()
    assert [inside.name for inside in path.parent.iterdir()] == ["net.keras"]
    with pytest.raises(InputError, match=r"net.keras exists: choose another folder, or move it away"), atomic.new(path):
        pass


def test_nothing_is_left_of_what_failed(tmp_path):
    """Folders that were made for it go as well; those that hold something stay."""
    with pytest.raises(OSError, match="full"), atomic.new(tmp_path / "a" / "b" / "c") as partial:
        partial.mkdir()
        (tmp_path / "a" / "other").touch()
        raise OSError("full")
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "other"]


def test_another_process_may_be_faster(tmp_path):
    with pytest.raises(InputError, match="exists"), atomic.new(tmp_path / "a") as partial:
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "theirs").touch()
        partial.mkdir()
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "theirs"]


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match=r"cannot write .*a \(File exists\): do something else"),
        atomic.new(tmp_path / "file" / "a", "do something else"),
    ):
        pass
