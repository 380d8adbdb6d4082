"""Which streams have gone silent. "Now" is an argument; nothing here reads a clock."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from data_quality.contracts.finding import Verdict
from data_quality.contracts.time import CANONICAL_MINUTES

MAX_NAMED = 20


def last_seen(readings: pl.DataFrame, streams: Sequence[str]) -> pl.DataFrame:
    """readings: meter_id, interval_start_utc. Returns meter_id, last_seen_utc: end of the newest quarter hour of each
    stream asked for, null where there is none.
    """
    # By meter: one register that still comes shows that the line is up.
    newest = readings.group_by("meter_id").agg(
        last_seen_utc=pl.col("interval_start_utc").max() + pl.duration(minutes=CANONICAL_MINUTES)
    )
    asked = pl.DataFrame({"meter_id": list(streams)}, schema={"meter_id": pl.String})
    return asked.join(newest, on="meter_id", how="left", maintain_order="left", validate="1:1")


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
