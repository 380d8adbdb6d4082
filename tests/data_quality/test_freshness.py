"""Late means strictly older than the limit; never seen is later than late."""

from datetime import UTC, datetime, timedelta

import polars as pl

from data_quality.completeness import evaluate_freshness, last_seen

NOW = datetime(2025, 1, 2, tzinfo=UTC)
SCHEMA = {"meter_id": pl.String, "interval_start_utc": pl.Datetime("us", "UTC")}


def seen(**ages_h: float) -> pl.DataFrame:
    rows = [(name, NOW - timedelta(hours=age, minutes=15)) for name, age in ages_h.items()]
    return last_seen(pl.DataFrame(rows, schema=SCHEMA, orient="row"), [*ages_h, "never"])


def test_a_stream_is_seen_until_its_newest_quarter_hour_ends() -> None:
    assert seen(a=24).rows() == [("a", NOW - timedelta(hours=24)), ("never", None)]


def test_exactly_at_the_limit_is_fresh_and_a_microsecond_later_is_not() -> None:
    rows = seen(a=24).head(1)
    assert evaluate_freshness(rows, now_utc=NOW, limit=timedelta(hours=24)).passed
    later = NOW + timedelta(microseconds=1)
    assert not evaluate_freshness(rows, now_utc=later, limit=timedelta(hours=24)).passed


def test_the_never_seen_stand_first_among_the_late() -> None:
    verdict = evaluate_freshness(seen(a=1, b=50, c=30), now_utc=NOW, limit=timedelta(hours=24))
    assert verdict.facts == {"streams": 4, "late": 3, "worst": ["never", "b", "c"]}
