"""Days of a significant use as a usage, on which a baseline of any year of them can be fitted."""

from datetime import date

import polars as pl

from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import local_midnight_utc
from data_quality.contracts.units import UNITS
from ml.baselines.models.sufficiency import DAY_MIN_COVERAGE
from ml.baselines.usage_tables.usage_table import COLUMNS, Usage


def usage_of_days(days: pl.DataFrame, *, site: Site, seu: Seu) -> Usage:
    """The daily usage of a use's daily table (`seu_days`): energy scaled to whole days, its drivers, its day types.

    Days under 90 % of a meter's readings have no energy, as in every baseline of a use. The use's first driver in
    degrees is the temperature whose form is searched.
    """
    degrees = {each.driver_id for each in site.drivers if UNITS[each.unit].canonical == "degc"}
    names = [each.driver_id for each in seu.drivers]
    warmth = next((name for name in names if name in degrees), None)
    others = tuple(name for name in names if name != warmth)
    dates: list[date] = days["local_date"].to_list()
    behind = [date.fromordinal(dates[-1].toordinal() + 1)] if dates else []
    midnights = [local_midnight_utc(day, site.time_zone) for day in [*dates, *behind]]
    instants = pl.Series(midnights, dtype=pl.Datetime("us", "UTC"))
    is_whole = pl.col("coverage_worst_meter") >= DAY_MIN_COVERAGE
    # A calendar that is not offered to the use's baseline enters none of these models either.
    offered = {n: pl.col(n).cast(pl.Float64) if seu.day_types else pl.lit(0.0) for n in ("is_weekend", "is_holiday")}
    frame = days.with_columns(
        start_utc=instants[: len(dates)],
        end_utc=instants[1:],
        local_start=pl.col("local_date").cast(pl.Datetime("us")),
        days=pl.lit(1.0),
        energy_kwh=pl.when(is_whole).then(pl.col("energy_kwh") / pl.col("coverage")),
        temp_degc=pl.lit(None, pl.Float64) if warmth is None else pl.col(warmth),
        **offered,
    ).with_columns(is_day_off=pl.max_horizontal("is_weekend", "is_holiday"))
    return Usage(frequency="daily", zone=site.time_zone, frame=frame.select(*COLUMNS, *others), drivers=others)
