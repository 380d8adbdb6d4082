"""Fonts of the PDF: the report's own, embedded in every file, and the wide font for letters that it lacks.

The report's font is a part of Liberation Sans (fonts/, cut by .ci/fonts/subset.py) with the widths of Helvetica: Latin,
Greek, Cyrillic, signs of units and formulas. A file brings along the letters that it draws, and no others.
"""

import importlib.util
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

FONT, FONT_BOLD = "MeterloomSans-Regular", "MeterloomSans-Bold"
WIDE, WIDE_BOLD = "DejaVuSans", "DejaVuSans-Bold"
# A face is read by seeking in it, and reports of several threads share it.
_READING = Lock()
_FOLDER = Path(__file__).parent / "fonts"


@lru_cache
def letters() -> frozenset[str]:
    """Letters of the report's font, both faces of which are registered by asking."""
    regular, _ = (_registered(_FOLDER, name) for name in (FONT, FONT_BOLD))
    return frozenset(map(chr, regular))


@lru_cache
def wide_glyphs(name: str = WIDE) -> frozenset[int]:
    """Code points of a face of the wide font, which is registered by asking; empty where it is not installed."""
    # Folder of the wide fonts, or None where they are not installed. The library itself is not loaded.
    found = importlib.util.find_spec("matplotlib")
    places = [] if found is None else list(found.submodule_search_locations or [])
    folders = [Path(place) / "mpl-data" / "fonts" / "ttf" for place in places]
    folder = next((folder for folder in folders if (folder / f"{WIDE}.ttf").exists()), None)
    return frozenset() if folder is None else _registered(folder, name)


def _registered(folder: Path, name: str) -> frozenset[int]:
    """Code points of the font in a file of that name, registered under it."""
    from reportlab.pdfbase import pdfmetrics

    font = _font_class()(name, str(folder / f"{name}.ttf"))
    pdfmetrics.registerFont(font)
    # Glyph 0 stands for letters that a font has not.
    return frozenset(code for code, glyph in font.face.charToGlyph.items() if glyph)


@lru_cache
def _font_class() -> Any:
    from reportlab.pdfbase.ttfonts import TTFont

    class ReportFont(TTFont):  # type: ignore[misc]
        """A font whose ASCII letters keep their codes, and of which a file gets only the letters that it draws."""

        def __init__(self, name: str, path: str) -> None:
            super().__init__(name, path, asciiReadable=True, shapable=False)
            # Whole thousandths, as Helvetica's are: lines break where they broke in earlier versions' files.
            self.face.charWidths = {code: round(width) for code, width in self.face.charWidths.items()}

        def splitString(self, text: str, doc: Any, encoding: str = "utf-8") -> list[tuple[int, bytes]]:  # noqa: N802
            """(subset, codes) of a text; most texts are of the first subset, letter by letter."""
            drawn = self._drawn(doc)
            if text.isascii() and text.isprintable():
                drawn.update(text)
                return [(0, text.encode())]
            drawn.update(filter(str.isascii, text))
            found: list[tuple[int, bytes]] = super().splitString(text, doc, encoding)
            return found

        def addObjects(self, doc: Any) -> None:  # noqa: N802 - reportlab's name
            """Write the font, without the ASCII letters that nobody drew."""
            first, drawn = self._assignState(doc).subsets[0], self._drawn(doc)
            first[32:] = [code if code > 126 or chr(code) in drawn else 0 for code in first[32:]]
            with _READING:
                super().addObjects(doc)

        def _drawn(self, doc: Any) -> set[str]:
            """ASCII letters that a document draws. A space that does not break a line is drawn as one that does."""
            drawn: set[str] = self._assignState(doc).__dict__.setdefault("drawn", {" "})
            return drawn

    return ReportFont
