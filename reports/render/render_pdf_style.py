"""Paper, fonts and colours of the PDF. Colours are the Okabe-Ito palette's or carry a word beside them."""

from typing import Any

from reports.render.render_pdf_fonts import FONT

MARGIN_PT = 45.0
INK, MUTED, RULE, BAND = "#1F2933", "#6B7280", "#C5CBD3", "#F1F4F7"
ACCENT = "#12436D"
SERIES = {"actual": "#0072B2", "expected": "#C97B00", "third": "#009E73", "fourth": "#A8507F"}
# Faces of bars and bands: with their outlines and hatches they stay apart in grey too.
TINTS = {"actual": "#CFE2F0", "expected": "#FBE7C6", "third": "#BFE3D6", "fourth": "#F3DDEA"}
HATCHES = {"actual": "", "expected": "/", "third": "\\", "fourth": "-"}
MORE, LESS = "#D55E00", "#BFE3D6"
# Light to dark, one hue: the order of the steps is that of their greys.
HEAT = ("#EEF4FA", "#D6E5F2", "#B5D0E7", "#8DB6D9", "#6299C8", "#3B7BB3", "#1F5C96", "#0B3D73", "#08254A")
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
