"""Characters that matplotlib's font lacks, Chinese or emoji: drawn by another installed font, or spelled out."""

import re
import warnings
from pathlib import Path

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text

_PLACEHOLDERS = ("last resort", ".lastresort", "adobe blank")  # fonts with a box, or nothing, for every character
_INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufe00-\ufe0f\U000e0100-\U000e01ef]")  # joiners, variation selectors
_family: dict[str, str | None] = {}  # character -> a family of fonts that draws it: "" is the usual one, None is none
_spelled: set[str] = set()  # spelled out since `say` last said so


def drawable(name: str) -> str:
    """A name in which each character that no installed font draws is its code point, as [U+732B]."""
    if name.isascii() and name.isprintable():
        return name
    _look_up(set(name) - {"\n"} - _family.keys())
    lost = {each for each in name if each != "\n" and _family[each] is None}
    seen = {each for each in lost if not _INVISIBLE.match(each)}
    _spelled.update(seen)
    return "".join(f"[U+{ord(c):04X}]" if c in seen else "" if c in lost else c for c in name)


def fall_back(figure: Figure) -> None:
    """Lets a figure's texts, also those of ticks not yet made, take the other fonts that names were found to need."""
    if others := sorted({family for family in _family.values() if family}):
        for text in figure.findobj(Text):
            text.set_fontfamily([*text.get_fontfamily(), *others])
        for ax in figure.axes:
            ax.tick_params(labelfontfamily=[*FontProperties().get_family(), *others])


def say() -> None:
    """Warns, in one line, of what was spelled out since it last did."""
    if _spelled:
        codes = {each: f"U+{ord(each):04X}" for each in sorted(_spelled)[:5]}
        shown = ", ".join(f"{each} ({code})" if each.isprintable() else code for each, code in codes.items())
        more = f" and {len(_spelled) - 5} other characters" if len(_spelled) > 5 else ""
        warnings.warn(
            f"no installed font has {shown}{more}: PNG figures show these codes instead; charts and tables of "
            "report.html show the names as they are (fonts that have most, on Debian and Ubuntu: apt install "
            "fonts-noto-core fonts-noto-cjk fonts-symbola)",
            stacklevel=2,
        )
        _spelled.clear()


def _look_up(characters: set[str]) -> None:
    """Notes for each character which family of fonts draws it."""
    for place in (_usual, _installed, _new):
        for family, path in place() if characters else ():
            for each in [each for each in characters if _draws(path, each)]:
                _family[each] = family
                characters = characters - {each}
            if not characters:
                break
    _family.update(dict.fromkeys(characters))


def _usual():
    for family in FontProperties().get_family():
        yield "", font_manager.findfont(FontProperties(family=[family]))


def _installed():
    """Families with an upright font of usual weight, those without serifs first, each with that font."""
    names = {each.name for each in font_manager.fontManager.ttflist if (each.style, each.weight) == ("normal", 400)}
    for name in sorted(names, key=lambda name: ("sans" not in name.lower(), name)):
        if not name.lower().startswith(_PLACEHOLDERS):
            yield name, font_manager.findfont(FontProperties(family=[name]))


def _new():
    """Families installed since matplotlib made its list of fonts, which it keeps for good."""
    known = {Path(each.fname) for each in font_manager.fontManager.ttflist}
    for path in {Path(each) for each in font_manager.findSystemFonts()} - known:
        try:
            font_manager.fontManager.addfont(path)
        except (OSError, RuntimeError, NotImplementedError):  # bitmaps, broken files
            continue
    yield from _installed()


def _draws(path: str, character: str) -> bool:
    """Whether a font has a shape for it: fonts of colour emoji have pictures, which matplotlib leaves blank."""
    if "\ud800" <= character <= "\udfff":  # half a character: a byte of a name that is not UTF-8
        return False
    try:
        font = font_manager.get_font(path)
        if not font.get_char_index(ord(character)):
            return False
        font.load_char(ord(character))
    except (OSError, RuntimeError):  # a font that was removed, or is broken
        return False
    return len(font.get_path()[0]) > 0 or character.isspace() or bool(_INVISIBLE.match(character))
