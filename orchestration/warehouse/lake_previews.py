"""Previews of the lake's months in Dagster: the newest load as a line, validation findings as tables."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

from assets.kpi.incremental.month_gates import WORST
from assets.sites.meter_tree import ENERGY_UNIT, total_meters
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.flags import MonthValidation
from data_quality.contracts.site_file.hierarchy import CONSUMPTION_REGISTER
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period
from orchestration.previews import Preview, lines, table

SHOWN = timedelta(days=14)
# Metadata stays in Dagster's event log for as long as the run does: its tables are kept short.
ROWS = 200


def newest_load(lake: Lake, site: Site, period: Period) -> dict[str, Preview]:
    """The site's electricity by the hour over the last two weeks that were read of the period; nothing without any."""
    entries = lake.manifest(site.site_id, start_utc=period.start_utc, end_utc=period.end_utc)
    if not entries:
        return {}
    last_day = max(entry["day"] for entry in entries)
    meters = total_meters(site, Carrier.ELECTRICITY)
    end_utc = datetime(last_day.year, last_day.month, last_day.day, tzinfo=UTC) + timedelta(days=1)
    rows = lake.current(site.site_id, start_utc=end_utc - SHOWN, end_utc=end_utc, meters=list(meters))
    hours = (
        rows.filter((pl.col("register") == CONSUMPTION_REGISTER) & (pl.col("unit") == ENERGY_UNIT))
        .group_by(pl.col("interval_start_utc").dt.convert_time_zone(site.time_zone).dt.truncate("1h").alias("hour"))
        .agg(pl.col("value").cast(pl.Float64).sum())
        .sort("hour")
    )
    if hours.is_empty():
        return {}
    drawn = {" + ".join(meters): hours["value"].to_list()}
    return {"newest": lines(hours["hour"].to_list(), drawn, title=f"{site.name}, newest readings", unit="kWh per hour")}


def quality_tables(months: Sequence[MonthValidation]) -> dict[str, Preview]:
    """The worst streams of each month, and what the rules found in it."""
    scores = [
        [each.month.isoformat(), row["meter_id"], row["register"], f"{row['score']:.3f}", f"{row['completeness']:.1%}"]
        for each in months
        for row in each.scores[:WORST]
    ]
    shown = [
        [one.rule, one.meter, f"{one.start_utc:%Y-%m-%d %H:%M}Z", f"{one.slots}", one.action.value, one.message]
        for each in months
        for one in each.findings
    ]
    return {
        "worst_meters": table(["month", "meter", "register", "score", "complete"], scores[:ROWS]),
        "events": table(["rule", "meter", "from", "slots", "action", "why"], shown[:ROWS]),
    }
