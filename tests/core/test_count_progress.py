import sys
import time

from tfxfer.core import byte_progress
from tfxfer.core.count_progress import CountProgress


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
        (task,) = progress.bar.tasks
        texts = [str(column.render(task)) for column in progress.bar.columns[2:4]]
    assert texts[0] == "20/40"
    assert texts[1].endswith(" images/s")
