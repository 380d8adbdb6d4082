"""The encoding of a text that is no UTF-8, by the letters that its bytes would be."""

from pathlib import Path

from assets.readings.packed.bounded import GZIP_MAGIC
from assets.readings.packed.csv_text import unpacked_chunks
from data_quality.contracts.errors import BadInput

# Titles above the names of columns are few: that much is looked through.
SEARCHED_BYTES = 256 * 1024
_ENCODINGS = ("cp1252", "cp850", "cp1250", "cp1251", "cp1253", "cp932", "cp949")
_FAR_EAST = "far east"
_SCRIPTS = (
    *(("greek", "\u0370", "\u03ff"), ("cyrillic", "\u0400", "\u04ff"), (_FAR_EAST, "\u3040", "\u30ff")),
    *((_FAR_EAST, "\u4e00", "\u9fff"), (_FAR_EAST, "\uac00", "\ud7a3")),
)
_SIGNS = "°²³€µ§«»–—’ \u00a0"


def beginning(path: Path) -> bytes:
    """The first bytes of a text, unpacked where it is gzipped."""
    with path.open("rb") as file:
        if file.read(2) != GZIP_MAGIC:
            file.seek(0)
            return file.read(SEARCHED_BYTES)
    try:
        return b"".join(chunk for chunk, _ in zip(unpacked_chunks(path), range(1), strict=False))[:SEARCHED_BYTES]
    except BadInput:
        return b""


def encoding_of(path: Path) -> str | None:
    """The likeliest encoding of a text that is no UTF-8; None where none need be declared."""
    data = beginning(path)
    if data.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")) or (data.isascii() and b"\0" not in data):
        return None
    zeros = data.count(b"\0")
    if zeros > len(data) // 4:
        return "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    try:
        # A letter that the beginning cuts is none of another encoding.
        data[: data.rfind(b"\n") + 1 or len(data)].decode()
    except UnicodeDecodeError:
        return max(_ENCODINGS, key=lambda name: _likeness(data, name))
    return None


def _likeness(data: bytes, encoding: str) -> float:
    """Likeness of the letters beyond ASCII to those of words and units."""
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return -1.0
    score = 0.0
    for at, sign in enumerate(text[:20_000]):
        if sign.isascii():
            continue
        before, after = text[at - 1 : at], text[at + 1 : at + 2]
        is_inside = after.isalpha() and after.isascii()
        if script := _script(sign):
            # Such letters stand in words of their own, capitals first. One beside a letter of Europe is another one.
            is_own = script in (_script(before), _script(after)) and not (sign.isupper() and before.islower())
            score += (1.0 if is_own else -1.0) * (2 if script == _FAR_EAST else 1)
        elif sign.isalpha():
            is_word = not before.isascii() and not after.isascii() and before.isalpha() and after.isalpha()
            score += -1.0 if is_word else 1.0 if sign.lower() in "äöüßéèàçñåøæóíáłżśćęąőűčšžřěý" else 0.3
        elif sign in _SIGNS and not (is_inside and sign in "²³"):
            score += 0.9
        else:
            score -= 1.0
    return score


def _script(sign: str) -> str:
    """The script of a letter that is none of Latin; empty for others."""
    return next((name for name, first, last in _SCRIPTS if sign and first <= sign <= last), "")
