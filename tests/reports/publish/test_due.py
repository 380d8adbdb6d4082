"""Due reports: in local time, on days of 23 and 25 hours, after outages, never twice."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.open_project import OpenProject
from orchestration.views.due_reports import due_starts
from reports.lifecycle.due import MAX_BACK, due_day, due_periods, due_since_utc
from tests.e2e.conftest import call_here

ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Auckland", "UTC")
FIRST = datetime(2023, 1, 1, tzinfo=UTC)
LONG = (date(2010, 1, 1), date(2030, 1, 1))


def quarters(now: datetime, zone: str = "Europe/Berlin", made: tuple[date, ...] = (), months: int = 3) -> list[date]:
    return due_periods(now_utc=now, time_zone=zone, months=months, known=LONG, made=made)


@pytest.mark.parametrize(
    ("zone", "before", "after"),
    [
        # 5 April 2025, 06:00: summer time in Berlin and New York; Lord Howe goes back half an hour on the 6th.
        ("Europe/Berlin", "2025-04-05T03:59:59", "2025-04-05T04:00:00"),
        ("America/New_York", "2025-04-05T09:59:59", "2025-04-05T10:00:00"),
        ("Asia/Kolkata", "2025-04-05T00:29:59", "2025-04-05T00:30:00"),
        ("Australia/Lord_Howe", "2025-04-04T18:59:59", "2025-04-04T19:00:00"),
    ],
)
def test_a_quarter_is_due_from_six_oclock_of_its_fifth_local_day(zone: str, before: str, after: str) -> None:
    early, late = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (before, after))
    assert quarters(early, zone)[0] == date(2024, 10, 1)
    assert quarters(late, zone)[0] == date(2025, 1, 1)


def test_on_its_due_day_a_report_is_asked_for_even_where_there_is_one() -> None:
    made = tuple(quarters(datetime(2025, 4, 5, 12, tzinfo=UTC)))
    assert quarters(datetime(2025, 4, 5, 12, tzinfo=UTC), made=made) == [date(2025, 1, 1)]
    assert quarters(datetime(2025, 4, 6, 12, tzinfo=UTC), made=made) == []


def test_after_an_outage_every_missed_quarter_is_asked_for() -> None:
    made = (date(2024, 1, 1), date(2024, 4, 1))
    known = (date(2024, 1, 1), date(2025, 4, 20))
    found = due_periods(
        now_utc=datetime(2025, 4, 20, tzinfo=UTC), time_zone="Europe/Berlin", months=3, known=known, made=made
    )
    assert found == [date(2025, 1, 1), date(2024, 10, 1), date(2024, 7, 1)]


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (None, []),
        ((date(2025, 4, 1), date(2025, 4, 9)), []),
        ((date(2025, 3, 31), date(2025, 4, 9)), [date(2025, 1, 1)]),
        ((date(2024, 11, 1), date(2024, 12, 31)), [date(2024, 10, 1)]),
    ],
)
def test_a_quarter_without_readings_is_not_asked_for(known: tuple[date, date] | None, expected: list[date]) -> None:
    now = datetime(2025, 4, 20, tzinfo=UTC)
    assert due_periods(now_utc=now, time_zone="Europe/Berlin", months=3, known=known, made=()) == expected


def test_a_long_history_is_not_an_outage() -> None:
    assert len(quarters(datetime(2025, 4, 20, tzinfo=UTC))) == MAX_BACK


@settings(max_examples=60, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    hour=st.integers(0, 35_000),
    months=st.sampled_from([1, 3, 12]),
    gaps=st.lists(st.integers(1, 900), min_size=1, max_size=8),
)
def test_whatever_ticks_are_missed_every_period_is_asked_for_once_it_is_due_and_no_earlier(
    zone: str, hour: int, months: int, gaps: list[int]
) -> None:
    now = FIRST + timedelta(hours=hour)
    made = set(quarters(now, zone, months=months))
    wanted = {first for first in made if due_day(first, months) <= now.astimezone(ZoneInfo(zone)).date()}
    assert wanted == made
    for hours in gaps:
        now += timedelta(hours=hours)
        found = quarters(now, zone, tuple(made), months)
        local = now.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        for first in found:
            day = due_day(first, months)
            assert (local.date(), local.hour) >= (day, 6) or local.date() > day
            assert first not in made or local.date() == day
        made |= set(found)
        # Nothing that is due is left over, however long the pause was (within two years of quarters).
        again = [each for each in quarters(now, zone, tuple(made), months) if each not in made]
        assert again == []


@given(st.sampled_from(ZONES), st.integers(0, 35_000))
def test_a_local_day_of_requests_never_begins_after_now(zone: str, hour: int) -> None:
    now = FIRST + timedelta(hours=hour)
    since = due_since_utc(now, zone)
    assert timedelta(0) <= now - since < timedelta(hours=25)


@pytest.mark.parametrize(
    ("zone", "last", "due"),
    [
        # 31 December ends at 05:00Z in New York: the lake files its last five hours under 1 January.
        ("America/New_York", "2026-01-01T04:45", []),
        ("America/New_York", "2026-01-01T05:00", [date(2026, 1, 1)]),
        ("Europe/Berlin", "2025-12-31T22:45", []),
        ("Europe/Berlin", "2025-12-31T23:00", [date(2026, 1, 1)]),
    ],
)
def test_a_quarter_into_which_no_local_reading_falls_is_not_due(
    tmp_path: Path, zone: str, last: str, due: list[date]
) -> None:
    (tmp_path / "sites").mkdir()
    (tmp_path / "meterloom.yaml").touch()
    site = "site_id: s\nname: S\ntime_zone: {zone}\ncurrency: EUR\ncountry: DE\nmeters: [{{meter_id: m1}}]\n"
    (tmp_path / "sites" / "s.yaml").write_text(site.format(zone=zone))
    end = datetime.fromisoformat(last).replace(tzinfo=UTC)
    rows = [f"{end - timedelta(minutes=15 * back):%Y-%m-%dT%H:%MZ},m1,1" for back in (2, 1, 0)]
    (tmp_path / "m1.csv").write_text("\n".join(["timestamp,meter,kwh", *rows, ""]))
    code, _, error = call_here("ingest", str(tmp_path / "m1.csv"), "--site", "s", "--project", str(tmp_path))
    assert code == 0, error
    project = OpenProject(str(tmp_path))
    made = due_starts(project, project.site("s"), datetime(2026, 4, 6, tzinfo=UTC), report="enpi_quarter", months=3)
    assert [start for start in made if start >= date(2026, 1, 1)] == due
    project.close()
