"""Rows of the lake for small sites, written as (meter, quarter hour of the day, value)."""

from datetime import UTC, date, datetime, timedelta

import polars as pl

from assets.stores.lake.lake_block import LAKE_SCHEMA
from data_quality.contracts.time import local_midnight_utc

DAY = date(2025, 3, 30)


def rows(*values: tuple[str, int, float], site_id: str = "plant", day: date = DAY, **changes: object) -> pl.DataFrame:
    """LAKE_SCHEMA rows of a local day in Berlin; `meter.register` names another register than import."""
    first = local_midnight_utc(day, "Europe/Berlin")
    base = {
        "site_id": site_id, "interval_minutes": 15, "source_minutes": 15, "unit": "kwh", "quality_code": 0,
        "source_line": 1, "is_synthetic": False, "batch_id": "b", "recorded_at_utc": datetime(2025, 5, 1, tzinfo=UTC),
    }  # fmt: skip
    made = []
    for stream, slot, value in values:
        meter, _, register = stream.partition(".")
        made.append(
            base
            | {
                "meter_id": meter,
                "register": register or "import",
                "interval_start_utc": first + timedelta(minutes=15 * slot),
                "value": value,
            }
            | changes
        )
    return pl.DataFrame(made, schema=LAKE_SCHEMA, orient="row")
