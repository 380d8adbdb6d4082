"""Bad or missing input: a finding on page one or a refusal by name, never a broken page."""

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import openpyxl
import polars as pl
import pypdf
import pytest

from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import EmissionFactorEntry, Site
from data_quality.contracts.time import parse_period
from reports.content.template_report import template_report
from reports.content.templates import load_template
from reports.make_report import ReportRequest, make_report
from reports.render.render_pdf import render_pdf
from reports.render.render_xlsx import render_xlsx
from reports.report_content import ReportContent
from tests.reports import plant, year_world
from tests.reports.year_world import Year

APRIL = date(2025, 4, 1)
MakeYear = Callable[..., Year]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakeYear]:
    """Makes first quarters of one's own."""
    made: list[Year] = []

    def quarter(**options: object) -> Year:
        options.setdefault("rows", quarter_rows())
        made.append(year_world.make_year(tmp_path / str(len(made)), **options))
        return made[-1]

    yield quarter
    for each in made:
        year_world.close(each)


_ROWS: list[pl.DataFrame] = []


def quarter_rows() -> pl.DataFrame:
    """Complete readings of the first quarter, the same frame for every test."""
    if not _ROWS:
        _ROWS.append(year_world.year_rows(APRIL, lost=()))
    return _ROWS[0]


def front(content: ReportContent) -> str:
    """Words of page one; the workbook must open as well."""
    openpyxl.load_workbook(io.BytesIO(render_xlsx(content)))
    texts = [text_inside(page) for page in pypdf.PdfReader(io.BytesIO(render_pdf(content))).pages]
    return " ".join(texts[0].split())


def text_inside(page: pypdf.PageObject) -> str:
    """A page's text, none of which begins outside the paper."""
    places: list[tuple[float, float]] = []

    def keep(text: str, _cm: object, matrix: list[float], _font: object, _size: object) -> None:
        if text.strip():
            places.append((matrix[4], matrix[5]))

    text = page.extract_text(visitor_text=keep)
    assert places
    assert all(0 <= x <= 595 and 0 <= y <= 842 for x, y in places)
    return text


def test_a_use_without_baseline_is_a_draft_that_says_so(make: MakeYear) -> None:
    year = make()
    given = year.given("2025-Q1", seu="hvac")
    content = template_report(load_template("seu_savings"), replace(given, versions={}), revision=1)
    assert content.status == "draft"
    text = front(content)
    assert "DRAFT, not for publication: no baseline." in text
    assert "has no baseline for this period and is not assessed" in text


def test_a_factor_missing_for_a_month_leaves_the_total_unknown_and_is_named(make: MakeYear) -> None:
    def entry(name: str, first: date, after: date) -> EmissionFactorEntry:
        return EmissionFactorEntry(factor_id=name, kgco2e_per_kwh=0.3, valid_from=first, valid_to=after, source="test")

    gap = (entry("early", date(2025, 1, 1), date(2025, 2, 1)), entry("late", date(2025, 3, 1), date(2026, 1, 1)))
    factors = (*gap, *(each for each in year_world.year_site().factors if each.carrier == "natural_gas"))
    content = make(site=year_world.year_site(factors=factors)).report("ghg_inventory", "2025-Q1")
    by_path = {figure.path: figure.value for figure in content.figures}
    assert by_path["footprint/site:plant/2025-Q1/scope2_location_kgco2e"] is None
    assert by_path["footprint/site:plant/2025-02/scope2_location_kgco2e"] is None
    assert by_path["footprint/site:plant/2025-03/scope2_location_kgco2e"]
    assert content.status == "draft"
    assert "No factor for electricity from 2025-02-01 to 2025-03-01: its emissions are unknown, not zero." in front(
        content
    )


def test_a_bill_in_another_currency_is_in_no_sum(make: MakeYear) -> None:
    year = make()
    year_world.add_bill(year, "2025-02")
    year_world.add_bill(year, "2025-03", currency="USD", invoice="US-1")
    content = year.report("bill_reconciliation", "2025-Q1")
    by_path = {figure.path: figure for figure in content.figures}
    euros = by_path["bills/site:plant/2025-Q1/billed"]
    assert euros.unit == "EUR"
    assert [by_path[path].unit for path in by_path if path.endswith("2025-03/billed")] == ["USD"]
    assert len(euros.trace.inputs) == 1
    assert "Bill US-1 is in USD, the site in EUR" in front(content)


def test_a_period_without_bills_is_a_draft_that_says_so(make: MakeYear) -> None:
    content = make().report("bill_reconciliation", "2025-02")
    assert content.status == "draft"
    assert "No bill of the site that ends in 2025-02 is stored." in front(content)


@pytest.mark.parametrize(
    "name",
    [
        "Werk " * 40,
        "W" * 200,
        "مصنع الطاقة الرئيسي",
        "מפעל ראשי (צפון) 2025",
        "=cmd|' /C calc'!A0",
        "Łódź Δ ≥ 3 ₂ 工場",
    ],
    ids=["200 letters", "one long word", "arabic", "hebrew", "formula", "signs"],
)
def test_any_name_of_a_site_fits_its_pages(make: MakeYear, name: str) -> None:
    content = make(site=year_world.year_site(name=name)).report("executive_summary", "2025-Q1")
    text = front(content)
    assert "Site electricity" in text
    assert "Page 1 of" in text
    book = openpyxl.load_workbook(io.BytesIO(render_xlsx(content)))
    assert book["Summary"]["A2"].data_type == "s"


def test_zero_and_negative_figures_are_numbers_like_others(make: MakeYear) -> None:
    # Prices below zero all year, and a use that took nothing at all.
    site = year_world.year_site()
    tariff = site.tariffs[0]
    cheap = [period.model_copy(update={"price_per_kwh": Decimal("-0.01")}) for period in tariff.periods]
    rows = quarter_rows().with_columns(value=pl.when(pl.col("meter_id") == "hvac").then(0.0).otherwise("value"))
    changed = year_world.year_site(tariffs=(tariff.model_copy(update={"periods": tuple(cheap)}),))
    year = make(site=changed, rows=rows)
    summary = year.report("executive_summary", "2025-Q1")
    cost = next(figure for figure in summary.figures if figure.path == "site/site:plant/2025-Q1/cost")
    assert cost.value is not None
    assert cost.value < 0
    assert "Some prices are below zero" in front(summary)
    project = year.report("seu_savings", "2025-Q1", seu="hvac")
    by_kpi = {
        figure.kpi: figure.value for figure in project.figures if figure.path.startswith("enpi/seu:hvac/2025-Q1/")
    }
    assert by_kpi["actual_kwh"] == 0
    assert by_kpi["savings_kwh"] == by_kpi["expected_kwh"]
    assert "implausibly large saving" in front(project)


def test_readings_with_gaps_are_said_on_page_one(make: MakeYear) -> None:
    lost = tuple(("main", date(2025, 2, day)) for day in range(5, 15))
    content = make(rows=year_world.year_rows(APRIL, lost=lost)).report("data_quality", "2025-Q1")
    by_path = {figure.path: figure.value for figure in content.figures}
    assert by_path["quality/site:plant/2025-Q1/missing_readings"] == 960
    text = front(content)
    assert "Of some months less than 90 % of the site's electricity was read" in text
    assert "missing quarter hours 960, quarter hours 8636" in text


def test_a_quarter_without_any_reading_has_dashes_and_says_why(make: MakeYear) -> None:
    year = make()
    for name in ("executive_summary", "data_quality", "ghg_inventory"):
        content = year.report(name, "2025-Q2")
        text = front(content)
        assert "–" in text
        assert "No electricity of the site was read in 2025-Q2" in text, name
        assert "no_readings" in {each.code for each in content.findings if each.is_blocking}, name


def make_one(year: Year, name: str, period: str, tmp_path: Path, **options: object) -> object:
    """The report through the door that the command line uses."""
    subject = {"seu_id": options.pop("seu_id", None)}
    return make_report(
        name,
        year.site,
        parse_period(period, plant.ZONE),
        ReportRequest(
            sources=year.sources(),
            reports=year.world.reports,
            clock=year.world.clock,
            out_dir=tmp_path / "out",
            **options,
        ),
        **subject,
    )


@pytest.mark.parametrize(
    ("name", "period", "options", "words"),
    [
        ("enpi_year", "2025-Q1", {}, "covers a calendar year, not '2025-Q1'"),
        ("ghg_inventory", "2025-01-05/2025-02-05", {}, "covers a calendar year or quarter or month"),
        ("ghg_inventory", "2025-02-01/2025-05-01", {}, "covers a calendar year or quarter or month"),
        ("seu_savings", "2025-Q1", {}, "is about one energy use; the site has compressors, hvac, moulding"),
        ("seu_savings", "2025-Q1", {"seu_id": "boiler"}, "has no SEU 'boiler'"),
        ("data_quality", "2025-Q1", {"seu_id": "hvac"}, "is about a site, not about one use"),
        ("data_quality", "2025-Q1", {"formats": ("docx",)}, "unknown format 'docx'"),
        ("nothing", "2025-Q1", {}, "unknown report 'nothing'; there are anomalies, bill_reconciliation"),
    ],
)
def test_what_no_report_can_be_made_of_is_refused(
    make: MakeYear, tmp_path: Path, name: str, period: str, options: dict[str, object], words: str
) -> None:
    with pytest.raises(BadInput) as fault:
        make_one(make(), name, period, tmp_path, **options)
    assert words in str(fault.value)


def test_a_template_of_units_that_do_not_mix_is_refused(make: MakeYear, tmp_path: Path) -> None:
    folder = tmp_path / "reports" / "templates"
    folder.mkdir(parents=True)
    text = """template: mixed
version: 1
titles: Mixed
descriptions: Mixed
periods: [quarter]
sections:
  - key: one
    titles: One
    blocks:
      - table:
          key: rows
          titles: Rows
          rows:
            - {labels: Both, combine: sum, of: [site.consumption_kwh, site.cost]}
"""
    (folder / "mixed.yaml").write_text(text)
    with pytest.raises(BadInput, match="mixes the units EUR, kwh"):
        make_one(make(), "mixed", "2025-Q1", tmp_path, templates_dir=folder.parent)
    (folder / "mixed.yaml").write_text(
        text.replace("combine: sum, of: [site.consumption_kwh, site.cost]", "value: site.cost, unit: GJ")
    )
    with pytest.raises(BadInput, match="is in EUR and cannot be shown in GJ"):
        make_one(make(), "mixed", "2025-Q1", tmp_path, templates_dir=folder.parent)


def test_two_factors_of_one_day_make_no_inventory(make: MakeYear) -> None:
    site: Site = year_world.year_site()
    year = make(site=site)
    twice = EmissionFactorEntry(
        factor_id="second", kgco2e_per_kwh=0.4, valid_from=date(2025, 2, 1), valid_to=date(2025, 3, 1), source="test"
    )
    year.site = site.model_copy(update={"factors": (*site.factors, twice)})
    with pytest.raises(BadInput, match="both hold on 2025-02-01"):
        year.report("ghg_inventory", "2025-Q1")


def test_a_period_without_readings_is_refused_at_every_door_with_what_there_is(make: MakeYear, tmp_path: Path) -> None:
    meters = [meter.meter_id for meter in year_world.year_site().meters]
    lost = tuple((name, date(2025, 2, day)) for name in meters for day in range(1, 29))
    year = make(rows=year_world.year_rows(APRIL, lost=lost))
    said = r"site 'plant' has no readings of that period; they run from 20\d\d-\d\d-\d\d to 2025-\d\d-\d\d \(Europe"
    for period in ("2025-02", "2025-Q4"):
        with pytest.raises(BadInput, match=said) as caught:
            make_one(year, "executive_summary", period, tmp_path)
        assert ("with a gap in this period" in str(caught.value)) == (period != "2025-Q4")
    assert year.world.reports.revisions("plant") == []
    # That a month between others was not read is what this one says.
    make_one(year, "data_quality", "2025-02", tmp_path)
    with pytest.raises(BadInput, match=said):
        make_one(year, "data_quality", "2025-Q4", tmp_path)
