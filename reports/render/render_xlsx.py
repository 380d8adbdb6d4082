"""The report as a workbook: one sheet a theme, numbers as numbers, derived figures as live formulas.

A figure's formula follows its trace, so a reader sees in the workbook what the figure is made of; the stored value
beside it is the traced one.
"""

import io
import math
import re
from collections.abc import Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any

from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.sentence import Sentence
from reports.render.render_xlsx_charts import ROWS as CHART_ROWS
from reports.render.render_xlsx_charts import ChartBook
from reports.report_content import Cell, Chart, Paragraph, Register, ReportContent, Section, Table, Tiles
from reports.texts.locales import in_runs, page_word, word

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.worksheet import Worksheet

REGISTER = "Figures"
REGISTER_COLUMNS = (
    "figure_id",
    "path",
    "label",
    "value",
    "unit",
    "status",
    "findings",
    "start",
    "end",
    "computation",
    "ref",
)
_VALUE_COLUMN = REGISTER_COLUMNS.index("value")
# Trace computation -> Excel formula over the cells of its inputs.
FORMULAS = {
    "sum": "=SUM({all})",
    "max": "=MAX({all})",
    "difference": "={0}-{1}",
    "ratio": "={0}/{1}",
    "product": "={0}*{1}",
    "deviation_percent": "=100*({0}-{1})/{1}",
    "percent_of": "=100*{0}/{1}",
    "root_sum_of_squares": "=SQRT(SUMSQ({all}))",
    "net_present_value": "=-PV({2}/100,{3},{1})-{0}",
    "in_gj": "={0}*0.0036",
    "in_thousands": "={0}*0.001",
}
# What a landscape page holds at about three quarters of the letters' size.
_PAGE_CHARS, _CHART_CHARS = 165, 110
_FILLS = {"good": "#1B7837", "caution": "#B35806", "bad": "#B2182B", "muted": "#6B7280", "plain": "#1F2933"}


def render_xlsx(content: ReportContent) -> bytes:
    """The workbook's bytes. Same content, same bytes."""
    import xlsxwriter

    buffer = io.BytesIO()
    # Texts stay texts: a site called "=HYPERLINK(…)" must not run on the reader's machine.
    book = xlsxwriter.Workbook(buffer, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    book.set_properties(
        {
            "title": f"{content.title} {content.site_name} {content.period}",
            "comments": f"{content.report_id} revision {content.revision}",
            # The instant of the data, not of the rendering: the same content gives the same file.
            "created": content.as_of_utc.astimezone(UTC).replace(tzinfo=None),
        }
    )
    writer = _Writer(book, content)
    for name in dict.fromkeys(table.sheet for table in content.tables() if table.sheet):
        writer.sheet(name)
    writer.register()
    writer.draw()
    book.close()
    return buffer.getvalue()


class _Writer:
    """Writes sheets; a figure's home is its line in the register, every other cell points there."""

    def __init__(self, book: "Workbook", content: ReportContent) -> None:
        self.book, self.content = book, content
        self.figures: dict[str, Figure] = {figure.figure_id: figure for figure in content.figures}
        named = word(REGISTER, content.spoken)
        # Excel asks for quotes around a name of other letters.
        self.place = named if re.fullmatch("[A-Za-z]+", named) else f"'{named}'"
        # Behind two rows of head, and Excel counts from 1.
        self.home = {name: f"{self.place}!$D${index + 3}" for index, name in enumerate(self.figures)}
        self._formats: dict[tuple[Any, ...], Any] = {}
        self._waiting: list[tuple[Worksheet, Chart, int, int]] = []

    def style(self, **properties: object) -> Any:
        """One format per set of properties."""
        key = tuple(sorted(properties.items()))
        if key not in self._formats:
            self._formats[key] = self.book.add_format({"font_name": "Calibri", "font_size": 10, **properties})
        return self._formats[key]

    def sheet(self, name: str) -> None:
        """One sheet with all its tables, one below the other."""
        page = self.book.add_worksheet(word(name, self.content.spoken)[:31])
        # 2 hides them on the screen too, 1 on paper alone.
        page.hide_gridlines(2)
        tables = [table for table in self.content.tables() if table.sheet == name]
        self.widths = column_chars(tables)
        for column, width in enumerate(self.widths):
            page.set_column(column, column, width)
        row = self._head(page, name)
        for section in self.content.sections:
            for block in section.blocks:
                if isinstance(block, Paragraph) and name == sheet_of(section):
                    is_strong = block.tone in {"bad", "caution", "good"} or section.key == "summary"
                    self._words(page, row, 0, block.text, bold=is_strong, font_color=_FILLS[block.tone])
                    row += 1
                if isinstance(block, Tiles) and name == sheet_of(section):
                    row = self._tiles(page, block, row)
                if isinstance(block, Table) and block.sheet == name:
                    row = self._table(page, block, row + 1)
                if isinstance(block, Chart) and block.sheet == name:
                    # As wide as the sheet's columns, 7 pixels a letter and 5 between two: what is printed.
                    wide = sum(7 * width + 5 for width in self.widths) - 10
                    self._waiting.append((page, block, row + 1, wide))
                    row += 3 if block.shape == "heat" else CHART_ROWS + 1
        page.print_area(0, 0, row, len(self.widths) - 1)

    def draw(self) -> None:
        """The charts, over the sheet of their data, which stands last."""
        charts = ChartBook(self.book, self.content.spoken)
        for page, chart, row, wide in self._waiting:
            charts.insert(page, chart, row, wide)

    def _words(self, page: "Worksheet", row: int, column: int, text: str, **properties: object) -> None:
        """A sentence from a column to the last one, as many lines high as it needs."""
        last, style = len(self.widths) - 1, self.style(text_wrap=True, valign="top", **properties)
        chars = sum(self.widths[column:])
        if column < last:
            page.merge_range(row, column, row, last, "", style)
        page.write_string(row, column, text, style)
        # About a tenth more than letters of even width need: words break earlier.
        page.set_row(row, 13.5 * max(1, math.ceil(len(text) * 1.1 / chars)))

    def _tiles(self, page: "Worksheet", tiles: Tiles, row: int) -> int:
        """Headline figures, a line each: label, number, unit."""
        for tile in tiles.tiles:
            page.write_string(row, 0, tile.label, self.style(font_color=_FILLS["muted"]))
            # A tile has but its text: how many decimals it shows is read from it.
            decimals = (
                len(tile.text.rpartition("." if "." in tile.text[-4:] else ",")[2]) if tile.text[-1:].isdigit() else 0
            )
            value = Cell(text=tile.text, figure_id=tile.figure_id, decimals=min(decimals, 9))
            self._cell(page, row, 1, value, is_total=True)
            page.write_string(row, 2, tile.unit, self.style(font_color=_FILLS["muted"]))
            row += 1
        return row

    def _head(self, page: "Worksheet", name: str) -> int:
        content = self.content
        mark = f" · {word('SYNTHETIC DATA', content.spoken)}" if content.is_synthetic else ""
        revision = page_word(Sentence("revision {0}", content.revision), content.spoken)
        life = content.life.sentence(content.locale)
        line = f"{content.site_name} · {content.period} · {revision}{mark} · {life}"
        page.write_string(0, 0, f"{content.title}: {word(name, content.spoken)}", self.style(bold=True, font_size=14))
        page.write_string(1, 0, line, self.style(font_color=_FILLS["bad" if content.is_synthetic else "muted"]))
        _paper(page, f"{content.report_id} r{content.revision}", content.spoken, head=(0, 1))
        return 2

    def _table(self, page: "Worksheet", table: Table, row: int) -> int:
        page.write_string(row, 0, table.title, self.style(bold=True, font_size=11))
        head = self.style(bold=True, bottom=1, text_wrap=True, valign="bottom")
        head_right = self.style(bold=True, bottom=1, text_wrap=True, valign="bottom", align="right")
        for column, each in enumerate(table.columns):
            title = f"{each.title}, {each.unit}" if each.unit else each.title
            page.write_string(row + 1, column, title, head_right if each.is_number else head)
        row += 2
        for line in table.rows:
            for column, cell in enumerate(line.cells):
                is_last = column == len(line.cells) - 1
                if is_last and not cell.figure_id and len(cell.text) > self.widths[column]:
                    self._words(page, row, column, cell.text, bold=line.is_total, font_color=_FILLS[cell.tone])
                else:
                    self._cell(page, row, column, cell, is_total=line.is_total)
            row += 1
        if table.note:
            self._words(page, row, 0, table.note, italic=True, font_color=_FILLS["muted"])
            row += 1
        return row + 1

    def _cell(self, page: "Worksheet", row: int, column: int, cell: Cell, *, is_total: bool) -> None:
        figure = self.figures.get(cell.figure_id)
        base: dict[str, object] = {"bold": is_total, "top": 1 if is_total else 0}
        if figure is None:
            style = self.style(**base, font_color=_FILLS[cell.tone], text_wrap=True, valign="top")
            page.write_string(row, column, cell.text, style)
        elif figure.value is None:
            page.write_string(row, column, cell.text, self.style(**base, align="right"))
        else:
            is_percent = figure.unit == "ratio" and cell.text.endswith("%")
            cell_format = number_format(cell.decimals, is_percent=is_percent, mark=cell.mark)
            style = self.style(**base, num_format=cell_format)
            page.write_formula(row, column, f"={self.home[figure.figure_id]}", style, float(figure.value))

    def register(self) -> None:
        """Every figure once, with its unrounded value or the formula that its trace names."""
        page = self.book.add_worksheet(self.place.strip("'"))
        page.hide_gridlines(2)
        title = page_word("Figures: meterloom trace FIGURE_ID recomputes each", self.content.spoken)
        page.write_string(0, 0, title, self.style(bold=True, font_size=14))
        for column, title in enumerate(REGISTER_COLUMNS):
            page.write_string(1, column, word(title, self.content.spoken), self.style(bold=True, bottom=1))
        # Figure id -> the number by which the tables refer to it.
        blocks = (block for section in self.content.sections for block in section.blocks if isinstance(block, Register))
        numbers = {name: str(number) for block in blocks for number, name in enumerate(block.figure_ids, start=1)}
        for index, figure in enumerate(self.figures.values()):
            row = index + 2
            texts = [figure.figure_id, figure.path, figure.label, "", figure.unit, figure.status]
            texts += [
                ", ".join(figure.findings),
                figure.start.isoformat(),
                figure.end.isoformat(),
                figure.trace.computation,
            ]
            texts.append(numbers.get(figure.figure_id, ""))
            for column, text in enumerate(texts):
                if column != _VALUE_COLUMN:
                    page.write_string(row, column, text, self.style())
            self._value(page, row, figure)
        _paper(page, f"{self.content.report_id} r{self.content.revision}", self.content.spoken, head=(1, 1))
        page.print_area(0, 0, len(self.figures) + 1, len(REGISTER_COLUMNS) - 1)
        page.autofilter(1, 0, len(self.figures) + 1, len(REGISTER_COLUMNS) - 1)
        for column, width in enumerate((18, 44, 40, 22, 9, 15, 20, 11, 11, 18, 7)):
            page.set_column(column, column, width)

    def _value(self, page: "Worksheet", row: int, figure: Figure) -> None:
        if figure.value is None:
            page.write_string(row, _VALUE_COLUMN, "", self.style())
            return
        # All digits: the register is where a reader looks for them.
        style = self.style(num_format="General")
        formula = FORMULAS.get(figure.trace.computation)
        if formula is None:
            page.write_number(row, _VALUE_COLUMN, float(figure.value), style)
            return
        # Within its own sheet a cell needs no sheet's name.
        cells = [self.home[each.id].removeprefix(f"{self.place}!") for each in figure.trace.inputs]
        text = formula.format(*cells, all=spans_of(cells))
        page.write_formula(row, _VALUE_COLUMN, text, style, float(figure.value))


def _paper(page: "Worksheet", name: str, language: str, *, head: tuple[int, int]) -> None:
    """A4, as wide as one page, with the head on every page and in sight while one scrolls."""
    page.set_landscape()
    page.set_paper(9)
    page.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
    page.fit_to_pages(1, 0)
    page.repeat_rows(*head)
    page.freeze_panes(head[1] + 1, 0)
    page.set_footer(f"&L{name}&R{page_word(Sentence('Page {0} of {1}', '&P', '&N'), language)}")


def column_chars(tables: Sequence[Table]) -> list[int]:
    """Widths of a sheet's columns in letters: what its tables need, all of them no wider than a readable page."""
    widths = [0] * max(len(table.columns) for table in tables)
    for table in tables:
        for column, each in enumerate(table.columns):
            title = f"{each.title}, {each.unit}" if each.unit else each.title
            # The last column of words runs on over what is empty beside it.
            is_open = column == len(table.columns) - 1 and not each.is_number
            texts = [] if is_open else [len(row.cells[column].text) for row in table.rows]
            longest = max([len(title) // 2 + 3, *texts])
            widths[column] = max(widths[column], min(longest + 2, 28))
    widths += [10] * (6 - len(widths))
    # Neither smaller letters than can be read, nor a sheet too narrow for its charts.
    wanted = min(max(sum(widths), _CHART_CHARS), max(_PAGE_CHARS, len(widths) * 9))
    return [max(8, round(width * wanted / sum(widths))) for width in widths]


def sheet_of(section: Section) -> str:
    """The sheet of a section's words: that of its first table."""
    tables = (block.sheet for block in section.blocks if isinstance(block, Table) and block.sheet)
    return next(tables, "")


def spans_of(cells: Sequence[str]) -> str:
    """Cells of one column as arguments of a function: `$D$3,$D$4` as they are, more than thirty as ranges."""
    # Older readers take thirty arguments of a function at most.
    if len(cells) <= 30:
        return ",".join(cells)
    parts = in_runs(int(cell.rpartition("$")[2]) for cell in cells)
    return ",".join(f"$D${low}" if low == high else f"$D${low}:$D${high}" for low, high in parts)


def number_format(decimals: int, *, is_percent: bool, mark: str = "") -> str:
    """Excel's number format, with a footnote's letter before it; Excel shows the separators of the reader's locale."""
    if mark:
        return f'"{mark} "{number_format(decimals, is_percent=is_percent)}'
    if is_percent:
        kept = max(decimals - 2, 0)
        return "0" + ("." + "0" * kept if kept else "") + " %"
    return "#,##0" + ("." + "0" * decimals if decimals else "")
