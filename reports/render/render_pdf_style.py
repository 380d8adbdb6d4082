"""Paper, fonts and colours of the PDF. Colours are the Okabe-Ito palette's or carry a word beside them."""

from typing import Any

from reports.render.render_pdf_text import FONT

MARGIN_PT = 45.0
INK, MUTED, RULE, BAND = "#1F2933", "#6B7280", "#C5CBD3", "#F1F4F7"
ACCENT = "#12436D"
SERIES = {"actual": "#0072B2", "expected": "#E69F00", "third": "#009E73", "fourth": "#CC79A7"}
TONES = {"plain": INK, "good": "#1B7837", "caution": "#B35806", "bad": "#B2182B", "muted": MUTED}


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
