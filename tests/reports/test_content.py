"""Content of the report: every number a figure, totals of stored parts, findings before figures."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from data_quality.contracts.baselines.baseline import BaselineVersion
from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import parse_period
from reports.content.register import register_table
from reports.datasets.base import ReportInput
from reports.datasets.enpi import EnpiData
from reports.figure_book import FigureBook
from reports.gates import publishable, refuse_future
from reports.report_content import Column, Paragraph, Register, ReportContent, Row, Table, Tiles
from reports.writer import plain
from tests.reports import plant
from tests.reports.conftest import MakeWorld, World
from tests.reports.quarter import enpi_quarter


def at(content: ReportContent, path: str) -> Decimal | None:
    return next(figure.value for figure in content.figures if figure.path == path)


def known(content: ReportContent, path: str) -> Decimal:
    value = at(content, path)
    assert value is not None, path
    return value


def codes(content: ReportContent) -> set[str]:
    return {finding.code for finding in content.findings}


def test_every_number_in_a_table_is_a_figure(content: ReportContent) -> None:
    ids = {figure.figure_id for figure in content.figures}
    for table in content.tables():
        for row in table.rows:
            for column, cell in zip(table.columns, row.cells, strict=True):
                if column.is_number and cell.text != "–":
                    assert cell.figure_id in ids, (table.key, column.title, cell.text)


def test_every_figure_id_is_unique_and_in_the_register(content: ReportContent) -> None:
    ids = [figure.figure_id for figure in content.figures]
    register = next(each for each in content.sections[-1].blocks if isinstance(each, Register))
    assert len(set(ids)) == len(ids)
    assert [row.cells[1].text for row in register_table(register, content.figures).rows] == ids


def test_the_quarter_is_the_exact_sum_of_its_months(content: ReportContent) -> None:
    months = ("2025-01", "2025-02", "2025-03")
    for place in ("seu/compressors", "seu/hvac", "seu/moulding", "total/electricity"):
        for kpi in ("actual_kwh", "expected_kwh"):
            assert known(content, f"{place}/{kpi}") == sum(known(content, f"{place}/{m}/{kpi}") for m in months)
    assert known(content, "site/consumption_kwh") == sum(known(content, f"site/{m}/consumption_kwh") for m in months)
    assert known(content, "site/peak_15min_kw") == max(known(content, f"site/{m}/peak_15min_kw") for m in months)


def test_both_signs_of_the_difference_are_there(content: ReportContent) -> None:
    delta, savings = known(content, "seu/moulding/delta_kwh"), known(content, "seu/moulding/savings_kwh")
    assert delta == -savings
    assert delta < 0


def test_the_plants_true_performance_is_found(content: ReportContent) -> None:
    for seu_id, (*_, share) in plant.USES.items():
        assert float(known(content, f"seu/{seu_id}/enpi")) == pytest.approx(share, abs=0.01)
    status = {figure.path: figure.status for figure in content.figures}
    assert status["seu/moulding/deviation_percent"] == "compliant"
    assert status["seu/hvac/deviation_percent"] == "warning"
    assert "status_warning" in codes(content)


def test_a_complete_quarter_with_approved_baselines_may_be_published(content: ReportContent) -> None:
    assert content.status == "final"
    assert publishable(content) == []


def test_an_unstored_report_may_not_be_published(good: World) -> None:
    assert [finding.code for finding in publishable(good.build(0))] == ["not_stored"]


def test_a_provisional_baseline_makes_a_draft_that_says_so_first(world: MakeWorld) -> None:
    content = world(approved=("compressors", "moulding")).build(1)
    first = content.sections[0].blocks[0]
    assert isinstance(first, Paragraph)
    assert first.text == "DRAFT, not for publication: baseline is provisional."
    assert content.status == "draft"
    assert [finding.code for finding in publishable(content)] == ["provisional"]
    figure = next(each for each in content.figures if each.path == "seu/hvac/deviation_percent")
    assert (figure.value is not None, figure.status) == (True, "not_assessable")


def test_a_use_without_a_baseline_has_dashes_and_no_zero(world: MakeWorld) -> None:
    content = world(without_baseline=("hvac",)).build(1)
    assert at(content, "seu/hvac/actual_kwh") is None
    assert at(content, "seu/hvac/delta_kwh") is None
    assert known(content, "seu/hvac/metered_kwh") > 0
    assert "no_baseline" in codes(content)
    assert known(content, "total/electricity/actual_kwh") == known(content, "seu/compressors/actual_kwh") + known(
        content, "seu/moulding/actual_kwh"
    )


def test_synthetic_readings_mark_every_figure_and_bar_publication(world: MakeWorld) -> None:
    rows = plant.plant_rows(date(2025, 1, 1), date(2025, 4, 1), is_synthetic=True)
    content = world(rows=rows).build(1)
    assert content.is_synthetic
    assert all(figure.is_synthetic for figure in content.figures)
    assert "synthetic_data" in {finding.code for finding in publishable(content)}
    # The gate reads the figures too: a content that lost its own mark is stopped all the same.
    hidden = content.model_copy(update={"is_synthetic": False, "findings": ()})
    assert [finding.code for finding in publishable(hidden)] == ["synthetic_data"]


def test_lost_days_are_named_and_not_compared(world: MakeWorld) -> None:
    lost = (("hvac", date(2025, 2, 11)), ("hvac", date(2025, 2, 12)), ("pieces", date(2025, 3, 4)))
    content = world(rows=plant.plant_rows(date(2025, 1, 1), date(2025, 4, 1), skip=lost), rejected=12).build(1)
    table = next(table for table in content.tables() if table.key == "left_out")
    texts = {row.cells[0].text: row.cells[1].text for row in table.rows}
    assert texts["Heating and cooling"] == "11–\u206012\xa0February\xa02025 (readings missing)"
    assert texts["Compressed air"] == "4 March 2025 (driver unknown)"
    assert known(content, "seu/hvac/compared_days") == 88
    assert known(content, "quality/rejected_rows") == 12
    assert "rejected_rows" in codes(content)


def test_a_period_can_be_reported_from_the_instant_after_it_began() -> None:
    period = parse_period("2025-Q1", plant.ZONE)
    with pytest.raises(BadInput, match="2025-Q1 is of the future: the period begins on 2025-01-01"):
        refuse_future(period, period.start_utc, name="it")
    refuse_future(period, period.start_utc + timedelta(microseconds=1), name="it")


def test_an_unfinished_period_is_a_draft(world: MakeWorld) -> None:
    used = world(rows=plant.plant_rows(date(2025, 1, 1), date(2025, 2, 1)))
    period = parse_period("2025", plant.ZONE)
    content = enpi_quarter(used.inputs_with(period=period), revision=1)
    assert {"period_not_over", "coverage"} <= codes(content)
    front = [
        cell.text
        for block in content.sections[0].blocks
        if isinstance(block, Table)
        for row in block.rows
        for cell in row.cells
    ]
    assert any(
        text.startswith("The period is incomplete: it runs to 2025-12-31, this report knows it up to") for text in front
    )
    assert at(content, "seu/moulding/2025-12/actual_kwh") is None
    assert at(content, "seu/moulding/actual_kwh") is None
    assert at(content, "site/2025-12/consumption_kwh") is None


def test_a_missing_price_and_factor_is_said(world: MakeWorld) -> None:
    content = world(site=plant.plant_site(tariffs=(), factors=())).build(1)
    assert {"price_gap", "factor_gap"} <= codes(content)
    assert at(content, "site/cost") is None
    tiles = next(block for block in content.sections[0].blocks if isinstance(block, Tiles))
    assert [tile.text for tile in tiles.tiles if tile.label == "Energy cost"] == ["–"]


def test_uses_that_share_a_meter_have_no_total(world: MakeWorld) -> None:
    site = plant.plant_site()
    hvac = next(seu for seu in site.seus if seu.seu_id == "hvac")
    both = tuple(
        seu if seu.seu_id != "hvac" else hvac.model_copy(update={"meters": ("hvac", "moulding")}) for seu in site.seus
    )
    used = world(site=site.model_copy(update={"seus": both}))
    content = used.build(1)
    assert "overlapping_uses" in codes(content)
    assert not [figure for figure in content.figures if figure.path.startswith("total/")]
    marked = tuple(seu.model_copy(update={"is_aggregate": seu.seu_id == "hvac"}) for seu in both)
    again = used.inputs_with(site.model_copy(update={"seus": marked}))
    content = enpi_quarter(again)
    assert "overlapping_uses" not in codes(content)
    assert known(content, "total/electricity/actual_kwh") == known(content, "seu/compressors/actual_kwh") + known(
        content, "seu/moulding/actual_kwh"
    )


def test_a_site_without_uses_says_so(world: MakeWorld) -> None:
    content = world(site=plant.plant_site(seus=()), without_baseline=tuple(plant.USES)).build(1)
    assert "no_seu" in codes(content)
    assert known(content, "site/consumption_kwh") > 0


def test_a_period_that_cuts_a_month_is_refused(good: World) -> None:
    given = good.inputs_with(period=parse_period("2025-01-10/2025-03-01", plant.ZONE))
    with pytest.raises(BadInput, match="cuts a month"):
        enpi_quarter(given)


@pytest.mark.parametrize(("is_approved", "severity"), [(True, "warning"), (False, "blocking")])
def test_a_blocking_finding_stands_until_it_is_waived(good: World, is_approved: bool, severity: str) -> None:
    blocking = Finding(code="too_few_days", message="212 of 365 days.", severity="blocking")
    version = good.given.versions["hvac"]
    changed = version.model_copy(
        update={
            "baseline": plant.plant_baseline("hvac", (blocking,)),
            "approved_by": version.approved_by if is_approved else None,
        }
    )
    given = good.inputs_with(versions={**good.given.versions, "hvac": changed})
    found = next(finding for finding in enpi_quarter(given).findings if finding.code == "too_few_days")
    assert (found.severity, "Waived" in found.message) == (severity, is_approved)


def test_a_place_in_the_report_is_taken_once(good: World) -> None:
    book = FigureBook(report_id="r", revision=1, as_of_utc=plant.NOON, is_synthetic=False)
    options = {"label": "", "kpi": "", "scope": "", "start": date(2025, 1, 1), "end": date(2025, 2, 1), "unit": "kwh"}
    book.add("a", None, computation="batch_count", parameters={}, inputs=[], **options)
    with pytest.raises(OurFault, match="two figures at 'a'"):
        book.add("a", None, computation="batch_count", parameters={}, inputs=[], **options)


def test_a_table_row_must_fit_its_columns() -> None:
    with pytest.raises(ValueError, match="has 1 columns"):
        Table(key="t", title="", sheet="", columns=(Column(title="a"),), rows=(Row(cells=(plain("a"), plain("b"))),))


def test_two_versions_of_a_baseline_are_assessed_each_by_itself(good: World) -> None:
    sources, seu = good.sources(), good.site.seus[0]
    first = good.given.versions[seu.seu_id]
    terms = tuple(each.model_copy(update={"value": 1.1 * each.value}) for each in first.baseline.coefficients)
    baseline = first.baseline.model_copy(update={"coefficients": terms})
    second = first.model_copy(update={"version": 2, "baseline": baseline})

    def expected_kwh(version: BaselineVersion) -> float:
        given = ReportInput(
            site=good.site,
            period=plant.quarter(),
            as_of_utc=good.given.as_of_utc,
            sources=sources,
            versions={seu.seu_id: version},
        )
        return float(EnpiData(given).result(seu, plant.quarter()).expected_kwh)

    known = expected_kwh(first)
    assert known > 0
    assert expected_kwh(second) == pytest.approx(1.1 * known)
