"""Charts of the workbook as Excel's own, over a sheet of what they draw; hours are cells in shades there."""

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from data_quality.contracts.sentence import Sentence
from reports.chart_geometry import step_ticks
from reports.render.render_pdf_style import HEAT, LESS, MORE, SERIES, TINTS
from reports.report_content import Chart, Series
from reports.texts.locales import page_word, word

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.worksheet import Worksheet

DATA = "Chart data"
# Of a band.
ENDS = ("lower end", "upper end")
# Pixels; the rows that a chart covers are 20 of them each.
_HIGH, _ROW = 300, 20
ROWS = _HIGH // _ROW + 1
_DASHES = {"actual": "solid", "expected": "dash", "third": "round_dot", "fourth": "dash_dot"}
_PATTERNS = {"expected": "wide_upward_diagonal", "third": "wide_downward_diagonal", "fourth": "horizontal_brick"}


class ChartBook:
    """Writes what charts draw into one sheet, and the charts beside their tables."""

    def __init__(self, book: "Workbook", language: str) -> None:
        self.book, self.row, self.language = book, 2, language
        self.sheet = word(DATA, language)
        self.page: Worksheet | None = None

    def insert(self, page: "Worksheet", chart: Chart, row: int, wide: int) -> None:
        """The chart at a row of a sheet, in pixels. Of hours there is only the map among the data, and a link to it."""
        first = self._data(chart)
        if chart.shape == "heat":
            caption = Sentence("{0}: sheet {1}", chart.title, self.sheet)
            page.write_url(row, 0, f"internal:'{self.sheet}'!A{first}", string=page_word(caption, self.language))
            return
        drawn = self._drawn(chart, first)
        # Set in full: Excel's own defaults differ between its versions.
        drawn.set_title({"name": chart.title, "name_font": {"size": 11}, "overlay": False})
        axis: dict[str, Any] = {"name": chart.unit, "num_format": "#,##0", "major_gridlines": {"visible": True}}
        if chart.shape == "waterfall":
            # From zero the steps could not be seen.
            levels = [*accumulate(value or 0.0 for value in chart.series[0].values[:-1])]
            axis["min"] = step_ticks(min(levels), max(levels))[0]
        drawn.set_y_axis(axis)
        drawn.set_x_axis({"label_position": "low"})
        drawn.set_legend({"position": "bottom", "delete_series": _unnamed(chart, self.language)})
        drawn.set_size({"width": wide, "height": _HIGH})
        drawn.show_blanks_as("gap")
        page.insert_chart(row, 0, drawn)

    def _data(self, chart: Chart) -> int:
        """Title, head and one row a category; returns the row of the first category as Excel counts."""
        if self.page is None:
            self.page = self.book.add_worksheet(self.sheet)
            caption = "What the charts draw; figures and their traces are in the sheet Figures"
            self.page.write_string(0, 0, page_word(caption, self.language))
            self.page.set_column(0, 0, 22)
            self.page.set_landscape()
            self.page.set_paper(9)
            self.page.fit_to_pages(1, 0)
            self.page.repeat_rows(0)
            self.page.freeze_panes(1, 1)
        page = self.page
        columns = _columns(chart, self.language)
        page.write_string(self.row, 0, f"{chart.title}, {chart.unit}", self.book.add_format({"bold": True}))
        for column, (name, _) in enumerate(columns, start=1):
            page.write_string(self.row + 1, column, name)
        first = self.row + 2
        for index, category in enumerate(chart.places):
            page.write_string(first + index, 0, category)
            for column, (_, values) in enumerate(columns, start=1):
                value = values[index]
                if value is not None:
                    page.write_number(first + index, column, value)
        last = first + len(chart.categories) - 1
        if chart.shape == "heat":
            shades = {"type": "2_color_scale", "min_color": HEAT[0], "max_color": HEAT[-3]}
            page.conditional_format(first, 1, last, len(columns), shades)
        self.row = last + 2
        return first + 1

    def _drawn(self, chart: Chart, first: int) -> Any:
        kinds = {
            "bars": {"type": "column"},
            "lines": {"type": "line"},
            "waterfall": {"type": "column", "subtype": "stacked"},
            "flows": {"type": "bar", "subtype": "stacked"},
        }
        drawn = self.book.add_chart(kinds[chart.shape])
        last, looks = first + len(chart.categories) - 1, _looks(chart)
        for column, (name, _) in enumerate(_columns(chart, self.language), start=1):
            letter = chr(ord("A") + column)
            drawn.add_series(
                {
                    "name": name,
                    "categories": f"='{self.sheet}'!$A${first}:$A${last}",
                    "values": f"='{self.sheet}'!${letter}${first}:${letter}${last}",
                    "gap": 60,
                    **looks[column - 1],
                }
            )
        return drawn


def _columns(chart: Chart, language: str) -> list[tuple[str, list[float | None]]]:
    """Name and values of what is drawn: series, edges of their bands, or the parts of which steps are stacked."""
    if chart.shape == "waterfall":
        values = [value or 0.0 for value in chart.series[0].values]
        steps, count = [*accumulate(values[:-1])], len(values)
        below = [None, *(min(pair) for pair in pairwise(steps)), None]
        inner = range(1, count - 1)
        return [
            ("", below),
            (chart.series[0].name, [values[0], *(None for _ in inner), values[-1]]),
            ("+", [None, *(values[each] if values[each] > 0 else None for each in inner), None]),
            ("-", [None, *(-values[each] if values[each] <= 0 else None for each in inner), None]),
        ]
    found: list[tuple[str, list[float | None]]] = []
    for series in chart.series:
        found.append((series.name, [*series.values]))
        if series.low:
            ends = zip(ENDS, (series.low, series.high), strict=True)
            found += [(f"{series.name}, {word(end, language)}", [*values]) for end, values in ends]
    return found


def _looks(chart: Chart) -> list[dict[str, Any]]:
    """Style of each column."""
    if chart.shape == "waterfall":
        hatched = {"pattern": "wide_upward_diagonal", "fg_color": MORE, "bg_color": "#FFFFFF"}
        return [
            {"fill": {"none": True}, "border": {"none": True}},
            {"fill": {"color": SERIES["actual"]}},
            {"pattern": hatched, "border": {"color": MORE}},
            {"fill": {"color": LESS}, "border": {"color": SERIES["third"]}},
        ]
    found: list[dict[str, Any]] = []
    for series in chart.series:
        found.append(_look(chart, series))
        if series.low:
            found += [{"line": {"color": SERIES[series.role], "width": 0.5, "transparency": 40}}] * 2
    return found


def _look(chart: Chart, series: Series) -> dict[str, Any]:
    if chart.shape == "lines":
        return {"line": {"color": SERIES[series.role], "width": 1.75, "dash_type": _DASHES[series.role]}}
    border = {"border": {"color": SERIES[series.role]}}
    if series.role in _PATTERNS:
        pattern = {
            "pattern": _PATTERNS[series.role], "fg_color": SERIES[series.role], "bg_color": TINTS[series.role],
        }  # fmt: skip
        return {"pattern": pattern, **border}
    return {"fill": {"color": SERIES[series.role]}, **border}


def _unnamed(chart: Chart, language: str) -> list[int]:
    """Columns without a place in the legend: what steps stand on, and the ends of bands."""
    if chart.shape == "waterfall":
        return [0]
    ends = tuple(f", {word(end, language)}" for end in ENDS)
    return [index for index, (name, _) in enumerate(_columns(chart, language)) if name.endswith(ends)]
