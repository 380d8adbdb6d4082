"""Quarter hours of a scope straight from its readings: what a chart shows below the hours of the marts."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import polars as pl

from assets.sites.meter_tree import ENERGY_UNIT
from assets.sites.scopes import is_allocated, known_spans, register_scopes
from data_quality.contracts.errors import BadInput
from data_quality.contracts.quality import ESTIMATED_CODES
from data_quality.contracts.site_file.hierarchy import CONSUMPTION_REGISTER
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, Period

# As the marts hold an hour's energy.
ENERGY = pl.Decimal(38, 9)
# Grain -> what the quarter hours of one interval have in common; empty: the whole period.
_KEYS: dict[str, tuple[pl.Expr, ...]] = {
    "": (),
    "quarter": (pl.col("interval_start_utc"),),
    # Where local midnight lies inside a UTC hour, its two parts are of two days.
    "hour": (pl.col("local_date"), pl.col("interval_start_utc").dt.truncate("1h").alias("hour")),
    "day": (pl.col("local_date"),),
    "month": (pl.col("local_date").dt.truncate("1mo"),),
    "year": (pl.col("local_date").dt.truncate("1y"),),
}


class Energy(NamedTuple):
    """Energy of an interval, kWh, None where nothing was read; the shares that were read, and of these estimated."""

    kwh: Decimal | None
    coverage: float
    estimated_share: float | None

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes of its caveats: that a part was not read."""
        return () if self.coverage == 1 else ("gap",)


def register_energy(
    site: Site, scope: str, period: Period, readings: pl.DataFrame, grain: str = ""
) -> dict[datetime, Energy]:
    """Energy of a register by the intervals of a grain, or of the whole period, by their first instants in it.

    readings: as scope_quarters. Raises BadInput for a scope that the site does not have.
    """
    is_estimated = pl.col("quality_code").is_in([int(code) for code in ESTIMATED_CODES])
    of_register = readings.filter((pl.col("register") == _register(site, scope)) & is_estimated)
    instant, kwh = pl.col("interval_start_utc"), pl.col("kwh")
    rows = scope_quarters(site, scope, period, readings).with_columns(
        estimated=kwh.is_not_null() & instant.is_in(of_register["interval_start_utc"].implode())
    )
    found = rows.group_by(*(_KEYS[grain] or (pl.lit(0).alias("all"),))).agg(
        instant.min().alias("start"), kwh.sum(), kwh.count().alias("read"), pl.len().alias("due"), pl.sum("estimated")
    )
    return {
        row["start"]: Energy(
            row["kwh"] if row["read"] else None,
            row["read"] / row["due"],
            row["estimated"] / row["read"] if row["read"] else None,
        )
        for row in found.sort("start").iter_rows(named=True)
    }


def _register(site: Site, scope: str) -> str:
    return register_scopes(site).get(scope, ("", CONSUMPTION_REGISTER))[1]


def scope_quarters(site: Site, scope: str, period: Period, readings: pl.DataFrame) -> pl.DataFrame:
    """Every quarter hour of the local days: interval_start_utc, local_date, kwh of what was read (null where nothing
    was) and coverage, the share of the scope's meters that were.

    readings: LAKE_SCHEMA rows of the scope's meters, virtual ones among them; of each its consumption counts, of the
    scope of a register that register. Raises BadInput (share_has_no_hours) for
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
        readings.filter((pl.col("register") == _register(site, scope)) & (pl.col("unit") == ENERGY_UNIT))
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
