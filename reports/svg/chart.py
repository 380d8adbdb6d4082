"""Charts of reports as SVG, and the table that says the same."""

from reports.report_content import Cell, Chart, Column, Row, Table
from reports.svg.axes import HEIGHT, WIDTH, axes_svg
from reports.svg.flow import flow_svg
from reports.svg.heat import heat_svg
from reports.svg.markup import picture
from reports.texts.locales import named
from reports.texts.numbers import MISSING, format_number

_SHAPES = {
    "bars": "Bars",
    "lines": "Lines",
    "waterfall": "Steps from the first value to the last",
    "heat": "Shades by day and hour",
    "flows": "Flows from left to right",
}


def chart_table(chart: Chart) -> Table:
    """The values of a chart as people read them: a row a category, a column a series."""
    values = [abs(value) for series in chart.series for value in series.values if value is not None]
    decimals = 0 if max(values, default=0.0) >= 100 else 2
    columns = [
        [
            MISSING if each is None else format_number(each, decimals=decimals, locale=chart.locale)
            for each in row.values
        ]
        for row in chart.series
    ]
    rows = [
        Row(cells=tuple(Cell(text=text) for text in (named(name), *(each[at] for each in columns))))
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


def chart_svg(chart: Chart) -> str:
    """The chart as a picture. Its title stands in the page already; who cannot see it hears what it shows."""
    names = ", ".join(series.name for series in chart.series[:4])
    said = (
        f"{_SHAPES[chart.shape]} in {chart.unit}: {len(chart.categories)} columns; {names}. Its table has the values."
    )
    made = {"heat": heat_svg, "flows": flow_svg}.get(chart.shape, axes_svg)
    return picture(WIDTH, HEIGHT, title=chart.title, description=said, kind=chart.shape, inside=made(chart))
