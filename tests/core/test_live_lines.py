"""Lines at the bottom of a terminal: several at once, above them what is printed, and nothing left afterwards."""

import os
import pty
import re
import subprocess
import sys

import pytest
from rich.errors import LiveError

from tfxfer.core import live_lines

CODE = """
import sys, time
from tfxfer.core import byte_progress, live_lines
from tfxfer.core.count_progress import track
byte_progress.PATIENCE = 0
with live_lines.line("2 of 3, training"):
    for number in track(range(4), "sweep [bold]", 4, "depths"):
        print("printed", number, flush=True)
        time.sleep(0.3)
    with live_lines.hidden():
        sys.stdout.write("a bar of its own\\n")
print("last")
"""


def in_terminal(*command: str) -> str:
    """What a command writes to a terminal that it runs in."""
    master, slave = pty.openpty()
    env = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=env)
    os.close(slave)
    parts = []
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # how Linux says that the other side is closed
            break
        if not part:
            break
        parts.append(part)
    os.close(master)
    assert process.wait() == 0, b"".join(parts)
    return b"".join(parts).decode()


def test_lines_share_the_terminal_with_what_is_printed():
    shown = in_terminal(sys.executable, "-c", CODE)
    plain = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown)
    assert re.search(r"2 of 3, training +0:00:0\d", plain)
    assert re.search(r"sweep \[bold\] .* 3 of 4 depths.* 0:00:0\d left", plain)
    printed = [line.strip() for line in plain.replace("\r", "\n").splitlines() if line.strip()]
    assert [line for line in printed if line.startswith("printed")] == [f"printed {n}" for n in range(4)]
    assert "a bar of its own" in printed
    assert printed[-1] == "last"
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h")  # the cursor is hidden, and is there again


def test_a_line_may_wait_until_it_is_there(monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)

    def titles():
        return [str(cell) for table in live_lines._shown.get_renderables() for cell in table.columns[0].cells]

    @live_lines.line("late", after=60)
    def work():
        """Works."""
        return titles()

    with live_lines.line("at once"):
        assert work() == ["at once"]
        with live_lines.line("late", after=0):
            assert titles() == ["at once", "late"]
    assert work.__doc__ == "Works."


def test_in_a_pipe_there_are_none():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert done.stdout.splitlines() == [*(f"printed {n}" for n in range(4)), "a bar of its own", "last"]


def test_where_another_display_has_the_terminal_there_are_none(monkeypatch):
    def refuse(_):
        raise LiveError("Only one live display may be active at once")

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(live_lines.Progress, "start", refuse)
    with live_lines.line("work"):
        shown = live_lines.Line("part", 3)
        shown.update(1)
        assert shown.task is None
        shown.close()


def test_an_error_removes_the_line(monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    with pytest.raises(ValueError, match="bad"), live_lines.line("work"):
        assert live_lines._shown is not None
        raise ValueError("bad")
    assert live_lines._shown is None
