"""What a browser fetches to show a page: files beside it and nothing from elsewhere, for the pages are read offline."""

import re
from pathlib import Path

_ELSEWHERE = r"""["']?(?:https?:)?//"""
_FETCHED = re.compile(
    rf"<(?:script|img|iframe|source)\b[^>]*\bsrc={_ELSEWHERE}"
    rf"|<link\b(?=[^>]*\brel=[\"']?(?:stylesheet|preload|icon))[^>]*\bhref={_ELSEWHERE}"
    rf"|@import\s+(?:url\()?{_ELSEWHERE}|url\({_ELSEWHERE}"
)


_SOURCE = re.compile(r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']([^"'#?:]+)[#?"']""")


def missing(folder: Path) -> list[str]:
    """Pages of a folder with the files that they fetch and that are not there; Sphinx does not look into raw HTML."""
    pages = {
        path: path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.html")) if "_static" not in path.parts
    }
    found = ((path, name) for path, text in pages.items() for name in _SOURCE.findall(text))
    return [f"{path.relative_to(folder)}: no {name}" for path, name in found if not (path.parent / name).exists()]


def of(folder: Path) -> list[str]:
    """Pages and style sheets of a folder that fetch something, with how the element begins."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".html", ".css"))
    found = ((path, _FETCHED.search(path.read_text(encoding="utf-8"))) for path in files)
    return [f"{path.relative_to(folder)}: {match[0]}" for path, match in found if match]
