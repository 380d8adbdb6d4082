"""Reports at the end of a month: every month its data quality, every third a summary, December the year."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from assets.stores.published.publications import PublicationStore
from data_quality.contracts.errors import OurFault
from data_quality.contracts.people import Person
from data_quality.contracts.time import parse_period
from reports.lifecycle.periodic import actor_of, make_reports_ending, reports_ending
from reports.make_report import ReportRequest
from tests.reports import plant, year_world
from tests.reports.test_template_bad_input import quarter_rows


@pytest.mark.parametrize(
    ("month", "wanted"),
    [
        ("2025-02", ["data_quality 2025-02"]),
        ("2025-03", ["data_quality 2025-03", "executive_summary 2025-Q1"]),
        (
            "2025-12",
            [
                "data_quality 2025-12",
                "executive_summary 2025-Q4",
                "executive_summary 2025",
                "ghg_inventory 2025",
                "enpi_year 2025",
            ],
        ),
    ],
)
def test_a_month_ends_its_own_reports_and_those_of_its_quarter_and_year(month: str, wanted: list[str]) -> None:
    site = year_world.year_site()
    found = reports_ending(site, parse_period(month, plant.ZONE))
    assert [f"{name} {period.label}" for name, period in found] == wanted
    with_bills = reports_ending(site, parse_period(month, plant.ZONE), has_bills=True)
    assert {name for name, _ in with_bills} - {name for name, _ in found} == {"bill_reconciliation"}
    with_events = reports_ending(site, parse_period(month, plant.ZONE), has_events=True)
    assert [each for each in with_events if each not in found] == [("anomalies", parse_period(month, plant.ZONE))]


def test_a_site_without_uses_has_no_annual_energy_report() -> None:
    site = year_world.year_site(seus=())
    found = reports_ending(site, parse_period("2025-12", plant.ZONE))
    assert "enpi_year" not in {name for name, _ in found}


def test_a_week_is_no_month() -> None:
    with pytest.raises(OurFault, match="is no calendar month"):
        reports_ending(year_world.year_site(), parse_period("2025-02-03/2025-02-10", plant.ZONE))


def test_a_monthly_run_makes_each_once(tmp_path: Path) -> None:
    year = year_world.make_year(tmp_path / "world", rows=quarter_rows())
    year_world.add_bill(year, "2025-03")
    for is_new in (True, False):
        made = make_reports_ending(
            year.site,
            parse_period("2025-03", plant.ZONE),
            ReportRequest(
                sources=year.sources(),
                reports=year.world.reports,
                clock=year.world.clock,
                out_dir=tmp_path / "out",
                formats=("json",),
                maker="schedule:month_reports_due",
            ),
        )
        assert [each.content.name for each in made] == ["data_quality", "bill_reconciliation", "executive_summary"]
        assert {each.is_new for each in made} == {is_new}
        kept = PublicationStore(year.world.lake.store)
        makers = {kept.maker(each.content.report_id, each.content.revision) for each in made}
        assert makers == {"schedule:month_reports_due"}
    year_world.close(year)


def test_what_a_schedule_makes_is_made_by_the_schedule_and_by_no_person() -> None:
    assert actor_of({"dagster/schedule_name": "enpi_reports_due"}) == "schedule:enpi_reports_due"
    assert actor_of({"dagster/sensor_name": "late_data"}) == "sensor:late_data"
    assert actor_of({}) == "run"
    for name in ("schedule:enpi_reports_due", "sensor:late_data"):
        with pytest.raises(ValidationError):
            Person(person_id=name, name="N", roles=())
