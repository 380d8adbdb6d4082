"""Charts of reports as SVG, and the table that says the same."""

from reports.report_content import Cell, Chart, Column, Row, Table
from reports.texts.numbers import MISSING, format_number


def chart_table(chart: Chart) -> Table:
    """The values of a chart as people read them: a row a category, a column a series."""
    values = [abs(value) for series in chart.series for value in series.values if value is not None]
    decimals = 0 if max(values, default=0.0) >= 100 else 2
    rows = [
        Row(cells=(Cell(text=name), *(Cell(text=_text(series.values[at], decimals, chart)) for series in chart.series)))
        for at, name in enumerate(chart.categories)
    ]
    numbers = tuple(Column(title=series.name, unit=chart.unit, is_number=True) for series in chart.series)
    return Table(
        key=f"{chart.key}-table",
        title=chart.title,
        sheet=chart.sheet,
        columns=(Column(title=""), *numbers),
        rows=tuple(rows),
    )


def _text(value: float | None, decimals: int, chart: Chart) -> str:
    return MISSING if value is None else format_number(value, decimals=decimals, locale=chart.locale)


def chart_svg(chart: Chart) -> str:
    """Nothing drawn yet."""
    return ""
