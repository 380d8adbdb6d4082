"""Text of the PDF: which font has a letter, in which order it stands, how wide it is, where it has to be cut.

The report's font (render_pdf_fonts.py) has Latin, Greek and Cyrillic letters. What it lacks comes from DejaVu Sans,
embedded where it is installed beside the plotting library. Chinese, Japanese and Korean letters are named by their
codes in one of the fonts that readers of PDF bring along; nothing is embedded for them. A letter that nobody has reads
as itself without its accent or as "?".
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from xml.sax.saxutils import escape

from reports.render.render_pdf_fonts import FONT, FONT_BOLD, WIDE, WIDE_BOLD, letters, wide_glyphs

# By the letters that only one of the three scripts has; Han letters alone are read as Chinese.
_JAPANESE, _KOREAN, _CHINESE = "HeiseiMin-W3", "HYSMyeongJo-Medium", "STSong-Light"
_KANA, _HANGUL = ((0x3040, 0x30FF), (0x31F0, 0x31FF)), ((0x1100, 0x11FF), (0x3130, 0x318F), (0xAC00, 0xD7A3))
_HAN = ((0x3000, 0x303F), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFF01, 0xFFEE))
_MIRRORED = dict(zip("()[]{}<>", ")(][}{><", strict=True))
ELLIPSIS = "…"
_BREAK = re.compile(r"(?<!\bQ[1-4])\s+")


def is_plain(text: str) -> bool:
    """True where the report's font has every letter, in the order in which it is read."""
    return letters().issuperset(text)


def printable(text: str) -> str:
    """The text as it is drawn: right-to-left parts in visual order, letters without a glyph replaced."""
    if is_plain(text):
        return text
    return "".join(_drawable(letter) for letter in visual(clean(text)))


def clean(text: str) -> str:
    """The text without control and format characters, which are drawn as boxes or turn what follows."""
    if is_plain(text):
        return text
    text = text.replace("\u2060", "")
    return "".join(" " if unicodedata.category(letter) in {"Cc", "Cf"} else letter for letter in text)


def _is_in(letter: str, *ranges: tuple[tuple[int, int], ...]) -> bool:
    code = ord(letter)
    return any(low <= code <= high for each in ranges for low, high in each)


def is_east_asian(letter: str) -> bool:
    """True for a Chinese, Japanese or Korean letter or its punctuation."""
    # Below it there is none: most letters need no search.
    return letter >= "\u1100" and _is_in(letter, _KANA, _HANGUL, _HAN)


@lru_cache
def _east_asian_font(script: str) -> str:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont

    pdfmetrics.registerFont(UnicodeCIDFont(script))
    return script


def east_asian_font(text: str) -> str:
    """The font of the Chinese, Japanese or Korean letters of a text, registered by asking. It has no bold one."""
    if any(_is_in(letter, _HANGUL) for letter in text):
        return _east_asian_font(_KOREAN)
    return _east_asian_font(_JAPANESE if any(_is_in(letter, _KANA) for letter in text) else _CHINESE)


def _drawable(letter: str) -> str:
    if letter in letters() or ord(letter) in wide_glyphs() or is_east_asian(letter):
        return letter
    # A letter loses its accent before it becomes a question mark.
    return unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode() or "?"


def visual(text: str) -> str:
    """One line of text in the order in which it stands on paper; Arabic letters in their joined forms."""
    kinds = [unicodedata.bidirectional(letter) for letter in text]
    if not any(kind in {"R", "AL"} for kind in kinds):
        return text
    strong = [kind for kind in kinds if kind in {"L", "R", "AL"}]
    # The first letter with a direction gives the line its own (Unicode bidi, rules P2 and P3).
    is_rtl_line = strong[0] != "L"
    runs: list[tuple[bool, str]] = []
    # For each letter whether it runs right to left: neutral ones between two of one direction go with them.
    found: list[bool | None] = [
        True if kind in {"R", "AL"} else False if kind in {"L", "EN", "AN"} else None for kind in kinds
    ]
    for index, each in enumerate(found):
        if each is None:
            before = next((one for one in reversed(found[:index]) if one is not None), is_rtl_line)
            after = next((one for one in found[index:] if one is not None), is_rtl_line)
            found[index] = before if before == after else is_rtl_line
    for letter, is_rtl in zip(text, [bool(each) for each in found], strict=True):
        if runs and runs[-1][0] == is_rtl:
            runs[-1] = (is_rtl, runs[-1][1] + letter)
        else:
            runs.append((is_rtl, letter))
    pieces = [_reversed(part) if is_rtl else part for is_rtl, part in runs]
    return "".join(reversed(pieces) if is_rtl_line else pieces)


def _reversed(text: str) -> str:
    shaped = joined(text)
    return "".join(_MIRRORED.get(letter, letter) for letter in reversed(shaped))


def runs_of(text: str, font: str) -> list[tuple[str, str]]:
    """(font, part) of text that went through `printable`."""
    if is_plain(text):
        return [(font, text)]
    other = WIDE_BOLD if font == FONT_BOLD else WIDE
    parts: list[tuple[str, str]] = []
    east = east_asian_font(text) if any(map(is_east_asian, text)) else ""
    for letter in text:
        used = east if east and is_east_asian(letter) else font if letter in letters() else other
        # The bold face of the wide font has fewer letters than the regular one.
        used = WIDE if used == WIDE_BOLD and ord(letter) not in wide_glyphs(WIDE_BOLD) else used
        if parts and parts[-1][0] == used:
            parts[-1] = (used, parts[-1][1] + letter)
        else:
            parts.append((used, letter))
    return parts


def text_width(text: str, font: str, size: float) -> float:
    """Width in points of text that went through `printable`."""
    return size * _unit_width(text, font)


@lru_cache(maxsize=8192)
def _unit_width(text: str, font: str) -> float:
    """Width at size one: the same words stand in many cells, and are measured before they are drawn."""
    from reportlab.pdfbase.pdfmetrics import stringWidth

    return float(sum(stringWidth(part, used, 1.0) for used, part in runs_of(text, font)))


def fitted(text: str, font: str, size: float, width: float, *, keeps_end: bool = False) -> str:
    """The printable text, or as much of its begin, or of its end, as fits with an ellipsis."""
    drawn = printable(text)
    if text_width(drawn, font, size) <= width:
        return drawn

    def cut(count: int) -> str:
        return printable(
            ELLIPSIS + text[len(text) - count :].lstrip() if keeps_end else text[:count].rstrip() + ELLIPSIS
        )

    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if text_width(cut(middle), font, size) <= width:
            low = middle
        else:
            high = middle - 1
    return cut(low)


def folded(text: str, font: str, size: float, width: float, *, keeps_end: bool = False) -> tuple[str, ...]:
    """The printable text in a line, or in two where one has no room; the last is cut as `fitted` does."""
    words = text.split(" ")
    starts = [" ".join(words[:count]) for count in range(1, len(words) + 1)]
    first = max((each for each in starts if text_width(printable(each), font, size) <= width), key=len, default="")
    rest = text[len(first) :].strip()
    last = [fitted(rest, font, size, width, keeps_end=keeps_end)] if rest else []
    return (*([printable(first)] if first else []), *last)


def folded_distinctly(texts: Sequence[str], font: str, size: float, width: float) -> list[tuple[str, ...]]:
    """Each text as `folded`; those that would be cut alike keep their ends, which tell them apart."""
    made = [folded(each, font, size, width) for each in texts]
    return [
        folded(text, font, size, width, keeps_end=True) if made.count(lines) > texts.count(text) else lines
        for text, lines in zip(texts, made, strict=True)
    ]


def draw_text(canvas: Any, x: float, y: float, text: str, *, font: str, size: float, align: str = "left") -> None:
    """Draw printable text on a canvas, each part in the font that has it."""
    from reportlab.pdfbase.pdfmetrics import stringWidth

    width = 0.0 if align == "left" else text_width(text, font, size)
    at = x - (width if align == "right" else width / 2 if align == "middle" else 0.0)
    for used, part in runs_of(text, font):
        canvas.setFont(used, size)
        canvas.drawString(at, y, part)
        at += stringWidth(part, used, size)


def markup(text: str, font: str = FONT) -> str:
    """Text that is safe inside a paragraph, with the wide font around what only it has."""
    drawn = printable(text)
    if is_plain(drawn):
        return escape(drawn)
    return "".join(
        escape(part) if used == font else f'<font name="{used}">{escape(part)}</font>'
        for used, part in runs_of(drawn, font)
    )


def lines_markup(text: str, font: str, size: float, width: float) -> str:
    """As `markup`; right-to-left text is cut into lines first, so that its first words stand in the first line."""
    if text.isascii() or not any(unicodedata.bidirectional(letter) in {"R", "AL"} for letter in text):
        return markup(text, font)
    lines: list[str] = []
    for word in words_of(text):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(printable(longer), font, size) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return "<br/>".join(markup(line, font) for line in lines)


def words_of(text: str) -> list[str]:
    """Words between which a line may break: a quarter stays with its year."""
    return _BREAK.split(text.strip())


def wrapped(text: str, font: str, size: float, width: float) -> list[str]:
    """Printable lines no wider than `width`: cut between words, inside one only where it is wider itself."""
    drawn = printable(text)
    if text_width(drawn, font, size) <= width:
        return [drawn]
    lines: list[str] = []
    for word in drawn.split():
        if lines and text_width(f"{lines[-1]} {word}", font, size) <= width:
            lines[-1] = f"{lines[-1]} {word}"
            continue
        part = ""
        for letter in word:
            if part and text_width(part + letter, font, size) > width:
                lines.append(part)
                part = letter
            else:
                part += letter
        lines.append(part)
    return lines or [""]


_LAM = "\u0644"
_PLACES = {"<isolated>": 0, "<final>": 1, "<initial>": 2, "<medial>": 3}


@lru_cache
def _forms() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Arabic letter -> its four forms ('' where it has none); lam-alef pair -> isolated and final ligature.

    Read from the character database itself: a presentation form decomposes to its letter and its place.
    """
    single: dict[str, list[str]] = {}
    pairs: dict[str, list[str]] = {}
    # Presentation Forms-B from hamza to lam-alef; before them stand marks, which have no places.
    for code in range(0xFE80, 0xFEFD):
        place, *letters = unicodedata.decomposition(chr(code)).split()
        text = "".join(chr(int(letter, 16)) for letter in letters)
        target = single if len(text) == 1 else pairs
        target.setdefault(text, ["", "", "", ""])[_PLACES[place]] = chr(code)
    return single, pairs


def joined(text: str) -> str:
    """The text with each Arabic letter in the form of its place; other letters stay. Lam-alef becomes one sign."""
    single, pairs = _forms()
    units: list[str] = []
    for letter in text:
        if units and units[-1] == _LAM and units[-1] + letter in pairs:
            units[-1] += letter
        else:
            units.append(letter)
    forms = [pairs.get(unit) or single.get(unit) for unit in units]
    # Marks above and below join nothing and break nothing.
    solid = [index for index, unit in enumerate(units) if unicodedata.category(unit[-1]) != "Mn"]
    shown = list(units)
    for place, index in enumerate(solid):
        mine = forms[index]
        if mine is None:
            continue
        before = forms[solid[place - 1]] if place else None
        after = forms[solid[place + 1]] if place + 1 < len(solid) else None
        is_joined_before = before is not None and bool(before[2]) and bool(mine[1])
        is_joined_after = bool(mine[2]) and after is not None and bool(after[1])
        form = mine[3] if is_joined_before and is_joined_after else mine[1] if is_joined_before else ""
        if not form and is_joined_after:
            form = mine[2]
        shown[index] = form or mine[0] or units[index]
    return "".join(shown)
