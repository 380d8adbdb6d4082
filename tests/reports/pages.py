"""Layout of the pages of a PDF, measured from its own operators: text boxes, drawn boxes, white space."""

import io
from collections.abc import Iterator
from typing import Any, NamedTuple

import pypdf
from pypdf.generic import ContentStream

from reports.report_content import ReportContent
from tests.reports.tagged_pdf_check import unicode_map

# The frame of the report's blocks, in points; above and below stand head and foot lines.
LOW, HIGH, LEFT, RIGHT = 60.0, 777.0, 45.0, 550.3
# Width of a space of the report's font, upright and bold, in sizes of the letters.
_SPACE = 0.278
Matrix = tuple[float, float, float, float, float, float]
_SAME: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


class Box(NamedTuple):
    """A box on the page; text is empty for lines and areas."""

    x0: float
    y0: float
    x1: float
    y1: float
    text: str = ""


def pages_of(data: bytes) -> list[list[Box]]:
    """The boxes of each page, without the watermark that lies across it."""
    reader = pypdf.PdfReader(io.BytesIO(data))
    return [list(_boxes(page, reader)) for page in reader.pages]


def problems(data: bytes) -> list[str]:
    """Sentences for what is wrong with the layout: white pages, text beyond its page, text over text."""
    found, pages = list[str](), pages_of(data)
    for number, boxes in enumerate(pages, start=1):
        inside = [box for box in boxes if LOW <= box.y1 <= HIGH + 3 and box.y0 >= LOW - 12]
        used = (HIGH - min((box.y0 for box in inside), default=HIGH)) / (HIGH - LOW)
        if number < len(pages) and (used < 0.5 or covered(inside) < 0.4):
            found.append(f"page {number} of {len(pages)}: {used:.0%} used, {covered(inside):.0%} of it covered")
        words = [box for box in boxes if box.text.strip()]
        for box in words:
            if box.x0 < LEFT - 1 or box.x1 > RIGHT + 1 or box.y0 < 20 or box.y1 > 830:
                found.append(f"page {number}: {box.text!r} ends at {box.x1:.0f}, {box.y0:.0f}")
        found += [f"page {number}: {one.text!r} lies over {two.text!r}" for one, two in overlaps(words)]
    return found


def charts_on(page: list[Box], content: ReportContent) -> list[str]:
    """Titles of the content's charts that the page draws."""
    words = {box.text.strip() for box in page}
    return [chart.title for chart in content.charts() if chart.title in words]


def covered(boxes: list[Box]) -> float:
    """Share of the frame's height with something on it, in lines of 12 points."""
    lines = {line for box in boxes for line in range(int((box.y0 - LOW) // 12), int((box.y1 - LOW) // 12) + 1)}
    return len([line for line in lines if 0 <= line < (HIGH - LOW) // 12]) / ((HIGH - LOW) // 12)


def overlaps(words: list[Box]) -> Iterator[tuple[Box, Box]]:
    """Pairs of texts of which one covers more than a point of the other in both directions."""
    ordered = sorted(words, key=lambda box: box.y0)
    for index, one in enumerate(ordered):
        for two in ordered[index + 1 :]:
            if two.y0 > one.y1:
                break
            wide = min(one.x1, two.x1) - max(one.x0, two.x0)
            high = min(one.y1, two.y1) - max(one.y0, two.y0)
            if wide > 1.0 and high > 1.0:
                yield one, two


def _boxes(page: Any, reader: Any) -> Iterator[Box]:
    given = {name: font.get_object() for name, font in page["/Resources"]["/Font"].items()}
    fonts = {name: (font, unicode_map(font) if "/ToUnicode" in font else {}) for name, font in given.items()}
    at, kept, text, line = _SAME, list[tuple[Matrix, str, float, float, float]](), _SAME, _SAME
    font, size, leading, gap = "", 0.0, 0.0, 0.0
    path: list[tuple[float, float]] = []
    for operands, name in ContentStream(page.get_contents(), reader).operations:
        operator = name.decode()
        if operator == "q":
            kept.append((at, font, size, leading, gap))
        elif operator == "Q":
            at, font, size, leading, gap = kept.pop()
        elif operator == "cm":
            at = _times(tuple(map(float, operands)), at)  # type: ignore[arg-type]
        elif operator in {"BT", "Tm"}:
            text = line = tuple(map(float, operands)) if operands else _SAME  # type: ignore[assignment]
        elif operator == "Tf":
            font, size = str(operands[0]), float(operands[1])
        elif operator == "Tw":
            gap = float(operands[0])
        elif operator == "TL":
            leading = float(operands[0])
        elif operator in {"Td", "T*"}:
            x, y = map(float, operands) if operands else (0.0, -leading)
            text = line = _times((1.0, 0.0, 0.0, 1.0, x, y), line)
        elif operator == "Tj":
            shown, wide = _shown(operands[0], *fonts[font], size)
            wide += gap * shown.count(" ")
            here = _times(text, at)
            text = _times((1.0, 0.0, 0.0, 1.0, wide, 0.0), text)
            # Only the watermark leans.
            if abs(here[1]) < 1e-6 and shown.strip():
                blank = wide * (len(shown) - len(shown.lstrip())) / len(shown)
                # A space that ends a line is read and paints nothing.
                after = (len(shown) - len(shown.rstrip(" "))) * (_SPACE * size + gap)
                end = here[4] + wide - after
                yield Box(here[4] + blank, here[5] - 0.2 * size, end, here[5] + 0.7 * size, shown.rstrip(" "))
        elif operator in {"m", "l", "c"}:
            points = list(map(float, operands))
            path += [_point(at, x, y) for x, y in zip(points[::2], points[1::2], strict=True)]
        elif operator == "re":
            x, y, wide, high = map(float, operands)
            path += [_point(at, x, y), _point(at, x + wide, y + high)]
        elif operator in {"S", "f", "f*", "B", "n", "s", "b"}:
            if path and operator != "n":
                xs, ys = zip(*path, strict=True)
                yield Box(min(xs), min(ys), max(xs), max(ys))
            path = []


def _shown(raw: Any, font: Any, letters: dict[int, str], size: float) -> tuple[str, float]:
    """Text of a string and its width. A font that is not embedded has letters of half their size."""
    data = raw.original_bytes if hasattr(raw, "original_bytes") else bytes(raw)
    if "/Widths" in font:
        first, widths = int(font["/FirstChar"]), font["/Widths"].get_object()
        wide = sum(float(widths[code - first]) for code in data) * size / 1000
        return "".join(letters.get(code, "?") for code in data), wide
    # A line ends with a space, so that its last word and the next line's first are read as two.
    decoded = data.decode("cp1252", errors="replace").rstrip()
    return decoded, len(decoded) * size / 2


def _times(one: Matrix, two: Matrix) -> Matrix:
    a, b, c, d, e, f = one
    g, h, i, j, k, m = two
    return (a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m)


def _point(at: Matrix, x: float, y: float) -> tuple[float, float]:
    return at[0] * x + at[2] * y + at[4], at[1] * x + at[3] * y + at[5]
