"""School holidays: declared in the site file, else of the subdivision, else none."""

from datetime import UTC, date, datetime

import pytest
from pydantic import ValidationError

from assets.sites.calendar import school_holidays
from data_quality.contracts.site_file.site import Site
from ml.features.civil import civil_of
from tests.sites.test_calendar import site

EASTER = {"first": date(2025, 4, 14), "last": date(2025, 4, 26), "name": "Easter"}


def test_a_german_state_has_those_of_its_authority() -> None:
    closed = school_holidays(site(subdivision="BW"), date(2025, 1, 1), date(2026, 1, 1))
    assert date(2025, 8, 6) in closed
    assert date(2025, 6, 30) not in closed
    # Bavaria goes on holiday later than most.
    assert date(2025, 9, 15) in school_holidays(site(subdivision="BY"), date(2025, 9, 1), date(2025, 9, 30))


def test_without_a_subdivision_or_a_calendar_nothing_is_guessed() -> None:
    year = date(2025, 1, 1), date(2026, 1, 1)
    assert school_holidays(site(subdivision=None), *year) == frozenset()
    assert school_holidays(site(country="GB", subdivision=None), *year) == frozenset()


def test_what_the_file_declares_stands_alone_in_its_year() -> None:
    declared = site(school_holidays=(EASTER,))
    closed = school_holidays(declared, date(2024, 1, 1), date(2026, 1, 1))
    assert {day for day in closed if day.year == 2025} == {date(2025, 4, day) for day in range(14, 27)}
    assert date(2024, 8, 1) in closed


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        (({"first": "2025-04-26", "last": "2025-04-14"},), "end .2025-04-14. before they begin"),
        (({"first": "2025-07-01", "last": "2026-09-10"},), "longer than 100 days"),
        ((EASTER, {"first": "2025-04-26", "last": "2025-04-30"}), "overlap: until 2025-04-26 and from 2025-04-26"),
    ],
)
def test_a_slip_is_refused_with_its_dates(spans: tuple[dict[str, object], ...], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        site(school_holidays=spans)


def test_a_file_without_them_is_written_as_before() -> None:
    assert "school_holidays" not in site().model_dump(mode="json")
    declared = site(school_holidays=(EASTER,))
    assert Site.model_validate_json(declared.model_dump_json()) == declared


def test_forecasts_know_them_by_local_date() -> None:
    civil = civil_of(site(school_holidays=(EASTER,)), datetime(2025, 4, 13, 20, tzinfo=UTC), 13 * 24)
    # Midnight of the 14th in Berlin is 22:00 of the 13th by UTC.
    assert civil.is_school_holiday[:3].tolist() == [0, 0, 1]
    assert civil.is_school_holiday.sum() == 13 * 24 - 2
