"""A report in a notebook: the whole page, in a frame that needs no file."""

import html
import json
import re

import pytest

from tfxfer import report, runs
from tfxfer.core.errors import InputError

PAGE = '<!doctype html><title>"Cats & dogs"</title><script>if (1 < 2) "&amp;"</script>'


@pytest.fixture
def run(tmp_path):
    facts = {"recipe": "cats <&>", "arguments": {}, "started": "2026", "versions": {}}
    (tmp_path / "run.json").write_text(json.dumps(facts))
    (tmp_path / "metrics.json").write_text("{}")
    (tmp_path / "history.csv").write_text("")
    (tmp_path / "report.html").write_text(PAGE, encoding="utf-8")
    return tmp_path


def test_a_frame_holds_the_whole_page(run):
    for given in (run, str(run), runs.load(run)):
        shown = report.inline(given, height=500)._repr_html_()
        (title, style, page) = re.fullmatch(
            r'<iframe title="(.*?)" style="(.*?)" srcdoc="([^"]*)"></iframe>', shown
        ).groups()
        assert html.unescape(page) == PAGE
        assert html.unescape(title) == "Report of cats <&>"
        assert "height: 500px" in style


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="not a finished run"):
        report.inline(tmp_path)


def test_a_run_without_a_report_is_refused(run):
    (run / "report.html").unlink()
    with pytest.raises(InputError, match=r"has no report: tfxfer report .* writes it"):
        report.inline(run)
