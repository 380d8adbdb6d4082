"""Words from outside (names, notes, messages) where people read them: a terminal, a log, a Markdown page. Pure."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

# Whoever wrote the word must not decide how the page looks, links or runs: as character references nothing of it is
# Markdown or HTML (CommonMark 2.5), and it still reads as it was written.
_REFERENCES = {mark: f"&#{ord(mark)};" for mark in "&<>|\\`*_~[]!"}
# GitHub's Markdown makes links of bare addresses too.
_ADDRESS = re.compile(r"(?i)(://|www\.|@|mailto:|javascript:|data:)")

# Bytes of a file's name that are no text in the encoding of the machine, as Python keeps them.
_UNREAD = re.compile("[\udc80-\udcff]+")

# What people read as the same where a terminal has no better: as written in a mail of plain characters.
_TYPESETTING = {0x00A0: " ", 0x202F: " ", 0x2060: None, 0x2068: None, 0x2069: None}
_SPELLED = {
    **dict.fromkeys("−–—‐‑‒⁻", "-"), **dict.fromkeys("“”„«»", '"'), **dict.fromkeys("‘’‚′", "'"),
    **dict.fromkeys("─━═┄┈", "-"), **dict.fromkeys("│┃║", "|"), **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯╔╗╚╝", "+"),
    **dict.fromkeys("█▓▒░■▪", "#"), **dict.fromkeys("•·∙●", "*"), **dict.fromkeys("✓✔", "ok"),
    **dict.fromkeys("✗✘", "x"), "φ": "phi", "،": ",", "؛": ";", "؟": "?",
    "Σ": "Sum", "√": "sqrt", "Δ": "Delta", "σ": "sigma", "ρ": "rho", "β": "beta", "μ": "u", "µ": "u", "→": "->",
    "←": "<-", "↔": "<->", "⇒": "=>", "↑": "^", "↓": "v", "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "±": "+/-",
    "×": "x", "÷": "/", "…": "...", "°": "deg ", "€": "EUR", "£": "GBP", "¥": "JPY", "§": "section ", "½": "1/2",
    "ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "æ": "ae", "Æ": "AE", "œ": "oe", "đ": "d", "þ": "th", "ı": "i",
}  # fmt: skip


def decoded(text: str) -> str:
    """The text with the bytes that Python could not read in a name or an argument read as UTF-8, else as Latin-1."""
    return _UNREAD.sub(_as_read, text)


def _as_read(unread: re.Match[str]) -> str:
    data = unread[0].encode("ascii", "surrogateescape")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def file_name(path: Path) -> str:
    """The name of a file as text that can be stored, whatever bytes it has on the disk."""
    return decoded(path.name)


def spelled(text: str) -> str:
    """The text in plain characters (ASCII), for a terminal that lacks those it has: `Σ ≤ 5 €` is `Sum <= 5 EUR`."""
    return "".join(mark if mark.isascii() else _spelled_mark(mark) for mark in decoded(text))


def _spelled_mark(mark: str) -> str:
    if mark in _SPELLED:
        return _SPELLED[mark]
    # An accent goes and its letter stays, a raised digit comes down; of another script its code, which is unique.
    plain = "".join(part for part in unicodedata.normalize("NFKD", mark) if part.isascii())
    return plain or ("" if unicodedata.combining(mark) else mark.encode("unicode_escape").decode())


def printable(text: str) -> str:
    """Lines of printable characters; all others escaped, so that none can steer a terminal or forge a line.

    What only keeps words together in our own sentences (blanks that no line breaks at, isolated names) is left out.
    """
    text = decoded(text).translate(_TYPESETTING)
    if all(line.isprintable() for line in text.split("\n")):
        return text
    return "".join(
        mark if mark == "\n" or mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text
    )


def one_line(text: str, limit: int = 1000) -> str:
    """One printable line of at most `limit` characters of the text, and a sign where it was longer."""
    # Cut before escaping: the sender of a name of a megabyte must not choose what showing it costs.
    shown = printable(text[:limit]).replace("\n", "\\n")
    return shown if max(len(text), len(shown)) <= limit else f"{shown[:limit]} …"


def markdown(text: str, limit: int = 1000) -> str:
    """One line that a Markdown page, also inside a table, shows as it stands: no markup, no link, no HTML."""
    shown = "".join(_REFERENCES.get(mark, mark) for mark in one_line(text, limit))
    # One escaped character ends the link, and the word still reads as it did.
    return _ADDRESS.sub(lambda found: f"{found[0][:-1]}&#{ord(found[0][-1])};", shown)


def twice_in(names: Iterable[str]) -> list[str]:
    """Names that stand more than once, sorted; a site file may name thousands."""
    return sorted(name for name, count in Counter(names).items() if count > 1)


def each_id_once(what: str, names: Iterable[str]) -> None:
    """Raises ValueError with those that stand twice. what: whose ids they are, for the sentence."""
    if twice := twice_in(names):
        raise ValueError(f"{what} id appears twice: {', '.join(twice)}")
