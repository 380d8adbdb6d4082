"""Findings of a KPI stand beside it wherever it is printed: no page, sheet or command says less."""

import io
import json
from collections.abc import Iterator

import openpyxl
import polars as pl
import pypdf
import pytest

from data_quality.contracts.reporting.figure import Figure
from reports.content.caveats import REPORTED_AS, printed_ids
from reports.render.render_json import figure_rows, render_json
from reports.render.render_pdf import render_pdf
from reports.render.render_xlsx import REGISTER, render_xlsx
from reports.report_content import ReportContent, Tiles
from tests.reports import plant
from tests.reports.conftest import World, make_world
from tests.reports.quarter import enpi_quarter
from tests.reports.year_world import Year

COARSE = "coarse_source"
PEAKS = {"peak_15min_kw", "load_factor"}
NOTHING = "No findings affect these figures."


def assert_findings_are_told(content: ReportContent) -> None:
    """Every code on a printed figure is a finding of the report; the findings table is silent only where none is."""
    by_id = {figure.figure_id: figure for figure in content.figures}
    told = {finding.code for finding in content.findings}
    codes = {code for each in printed_ids(content.sections) for code in by_id[each].findings}
    assert {code for code in codes if not {code, REPORTED_AS.get(code, code)} & told} == set(), content.name
    cells = [cell.text for table in content.tables() for row in table.rows for cell in row.cells]
    assert not (codes and NOTHING in cells), content.name
    for figure in content.figures:
        given = [by_id[each.id] for each in figure.trace.inputs if each.kind == "figure"]
        assert {code for each in given for code in each.findings} <= set(figure.findings), figure.path


@pytest.fixture(scope="module")
def hourly(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The plant, its main meter read once an hour."""
    rows = plant.plant_rows(*(getattr(plant.quarter(), each) for each in ("start", "end"))).with_columns(
        source_minutes=pl.when(pl.col("meter_id") == "main").then(60).otherwise("source_minutes").cast(pl.Int32)
    )
    world = make_world(tmp_path_factory.mktemp("hourly"), rows=rows)
    yield world
    world.lake.store.close()


@pytest.fixture(scope="module")
def contents(hourly: World) -> dict[str, ReportContent]:
    year = Year(world=hourly, site=hourly.site)
    return {
        "executive_summary": year.report("executive_summary", "2025-Q1"),
        "enpi_quarter": enpi_quarter(hourly.given, revision=1),
    }


def peaks(content: ReportContent) -> list[Figure]:
    """Figures of the site in which its highest quarter hour stands."""
    return [figure for figure in content.figures if figure.kpi in PEAKS]


@pytest.mark.parametrize("name", ["executive_summary", "enpi_quarter"])
def test_the_peak_of_an_hourly_meter_is_printed_with_its_finding_in_every_form(
    contents: dict[str, ReportContent], name: str
) -> None:
    content = contents[name]
    assert_findings_are_told(content)
    assert peaks(content)
    assert all(COARSE in figure.findings for figure in peaks(content))
    assert not any(COARSE in f.findings for f in content.figures if f.kpi in {"consumption_kwh", "cost"})
    (tiles,) = [block for block in content.sections[0].blocks if isinstance(block, Tiles)]
    noted = {tile.figure_id for tile in tiles.tiles if "coarse source" in tile.note}
    assert noted == {tile.figure_id for tile in tiles.tiles} & {figure.figure_id for figure in peaks(content)}
    page = pypdf.PdfReader(io.BytesIO(render_pdf(content))).pages[0].extract_text()
    assert "coarse source" in page
    assert "reads less often than every 15 minutes" in " ".join(page.split())
    assert NOTHING not in page
    sheet = openpyxl.load_workbook(io.BytesIO(render_xlsx(content)))[REGISTER]
    head = [cell.value for cell in sheet[2]]
    rows = {row[0]: row[head.index("findings")] for row in sheet.iter_rows(min_row=3, values_only=True)}
    body = {each["figure_id"]: each["findings"] for each in json.loads(render_json(content))["figures"]}
    command = {each["figure_id"]: each["findings"] for each in figure_rows(content)}
    for figure in peaks(content):
        assert COARSE in str(rows[figure.figure_id])
        assert COARSE in body[figure.figure_id]
        assert COARSE in command[figure.figure_id]


def test_complete_quarter_hours_have_nothing_against_them(good: World) -> None:
    content = Year(world=good, site=good.site).report("executive_summary", "2025-Q1")
    assert not any(figure.findings for figure in content.figures if figure.value is not None)
    assert any(cell.text == NOTHING for table in content.tables() for row in table.rows for cell in row.cells)
