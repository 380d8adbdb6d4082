"""Partition keys, and the ranges that late files turn into."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from orchestration.month_keys import month_ranges, month_span, site_month_key, split_key

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
