"""The hours of a site from its readings: the input of the kinds of recommendation. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np
import polars as pl

from assets.advice.catalogue import roles_of
from assets.advice.site_hours import Charger, MeterHours, SiteHours, Supply, WeatherSlope
from assets.carbon.factor_choice.factor_view import FactorView
from assets.kpi.running_cost.interval_costs import metered
from assets.sites.calendar import quarter_hours, types_around
from assets.sites.generation import generation
from assets.tariffs.periods import known_prices, tariffs_of
from data_quality.contracts.baselines.baseline import BaselineVersion
from data_quality.contracts.control.what_if import WhatIfVariant
from data_quality.contracts.factor import Basis
from data_quality.contracts.quality import ESTIMATED_CODES
from data_quality.contracts.site_file.hierarchy import CONSUMPTION_REGISTER
from data_quality.contracts.site_file.meter import Carrier, Meter
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period

_HOUR = "1h"
_OF_PEOPLE_AND_PRODUCTION = ("occupants", "count", "h")
_ACTIVE_SHARE = 0.05


@dataclass(frozen=True)
class HourlyInputs:
    """The hours, the share of estimated readings among them, and whether some are simulated."""

    hours: SiteHours
    estimated_share: float
    is_synthetic: bool


def site_hours(
    site: Site,
    period: Period,
    readings: pl.DataFrame,
    *,
    factors: FactorView,
    baselines: Sequence[BaselineVersion] = (),
    overbilled: Mapping[str, Decimal] | None = None,
    what_ifs: Sequence[WhatIfVariant] = (),
    known_on: date | None = None,
) -> HourlyInputs:
    """The hours of a period. readings: LAKE_SCHEMA, unique by key; known_on: the day on which a stated cost holds.

    Raises BadInput for tariffs that overlap.
    """
    calendar = quarter_hours(site, period.start, period.end).with_columns(
        at=pl.col("interval_start_utc").dt.truncate(_HOUR)
    )
    grid = calendar.group_by("at", maintain_order=True).first()
    day = (grid["local_date"] - period.start).dt.total_days().to_numpy()
    own = readings.filter(pl.col("interval_start_utc").is_between(period.start_utc, period.end_utc, closed="left"))
    hourly = _Hourly(own, grid["at"])
    rates = {
        carrier: (_prices(site, period, readings, calendar, carrier), _factors(factors, carrier, grid["local_date"]))
        for carrier in {meter.carrier for meter in site.meters}
    }
    meters = _meters(site, hourly, rates)
    degrees = site.premises.degree_days
    outdoor = None if degrees is None else hourly.mean(degrees.driver)
    hours = SiteHours(
        site_id=site.site_id, start=period.start, end=period.end,
        hour=grid["local_time"].dt.hour().to_numpy().astype(int), day=day.astype(int),
        is_free=(grid["day_type"] != "weekday").to_numpy(), meters=meters, outdoor_degc=outdoor,
        activity=_activity(site, hourly), slopes=_slopes(baselines, site),
        declared_degc=None if degrees is None else {
            "hdd": float(degrees.heating_base_degc), "cdd": float(degrees.cooling_base_degc)},
        supply=_supply(site, period, own), overbilled=overbilled,
        chargers=tuple(_chargers(site)), what_ifs=tuple(what_ifs), costs=site.measure_costs, known_on=known_on,
    )  # fmt: skip
    consumed = own.filter(pl.col("register") == CONSUMPTION_REGISTER)
    estimated = consumed["quality_code"].is_in([int(code) for code in ESTIMATED_CODES]).mean()
    share = float(estimated) if isinstance(estimated, float) else 0.0
    return HourlyInputs(hours, share, bool(own["is_synthetic"].any()))


class _Hourly:
    """Readings by the hour: an hour is known where all of its quarter hours were read."""

    def __init__(self, readings: pl.DataFrame, hours: pl.Series) -> None:
        at = pl.col("interval_start_utc").dt.truncate(_HOUR).alias("at")
        self._rows = readings.group_by("meter_id", "register", "unit", at).agg(
            total=pl.col("value").sum(), level=pl.col("value").mean(), minutes=pl.len() * 15
        )
        self._hours = pl.DataFrame({"at": hours})

    def sum(self, stream: str, register: str = CONSUMPTION_REGISTER) -> np.ndarray | None:
        """KWh of each hour, NaN where not whole; None of a stream without a reading."""
        return self._of((pl.col("register") == register) & (pl.col("unit") == "kwh"), stream, "total", 60)

    def mean(self, stream: str) -> np.ndarray | None:
        """Level or amount of each hour; single hours that lack are filled from their neighbours, a day is not."""
        found = self._of(pl.lit(True), stream, "level", 15)
        if found is None:
            return None
        filled = pl.Series(found).fill_nan(None).forward_fill(limit=12).backward_fill(limit=12)
        return filled.fill_null(float("nan")).to_numpy()

    def _of(self, which: pl.Expr, stream: str, column: str, minutes: int) -> np.ndarray | None:
        rows = self._rows.filter((pl.col("meter_id") == stream) & which & (pl.col("minutes") >= minutes))
        if rows.is_empty():
            return None
        rows = rows.unique("at").select("at", column)
        joined = self._hours.join(rows, on="at", how="left", maintain_order="left", validate="1:1")
        return joined[column].fill_null(float("nan")).to_numpy()


def _meters(
    site: Site, hourly: _Hourly, rates: Mapping[Carrier, tuple[np.ndarray, np.ndarray]]
) -> tuple[MeterHours, ...]:
    """Meters of consumption that were read; what is made on site is none."""
    made = {name for name, _ in generation(site)}
    found, parents = list[tuple[Meter, np.ndarray]](), set[str]()
    for meter in site.meters:
        kwh = None if meter.is_virtual or meter.meter_id in made or meter.made_from else hourly.sum(meter.meter_id)
        if kwh is not None and meter.carrier is not Carrier.WATER:
            found.append((meter, kwh))
            parents.update(site.above(meter.meter_id))
    return tuple(
        MeterHours(
            meter_id=meter.meter_id, roles=roles_of(meter.meter_id), above=tuple(site.above(meter.meter_id)),
            is_leaf=meter.meter_id not in parents, kwh=kwh, price_per_kwh=rates[meter.carrier][0],
            kgco2e_per_kwh=rates[meter.carrier][1],
        )
        for meter, kwh in found
    )  # fmt: skip


def _prices(site: Site, period: Period, readings: pl.DataFrame, calendar: pl.DataFrame, carrier: Carrier) -> np.ndarray:
    prices = known_prices(site, period.start, period.end, readings, carrier=carrier)
    joined = calendar.select("at").with_columns(price=prices["price_per_kwh"].cast(pl.Float64))
    return joined.group_by("at", maintain_order=True).mean()["price"].fill_null(float("nan")).to_numpy()


def _factors(factors: FactorView, carrier: Carrier, days: pl.Series) -> np.ndarray:
    found = np.full(days.len(), np.nan)
    for each in factors.of(carrier, Basis.LOCATION):
        holds = ((days >= each.valid_from) & (days < each.valid_to)).to_numpy()
        found[holds] = float(each.kgco2e_per_kwh)
    return found


def _activity(site: Site, hourly: _Hourly) -> np.ndarray | None:
    """Hours with people or production, by the first such driver that changes within days; None without one."""
    for driver in site.drivers:
        level = hourly.mean(driver.driver_id) if driver.unit in _OF_PEOPLE_AND_PRODUCTION else None
        if level is None:
            continue
        level = np.nan_to_num(level)
        active = level > _ACTIVE_SHARE * np.quantile(level, 0.95)
        if active.any() and not active.all():
            return np.asarray(active)
    return None


def _slopes(baselines: Sequence[BaselineVersion], site: Site) -> tuple[WeatherSlope, ...]:
    """Degree-day terms of the baselines in force of uses that are no aggregate."""
    uses = {seu.seu_id: seu for seu in site.seus if not seu.is_aggregate}
    return tuple(
        WeatherSlope(
            meters=uses[version.baseline.seu_id].meters, term=term, base_degc=float(base),
            kwh_per_k_day=each.value, standard_error=each.standard_error,
            baseline=f"{version.baseline_id}@{version.version}",
        )
        for version in baselines
        if version.baseline.seu_id in uses
        for each in version.baseline.coefficients
        for term, _, base in [_term(each.name)]
        if term
    )  # fmt: skip


def _chargers(site: Site) -> Iterator[Charger]:
    """Chargers with a meter, a power and an hour of departure that holds for every day."""
    for asset in site.assets:
        leaves, max_kw = asset.params.get("departure"), asset.numbers.get("max_kw")
        if asset.kind == "ev_charger" and asset.meter and max_kw and isinstance(leaves, str):
            yield Charger(asset.meter, max_kw, int(leaves.partition(":")[0]))


def _term(name: str) -> tuple[str, str, str]:
    """Kind (hdd, cdd), mark and base of a degree-day term's name; empty of another."""
    for term in ("hdd", "cdd"):
        _, mark, base = name.rpartition(f".{term}_")
        if mark:
            return term, mark, base
    return "", "", ""


def _supply(site: Site, period: Period, readings: pl.DataFrame) -> Supply | None:
    """The supply where tariffs hold on every day of the period, and no other price series is needed."""
    tariffs = tariffs_of(site, Carrier.ELECTRICITY)
    covered = sum((min(each.valid_to, period.end) - max(each.valid_from, period.start)).days for each in tariffs
                  if each.valid_from < period.end and each.valid_to > period.start)  # fmt: skip
    by_series = any(charge.series is not None for tariff in tariffs for charge in tariff.energy_charges)
    if not tariffs or by_series or site.price_stream is not None or covered < (period.end - period.start).days:
        return None
    load = metered(site, readings, period.start, period.end).load
    types = types_around(site, period.start, period.end)
    return Supply(load, tariffs, site.time_zone, site.currency, types)
