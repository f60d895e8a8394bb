import sys
import time

from tfxfer.core import byte_progress
from tfxfer.core.count_progress import CountProgress, track


def test_lines_say_how_many_how_fast_and_how_long(capsys, monkeypatch):
    moments = iter([0, 1.9, 2, 3, 32])
    monkeypatch.setattr(time, "monotonic", lambda: next(moments))
    with CountProgress("checking files", 40_000) as progress:
        for done in (10, 2_000, 3_000, 32_000):
            progress.update(done)
    first, second = capsys.readouterr().out.splitlines()
    assert first == "checking files: 2,000 of 40,000 images, 1,000 images/s, 0:00:38 left"
    assert second == "checking files: 32,000 of 40,000 images, 1,000 images/s, 0:00:08 left"


def test_on_a_terminal_it_is_a_bar(monkeypatch):
    monkeypatch.setattr(byte_progress, "PATIENCE", 0)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    with CountProgress("checking files", 40) as progress:
        progress.update(0)
        progress.update(10)
        progress.update(20)
        text = progress.bar.task.fields["text"]
    assert text.startswith("20 of 40 images, ")
    assert text.endswith(" images/s")


def test_what_is_slow_has_no_rate(capsys, monkeypatch):
    moments = iter([0, 2])
    monkeypatch.setattr(time, "monotonic", lambda: next(moments))
    with CountProgress("sweep", 4, "depths") as progress:
        progress.update(1)
    assert capsys.readouterr().out == "sweep: 1 of 4 depths, 0:00:06 left\n"


def test_track_is_silent_in_a_pipe_for_half_a_minute(capsys, monkeypatch):
    moments = iter([0, 2, 29.9, 40])
    monkeypatch.setattr(time, "monotonic", lambda: next(moments))
    assert list(track(["a", "b", "c"], "features", 24, each=8)) == ["a", "b", "c"]
    assert capsys.readouterr().out == "features: 16 of 24 images, 0:00:20 left\n"
