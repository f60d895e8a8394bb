import fcntl
import subprocess
import sys

import pytest

from tfxfer.core import byte_progress, file_lock

HOLDER = """
import fcntl, sys
with open(sys.argv[1], "a") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock until its standard input ends."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "lock")], **pipes) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.stdin.close()


def test_it_waits_for_another_process_and_says_so(tmp_path, holder, capsys, monkeypatch):
    monkeypatch.setattr(byte_progress, "PATIENCE", 0)
    monkeypatch.setattr(byte_progress, "INTERVAL", 0)
    tries = []

    def done():
        tries.append(1)
        if len(tries) == 3:
            holder.kill()  # a lock ends with its process
        return 1_500_000

    with file_lock.hold(tmp_path / "lock", "do it", done):
        assert len(tries) >= 3
    assert "waiting for another process to do it: 1.5 MB" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_its_owner_removed_meanwhile_is_no_lock(tmp_path, monkeypatch):
    path, real, tries = tmp_path / "lock", fcntl.flock, []

    def flock(file, how):
        tries.append(file)
        if len(tries) == 1:
            path.unlink()  # as the owner's block ends, between opening and locking here
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with file_lock.hold(path, "do it"):
        assert len(tries) == 2
        with path.open("a") as other, pytest.raises(BlockingIOError):
            real(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert not path.exists()


def test_without_locks_nothing_waits(tmp_path, monkeypatch):
    def unsupported(*args):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with file_lock.hold(tmp_path / "lock", "do it"):
        pass
    (tmp_path / "file").write_text("not a folder")
    with file_lock.hold(tmp_path / "file" / "lock", "do it"):
        pass
    monkeypatch.setitem(sys.modules, "fcntl", None)  # Windows
    with file_lock.hold(tmp_path / "other", "do it"):
        assert not (tmp_path / "other").exists()
