"""Completeness of readings: coverage per stream and local day, and streams that have gone silent, with verdicts.

A day has 92, 96 or 100 quarter hours; a missing reading is never zero. "Now" is an argument.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from data_quality.contracts.finding import Verdict
from data_quality.contracts.time import CANONICAL_MINUTES, local_midnight_utc

# A check's page is for a look: the worst few are named, the counts beside them stay whole.
MAX_NAMED = 20
QUARTER = timedelta(minutes=CANONICAL_MINUTES)


def coverage_by_day(
    readings: pl.DataFrame,
    *,
    days: pl.DataFrame,
    streams: Sequence[str],
    time_zone: str,
    due_until_utc: datetime | None = None,
) -> pl.DataFrame:
    """Coverage of each stream on each local day, of the quarter hours that are due.

    readings: meter_id, interval_start_utc (quarter hours; several registers of a meter count once).
    days: local_date, hours (23, 24 or 25). streams: meter ids that should report. due_until_utc: what ends later
    cannot be asked for yet, there or not; None: everything is due.
    Returns meter_id, local_date, expected, present, coverage (0-1): one row per stream and day on which anything is
    due, in that order.
    """
    if due_until_utc is not None:
        readings = readings.filter(pl.col("interval_start_utc") + QUARTER <= due_until_utc)
    per_hour = 60 // CANONICAL_MINUTES
    local_date = pl.col("interval_start_utc").dt.convert_time_zone(time_zone).dt.date()
    present = (
        readings.select("meter_id", "interval_start_utc")
        .unique()
        .group_by("meter_id", local_date=local_date)
        .agg(present=pl.len())
    )
    # Hours come as a float (23.5 where a zone shifts by half an hour): the cast alone would cut off, not round.
    expected = days.select("local_date", expected=(pl.col("hours") * per_hour).round().cast(pl.Int64))
    if due_until_utc is not None:
        # Of a day that has only begun, the quarters that are over are due; of a day to come, less than none.
        due = [(due_until_utc - local_midnight_utc(day, time_zone)) // QUARTER for day in days["local_date"]]
        expected = expected.with_columns(pl.min_horizontal("expected", pl.Series(due, dtype=pl.Int64)))
    # Nor is anything due on a day that a zone left out (Apia, 2011-12-30).
    expected = expected.filter(pl.col("expected") > 0)
    return (
        # Streams meet the days before they meet readings: a meter without any must be a row of zeros, not be absent.
        pl.DataFrame({"meter_id": list(streams)}, schema={"meter_id": pl.String})
        .join(expected, how="cross")
        .join(present, on=["meter_id", "local_date"], how="left", maintain_order="left", validate="1:1")
        .with_columns(pl.col("present").fill_null(0).cast(pl.Int64))
        .with_columns(coverage=pl.col("present") / pl.col("expected"))
    )


def evaluate_completeness(coverage: pl.DataFrame, *, least: float) -> Verdict:
    """coverage: as `coverage_by_day` gives it. A stream fails whose coverage over all its days is below `least` (0-1).

    Facts: streams, expected, present, coverage, incomplete (count), worst (at most 20, the worst first).
    """
    if coverage.is_empty():
        return Verdict(
            passed=True, facts={"streams": 0, "expected": 0, "present": 0, "coverage": None, "incomplete": 0}
        )
    streams = (
        coverage.group_by("meter_id")
        .agg(
            pl.col("expected", "present").sum(),
            empty_days=(pl.col("present") == 0).sum(),
        )
        .with_columns(share=pl.col("present") / pl.col("expected"))
        .sort("share", "meter_id")
    )
    bad = streams.filter(pl.col("share") < least)
    expected, present = int(streams["expected"].sum()), int(streams["present"].sum())
    return Verdict(
        passed=bad.is_empty(),
        facts={
            "streams": streams.height,
            "expected": expected,
            "present": present,
            "coverage": present / expected,
            "incomplete": bad.height,
            "worst": [
                f"{row['meter_id']}: {row['present']} of {row['expected']} quarters, {row['empty_days']} empty days"
                for row in bad.head(MAX_NAMED).iter_rows(named=True)
            ],
        },
    )


def last_seen(readings: pl.DataFrame, streams: Sequence[str]) -> pl.DataFrame:
    """readings: meter_id, interval_start_utc. Returns meter_id, last_seen_utc: end of the newest quarter hour of each
    stream asked for, null where there is none.
    """
    # By meter: one register that still comes shows that the line is up.
    newest = readings.group_by("meter_id").agg(
        last_seen_utc=pl.col("interval_start_utc").max() + pl.duration(minutes=CANONICAL_MINUTES)
    )
    requested = pl.DataFrame({"meter_id": list(streams)}, schema={"meter_id": pl.String})
    return requested.join(newest, on="meter_id", how="left", maintain_order="left", validate="1:1")


def evaluate_freshness(seen: pl.DataFrame, *, now_utc: datetime, limit: timedelta) -> Verdict:
    """seen: meter_id, last_seen_utc (null = never). Late means strictly older than `limit`.

    Facts: streams, late (count), worst (at most 20 ids, never-seen ones first).
    """
    is_late = pl.col("last_seen_utc").is_null() | (pl.col("last_seen_utc") < now_utc - limit)
    late = seen.filter(is_late).sort("last_seen_utc", "meter_id", nulls_last=False)
    return Verdict(
        passed=late.is_empty(),
        facts={"streams": seen.height, "late": late.height, "worst": late["meter_id"].head(MAX_NAMED).to_list()},
    )
