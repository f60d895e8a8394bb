"""What a browser would fetch from elsewhere to show a page: there is to be none, for the pages are read offline."""

import re
from pathlib import Path

_ELSEWHERE = r"""["']?(?:https?:)?//"""
_FETCHED = re.compile(
    rf"<(?:script|img|iframe|source)\b[^>]*\bsrc={_ELSEWHERE}"
    rf"|<link\b(?=[^>]*\brel=[\"']?(?:stylesheet|preload|icon))[^>]*\bhref={_ELSEWHERE}"
    rf"|@import\s+(?:url\()?{_ELSEWHERE}|url\({_ELSEWHERE}"
)


def of(folder: Path) -> list[str]:
    """Pages and style sheets of a folder that fetch something, with how the element begins."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".html", ".css"))
    found = ((path, _FETCHED.search(path.read_text(encoding="utf-8"))) for path in files)
    return [f"{path.relative_to(folder)}: {match[0]}" for path, match in found if match]
