"""Which price holds at which quarter hour: local time, day type and holiday (formulas 5.11).

Bill lines, demand and taxes stand elsewhere; here is only the energy price that the cost KPI and plans use.
"""

from datetime import date, time
from decimal import Decimal
from itertools import pairwise
from typing import get_args

import polars as pl

from assets.sites.calendar import quarter_hours
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site import Site
from data_quality.contracts.tariff import DayType, Tariff, TouPeriod

PRICE_DECIMALS = 6
PRICE = pl.Decimal(12, PRICE_DECIMALS)
_DAY_MINUTES = 24 * 60


def six_decimals(value: float, *, what: str) -> Decimal:
    """The number as an exact decimal. Raises BadInput where it has more than six decimals: never rounded in silence."""
    exact = Decimal(repr(value))
    kept = exact.quantize(Decimal(1).scaleb(-PRICE_DECIMALS))
    if kept != exact:
        raise BadInput(f"{what} {value} has more than six decimals", reason="too_many_decimals", mend=f"write {kept}")
    return kept


def check_tariff(tariff: Tariff) -> None:
    """Exactly one period must hold at each local quarter hour of each day type. Raises BadInput."""
    _layout(tariff)


def quarter_hour_prices(site: Site, start: date, end: date) -> pl.DataFrame:
    """The tariff's energy price of each quarter hour of the local dates [start, end), in the site's currency.

    Returns interval_start_utc, price_per_kwh (Decimal(12, 6)), tariff_id; both null where no tariff is in force.
    Local wall time decides, so on the day that summer time ends an hour is priced twice. Raises BadInput for a
    tariff that is not total and disjoint, and for two tariffs in force on one day.
    """
    _refuse_overlap(site.tariffs)
    grid = quarter_hours(site, start, end)
    layouts = [_layout(tariff) for tariff in site.tariffs]
    if not layouts:
        return grid.select(
            "interval_start_utc", price_per_kwh=pl.lit(None, dtype=PRICE), tariff_id=pl.lit(None, dtype=pl.String)
        )
    in_force = pl.lit(None, dtype=pl.String)
    for tariff in site.tariffs:
        holds = pl.col("local_date").is_between(tariff.valid_from, tariff.valid_to, closed="left")
        in_force = pl.when(holds).then(pl.lit(tariff.tariff_id)).otherwise(in_force)
    return (
        grid.with_columns(tariff_id=in_force)
        .join(
            pl.concat(layouts),
            on=["tariff_id", "day_type", "local_time"],
            how="left",
            validate="m:1",
            maintain_order="left",
        )
        .select("interval_start_utc", "price_per_kwh", "tariff_id")
    )


def stream_prices(site: Site, readings: pl.DataFrame) -> pl.DataFrame | None:
    """Prices from the site's price stream, as the lake holds it now; None where the site has no such stream.

    readings: LAKE_SCHEMA. Returns interval_start_utc, price_per_kwh, to six decimals: exchange prices have fewer.
    """
    if site.price_stream is None:
        return None
    rows = readings.filter((pl.col("meter_id") == site.price_stream) & (pl.col("unit") == "per_kwh"))
    latest = rows.sort("recorded_at_utc").unique("interval_start_utc", keep="last", maintain_order=True)
    return latest.sort("interval_start_utc").select(
        "interval_start_utc", price_per_kwh=pl.col("value").round(PRICE_DECIMALS).cast(PRICE)
    )


def known_prices(site: Site, start: date, end: date, readings: pl.DataFrame) -> pl.DataFrame:
    """Prices of the quarter hours of [start, end) by the site's price stream, or else by its tariffs.

    Returns interval_start_utc, price_per_kwh (null: unknown), one row per quarter hour. Raises BadInput.
    """
    streamed = stream_prices(site, readings)
    if streamed is None:
        return quarter_hour_prices(site, start, end).select("interval_start_utc", "price_per_kwh")
    grid = quarter_hours(site, start, end).select("interval_start_utc")
    return grid.join(streamed, on="interval_start_utc", how="left", validate="1:1", maintain_order="left")


def _layout(tariff: Tariff) -> pl.DataFrame:
    """One row per day type and local quarter hour: tariff_id, day_type, local_time, price_per_kwh."""
    rows = []
    for day_type in get_args(DayType):
        for minute in range(0, _DAY_MINUTES, 15):
            at = time(minute // 60, minute % 60)
            holding = [period for period in tariff.periods if day_type in period.day_types and _holds(period, minute)]
            if len(holding) != 1:
                names = " and ".join(period.period_id for period in holding) or "none"
                raise BadInput(
                    f"tariff {tariff.tariff_id}: exactly one period must hold on a {day_type} at {at:%H:%M} local "
                    f"time, found {names} of {', '.join(period.period_id for period in tariff.periods)}",
                    reason="tariff_not_exact",
                )
            price = six_decimals(holding[0].price_per_kwh, what=f"tariff {tariff.tariff_id}: price")
            rows.append((tariff.tariff_id, day_type, at, price))
    schema = {"tariff_id": pl.String(), "day_type": pl.String(), "local_time": pl.Time(), "price_per_kwh": PRICE}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _holds(period: TouPeriod, minute: int) -> bool:
    start, end = _minute(period.start), _minute(period.end) or _DAY_MINUTES
    if start < end:
        return start <= minute < end
    # Over midnight: both ends belong to the same local day.
    return minute >= start or minute < end


def _minute(at: time) -> int:
    return at.hour * 60 + at.minute


def _refuse_overlap(tariffs: tuple[Tariff, ...]) -> None:
    ordered = sorted(tariffs, key=lambda tariff: tariff.valid_from)
    for first, second in pairwise(ordered):
        if second.valid_from < first.valid_to:
            raise BadInput(
                f"tariffs {first.tariff_id} and {second.tariff_id} are both in force on {second.valid_from}",
                reason="tariff_overlap",
            )
