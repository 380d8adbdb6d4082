"""Every report of a template: each number recomputes from its trace, is printed, adds up, renders the same twice."""

import io
import random
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import openpyxl
import pypdf
import pytest

from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.time import span
from reports.content.register import register_table
from reports.datasets.base import ReportInput, shifted
from reports.figures.trace import stale_revisions, trace_figure
from reports.make_report import ReportRequest, make_report
from reports.recompute.computations import COMBINATIONS
from reports.recompute.figure import prefetch, recompute
from reports.recompute.figure_sources import Sources
from reports.render.render_json import render_json
from reports.render.render_pdf import reference, render_pdf
from reports.render.render_xlsx import FORMULAS, REGISTER, render_xlsx
from reports.report_content import Paragraph, Register, ReportContent, Tiles
from tests.reports import year_world
from tests.reports.test_findings_travel import assert_findings_are_told
from tests.reports.test_tagged_pdf import assert_is_tagged
from tests.reports.year_world import Year

REPORTS = (
    ("executive_summary", "2025", None),
    ("ghg_inventory", "2025", None),
    ("bill_reconciliation", "2025-Q1", None),
    ("data_quality", "2025-Q2", None),
    ("enpi_year", "2025", None),
    ("seu_savings", "2025-Q3", "hvac"),
    ("disclosure_energy", "2025", None),
    ("anomalies", "2025-06", None),
)
AUDITED = 50


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    made = year_world.make_year(tmp_path_factory.mktemp("year"))
    year_world.add_bill(made, "2025-02")
    year_world.add_bill(made, "2025-03", extra=Decimal("100.00"))
    year_world.publish(made, year_world.event(12), year_world.event(20, meter="main", kwh=-5.0, cost=-1.05))
    yield made
    year_world.close(made)


@pytest.fixture(scope="module")
def sources(year: Year) -> Sources:
    return year.sources()


@pytest.fixture(scope="module")
def contents(year: Year, sources: Sources) -> dict[str, ReportContent]:
    return {name: year.report(name, period, seu=seu, sources=sources) for name, period, seu in REPORTS}


def printed(content: ReportContent) -> list[str]:
    """Ids of every figure that a cell, a tile or a sentence shows."""
    found: dict[str, None] = {}
    for section in content.sections:
        for block in section.blocks:
            if isinstance(block, Tiles):
                found |= dict.fromkeys(tile.figure_id for tile in block.tiles)
            elif isinstance(block, Paragraph):
                found |= dict.fromkeys(block.figure_ids)
    for table in content.tables():
        found |= dict.fromkeys(cell.figure_id for row in table.rows for cell in row.cells if cell.figure_id)
    return list(found)


def test_fifty_random_cells_of_all_reports_recompute_from_their_traces(
    year: Year, contents: dict[str, ReportContent]
) -> None:
    cells = [(name, figure_id) for name, content in contents.items() for figure_id in printed(content)]
    chosen = random.Random(20250331).sample(cells, AUDITED)
    # One cell of each report at least, whatever the draw.
    chosen += [(name, printed(content)[0]) for name, content in contents.items()]
    fresh = year.sources()
    kept: dict[str, Decimal | None] = {}
    by_id = {figure.figure_id: figure for content in contents.values() for figure in content.figures}
    prefetch((by_id[figure_id] for _, figure_id in chosen), sources=fresh, lookup=by_id.get)
    for name, figure_id in chosen:
        again = recompute(by_id[figure_id], sources=fresh, lookup=by_id.get, kept=kept)
        assert again == by_id[figure_id].value, (name, by_id[figure_id].path)


@pytest.mark.parametrize("name", [name for name, *_ in REPORTS])
def test_findings_of_every_printed_figure_are_told_by_its_report(contents: dict[str, ReportContent], name: str) -> None:
    assert_findings_are_told(contents[name])


def test_the_audit_notices_a_changed_figure(year: Year, contents: dict[str, ReportContent]) -> None:
    figure = next(f for f in contents["ghg_inventory"].figures if f.trace.computation == "footprint_number" and f.value)
    assert figure.value is not None
    wrong = figure.model_copy(update={"value": figure.value + Decimal("0.000000001")})
    assert recompute(wrong, sources=year.sources(), lookup={}.get) != wrong.value


@pytest.mark.parametrize("name", [name for name, *_ in REPORTS])
def test_the_pdf_prints_every_word_of_every_cell(contents: dict[str, ReportContent], name: str) -> None:
    content = contents[name]
    pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(render_pdf(content))).pages]
    # A place in the register that is wider than its column is broken inside the word.
    text, solid = " ".join(" ".join(pages).split()), "".join("".join(pages).split())
    for figure in content.figures:
        assert figure.figure_id in solid, figure.path
    blocks = [block for section in content.sections for block in section.blocks]
    registers = [register_table(block, content.figures) for block in blocks if isinstance(block, Register)]
    for table in [*content.tables(), *registers]:
        for row in table.rows:
            for cell in row.cells:
                for word in cell.text.split():
                    assert word in text or word in solid, (table.key, cell.text)
    for section in content.sections:
        for block in section.blocks:
            if isinstance(block, Tiles):
                assert all(tile.text in text for tile in block.tiles)
    for number, page in enumerate(pages, start=1):
        assert f"Page {number} of {len(pages)}" in page
        assert reference(content).split("@")[0] in page
    assert "Findings" in pages[0]


@pytest.mark.parametrize("name", [name for name, *_ in REPORTS])
def test_the_pdf_is_tagged_and_reads_as_the_content_does(contents: dict[str, ReportContent], name: str) -> None:
    assert_is_tagged(contents[name])


def test_the_executive_summary_is_one_page(year: Year, contents: dict[str, ReportContent], sources: Sources) -> None:
    for content in (contents["executive_summary"], year.report("executive_summary", "2025-Q2", sources=sources)):
        assert len(pypdf.PdfReader(io.BytesIO(render_pdf(content))).pages) == 1


@pytest.mark.parametrize("name", [name for name, *_ in REPORTS])
def test_the_same_content_gives_the_same_bytes(contents: dict[str, ReportContent], name: str) -> None:
    for render in (render_pdf, render_xlsx, render_json):
        assert render(contents[name]) == render(contents[name]), render.__name__


@pytest.mark.parametrize("name", [name for name, *_ in REPORTS])
def test_live_formulas_of_the_workbook_give_the_stored_values(contents: dict[str, ReportContent], name: str) -> None:
    content = contents[name]
    data = render_xlsx(content)
    stored = {row[0]: row[3] for row in openpyxl.load_workbook(io.BytesIO(data), data_only=True)[REGISTER].values}
    live = openpyxl.load_workbook(io.BytesIO(data))
    texts = {row[0]: row[3] for row in live[REGISTER].values}
    rows = {index: row[0] for index, row in enumerate(live[REGISTER].values, start=1)}
    derived = [f for f in content.figures if f.value is not None and f.trace.computation in FORMULAS]
    assert derived
    for figure in derived:
        assert str(texts[figure.figure_id]).startswith("="), figure.path
        again = evaluated(str(texts[figure.figure_id]), rows, stored)
        assert again == pytest.approx(float(figure.value or 0), rel=1e-12, abs=1e-12), figure.path
        assert stored[figure.figure_id] == pytest.approx(float(figure.value or 0), rel=1e-15)
    shown = [cell.value for sheet in live for row in sheet.iter_rows() for cell in row if sheet.title != REGISTER]
    references = {str(value) for value in shown if str(value).startswith(f"={REGISTER}!")}
    homes = {f"={REGISTER}!$D${index}" for index, figure_id in rows.items() if figure_id in set(table_ids(content))}
    assert homes <= references


def table_ids(content: ReportContent) -> list[str]:
    """Figures with a value that stand in a table with a sheet."""
    known = {figure.figure_id for figure in content.figures if figure.value is not None}
    return [
        cell.figure_id
        for table in content.tables()
        if table.sheet
        for row in table.rows
        for cell in row.cells
        if cell.figure_id in known
    ]


def evaluated(formula: str, rows: dict[int, str], stored: dict[str, float]) -> float:
    """The few formulas that the workbook uses, over the register's stored numbers."""

    def cell(text: str) -> float:
        return float(stored[rows[int(text.rpartition("$")[2])]])

    if found := re.fullmatch(r"=(SUM|MAX)\((.*)\)", formula):
        values: list[float] = []
        for part in found[2].split(","):
            first, _, last = part.partition(":")
            low, high = (int(each.rpartition("$")[2]) for each in (first, last or first))
            values += [float(stored[rows[row]]) for row in range(low, high + 1)]
        return sum(values) if found[1] == "SUM" else max(values)
    names = [cell(each) for each in re.findall(r"\$D\$\d+", formula)]
    shape = re.sub(r"\$D\$\d+", "x", formula)
    return {
        "=x-x": lambda: names[0] - names[1],
        "=x/x": lambda: names[0] / names[1],
        "=100*(x-x)/x": lambda: 100 * (names[0] - names[1]) / names[2],
        "=100*x/x": lambda: 100 * names[0] / names[1],
        "=x*0.0036": lambda: names[0] * 0.0036,
        "=x*0.001": lambda: names[0] * 0.001,
    }[shape]()


def test_every_combination_has_its_formula() -> None:
    assert set(FORMULAS) == set(COMBINATIONS)


ADDITIVE = (
    ("enpi_year", "site/site:plant", ("consumption_kwh", "cost", "emission_kgco2e")),
    ("ghg_inventory", "footprint/site:plant", ("energy_kwh", "total_location_kgco2e", "total_market_kgco2e")),
)


@pytest.mark.parametrize(("name", "scope", "kpis"), ADDITIVE)
def test_months_add_up_to_quarters_and_quarters_to_the_year(
    contents: dict[str, ReportContent], name: str, scope: str, kpis: tuple[str, ...]
) -> None:
    by_path = {figure.path: figure.value for figure in contents[name].figures}
    for kpi in kpis:
        months = [by_path[f"{scope}/2025-{month:02d}/{kpi}"] for month in range(1, 13)]
        quarters = [by_path[f"{scope}/2025-Q{number}/{kpi}"] for number in range(1, 5)]
        whole = by_path[f"{scope}/2025/{kpi}"]
        assert None not in months
        for index, quarter in enumerate(quarters):
            assert quarter == sum((month or Decimal(0) for month in months[3 * index : 3 * index + 3]), Decimal(0))
        assert whole == sum((quarter or Decimal(0) for quarter in quarters), Decimal(0))


def test_the_inventory_weighs_a_change_of_factor_by_consumption(contents: dict[str, ReportContent]) -> None:
    by_path = {figure.path: figure for figure in contents["ghg_inventory"].figures}
    # 10 kWh of gas an hour: 4,343 h to July (one of March's hours does not exist) at 0.2, 4,417 h after it at 0.21.
    gas = 43430 * Decimal("0.2") + 44170 * Decimal("0.21")
    assert value_of(by_path["footprint/carrier:natural_gas/2025/scope1_kgco2e"]) == gas
    bought, emitted = (
        value_of(by_path[f"footprint/carrier:electricity/2025/{name}"])
        for name in ("energy_kwh", "scope2_location_kgco2e")
    )
    assert emitted == bought * Decimal("0.363")


def value_of(figure: Figure) -> Decimal:
    """The value of a figure that has one."""
    assert figure.value is not None
    return figure.value


def test_the_reconciliation_finds_what_was_billed_too_much(contents: dict[str, ReportContent]) -> None:
    content = contents["bill_reconciliation"]
    by_path = {figure.path: figure.value for figure in content.figures}
    assert by_path["bills/site:plant/2025-Q1/delta"] == Decimal("100.00")
    table = next(table for table in content.tables() if table.key == "bills")
    assert [row.cells[7].text for row in table.rows] == ["agrees", "differs", ""]
    assert [finding.code for finding in content.findings] == ["unbilled_months", "bill_differs"]


def test_estimated_readings_carry_their_footnote(contents: dict[str, ReportContent]) -> None:
    table = next(table for table in contents["enpi_year"].tables() if table.key == "site_months")
    # In May three days are lost: its sum, and the year's, are read with that.
    assert [row.cells[1].mark for row in table.rows] == ["", "", "e", "", "f", *[""] * 7, "ef"]
    assert table.note.endswith("e: rests in part on estimated readings. f: see findings: gap.")


def test_the_band_of_a_saving_is_its_uncertainty(contents: dict[str, ReportContent]) -> None:
    by_kpi = {f.kpi: f for f in contents["seu_savings"].figures if "/2025-Q3/" in f.path}
    low, high, saved = (value_of(by_kpi[name]) for name in ("band_low_kwh", "band_high_kwh", "savings_kwh"))
    assert saved - low == high - saved == value_of(by_kpi["uncertainty_kwh"])
    assert value_of(by_kpi["detectable_kwh"]) > 0


def test_a_stored_report_is_one_revision_until_something_changes(year: Year, tmp_path: Path) -> None:
    world = year.world

    def made() -> tuple[int, bool]:
        report = make_report(
            "ghg_inventory",
            year.site,
            year.given("2025-Q1").period,
            ReportRequest(
                sources=year.sources(), reports=world.reports, clock=world.clock, out_dir=tmp_path, formats=("json",)
            ),
        )
        return report.content.revision, report.is_new

    assert [made(), made()] == [(1, True), (1, False)]
    assert [path.name for path in tmp_path.iterdir()] == ["ghg_inventory_plant_2025-Q1_r1.json"]
    assert stale_revisions(world.reports, year.sources()) == {("ghg_inventory/plant/2025-Q1", 1): []}
    figure = next(f for f in world.reports.figures("ghg_inventory/plant/2025-Q1", 1) if f.value)
    assert trace_figure(figure.figure_id, reports=world.reports, sources=year.sources()).is_equal


def test_a_given_names_its_subject(year: Year) -> None:
    given: ReportInput = year.given("2025-Q1", seu="hvac")
    assert given.scope == "seu:hvac"
    assert set(given.versions) == {"hvac"}


@pytest.mark.parametrize(
    ("start", "end", "shift", "before"),
    [
        (date(2025, 2, 1), date(2025, 3, 1), "year_before", (date(2024, 2, 1), date(2024, 3, 1))),
        (date(2024, 2, 29), date(2024, 12, 1), "year_before", (date(2023, 2, 28), date(2023, 12, 1))),
        (date(2024, 2, 28), date(2024, 2, 29), "year_before", (date(2023, 2, 28), date(2023, 3, 1))),
        (date(2025, 3, 31), date(2025, 5, 31), "previous", (date(2024, 12, 31), date(2025, 3, 1))),
    ],
)
def test_a_shifted_span_has_days_also_where_the_other_month_is_shorter(
    start: date, end: date, shift: str, before: tuple[date, date]
) -> None:
    made = shifted(span(start, end, "Europe/Berlin"), shift)
    assert (made.start, made.end) == before
