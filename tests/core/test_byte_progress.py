import sys
import time

from tfxfer.core import byte_progress


def test_progress_begins_after_two_seconds(capsys, monkeypatch):
    moments = iter([0, 1.9, 2, 3, 31.9, 32])
    monkeypatch.setattr(time, "monotonic", lambda: next(moments))
    with byte_progress.ByteProgress("file", 40_000_000) as shown:
        for done in (10, 20_000_000, 21_000_000, 22_000_000, 32_000_000):
            shown.update(done)
    first, second = capsys.readouterr().out.splitlines()
    assert first == "file: 20.0 of 40.0 MB, 10.00 MB/s, 0:00:02 left"
    assert second == "file: 32.0 of 40.0 MB, 1.00 MB/s, 0:00:08 left"


def test_on_a_terminal_it_is_a_bar(capsys, monkeypatch):
    monkeypatch.setattr(byte_progress, "PATIENCE", 0)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    with byte_progress.ByteProgress("file", 40_000_000) as shown:
        shown.update(0)
        shown.update(10_000_000)
        task = shown.bar.task
        assert (task.description, task.completed, task.total) == ("file", 10_000_000, 40_000_000)
        assert task.fields["text"].startswith("10.0 of 40.0 MB, ")
        assert task.fields["end"] > time.monotonic()
    assert shown.bar is None
