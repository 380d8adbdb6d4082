"""Partition keys, and the ranges that late files turn into."""

from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_quality.contracts.time import local_midnight_utc
from orchestration.instance.by_bucket import EARLIEST, FROM_READINGS, first_month, partitions_begin
from orchestration.month_keys import month_ranges, month_span, site_month_key, split_key
from orchestration.partitions import FIRST_MONTH, MONTHS, SITE_MONTHS, MonthRange, request_of

months = st.dates(date(2015, 1, 1), date(2030, 12, 31)).map(lambda day: day.replace(day=1))


@given(months, st.sampled_from(["factory", "home", "a-b_c"]))
def test_a_key_splits_into_what_made_it(month: date, site_id: str) -> None:
    assert split_key(site_month_key(site_id, month)) == (month, site_id)


def test_contiguous_months_are_one_run_and_a_late_one_is_its_own() -> None:
    touched = ["factory|2024-11", "factory|2024-12", "factory|2025-01", "factory|2025-06", "home|2025-06"]
    assert month_ranges(touched) == [
        ("2024-11-01|factory", "2025-01-01|factory"),
        ("2025-06-01|factory", "2025-06-01|factory"),
        ("2025-06-01|home", "2025-06-01|home"),
    ]


@given(st.sets(months, min_size=1, max_size=30))
def test_every_touched_month_lies_in_exactly_one_range(touched: set[date]) -> None:
    ranges = month_ranges(f"s|{month:%Y-%m}" for month in touched)
    covered = []
    for first, last in ranges:
        month, end = split_key(first)[0], split_key(last)[0]
        while month <= end:
            covered.append(month)
            month = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    assert sorted(covered) == sorted(touched)


def test_the_span_of_keys_is_half_open_in_local_time() -> None:
    period = month_span(["2025-03-01|factory", "2025-01-01|factory"], "Europe/Berlin")
    assert (period.start, period.end) == (date(2025, 1, 1), date(2025, 4, 1))
    assert period.start_utc.isoformat() == "2024-12-31T23:00:00+00:00"
    assert period.end_utc.isoformat() == "2025-03-31T22:00:00+00:00"


@pytest.mark.parametrize("time_zone", ["Europe/Berlin", "Asia/Kolkata", "Pacific/Apia", "Pacific/Kiritimati", "UTC"])
@pytest.mark.parametrize("month", [date(2027, 1, 1), date(2027, 4, 1)])
def test_a_month_has_its_key_as_soon_as_it_begins_at_the_site(time_zone: str, month: date) -> None:
    begun_utc = local_midnight_utc(month, time_zone)
    assert MONTHS.get_partition_keys(current_time=begun_utc + timedelta(minutes=15))[-1] == f"{month}"
    assert MONTHS.time_window_for_partition_key(f"{month}").start.date() == month


@pytest.mark.parametrize(
    ("folders", "begins"),
    [
        ([], EARLIEST),
        # Berlin's first hour of 2024 lies in UTC's 2023.
        (["factory/m=2023-12", "factory/m=2024-01", "tower/m=2025-07"], date(2023, 10, 1)),
        # New York's last hours of 2024 lie in UTC's 2025.
        (["tower/m=2025-01"], date(2024, 10, 1)),
        (["home/m=2025-09", "works/m=2025-08"], date(2025, 7, 1)),
        (["home/m=1970-01", "home/m=2025-09"], EARLIEST),
    ],
)
def test_partitions_begin_with_the_quarter_of_the_first_readings(
    tmp_path: Path, folders: list[str], begins: date
) -> None:
    for name in folders:
        (tmp_path / "var" / "lake" / "readings" / f"site={name}").mkdir(parents=True)
    assert first_month(tmp_path / "var" / "lake") == begins
    here = {"METERLOOM_PROJECT": str(tmp_path)}
    assert partitions_begin({**here, FROM_READINGS: "true"}) == begins
    # A command keeps all of them: it may be asked for another project than this process was started in.
    assert partitions_begin(here) == EARLIEST


@pytest.mark.filterwarnings("ignore:Non-compliant tag keys")  # Dagster's notice of tags that are its own
def test_a_run_of_readings_older_than_a_running_dagster_is_asked_by_the_tags_of_its_key() -> None:
    known, older = f"{FIRST_MONTH}|works", "2012-04-01|works"
    assert request_of("kpi:1", MonthRange(known, known, ("works",)), "month").partition_key == known
    asked = request_of("kpi:2", MonthRange(older, older, ("works",)), "month")
    # As a key Dagster refuses it, and with it every other run of the tick.
    assert asked.partition_key is None

    @dg.asset(partitions_def=SITE_MONTHS)
    def of_month() -> None: ...

    job = dg.Definitions(assets=[of_month]).resolve_implicit_global_asset_job_def()
    tags = job.get_tags_for_partition_key(known, selected_asset_keys=None)
    # The set is a thing of jobs' own pages.
    tags.pop("dagster/partition_set")
    assert asked.tags == {name: value.replace(FIRST_MONTH, "2012-04-01") for name, value in tags.items()}
