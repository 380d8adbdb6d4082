"""Tables and tiles of the PDF: numbers right-aligned with equal decimals, words wrapped, nothing clipped."""

from collections.abc import Sequence
from typing import Any

from reports.render.render_pdf_fonts import FONT, FONT_BOLD
from reports.render.render_pdf_grid import PADDING as _PADDING
from reports.render.render_pdf_grid import long_grid
from reports.render.render_pdf_style import ACCENT, BAND, INK, MUTED, RULE, TONES, paragraph_style
from reports.render.render_pdf_tags import CellMarks, Element, text_of
from reports.render.render_pdf_text import is_plain, lines_markup, markup, printable, text_width, words_of
from reports.report_content import Cell, Row, Table, Tiles

_GAP = 8.0
_SMALLEST = 6.4
# About half a page: longer ones may break over pages and are drawn by hand (render_pdf_grid.py).
LONG_TABLE_ROWS = 24


def draw_table(table: Table, section: Element, *, width: float) -> list[Any]:
    """Flowables of a table with its title and note; a long one runs over pages with its head repeated."""
    from reportlab.platypus import Spacer

    is_long = len(table.rows) > LONG_TABLE_ROWS
    size = 6.2 if is_long else 7.8
    while not is_long and size > _SMALLEST and sum(needed_widths(table, size)) > width:
        # Smaller letters before broken words.
        size -= 0.2
    element = section.add("Table")
    title = text_of(
        element.add("Caption", table.title),
        lines_markup(table.title, FONT_BOLD, 9.5, width),
        paragraph_style("title", size=9.5, font=FONT_BOLD, color=ACCENT, spaceAfter=3),
    )
    cells = element.rows(table)
    grid = (
        long_grid(table, column_widths(table, width, size), size, cells)
        if is_long
        else _grid(table, width, size, cells)
    )
    parts: list[Any] = [title, grid]
    if table.note:
        style = paragraph_style("note", size=6.8, color=MUTED, spaceBefore=3)
        parts.append(text_of(section.add("P", table.note), lines_markup(table.note, FONT, 6.8, width), style))
    return [*parts, Spacer(1, 10)]


def _grid(table: Table, width: float, size: float, cells: Sequence[Sequence[Element]]) -> Any:
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import Table as Grid

    widths = column_widths(table, width, size)
    head = [_head(table, index, size) for index in range(len(table.columns))]
    tails = [_tails(table, index, size) for index in range(len(table.columns))]
    body = [_line(table, row, widths, size, [tail[place] for tail in tails]) for place, row in enumerate(table.rows)]
    grid = Grid([head, *body], colWidths=widths, repeatRows=1, hAlign="LEFT", renderCB=CellMarks(cells))
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
    columns = range(len(table.columns))
    rules.extend(("LEFTPADDING", (index, 0), (index, -1), _left(table, index)) for index in columns)
    for index, tail in enumerate(tails):
        for place, missing in enumerate(tail, start=1):
            if missing:
                rules.append(("RIGHTPADDING", (index, place), (index, place), _PADDING + missing))
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
    return Paragraph(markup(column.title, FONT_BOLD) + unit, style)


def _left(table: Table, index: int) -> float:
    """Padding on the left. Words beside a number's right edge would read as its unit."""
    is_beside = index > 0 and table.columns[index - 1].is_number and not table.columns[index].is_number
    return _GAP if is_beside else _PADDING


def _tails(table: Table, index: int, size: float) -> list[float]:
    """Points by which each number of a column ends before its longest tail, so that decimal marks stand in one line."""
    if not table.columns[index].is_number:
        return [0.0] * len(table.rows)
    tails = []
    for row in table.rows:
        cell = row.cells[index]
        # A cell in percent has the decimals of its share, two more than it shows.
        digits = cell.decimals - 2 if cell.text.endswith("%") else cell.decimals
        start = len(cell.text.rstrip(" %")) - digits - 1 if digits > 0 else len(cell.text.rstrip(" %"))
        tail = cell.text[start:] if cell.figure_id and cell.text[:1] not in {"–", "<"} else ""
        tails.append(text_width(tail, FONT_BOLD if row.is_total else FONT, size))
    longest = max(tails, default=0.0)
    found = [longest - tail for tail in tails]
    return found if min(tails, default=0.0) + 0.5 < longest else [0.0] * len(found)


def _line(table: Table, row: Row, widths: Sequence[float], size: float, tails: Sequence[float]) -> list[Any]:
    from reportlab.platypus import Paragraph

    cells: list[Any] = []
    for index, cell in enumerate(row.cells):
        text = printable(cell.text)
        font = FONT_BOLD if row.is_total else FONT
        room = widths[index] - _left(table, index) - _PADDING - tails[index]
        if text_width(text, font, size) <= room and cell.tone == "plain" and not cell.mark and is_plain(text):
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
        cells.append(Paragraph(_mark(cell, size) + lines_markup(cell.text, style.fontName, size, room), style))
    return cells


def _mark(cell: Cell, size: float) -> str:
    """The footnote's letter, small, before the number: behind it the decimals would no longer stand in line."""
    return f'<font size="{size - 1.6:.1f}" color="{MUTED}">{cell.mark}</font> ' if cell.mark else ""


def needed_widths(table: Table, size: float) -> list[float]:
    """Points that each column needs so that no number and no word is cut."""
    needed = []
    for index, column in enumerate(table.columns):
        texts = [
            f"{row.cells[index].mark} {row.cells[index].text}" if row.cells[index].mark else row.cells[index].text
            for row in table.rows
        ]
        if not column.is_number:
            # Words may wrap between, never inside, them.
            texts = [word for text in texts for word in words_of(text)]
        words = [*words_of(column.title), column.unit, *texts]
        longest = max((text_width(printable(text), FONT_BOLD, size) for text in set(words)), default=0.0)
        tail = max(_tails(table, index, size), default=0.0)
        needed.append(longest + tail + _left(table, index) + _PADDING + 0.5)
    return needed


def column_widths(table: Table, width: float, size: float) -> list[float]:
    """Widths in points that fill `width`: numbers get what they need, words share the rest by weight."""
    needed = needed_widths(table, size)
    spare = width - sum(needed)
    if spare <= 0:
        return _squeezed(table, needed, width)
    # Spare room goes to words first: numbers stand close to their heads.
    weights = [column.weight * (0.35 if column.is_number else 1.0) for column in table.columns]
    return [each + spare * weight / sum(weights) for each, weight in zip(needed, weights, strict=True)]


def _squeezed(table: Table, needed: Sequence[float], width: float) -> list[float]:
    """Words give way before numbers, the longest first: a path can be broken, a number or a unit cannot."""
    numbers = sum(each for each, column in zip(needed, table.columns, strict=True) if column.is_number)
    words = sum(needed) - numbers
    # Nothing is left to take from words: then all columns shrink alike.
    if not words or numbers > width * 0.85:
        return [each * width / sum(needed) for each in needed]
    most, room = 0.0, width - numbers
    longest_last = sorted(each for each, column in zip(needed, table.columns, strict=True) if not column.is_number)
    for place, each in enumerate(longest_last):
        most = room / (len(longest_last) - place)
        if each > most:
            break
        room -= each
    return [each if column.is_number else min(each, most) for each, column in zip(needed, table.columns, strict=True)]


def draw_tiles(tiles: Tiles, section: Element, *, width: float) -> list[Any]:
    """Headline figures in one row."""
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import Paragraph, Spacer
    from reportlab.platypus import Table as Grid

    room = width / len(tiles.tiles) - 11
    # One size for all, so that they stand on one line; the widest number decides.
    widest = max(text_width(printable(tile.text), FONT_BOLD, 1.0) for tile in tiles.tiles)
    size = min(14.0, room / widest) if widest else 14.0
    labels = [
        Paragraph(markup(tile.label), paragraph_style("tile_label", size=7.2, color=MUTED)) for tile in tiles.tiles
    ]
    values = [
        [
            Paragraph(
                markup(tile.text, FONT_BOLD), paragraph_style("tile_value", size=size, font=FONT_BOLD, color=ACCENT)
            ),
            Paragraph(markup(tile.unit) or "&nbsp;", paragraph_style("tile_unit", size=7.2, color=MUTED)),
            *([Paragraph(markup(tile.note), paragraph_style("tile_note", size=6.6, color=MUTED))] if tile.note else []),
        ]
        for tile in tiles.tiles
    ]
    # Labels of one or two lines end on one line, so that the numbers below them begin on one.
    listed = section.add("L")
    items = [listed.add("LI").add("LBody") for _ in tiles.tiles]
    marks = (
        [item.add("P", tile.label) for item, tile in zip(items, tiles.tiles, strict=True)],
        [item.add("P", tile.text, tile.unit, tile.note) for item, tile in zip(items, tiles.tiles, strict=True)],
    )
    columns = [width / len(labels)] * len(labels)
    grid = Grid([labels, values], colWidths=columns, hAlign="LEFT", renderCB=CellMarks(marks))
    grid.setStyle(
        [
            ("BACKGROUND", (0, 0), (-1, -1), HexColor(BAND)),
            ("VALIGN", (0, 0), (-1, 0), "BOTTOM"),
            ("VALIGN", (0, 1), (-1, 1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 7),
            ("RIGHTPADDING", (0, 0), (-1, -1), 4),
            ("TOPPADDING", (0, 0), (-1, 0), 6),
            ("BOTTOMPADDING", (0, 0), (-1, 0), 0),
            ("TOPPADDING", (0, 1), (-1, 1), 1),
            ("BOTTOMPADDING", (0, 1), (-1, 1), 7),
            ("LINEBEFORE", (1, 0), (-1, -1), 1.5, HexColor("#FFFFFF")),
        ]
    )
    return [grid, Spacer(1, 10)]
