"""A report's pieces of HTML as sections one can link to, with the list of contents that stays in sight."""

import html
import re
from collections.abc import Sequence

_HEADING = re.compile(r'<h2(?P<folded> class="folded")?>(?P<text>.*?)</h2>')


def heading(text: str, about: str = "") -> str:
    """The piece that begins a section.

    Args:
        about: for a section that is folded until someone opens it: what it measures, and what to look for.
    """
    if not about:
        return f"<h2>{html.escape(text)}</h2>"
    return f'<h2 class="folded">{html.escape(text)}</h2><p class="about">{html.escape(about)}</p>'


def assemble(pieces: Sequence[str]) -> tuple[str, str]:
    """Groups pieces into sections, each from one that `heading` made to the next.

    Returns:
        The contents, a list of links, empty for fewer than two sections; and the sections, with what stands before the
        first.
    """
    intro: list[str] = []
    sections: list[tuple[str, bool, list[str]]] = []
    for piece in pieces:
        if start := _HEADING.match(piece):
            sections.append((start["text"], bool(start["folded"]), [piece[start.end() :]]))
        else:
            (sections[-1][2] if sections else intro).append(piece)
    links, bodies, taken = [], [], set[str]()
    for text, folded, parts in sections:
        anchor = _anchor(text, taken)
        links.append(f'<li><a href="#{anchor}">{text}</a></li>')
        title = f"<h2>{text}</h2>"
        content = "".join(parts)
        content = f'<details class="fold"><summary>{title}</summary>{content}</details>' if folded else title + content
        bodies.append(f'<section id="{anchor}" aria-label="{html.escape(html.unescape(text))}">{content}</section>')
    contents = f'<nav id="contents" aria-label="Contents"><ul>{"".join(links)}</ul></nav>' if len(links) > 1 else ""
    return contents, "".join(intro) + "".join(bodies)


def _anchor(text: str, taken: set[str]) -> str:
    """A name for links, made of a heading's letters and digits, that no other section has."""
    name = re.sub(r"[^a-z0-9]+", "-", html.unescape(text).lower()).strip("-") or "section"
    unique, number = name, 1
    while unique in taken:
        number += 1
        unique = f"{name}-{number}"
    taken.add(unique)
    return unique
