"""The pages that users read, and what stands in them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "recipes" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(path.relative_to(ROOT)) for path in PAGES]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str, language: str) -> list[str]:
    """The blocks of code of a page."""
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```", text(name))


def prose(name: str) -> str:
    """A page without its blocks, and with each paragraph on one line."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", re.sub(r"(?ms)^```.*?^```", "", text(name)))
