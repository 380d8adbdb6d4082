"""The demo at any day: its files as shipped at one, dated anew at others, and the spans that it makes."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.sites.load_sites import load_site
from controls.simulator.worlds.anchor import ANCHOR, anchored, check_until, demo_day
from controls.simulator.worlds.factory import truth_of
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock, months_after
from orchestration.demonstration.demo_dates import (
    digest_morning,
    factory_span,
    last_months,
    last_quarters,
    quarter_end,
    tower_span,
)
from orchestration.demonstration.demo_job import DEMO_SITES, YEAR_HISTORY_DAYS, make_demo_project, simulate, site_text

SHIPPED = sorted(DEMO_SITES.glob("*.yaml"))
ODD = [date(2024, 2, 29), date(2026, 1, 2), date(2026, 11, 24), date(2027, 1, 1), date(2028, 3, 1), date(2031, 12, 31)]
DAYS = st.dates(date(2010, 1, 1), date(2090, 12, 31))


@pytest.mark.parametrize("source", SHIPPED, ids=lambda path: path.name)
def test_at_the_day_for_which_they_are_shipped_the_files_are_as_they_are(source: Path) -> None:
    assert site_text(source, ANCHOR).encode() == source.read_bytes()


def loaded(folder: Path, site_id: str, until: date) -> Site:
    """The site as a demo of that day has it."""
    path = folder / f"{site_id}.yaml"
    path.write_text(site_text(DEMO_SITES / path.name, until), encoding="utf-8")
    return load_site(path)


@pytest.mark.parametrize("until", ODD, ids=str)
def test_on_any_day_prices_and_factors_are_in_force_and_are_those_that_are_shipped(until: date, tmp_path: Path) -> None:
    for site_id in ("factory", "home", "tower"):
        site, shipped = loaded(tmp_path, site_id, until), load_site(DEMO_SITES / f"{site_id}.yaml")
        # Long after it too: the home is live, and planned on the day of the run.
        for day in (date(until.year - 2, 1, 1), until - timedelta(days=1), until, date(until.year + 9, 1, 1)):
            assert [each.is_in_force(day) for each in site.tariffs].count(True) == 1, (site_id, day)
            held = {each.carrier for each in site.factors if each.valid_from <= day < each.valid_to}
            assert held == {each.carrier for each in shipped.factors}, (site_id, day)
        assert [each.periods for each in site.tariffs] == [each.periods for each in shipped.tariffs]
        assert {use.baseline.start for use in site.seus if use.baseline} <= {date(until.year - 2, 1, 1)}
    assert truth_of(loaded(tmp_path, "factory", until)).baseline_year == until.year - 2


def test_the_home_as_shipped_is_planned_on_the_day_of_the_run() -> None:
    site, day = load_site(DEMO_SITES / "home.yaml"), date(ANCHOR.year + 9, 1, 1)
    assert [each.is_in_force(day) for each in site.tariffs].count(True) == 1
    assert any(each.valid_from <= day < each.valid_to for each in site.factors)


def test_digits_of_a_price_are_no_year() -> None:
    text = "tariff-2025: {valid_from: 2025-01-01, price_per_kwh: 0.2025, kw: 20250}"
    assert anchored(text, date(2030, 5, 1)).splitlines()[1] == text.replace("2025-01-01", "2029-01-01").replace(
        "tariff-2025", "tariff-2029"
    )


@given(DAYS)
def test_spans_end_with_the_last_day_month_or_quarter_that_is_over(until: date) -> None:
    start, end = factory_span(until)
    assert (start.month, start.day, end) == (1, 1, until)
    assert 731 - 1 <= (end - start).days <= 731 + 366
    (_, middle), (also_middle, last) = last_months(until, 2)
    assert middle == also_middle
    assert last <= until < months_after(last, 1)
    quarters = last_quarters(until)
    ends = [months_after(first, 3) for first in quarters]
    assert ends == [*quarters[1:], quarter_end(until)]
    assert ends[-1] <= until < months_after(ends[-1], 3)
    assert start <= quarters[0]
    for is_quick in (True, False):
        first, end = tower_span(until, quick=is_quick)
        assert first.day == end.day == 1
        assert end == last
        assert months_after(first, 2) <= end <= months_after(first, 6)
        # The month that is corrected, or the one that comes late, is of the quarter that is reported.
        assert quarters[-1] <= first < ends[-1] or end == ends[-1]


def test_the_spans_of_the_shipped_day_are_those_that_tests_and_figures_stand_on() -> None:
    assert factory_span(ANCHOR) == (date(2024, 1, 1), ANCHOR)
    assert tower_span(ANCHOR, quick=False) == (date(2025, 7, 1), ANCHOR)
    assert tower_span(ANCHOR, quick=True) == (date(2025, 11, 1), ANCHOR)
    assert last_months(ANCHOR, 2) == ((date(2025, 11, 1), date(2025, 12, 1)), (date(2025, 12, 1), ANCHOR))
    assert last_quarters(ANCHOR) == tuple(date(2025, month, 1) for month in (1, 4, 7, 10))


def test_an_end_that_is_still_to_come_somewhere_is_refused() -> None:
    # Half past midnight in Berlin, the evening before in New York.
    now_utc = datetime(2028, 2, 29, 23, 30, tzinfo=UTC)
    assert demo_day(now_utc) == date(2028, 2, 29)
    check_until(date(2028, 2, 29), now_utc)
    for day in (date(2028, 3, 1), date(2009, 12, 31)):
        with pytest.raises(BadInput, match="expected a day from 2010-01-01 to 2028-02-29"):
            check_until(day, now_utc)


def test_files_go_up_to_the_last_day_and_are_the_same_on_any_day_on_which_they_are_made(tmp_path: Path) -> None:
    until, made = date(2028, 2, 29), []
    for number, now_utc in enumerate((datetime(2028, 2, 29, 9, tzinfo=UTC), datetime(2028, 4, 2, 9, tzinfo=UTC))):
        project = make_demo_project(tmp_path / str(number), until=until)
        simulate(project, FixedClock(now_utc), until=until, quick=True)
        project.close()
        folder = project.project.root
        files = [path for name in ("factory", "tower") for path in (folder / "landing" / name).iterdir()]
        files += (folder / "sites").iterdir()
        made.append({path.relative_to(folder): path.read_bytes() for path in files})
    assert made[0] == made[1]
    folder = tmp_path / "0" / "landing"
    names = sorted(path.name for path in (folder / "factory").glob("*_meters.csv"))
    assert (names[0], names[-1]) == ("factory_2026-01_meters.csv", "factory_2028-02_meters.csv")
    last = pl.read_csv(folder / "factory" / names[-1])
    assert last["timestamp"].max() == "2028-02-28T22:45:00Z"
    assert last["is_synthetic"].all()
    # The home's devices are live: its files go up to now, and its prices over tomorrow.
    assert pl.read_csv(folder / "home" / "home_2028-02_meters.csv")["timestamp"].max() == "2028-02-29T08:45:00Z"
    assert pl.read_csv(folder / "home" / "home_2028-03_prices.csv")["timestamp"].max() == "2028-03-01T22:45:00Z"


@given(today=DAYS)
def test_a_year_of_the_home_holds_the_twelve_whole_months_of_a_what_if_on_any_day(today: date) -> None:
    read = today - timedelta(days=YEAR_HISTORY_DAYS)
    first_whole = read if read.day == 1 else months_after(read.replace(day=1), 1)
    assert first_whole <= months_after(today.replace(day=1), -12)


@pytest.mark.parametrize(
    ("now", "until", "day"),
    [
        ("2026-11-30T06:04:00", "2026-11-30", "2026-11-29"),
        ("2026-11-30T06:05:00", "2026-11-30", "2026-11-30"),
        ("2027-03-01T00:00:00", "2026-11-30", "2026-11-30"),
        ("2027-03-28T05:05:00", "2027-03-28", "2027-03-28"),
        ("2027-10-31T06:04:00", "2027-10-31", "2027-10-30"),
        ("2027-10-31T06:05:00", "2027-10-31", "2027-10-31"),
    ],
)
def test_the_digest_of_the_demo_is_due_by_the_clock_and_never_recorded_ahead_of_now(
    now: str, until: str, day: str
) -> None:
    """Berlin: 07:05 is 06:05 UTC in winter, on days of 23 and 25 hours too."""
    now_utc = datetime.fromisoformat(now).replace(tzinfo=UTC)
    found = digest_morning(date.fromisoformat(until), "Europe/Berlin", now_utc)
    assert f"{found:%Y-%m-%d %H:%M}" == f"{day} 07:05"
    assert found <= now_utc
