"""Characters that matplotlib's font lacks, such as Chinese: drawn by another installed font, or spelled out."""

import re
import warnings
from collections.abc import Iterator
from pathlib import Path

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text

_PLACEHOLDERS = ("last resort", ".lastresort", "adobe blank")  # fonts with a box, or nothing, for every character
_INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufe00-\ufe0f\U000e0100-\U000e01ef]")  # joiners, variation selectors
_family: dict[str, str | None] = {}  # character -> font family that draws it; "" is the usual one, None means no font
_spelled: set[str] = set()  # characters spelled out since `warn_of_missing` was last called


def drawable(name: str) -> str:
    """A name in which each character that no installed font draws is replaced by its code point, such as [U+732B]."""
    if name.isascii() and name.isprintable():
        return name
    _look_up(set(name) - {"\n"} - _family.keys())
    missing = {character for character in name if character != "\n" and _family[character] is None}
    visible = {character for character in missing if not _INVISIBLE.match(character)}
    _spelled.update(visible)
    return "".join(f"[U+{ord(c):04X}]" if c in visible else "" if c in missing else c for c in name)


def fall_back(figure: Figure) -> None:
    """Lets a figure's texts, including those of ticks not made yet, use the other fonts that its names need."""
    if others := sorted({family for family in _family.values() if family}):
        for text in figure.findobj(Text):
            text.set_fontfamily([*text.get_fontfamily(), *others])
        for ax in figure.axes:
            ax.tick_params(labelfontfamily=[*FontProperties().get_family(), *others])


def warn_of_missing() -> None:
    """Warns, in one line, of the characters that were spelled out since the last call."""
    if _spelled:
        codes = {character: f"U+{ord(character):04X}" for character in sorted(_spelled)[:5]}
        shown = ", ".join(f"{c} ({code})" if c.isprintable() else code for c, code in codes.items())
        more = f" and {len(_spelled) - 5} other characters" if len(_spelled) > 5 else ""
        warnings.warn(
            f"no installed font has {shown}{more}: PNG figures show these codes instead; charts and tables of "
            "report.html show the names as they are (fonts that have most, on Debian and Ubuntu: apt install "
            "fonts-noto-core fonts-noto-cjk fonts-symbola)",
            stacklevel=2,
        )
        _spelled.clear()


def _look_up(characters: set[str]) -> None:
    """Records for each character which font family draws it."""
    for fonts in (_usual, _installed, _new):
        for family, path in fonts() if characters else ():
            for character in [character for character in characters if _draws(path, character)]:
                _family[character] = family
                characters = characters - {character}
            if not characters:
                break
    _family.update(dict.fromkeys(characters))


def _usual() -> Iterator[tuple[str, str]]:
    """The family that matplotlib uses, as "", with the file of its font."""
    for family in FontProperties().get_family():
        yield "", font_manager.findfont(FontProperties(family=[family]))


def _installed() -> Iterator[tuple[str, str]]:
    """Families with an upright font of normal weight, those without serifs first, each with that font's file."""
    names = {font.name for font in font_manager.fontManager.ttflist if (font.style, font.weight) == ("normal", 400)}
    for name in sorted(names, key=lambda name: ("sans" not in name.lower(), name)):
        if not name.lower().startswith(_PLACEHOLDERS):
            yield name, font_manager.findfont(FontProperties(family=[name]))


def _new() -> Iterator[tuple[str, str]]:
    """Families installed since matplotlib made its list of fonts, which it keeps for good."""
    known = {Path(font.fname) for font in font_manager.fontManager.ttflist}
    for path in {Path(name) for name in font_manager.findSystemFonts()} - known:
        try:
            font_manager.fontManager.addfont(path)
        except (OSError, RuntimeError, NotImplementedError):  # bitmaps, broken files
            continue
    yield from _installed()


def _draws(path: str, character: str) -> bool:
    """Whether a font has a shape for a character: colour emoji fonts have pictures, which matplotlib leaves blank."""
    if "\ud800" <= character <= "\udfff":  # a surrogate: a byte of a name that is not UTF-8
        return False
    try:
        font = font_manager.get_font(path)
        if not font.get_char_index(ord(character)):
            return False
        font.load_char(ord(character))
    except (OSError, RuntimeError):  # the font was removed or is broken
        return False
    return len(font.get_path()[0]) > 0 or character.isspace() or bool(_INVISIBLE.match(character))
