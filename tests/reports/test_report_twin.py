"""A stored report as a page: it says what the PDF says, number by number, and each number opens its why."""

import re

from orchestration.web.draw import html_of
from reports.content.register import register_table
from reports.pages.address import Address
from reports.pages.chart import Chart, chart_table
from reports.pages.report_library import report_twin_page
from reports.report_content import Paragraph, Register, Table, Tiles
from tests.html_seen import Seen

RAW = re.compile(r"\b[a-z]+_[a-z0-9_.]+|\b\d{4}-\d\d(?:-\d\d|\b)|\b\d{4}-Q\d")
ADDRESS = Address(path="/reports/enpi_quarter/plant/2025-Q1@1")


def test_the_page_has_every_word_and_number_of_the_report(content) -> None:
    page = report_twin_page(content, ADDRESS)
    seen = Seen(html_of(None, page))
    said: list[str] = []
    for section in content.sections:
        for block in section.blocks:
            if isinstance(block, Paragraph):
                said.append(block.text)
            elif isinstance(block, Tiles):
                said += [text for tile in block.tiles for text in (tile.label, tile.text)]
            elif isinstance(block, Table | Register):
                table = block if isinstance(block, Table) else register_table(block, content.figures)
                said += [cell.text for row in table.rows for cell in row.cells]
    assert len(said) > 50
    assert [text for text in said if " ".join(text.split()) not in seen.text] == []
    assert seen.faults() == []
    # The number of the register, the sign of a note: each cell with a figure opens its why.
    asked = {each["href"] for each in seen.of("a") if each.get("href", "").startswith("/why?")}
    cells = {
        cell.figure_id
        for table in content.tables()
        for row in table.rows
        for cell in row.cells
        if content.figure(cell.figure_id) is not None
    }
    assert cells
    assert {f"/why?figure={each}" for each in cells} <= asked


def test_each_chart_stands_there_with_its_rows_and_its_table(content) -> None:
    seen = Seen(html_of(None, report_twin_page(content, ADDRESS)))
    charts = list(content.charts())
    assert charts
    figures = {each.get("id", "") for each in seen.of("figure") if "data-chart" in each}
    assert figures == {f"chart-{chart.key}" for chart in charts}
    assert len([each for each in seen.of("script") if each.get("type") == "application/json"]) == len(charts)
    assert {f"table-{chart.key}-table" for chart in charts} <= {each.get("id", "") for each in seen.of("table")}


def test_what_is_read_has_no_code_and_no_iso_date(content) -> None:
    page = report_twin_page(content, ADDRESS)
    said = [page.title]
    for block in (block for part in page.parts if part.key != "part-register" for block in part.blocks):
        table = chart_table(block) if isinstance(block, Chart) else block
        if isinstance(table, Table):
            said += [str(cell.text) for row in table.rows for cell in row.cells]
        elif isinstance(table, Paragraph):
            said.append(table.text)
    assert len(said) > 300
    assert [text for text in said if RAW.search(text)] == []
    # The chart itself keeps its days: a period is asked for by them.
    [days, *_] = [
        block for part in page.parts for block in part.blocks if isinstance(block, Chart) and len(block.x) > 31
    ]
    assert (days.x[0], chart_table(days).rows[0].cells[0].text) == ("2025-01-01", "1 Jan 2025")
