"""Paper, fonts and colours of the PDF. Colours are the Okabe-Ito palette's or carry a word beside them."""

import unicodedata
from typing import Any
from xml.sax.saxutils import escape

FONT, FONT_BOLD, FONT_ITALIC = "Helvetica", "Helvetica-Bold", "Helvetica-Oblique"
MARGIN_PT = 45.0
INK, MUTED, RULE, BAND = "#1F2933", "#6B7280", "#C5CBD3", "#F1F4F7"
ACCENT = "#12436D"
ACTUAL, EXPECTED = "#0072B2", "#E69F00"
TONES = {"plain": INK, "good": "#1B7837", "caution": "#B35806", "bad": "#B2182B", "muted": MUTED}
# Signs that the built-in fonts lack and what says the same.
_STANDINS = {"−": "-", "≥": ">=", "≤": "<=", "Δ": "Delta ", "₂": "2", "→": "to"}


def printable(text: str) -> str:
    """Text that the built-in fonts can show: letters beyond Western Europe lose their marks, the rest reads ?."""
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        pieces = []
        for letter in text:
            try:
                letter.encode("cp1252")
                pieces.append(letter)
            except UnicodeEncodeError:
                bare = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
                pieces.append(_STANDINS.get(letter, bare or "?"))
        return "".join(pieces)
    return text


def markup(text: str) -> str:
    """Text that is safe inside a paragraph."""
    return escape(printable(text))


def paragraph_style(name: str, *, size: float = 8.5, **properties: Any) -> Any:
    """A paragraph style on the report's font; leading is 1.25 of the size."""
    from reportlab.lib.colors import HexColor
    from reportlab.lib.styles import ParagraphStyle

    color = properties.pop("color", INK)
    return ParagraphStyle(
        name,
        fontName=properties.pop("font", FONT),
        fontSize=size,
        leading=properties.pop("leading", size * 1.25),
        textColor=HexColor(color),
        **properties,
    )
