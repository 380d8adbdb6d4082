"""Tables and tiles of the PDF: numbers right-aligned with equal decimals, words wrapped, nothing clipped."""

from collections.abc import Sequence
from typing import Any

from reports.content.model import Row, Table, Tiles
from reports.render_pdf_style import (
    ACCENT,
    BAND,
    FONT,
    FONT_BOLD,
    INK,
    MUTED,
    RULE,
    TONES,
    markup,
    paragraph_style,
    printable,
)

_PADDING = 3.0
LONG_TABLE_ROWS = 24


def draw_table(table: Table, *, width: float) -> list[Any]:
    """Flowables of a table with its title and note; a long one runs over pages with its head repeated."""
    from reportlab.platypus import Paragraph, Spacer

    is_long = len(table.rows) > LONG_TABLE_ROWS
    size = 6.2 if is_long else 7.8
    title = Paragraph(
        markup(table.title),
        paragraph_style("title", size=9.5, font=FONT_BOLD, color=ACCENT, spaceAfter=3, keepWithNext=1),
    )
    parts: list[Any] = [title, _grid(table, width, size)]
    if table.note:
        parts.append(Paragraph(markup(table.note), paragraph_style("note", size=6.8, color=MUTED, spaceBefore=3)))
    return [*parts, Spacer(1, 10)]


def _grid(table: Table, width: float, size: float) -> Any:
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import Table as Grid

    widths = column_widths(table, width, size)
    head = [_head(table, index, size) for index in range(len(table.columns))]
    body = [_line(table, row, widths, size) for row in table.rows]
    grid = Grid([head, *body], colWidths=widths, repeatRows=1, hAlign="LEFT")
    rules = [
        ("VALIGN", (0, 0), (-1, 0), "BOTTOM"),
        ("VALIGN", (0, 1), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, 0), 0.8, HexColor(ACCENT)),
        ("LINEBELOW", (0, 1), (-1, -1), 0.25, HexColor(RULE)),
        ("LEFTPADDING", (0, 0), (-1, -1), _PADDING),
        ("RIGHTPADDING", (0, 0), (-1, -1), _PADDING),
        ("TOPPADDING", (0, 0), (-1, -1), size * 0.28),
        ("BOTTOMPADDING", (0, 0), (-1, -1), size * 0.34),
        ("FONT", (0, 1), (-1, -1), FONT, size, size * 1.2),
        ("TEXTCOLOR", (0, 1), (-1, -1), HexColor(INK)),
    ]
    for index, column in enumerate(table.columns):
        if column.is_number:
            rules.append(("ALIGN", (index, 1), (index, -1), "RIGHT"))
    for place, row in enumerate(table.rows, start=1):
        if row.is_total:
            rules.extend(
                (
                    ("BACKGROUND", (0, place), (-1, place), HexColor(BAND)),
                    ("FONT", (0, place), (-1, place), FONT_BOLD, size, size * 1.2),
                    ("LINEABOVE", (0, place), (-1, place), 0.6, HexColor(MUTED)),
                )
            )
    grid.setStyle(rules)
    return grid


def _head(table: Table, index: int, size: float) -> Any:
    from reportlab.platypus import Paragraph

    column = table.columns[index]
    unit = f'<br/><font name="{FONT}" color="{MUTED}">{markup(column.unit)}</font>' if column.unit else ""
    alignment = 2 if column.is_number else 0
    style = paragraph_style(f"head{alignment}", size=size - 0.3, font=FONT_BOLD, alignment=alignment)
    return Paragraph(markup(column.title) + unit, style)


def _line(table: Table, row: Row, widths: Sequence[float], size: float) -> list[Any]:
    from reportlab.pdfbase.pdfmetrics import stringWidth
    from reportlab.platypus import Paragraph

    cells: list[Any] = []
    for index, cell in enumerate(row.cells):
        text = printable(cell.text)
        font = FONT_BOLD if row.is_total else FONT
        fits = stringWidth(text, font, size) <= widths[index] - 2 * _PADDING
        if fits and cell.tone == "plain":
            cells.append(text)
            continue
        is_strong = cell.tone in {"good", "caution", "bad"} or row.is_total
        style = paragraph_style(
            "cell",
            size=size,
            leading=size * 1.2,
            font=FONT_BOLD if is_strong else FONT,
            color=TONES[cell.tone],
            alignment=2 if table.columns[index].is_number else 0,
            splitLongWords=1,
        )
        cells.append(Paragraph(markup(cell.text), style))
    return cells


def column_widths(table: Table, width: float, size: float) -> list[float]:
    """Widths in points that fill `width`: numbers get what they need, words share the rest by weight."""
    from reportlab.pdfbase.pdfmetrics import stringWidth

    needed = []
    for index, column in enumerate(table.columns):
        texts = [row.cells[index].text for row in table.rows]
        if not column.is_number:
            # Words may wrap between, never inside, them.
            texts = [word for text in texts for word in text.split()]
        words = [*column.title.split(), column.unit, *texts]
        longest = max((stringWidth(printable(text), FONT_BOLD, size) for text in words), default=0.0)
        needed.append(longest + 2 * _PADDING + 0.5)
    spare = width - sum(needed)
    if spare <= 0:
        return [each * width / sum(needed) for each in needed]
    # Spare room goes to words first: numbers stand close to their heads.
    weights = [column.weight * (0.35 if column.is_number else 1.0) for column in table.columns]
    return [each + spare * weight / sum(weights) for each, weight in zip(needed, weights, strict=True)]


def draw_tiles(tiles: Tiles, *, width: float) -> list[Any]:
    """Headline figures in one row."""
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import Paragraph, Spacer
    from reportlab.platypus import Table as Grid

    cells = [
        [
            Paragraph(markup(tile.label), paragraph_style("tile_label", size=7.2, color=MUTED)),
            Paragraph(markup(tile.text), paragraph_style("tile_value", size=14, font=FONT_BOLD, color=ACCENT)),
            Paragraph(markup(tile.unit) or "&nbsp;", paragraph_style("tile_unit", size=7.2, color=MUTED)),
        ]
        for tile in tiles.tiles
    ]
    grid = Grid([cells], colWidths=[width / len(cells)] * len(cells), hAlign="LEFT")
    grid.setStyle(
        [
            ("BACKGROUND", (0, 0), (-1, -1), HexColor(BAND)),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 7),
            ("RIGHTPADDING", (0, 0), (-1, -1), 4),
            ("TOPPADDING", (0, 0), (-1, -1), 6),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 7),
            ("LINEBEFORE", (1, 0), (-1, -1), 1.5, HexColor("#FFFFFF")),
        ]
    )
    return [grid, Spacer(1, 10)]
