"""Tables as text: columns, what is in cells, and where they are printed."""

import io
import sys

from tfxfer.core import text_table


def test_columns_are_aligned_and_rows_are_lines_however_long():
    rows = [("a", 1, "x" * 200), ("long", 22, "[bold]y")]
    title, first, second = text_table.render(rows, title="[b]", right=(1,)).splitlines()
    assert title == "[b]"
    assert first == f"a      1  {'x' * 200}"
    assert second == "long  22  [bold]y"


def test_a_head_is_underlined():
    head, under, row = text_table.render([("a", "b")], ("name", "value")).splitlines()
    assert head.split() == ["name", "value"]
    assert set(under) == {"─"}
    assert row.split() == ["a", "b"]


def test_wide_letters_take_two_places():
    first, second = text_table.render([("日本", "x"), ("abcd", "y")]).splitlines()
    assert (first, second) == ("日本  x", "abcd  y")


def test_control_characters_do_not_reach_the_terminal():
    assert text_table.render([("a\x1b[31m\nb", "c")]) == "a [31m b  c"


def test_an_encoding_that_lacks_letters_gets_escapes(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))
    lines = text_table.render([("café", "x")], ("name", "value")).splitlines()
    assert set(lines[1]) == {"-"}
    assert lines[2].split() == ["caf\\xe9", "x"]


def test_only_a_terminal_gets_styles(monkeypatch):
    assert "\x1b" not in text_table.render([("a", "b")], title="title")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert text_table.render([("a", "b")], title="title").startswith("\x1b[1mtitle\x1b[0m")
