"""Packs of an organisation: share × site over each span, to the gram, and every datum again from its trace."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from assets.sites.view import site_readings
from data_quality.contracts.errors import BadInput
from data_quality.contracts.organisation import Organisation
from data_quality.contracts.time import local_midnight_utc, parse_period
from reports.content.template_report import template_report
from reports.content.templates import load_template, packs_of
from reports.make_group_report import group_report, group_report_input, make_group_report
from reports.make_report import RENDERERS, ReportRequest
from reports.recompute.figure import prefetch, recompute
from reports.report_content import ReportContent
from tests.reports import plant, year_world
from tests.reports.test_tagged_pdf import assert_is_tagged
from tests.reports.year_world import Year

BOUGHT, SOLD = date(2025, 4, 16), date(2025, 10, 11)
FIELDS = {
    "organisation": "group", "name": "Gruppe", "currency": "EUR", "approaches": [{"approach": "equity_share"}],
    "entities": [
        {"entity": "works", "name": "Works", "owners": [
            {"owner": "group", "share_percent": "60", "valid_to": BOUGHT},
            {"owner": "group", "share_percent": "100", "valid_from": BOUGHT},
        ]},
    ],
    "sites": [{"site": "plant", "entity": "works", "valid_to": SOLD}],
}  # fmt: skip
GROUP = Organisation.model_validate(FIELDS)


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    made = year_world.make_year(tmp_path_factory.mktemp("group"))
    yield made
    year_world.close(made)


def content_of(year: Year, organisation: Organisation, name: str = "gri_2016") -> ReportContent:
    template, period = load_template(name), parse_period("2025", plant.ZONE)
    known_at = year.world.reports.store.known_at(year.world.clock)
    given, members = group_report_input(template, organisation, period, sources=year.sources(), known_at_utc=known_at)
    return group_report(template, given, members)


@pytest.fixture(scope="module")
def content(year: Year) -> ReportContent:
    return content_of(year, GROUP)


def read_kwh(year: Year, meter: str, start: date, end: date) -> Decimal:
    """Quanta of a meter's readings over local days, summed apart from all of the inventory."""
    span = {"start_utc": local_midnight_utc(start, plant.ZONE), "end_utc": local_midnight_utc(end, plant.ZONE)}
    rows = site_readings(year.world.lake, year.site, **span, as_of_utc=None)
    own = rows.filter((pl.col("meter_id") == meter) & (pl.col("unit") == "kwh"))
    return sum((Decimal(repr(value)).quantize(Decimal("1e-9")) for value in own["value"]), Decimal(0))


@pytest.mark.parametrize(("carrier", "meter"), [("electricity", "main"), ("natural_gas", "gas")])
def test_a_group_is_share_times_site_over_each_span(
    year: Year, content: ReportContent, carrier: str, meter: str
) -> None:
    spans = [(date(2025, 1, 1), BOUGHT, Decimal("0.6")), (BOUGHT, SOLD, Decimal(1))]
    wanted = sum(share * read_kwh(year, meter, start, end) for start, end, share in spans)
    found = [each for each in content.figures if each.kpi == "energy_kwh" and each.scope == f"carrier:{carrier}"]
    (total,) = [each for each in found if each.path == f"footprint/carrier:{carrier}/2025/energy_kwh"]
    assert total.value == wanted


def test_every_datum_of_a_group_comes_again_from_its_trace(year: Year, content: ReportContent) -> None:
    by_id = {figure.figure_id: figure for figure in content.figures}
    data = [each for each in content.data if each.source == "figure"]
    assert len(data) >= 8
    sources, kept = year.sources(), dict[str, Decimal | None]()
    prefetch((by_id[each.figure_id] for each in data), sources=sources, lookup=by_id.get)
    for each in data:
        figure = by_id[each.figure_id]
        assert recompute(figure, sources=sources, lookup=by_id.get, kept=kept) == figure.value, each.id
    share = next(figure for figure in content.figures if figure.kpi == "group_share")
    forged = share.model_copy(
        update={"trace": share.trace.model_copy(update={"parameters": {"share": "0.7", "rate": "1"}})}
    )
    assert recompute(forged, sources=sources, lookup=by_id.get) == Decimal("0.7") != share.value


def test_a_group_of_one_whole_site_says_what_the_site_says(year: Year) -> None:
    whole = Organisation.model_validate(
        FIELDS | {"entities": [{"entity": "works", "name": "W"}], "sites": [{"site": "plant", "entity": "works"}]}
    )
    group = {(each.id, each.label): each for each in content_of(year, whole).data}
    alone = template_report(load_template("gri_2016"), year.given("2025"))
    same = [each for each in alone.data if each.source == "figure" and group[each.id, each.label].source == "figure"]
    assert len(same) >= 8
    for each in same:
        assert (group[each.id, each.label].value, each.unit) == (each.value, group[each.id, each.label].unit), each.id


def test_the_sites_of_a_group_stand_on_paper_with_days_shares_and_stakes(content: ReportContent) -> None:
    assert_is_tagged(content)
    (table,) = [each for each in content.tables() if each.key == "members"]
    rows = [[cell.text for cell in row.cells] for row in table.rows]
    assert [(row[0], row[1], row[3], row[4]) for row in rows] == [
        ("plant", "works", "60.0 %", "0.6"), ("plant", "works", "100.0 %", "1"),
    ]  # fmt: skip
    by_id = {figure.figure_id: figure.value for figure in content.figures}
    assert [by_id[row.cells[3].figure_id] for row in table.rows] == [Decimal("0.6"), Decimal(1)]


def test_words_of_a_group_are_of_the_days_that_a_site_counts(year: Year) -> None:
    sold = FIELDS | {"sites": [{"site": "plant", "entity": "works", "valid_to": "2025-06-01"}]}
    said = "; ".join(str(each.value) for each in content_of(year, Organisation.model_validate(sold)).data)
    # The gas factor of July is no factor of what was sold in May.
    assert "gas-1" in said
    assert "gas-2" not in said


def test_what_is_of_single_sites_is_a_gap_of_the_group_and_no_sum(content: ReportContent) -> None:
    saved = next(each for each in content.data if each.id == "302-4-a")
    assert saved.source == "missing"
    areas = [each for each in content.figures if each.kpi == "floor_area_m2" and each.trace.computation == "sum"]
    days = (BOUGHT - date(2025, 1, 1)).days, (SOLD - BOUGHT).days
    wanted = Decimal(4200) * (Decimal("0.6") * days[0] + days[1]) / 365
    assert [round(each.value or 0, 6) for each in areas] == [round(wanted, 6)]


def test_a_report_of_one_site_and_a_year_without_sites_are_refused(year: Year, tmp_path: Path) -> None:
    shared = {"sources": year.sources(), "reports": year.world.reports, "clock": year.world.clock, "out_dir": tmp_path}
    with pytest.raises(BadInput, match="report 'bill_reconciliation' is of one site"):
        make_group_report("bill_reconciliation", GROUP, parse_period("2025", plant.ZONE), ReportRequest(**shared))
    late = Organisation.model_validate(
        FIELDS | {"sites": [{"site": "plant", "entity": "works", "valid_from": "2026-01-01"}]}
    )
    with pytest.raises(BadInput, match="'group' has no site in 2025"):
        make_group_report("gri_2016", late, parse_period("2025", plant.ZONE), ReportRequest(**shared))


@pytest.mark.parametrize("name", sorted(packs_of()))
def test_every_pack_is_stored_and_rendered_for_a_group(year: Year, tmp_path: Path, name: str) -> None:
    pack = load_template(name)
    assert pack.framework is not None
    shared = {"sources": year.sources(), "reports": year.world.reports, "clock": year.world.clock, "out_dir": tmp_path}
    if not pack.framework.holds(date(2025, 1, 1), is_early=True):
        # An edition that ended before the year is refused for it; its content is rendered all the same.
        with pytest.raises(BadInput, match="not for 2025"):
            make_group_report(name, GROUP, parse_period("2025", plant.ZONE), ReportRequest(**shared))
        content = content_of(year, GROUP, name)
        assert all(render(content) for render in RENDERERS.values())
        return
    made = make_group_report(
        name, GROUP, parse_period("2025", plant.ZONE), ReportRequest(edition=pack.framework.edition, **shared)
    )
    assert {path.suffix for path in made.files.values()} == {".pdf", ".xlsx", ".json"}
    assert (made.content.site_id, made.content.site_name, made.is_new) == ("group", "Gruppe", True)
    assert made.content.versions["organisation"].startswith("group@")
