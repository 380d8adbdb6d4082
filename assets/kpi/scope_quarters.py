"""Quarter hours of a scope straight from its readings: what a chart shows below the hours of the marts."""

from datetime import timedelta

import polars as pl

from assets.sites.meter_tree import ENERGY_UNIT
from assets.sites.scopes import is_allocated, known_spans
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.hierarchy import CONSUMPTION_REGISTER
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, Period

# As the marts hold an hour's energy.
ENERGY = pl.Decimal(38, 9)


def scope_quarters(site: Site, scope: str, period: Period, readings: pl.DataFrame) -> pl.DataFrame:
    """Every quarter hour of the local days: interval_start_utc, local_date, kwh of what was read (null where nothing
    was) and coverage, the share of the scope's meters that were.

    readings: LAKE_SCHEMA rows of the scope's meters, virtual ones among them. Raises BadInput (share_has_no_hours) for
    a scope that is given shares of meters by days, and for one that the site does not have.
    """
    spans = known_spans(site, scope)
    if is_allocated(spans):
        raise BadInput(
            f"scope {scope!r} is given shares of meters by days: it has no hours of its own",
            reason="share_has_no_hours",
            mend="ask for days or months",
        )
    members = pl.DataFrame(
        [
            (each.meter_id, max(span.start, period.start), min(span.end, period.end), each.sign)
            for span in spans
            for each in span.members
            if span.start < period.end and period.start < span.end
        ],
        schema={"meter_id": pl.String, "since": pl.Date, "until": pl.Date, "sign": pl.Int32},
        orient="row",
    )
    instant = pl.col("interval_start_utc")
    step = timedelta(minutes=CANONICAL_MINUTES)
    grid = pl.select(
        pl.datetime_range(period.start_utc, period.end_utc, step, closed="left", time_unit="us").alias(
            "interval_start_utc"
        )
    ).with_columns(local_date=instant.dt.convert_time_zone(site.time_zone).dt.date())
    holds = pl.col("local_date").is_between("since", "until", closed="left")
    expected = grid.select("local_date").unique().join(members, how="cross").filter(holds).group_by("local_date").len()
    read = (
        readings.filter((pl.col("register") == CONSUMPTION_REGISTER) & (pl.col("unit") == ENERGY_UNIT))
        .with_columns(local_date=instant.dt.convert_time_zone(site.time_zone).dt.date())
        .join(members, on="meter_id", how="inner")
        .filter(holds)
        .group_by("interval_start_utc")
        .agg(kwh=(pl.col("value").cast(ENERGY) * pl.col("sign").cast(ENERGY)).sum().cast(ENERGY), meters=pl.len())
    )
    return (
        grid.join(read, on="interval_start_utc", how="left")
        .join(expected, on="local_date", how="left")
        .sort("interval_start_utc")
        .select(
            "interval_start_utc",
            "local_date",
            "kwh",
            coverage=(pl.col("meters").fill_null(0) / pl.col("len")).cast(pl.Float64),
        )
    )
