"""Coverage counts what should be there, day by local day, and names the worst."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from data_quality.completeness import coverage_by_day, evaluate_completeness

DAYS = pl.DataFrame(
    {"local_date": [date(2025, 3, 30), date(2025, 3, 31)], "hours": [23.0, 24.0]},
)
START = datetime(2025, 3, 29, 23, tzinfo=UTC)


def readings(*streams: tuple[str, int]) -> pl.DataFrame:
    """The first n quarter hours of each stream."""
    rows = [(name, START + timedelta(minutes=15 * n)) for name, count in streams for n in range(count)]
    schema = {"meter_id": pl.String, "interval_start_utc": pl.Datetime("us", "UTC")}
    return pl.DataFrame(rows, schema=schema, orient="row")


def coverage(*streams: tuple[str, int]) -> pl.DataFrame:
    names = [name for name, _ in streams]
    return coverage_by_day(readings(*streams), days=DAYS, streams=names, time_zone="Europe/Berlin")


def test_a_day_of_23_hours_is_complete_with_92_quarter_hours() -> None:
    rows = coverage(("main", 92))
    assert rows["expected"].to_list() == [92, 96]
    assert rows["coverage"].to_list() == [1.0, 0.0]


def test_nothing_is_due_on_a_day_that_the_zone_left_out() -> None:
    days = pl.DataFrame({"local_date": [date(2011, 12, 30), date(2011, 12, 31)], "hours": [0.0, 24.0]})
    rows = coverage_by_day(readings(), days=days, streams=["main"], time_zone="Pacific/Apia")
    assert rows.rows() == [("main", date(2011, 12, 31), 96, 0, 0.0)]


def test_a_silent_stream_is_there_with_nothing() -> None:
    assert coverage(("main", 188), ("ghost", 0)).rows()[2:] == [
        ("ghost", date(2025, 3, 30), 92, 0, 0.0),
        ("ghost", date(2025, 3, 31), 96, 0, 0.0),
    ]


def test_only_what_could_have_arrived_by_now_is_asked_for() -> None:
    """Half of the second day is due: a meter that has sent as much is complete, and one that lacks it is not."""
    noon = START + timedelta(hours=23 + 12, minutes=7)
    rows = readings(("on_time", 92 + 48), ("ahead", 188), ("behind", 92))
    known = coverage_by_day(
        rows,
        days=DAYS,
        streams=["on_time", "ahead", "behind"],
        time_zone="Europe/Berlin",
        due_until_utc=noon,
    )
    assert known["expected"].to_list() == [92, 48] * 3
    assert known["coverage"].to_list() == [1.0, 1.0, 1.0, 1.0, 1.0, 0.0]
    begun = coverage_by_day(
        rows, days=DAYS, streams=["on_time"], time_zone="Europe/Berlin", due_until_utc=START - timedelta(hours=1)
    )
    assert begun.is_empty()
    assert evaluate_completeness(begun, least=0.9).passed


def test_two_registers_of_a_meter_count_once() -> None:
    twice = pl.concat([readings(("main", 92)), readings(("main", 92))])
    rows = coverage_by_day(twice, days=DAYS, streams=["main"], time_zone="Europe/Berlin")
    assert rows["present"].to_list() == [92, 0]


def test_the_verdict_names_the_worst_first_and_counts_everything() -> None:
    verdict = evaluate_completeness(coverage(("full", 188), ("half", 94), ("none", 0)), least=0.9)
    assert not verdict.passed
    assert verdict.facts["incomplete"] == 2
    assert verdict.facts["coverage"] == 282 / 564
    assert verdict.facts["worst"] == [
        "none: 0 of 188 quarters, 2 empty days",
        "half: 94 of 188 quarters, 0 empty days",
    ]


def test_exactly_the_least_coverage_passes() -> None:
    assert evaluate_completeness(coverage(("half", 94)), least=0.5).passed
    assert not evaluate_completeness(coverage(("half", 93)), least=0.5).passed


def test_at_most_twenty_streams_are_named() -> None:
    verdict = evaluate_completeness(coverage(*[(f"m{n}", 0) for n in range(30)]), least=0.9)
    assert verdict.facts["incomplete"] == 30
    assert len(verdict.facts["worst"]) == 20  # type: ignore[arg-type]


def test_nothing_expected_is_nothing_missing() -> None:
    assert evaluate_completeness(coverage(), least=0.9).passed


@settings(deadline=None)
@given(st.integers(0, 188))
def test_coverage_lies_between_nothing_and_all(count: int) -> None:
    rows = coverage(("main", count))
    assert rows["present"].sum() == count
    assert rows["coverage"].is_between(0, 1).all()
