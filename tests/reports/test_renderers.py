"""Files: every figure is printed, numbers are numbers, bytes depend on the content alone."""

import io
import itertools
import json
import re
from datetime import date

import openpyxl
import pypdf
import pytest

from reports.render.render_json import figure_rows, render_json
from reports.render.render_pdf import WATERMARK, render_pdf, render_print
from reports.render.render_pdf_style import HATCHES, HEAT, SERIES, TINTS
from reports.render.render_xlsx import REGISTER, render_xlsx
from reports.render.render_xlsx_charts import DATA
from reports.report_content import ReportContent
from tests.reports import plant
from tests.reports.conftest import MakeWorld, World


@pytest.fixture(scope="module")
def pages(content: ReportContent) -> list[str]:
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(render_pdf(content))).pages]


def test_the_pdf_prints_every_cell_and_every_identifier(content: ReportContent, pages: list[str]) -> None:
    text = " ".join(" ".join(pages).split())
    for figure in content.figures:
        assert figure.figure_id in text
    for table in content.tables():
        for row in table.rows:
            for cell in row.cells:
                for word in cell.text.split():
                    assert word in text, (table.key, cell.text)


def test_every_page_says_what_it_is(content: ReportContent, pages: list[str]) -> None:
    for number, page in enumerate(pages, start=1):
        assert f"Page {number} of {len(pages)}" in page
        assert "Musterwerk Süd" in page
        assert "2025-Q1" in page
        assert "revision 1" in page
        assert WATERMARK not in page


def test_synthetic_data_are_marked_on_every_page(world: MakeWorld) -> None:
    rows = plant.plant_rows(date(2025, 1, 1), date(2025, 4, 1), is_synthetic=True)
    reader = pypdf.PdfReader(io.BytesIO(render_pdf(world(rows=rows, approved=()).build(1))))
    for page in reader.pages:
        assert page.extract_text().count(WATERMARK) >= 2
    assert "DRAFT, not for publication" in reader.pages[0].extract_text()


def test_findings_stand_on_page_one(content: ReportContent, pages: list[str]) -> None:
    assert "Heating and cooling used more energy than its baseline expects: status Watch." in " ".join(pages[0].split())


def test_nothing_leaves_the_page(content: ReportContent) -> None:
    reader = pypdf.PdfReader(io.BytesIO(render_pdf(content)))
    for page in reader.pages:
        places: list[tuple[float, float]] = []

        def keep(text: str, _cm: object, matrix: list[float], _font: object, _size: object) -> None:
            if text.strip():
                places.append((matrix[4], matrix[5]))  # noqa: B023 - used before the next page

        page.extract_text(visitor_text=keep)
        assert places
        assert all(0 <= x <= 595 and 0 <= y <= 842 for x, y in places)


def test_the_same_content_gives_the_same_bytes(good: World) -> None:
    for render in (render_pdf, render_xlsx, render_json):
        assert render(good.build(1)) == render(good.build(1)), render.__name__
        assert render(good.build(1)) != render(good.build(2)), render.__name__


def test_the_workbook_holds_every_figure_unrounded(content: ReportContent) -> None:
    book = openpyxl.load_workbook(io.BytesIO(render_xlsx(content)), data_only=True)
    assert book.sheetnames == ["Summary", "Site", "Months", "Data quality", "Method", REGISTER, DATA]
    stored = {row[0]: row[3] for row in book[REGISTER].iter_rows(min_row=3, values_only=True)}
    for figure in content.figures:
        # A workbook keeps 16 digits of a number.
        wanted = None if figure.value is None else pytest.approx(float(figure.value), rel=1e-15)
        assert stored[figure.figure_id] == wanted


def test_totals_are_live_formulas_that_give_their_value(content: ReportContent) -> None:
    book = openpyxl.load_workbook(io.BytesIO(render_xlsx(content)))
    rows = {row[1]: (index, row[3]) for index, row in enumerate(book[REGISTER].iter_rows(values_only=True), start=1)}
    formula = rows["seu/hvac/actual_kwh"][1]
    months = [rows[f"seu/hvac/2025-0{month}/actual_kwh"] for month in (1, 2, 3)]
    assert formula == "=SUM(" + ",".join(f"$D${index}" for index, _ in months) + ")"
    total = next(float(f.value) for f in content.figures if f.path == "seu/hvac/actual_kwh" and f.value is not None)
    assert sum(value for _, value in months) == pytest.approx(total, rel=1e-12)
    deviation = rows["seu/hvac/deviation_percent"][1]
    assert re.fullmatch(r"=100\*\(\$D\$\d+-\$D\$\d+\)/\$D\$\d+", deviation)
    shown = [cell.value for row in book["Months"].iter_rows() for cell in row if str(cell.value).startswith("=")]
    assert f"={REGISTER}!$D${rows['seu/hvac/actual_kwh'][0]}" in shown


def test_a_missing_figure_is_a_dash_and_an_empty_register_cell(world: MakeWorld) -> None:
    content = world(without_baseline=("hvac",)).build(1)
    book = openpyxl.load_workbook(io.BytesIO(render_xlsx(content)), data_only=True)
    stored = {row[1]: row[3] for row in book[REGISTER].iter_rows(min_row=3, values_only=True)}
    assert stored["seu/hvac/actual_kwh"] in {None, ""}
    assert "–" in {cell for row in book["Summary"].iter_rows(values_only=True) for cell in row}
    assert render_pdf(content).startswith(b"%PDF")


def test_a_site_name_is_text_and_never_a_formula(world: MakeWorld) -> None:
    evil = plant.plant_site(name='=HYPERLINK("x") & <b>Dům</b>')
    content = world(site=evil).build(1)
    book = openpyxl.load_workbook(io.BytesIO(render_xlsx(content)))
    assert book["Summary"]["A2"].data_type == "s"
    text = pypdf.PdfReader(io.BytesIO(render_pdf(content))).pages[0].extract_text()
    assert "<b>Dům</b>" in text


def test_german_numbers_in_a_german_report(world: MakeWorld) -> None:
    content = world(site=plant.plant_site("de")).build(1)
    text = pypdf.PdfReader(io.BytesIO(render_pdf(content))).pages[0].extract_text()
    assert re.search(r"\d\.\d{3}\b", text)
    assert re.search(r"0,9\d\d", text)


def test_json_holds_exact_text_beside_the_float(content: ReportContent) -> None:
    body = json.loads(render_json(content))
    for shown, figure in zip(body["figures"], content.figures, strict=True):
        assert shown["exact_value"] == (None if figure.value is None else str(figure.value))
        assert shown["value"] == (None if figure.value is None else float(figure.value))
    assert {"figure_id", "label", "value", "unit", "uncertainty", "status", "findings"} == set(figure_rows(content)[0])


def test_every_sheet_prints_as_wide_as_a_page_with_its_head_on_each_and_its_charts_are_native(
    content: ReportContent,
) -> None:
    book = openpyxl.load_workbook(io.BytesIO(render_xlsx(content)))
    for page in book:
        assert page.sheet_properties.pageSetUpPr.fitToPage, page.title
        assert page.print_title_rows, page.title
        assert page.freeze_panes, page.title
        assert page.title == DATA or page.print_area, page.title
    drawn = {page.title: len(page._charts) for page in book}
    wanted = [chart.sheet for chart in content.charts() if chart.shape != "heat"]
    assert drawn["Summary"] == wanted.count("Summary") > 0
    assert drawn["Months"] == wanted.count("Months") > 0
    # What an axis shows is a number of the chart's own sheet.
    first = next(chart for chart in content.charts() if chart.sheet)
    titles = {row[0].value: row[0].row for row in book[DATA].iter_rows(max_col=1)}
    row = titles[f"{first.title}, {first.unit}"] + 2
    assert book[DATA].cell(row, 2).value == pytest.approx(first.series[0].values[0])


def test_the_printed_form_leaves_out_the_register_and_nothing_else(content: ReportContent) -> None:
    texts = [
        " ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(render(content))).pages)
        for render in (render_pdf, render_print)
    ]
    figure = content.figures[0].figure_id
    assert [figure in text for text in texts] == [True, False]
    for chart in content.charts():
        assert all(chart.title in text for text in texts)


def test_a_chart_without_colour_tells_its_series_apart() -> None:
    roles = ("actual", "expected", "third", "fourth")
    looks = {(HATCHES[role], SERIES[role] if role == "actual" else TINTS[role]) for role in roles}
    assert len({hatch for hatch, _ in looks}) == len(roles)
    greys = [sum(int(shade[at : at + 2], 16) * part for at, part in ((1, 0.3), (3, 0.59), (5, 0.11))) for shade in HEAT]
    assert greys == sorted(greys, reverse=True)
    assert all(one - two > 12 for one, two in itertools.pairwise(greys))
