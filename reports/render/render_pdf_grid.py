"""Long tables of the PDF drawn line by line: thousands of rows in little time, the head repeated on every page."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from reports.render.render_pdf_fonts import FONT, FONT_BOLD
from reports.render.render_pdf_style import ACCENT, BAND, INK, MUTED, RULE, TONES
from reports.render.render_pdf_tags import Element
from reports.render.render_pdf_text import printable, runs_of, text_width, wrapped
from reports.report_content import Table

PADDING = 3.0
Line = tuple[list[list[str]], float]


def long_grid(table: Table, widths: Sequence[float], size: float, marks: Sequence[Sequence[Element]]) -> Any:
    """A flowable that runs over pages. marks: whose each cell is, the head's row first."""
    leading = size * 1.2
    lines: list[Line] = []
    for row in table.rows:
        font = FONT_BOLD if row.is_total else FONT
        cells = [
            _spaced(f"{cell.mark} {cell.text}" if cell.mark else cell.text, font, size, width - 2 * PADDING)
            for cell, width in zip(row.cells, widths, strict=True)
        ]
        lines.append((cells, max(len(cell) for cell in cells) * leading + size * 0.62))
    return _grid_class()(table, list(widths), size, lines, 0, marks)


def _spaced(text: str, font: str, size: float, width: float) -> list[str]:
    """Lines as `wrapped` cuts them; one that ends with a word has a space behind it, so that words read on are two."""
    found, rest = list[str](), printable(text)
    for line in wrapped(text, font, size, width):
        rest = rest.removeprefix(line)
        found.append(f"{line} " if rest[:1] == " " else line)
        rest = rest.lstrip(" ")
    return found


@lru_cache
def _grid_class() -> Any:
    from reportlab.platypus import Flowable

    class Grid(Flowable):  # type: ignore[misc]
        """Rows from `first` on, under their head."""

        def __init__(
            self,
            table: Table,
            widths: list[float],
            size: float,
            lines: list[Line],
            first: int,
            marks: Sequence[Sequence[Element]],
        ) -> None:
            super().__init__()
            self.table, self.widths, self.size, self.lines, self.first = table, widths, size, lines, first
            self.marks = marks
            self.head = [
                [
                    *_spaced(
                        f"{column.title} " if column.unit else column.title, FONT_BOLD, size - 0.3, width - 2 * PADDING
                    ),
                    *([column.unit] if column.unit else []),
                ]
                for column, width in zip(table.columns, widths, strict=True)
            ]
            self.head_height = max(len(each) for each in self.head) * size * 1.2 + size * 0.62

        def wrap(self, _width: float, _height: float) -> tuple[float, float]:
            """Its size in points."""
            return sum(self.widths), self.head_height + sum(height for _, height in self.lines)

        def split(self, _width: float, height: float) -> list[Any]:
            """As many rows as fit, and the rest; nothing where not even two rows do."""
            room, count = height - self.head_height, 0
            while count < len(self.lines) and self.lines[count][1] <= room:
                room -= self.lines[count][1]
                count += 1
            # A single row below its head reads like a torn page.
            if count < min(2, len(self.lines)):
                return []
            parts = [(self.lines[:count], self.first), (self.lines[count:], self.first + count)]
            return [Grid(self.table, self.widths, self.size, lines, at, self.marks) for lines, at in parts if lines]

        def draw(self) -> None:
            """Head, rows, rules."""
            _draw(self)

    return Grid


class _Pen:
    """Writes lines of text in one go: a font or a colour is named only where it changes."""

    def __init__(self, canvas: Any) -> None:
        self.canvas, self.text = canvas, canvas.beginText()
        self.tags = getattr(canvas, "tags", None)
        self._font: tuple[str, float] = ("", 0.0)
        self._colour = ""

    def write(self, x: float, y: float, text: str, *, font: str, size: float, colour: str) -> None:
        """Printable text at a place, each part in the font that has it."""
        from reportlab.lib.colors import HexColor

        if colour != self._colour:
            self.text.setFillColor(HexColor(colour))
            self._colour = colour
        self.text.setTextOrigin(x, y)
        for used, part in runs_of(text, font):
            if (used, size) != self._font:
                self.text.setFont(used, size)
                self._font = (used, size)
            self.text.textOut(part)

    def open(self, element: Element | None) -> None:
        """Mark that all that follows is the element's; of None, that it is furniture."""
        if self.tags is not None:
            self.text._code.append("/Artifact BMC" if element is None else self.tags.begin(element))

    def shut(self) -> None:
        """Nothing more of the last that was opened."""
        if self.tags is not None:
            self.text._code.append("EMC")

    def done(self) -> None:
        """Put everything on the page."""
        if self.tags is not None:
            self.tags.furnish(self.canvas._code)
        self.canvas.drawText(self.text)
        if self.tags is not None:
            self.tags.claim(self.canvas._code)


def _draw(grid: Any) -> None:
    from reportlab.lib.colors import HexColor

    canvas, top, size, width = grid.canv, grid.wrap(0, 0)[1], grid.size, sum(grid.widths)
    y = top - grid.head_height
    canvas.setStrokeColor(HexColor(ACCENT))
    canvas.setLineWidth(0.8)
    canvas.line(0, y, width, y)
    canvas.setLineWidth(0.25)
    canvas.setStrokeColor(HexColor(RULE))
    canvas.setFillColor(HexColor(BAND))
    pen = _Pen(canvas)
    _head(grid, pen, y + size * 0.34)
    for offset, (cells, height) in enumerate(grid.lines):
        row = grid.table.rows[grid.first + offset]
        if row.is_total:
            canvas.rect(0, y - height, width, height, stroke=0, fill=1)
        font = FONT_BOLD if row.is_total else FONT
        most, x = max(len(lines) for lines in cells), 0.0
        for index, lines in enumerate(cells):
            pen.open(grid.marks[grid.first + offset + 1][index])
            for place, line in enumerate(lines):
                at = y - height + size * 0.44 + (most - 1 - place) * size * 1.2
                shift = _shift(grid, index, line, font, size)
                pen.write(x + shift, at, line, font=font, size=size, colour=TONES[row.cells[index].tone])
            pen.shut()
            x += grid.widths[index]
        y -= height
        canvas.line(0, y, width, y)
    pen.done()


def _head(grid: Any, pen: _Pen, bottom: float) -> None:
    """Titles and units, standing on one line."""
    x, size = 0.0, grid.size - 0.3
    for index, lines in enumerate(grid.head):
        # A head that comes again on the next page is read once.
        pen.open(None if grid.first else grid.marks[0][index])
        unit = grid.table.columns[index].unit
        # From the top down, as it is read.
        for place, line in reversed(list(enumerate(reversed(lines)))):
            is_unit = bool(unit) and place == 0
            font, colour = (FONT, MUTED) if is_unit else (FONT_BOLD, INK)
            at = bottom + place * grid.size * 1.2
            pen.write(x + _shift(grid, index, line, font, size), at, line, font=font, size=size, colour=colour)
        pen.shut()
        x += grid.widths[index]


def _shift(grid: Any, index: int, text: str, font: str, size: float) -> float:
    """Numbers end at the right of their column, words begin at its left."""
    if not grid.table.columns[index].is_number:
        return PADDING
    return float(grid.widths[index] - PADDING - text_width(text.rstrip(" "), font, size))
