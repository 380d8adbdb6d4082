"""Every KPI in pure Python, from rows of the lake: what the SQL of dbt_project is held to.

Energies are whole billionths of a kWh and prices whole millionths, so sums are exact and equal the marts to the
last digit; a ratio is the same double. The SQL of the marts is in dbt_project/models; a test holds the two together.
"""

import math
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property

import polars as pl

from assets.carbon.factor_choice.factor_view import FACTOR_DECIMALS, FactorView, meter_factors
from assets.kpi.facts import Stream, facts, streams
from assets.kpi.from_readings import split_product
from assets.stores.lake.lake_block import LAKE_SCHEMA
from assets.tariffs.periods import PRICE_DECIMALS, known_prices
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, Period
from data_quality.contracts.units import QUANTUM_DECIMALS
from tests.kpi.oracle.amounts import (
    NANO,
    ScopeUse,
    current,
    days_of,
    factored,
    kind_of,
    nano,
    quarter_hours_of,
    scope_use,
)
from tests.kpi.oracle.amounts import priced as priced_units
from tests.kpi.oracle.weather import weather_value

EUI_DAYS = 365
# Share of the expected minutes below which a sum is not divided by area, people or products.
COMPLETE = 0.99
PRODUCT_KPI = "kwh_per_product"
# KPIs in which an emission factor stands.
FACTORED = ("emission_kgco2e", "emission_kgco2e_per_m2")
# KPIs that compare with a baseline's expected days.
EXPECTED = ("delta_kwh", "savings_kwh", "delta_percent")


def kpi_value(
    kpi: str,
    *,
    site: Site,
    scope: str,
    period: Period,
    readings: pl.DataFrame,
    factors: FactorView,
    expected: pl.DataFrame | None = None,
) -> Decimal | None:
    """The KPI of the scope over the period; None where it cannot be known.

    scope: as assets/sites/scopes.py names it; of kwh_per_product it ends in /<product>. readings: LAKE_SCHEMA rows
    that hold at least `source_streams(...)` over the period; superseded rows may be among them. factors: as known
    then (assets/carbon/factor_choice/factor_view.py: known_factors). expected: local_date,
    expected_kwh; needed for KPIs of EXPECTED. Exact for sums and the peak; a ratio is the double that the
    marts hold. Raises BadInput for an unknown KPI or scope. Definitions: dbt_project/seeds/kpi_catalogue.csv.
    """
    if kpi not in KPIS:
        raise BadInput(f"unknown KPI {kpi!r}; there are {', '.join(KPIS)}", reason="unknown_kpi")
    return KPIS[kpi](_Case(site, scope, period, readings, factors, expected))


class _Case:
    """One question, with what several answers share."""

    def __init__(
        self,
        site: Site,
        scope: str,
        period: Period,
        readings: pl.DataFrame,
        factors: FactorView,
        expected: pl.DataFrame | None,
    ) -> None:
        self.site, self.period, self.readings, self.factors = site, period, readings, factors
        self.expected = expected
        self.asked = scope
        self.scope, self.product = split_product(site, scope)

    @cached_property
    def use(self) -> ScopeUse:
        return scope_use(self.readings, site=self.site, scope=self.scope, period=self.period)

    @property
    def days(self) -> int:
        return (self.period.end - self.period.start).days

    @property
    def is_complete(self) -> bool:
        return self.use.covered_minutes >= COMPLETE * self.use.expected_minutes and self.use.scope_days == self.days

    def fact(self, name: str) -> float | None:
        """Sum over the days, as a double of billionths; None where a day has none."""
        mine = [fact for fact in facts(self.site) if fact.scope == self.scope and fact.fact == name]
        total = Decimal(0)
        for day in days_of(self.period):
            amount = next((fact.amount for fact in mine if fact.start <= day < fact.end), None)
            if amount is None:
                return None
            total += amount
        return float(int(total * NANO))

    @property
    def is_water(self) -> bool:
        return bool(self._streams("water"))

    def _streams(self, role: str) -> list[Stream]:
        return [each for each in streams(self.site) if each.scope == self.scope and each.role == role]

    def stream_rows(self, role: str) -> list[pl.DataFrame]:
        """Current rows of each stream of a role, on the days that it plays it."""
        local_date = pl.col("interval_start_utc").dt.convert_time_zone(self.site.time_zone).dt.date()
        rows = current(self.readings, site=self.site, period=self.period)
        return [
            rows.filter(
                (pl.col("meter_id") == each.stream_id)
                & (pl.col("register") == each.register)
                & (local_date >= each.start)
                & (local_date < each.end)
            )
            for each in self._streams(role)
        ]

    def stream(self, role: str) -> tuple[int | None, int, int] | None:
        """Billionths, covered and expected minutes of the streams of a role; None where there are none."""
        mine = self._streams(role)
        slots = quarter_hours_of(self.site, self.period)
        found, covered, wanted = [], 0, 0
        for each, own in zip(mine, self.stream_rows(role), strict=True):
            covered += own.height * CANONICAL_MINUTES
            wanted += sum(count for day, count in slots.items() if each.start <= day < each.end) * CANONICAL_MINUTES
            if own.height:
                found.append(int(own.select(nano(pl.col("value")).cast(pl.Int128).sum()).item()))
        return (sum(found) if found else None, covered, wanted) if mine else None


def _kwh(value: int) -> Decimal:
    return Decimal(value).scaleb(-QUANTUM_DECIMALS)


def _double(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(repr(value))


def _consumption(case: _Case) -> Decimal | None:
    if case.scope.endswith("/water") or case.use.rows.is_empty():
        return None
    total = case.use.nano_kwh()
    return None if total is None else _kwh(total)


def _peak_nano(use: ScopeUse) -> int | None:
    complete = use.by_quarter_hour()
    return None if use.is_allocated or complete.is_empty() else 4 * max(complete["nano_kwh"].to_list())


def _peak(case: _Case) -> Decimal | None:
    peak = _peak_nano(case.use)
    return None if peak is None else _kwh(peak)


def _load_factor(case: _Case) -> Decimal | None:
    peak, complete = _peak_nano(case.use), case.use.by_quarter_hour()
    if peak is None or peak <= 0:
        return None
    minutes = complete.height * CANONICAL_MINUTES
    total = int(complete["nano_kwh"].cast(pl.Int128).sum())
    return _double(float(total) / (float(peak) * (minutes / 60.0)))


def _demand_factor(case: _Case) -> Decimal | None:
    peak, load = _peak_nano(case.use), case.fact("connected_load_kw")
    return None if peak is None or load is None else _double(float(peak) * case.days / load)


def _diversity_factor(case: _Case) -> Decimal | None:
    members = {member for span in case.use.spans for member in span.members}
    names = sorted({member.meter_id for member in members})
    changes = any(len(span.members) != len(names) for span in case.use.spans)
    peak = _peak_nano(case.use)
    if len(names) < 2 or changes or any(each.sign < 0 for each in members) or peak is None or peak <= 0:
        return None
    single = [
        _peak_nano(scope_use(case.readings, site=case.site, scope=f"meter:{name}", period=case.period))
        for name in names
    ]
    known = [each for each in single if each is not None]
    return _double(float(sum(known)) / float(peak)) if len(known) == len(single) else None


def _prices(case: _Case, carrier: Carrier) -> pl.DataFrame:
    prices = known_prices(case.site, case.period.start, case.period.end, case.readings, carrier=carrier)
    return prices.with_columns(carrier=pl.lit(carrier.value))


def _cost(case: _Case) -> Decimal | None:
    """Energy times price of each carrier among the members; of water, cubic metres."""
    if case.is_water:
        return _water_cost(case)
    meters = set(case.use.rows["meter_id"])
    carriers = sorted({meter.carrier for meter in case.site.meters if meter.meter_id in meters})
    if not carriers:
        return None
    prices = pl.concat([_prices(case, carrier) for carrier in carriers])
    total, _ = priced_units(case.use, prices, price_decimals=PRICE_DECIMALS)
    return None if total is None else Decimal(total).scaleb(-QUANTUM_DECIMALS - PRICE_DECIMALS)


def _water_cost(case: _Case) -> Decimal | None:
    prices = _prices(case, Carrier.WATER).drop_nulls("price_per_kwh")
    rows = pl.concat([pl.DataFrame(schema=LAKE_SCHEMA), *case.stream_rows("water")])
    known = rows.join(prices, on="interval_start_utc", how="inner", validate="m:1")
    amounts = known.select(nano(pl.col("value")), "price_per_kwh")
    total = sum(int(units) * int(price.scaleb(PRICE_DECIMALS)) for units, price in amounts.iter_rows())
    return None if known.is_empty() else Decimal(total).scaleb(-QUANTUM_DECIMALS - PRICE_DECIMALS)


def _carbon(case: _Case) -> tuple[Decimal | None, int]:
    total, without = factored(case.use, meter_factors(case.site, case.factors))
    return None if total is None else Decimal(total).scaleb(-FACTOR_DECIMALS), without


def _emission(case: _Case) -> Decimal | None:
    return _carbon(case)[0]


def _nano_double(value: Decimal) -> float:
    return float(int((value * NANO).quantize(Decimal(1), rounding=ROUND_HALF_UP)))


def _emission_per_m2(case: _Case) -> Decimal | None:
    total, without = _carbon(case)
    area = case.fact("area_m2")
    if total is None or area is None or without or not case.is_complete:
        return None
    return _double(_nano_double(total) * case.days / area)


def _eui(case: _Case) -> Decimal | None:
    """Energy per mean floor area: only with a year of days, and nearly all of them (resolution C3.8)."""
    if case.use.covered_days < EUI_DAYS or case.use.covered_minutes < COMPLETE * case.use.expected_minutes:
        return None
    return None if kind_of(case.scope) in ("meter", "seu", "asset") else _per_day(case, "area_m2")


def _eui_rolling(case: _Case) -> Decimal | None:
    return _per_day(case, "area_m2") if case.is_complete else None


def _per_occupant(case: _Case) -> Decimal | None:
    return _per_day(case, "occupants") if case.is_complete else None


def _per_day(case: _Case, name: str) -> Decimal | None:
    """Energy by the mean of a dated fact over the days."""
    total, amount = case.use.nano_kwh(), case.fact(name)
    return None if total is None or amount is None else _double(float(total) * case.days / amount)


def _pair(case: _Case, role: str) -> tuple[float, float] | None:
    """Energy and the amount of a role, both as doubles of billionths, where both are complete."""
    stream, total = case.stream(role), case.use.nano_kwh()
    if stream is None or total is None or stream[0] is None or stream[1] < COMPLETE * stream[2]:
        return None
    if case.use.covered_minutes < COMPLETE * case.use.expected_minutes:
        return None
    return float(total), float(stream[0])


def _power_factor(case: _Case) -> Decimal | None:
    pair = _pair(case, "kvarh")
    if pair is None or pair == (0.0, 0.0):
        return None
    active, reactive = pair
    return _double(active / math.sqrt(active * active + reactive * reactive))


def _per_product(case: _Case) -> Decimal | None:
    pair = _pair(case, f"product/{case.product}")
    return None if pair is None or pair[1] <= 0 else _double(pair[0] / pair[1])


def _own(case: _Case) -> tuple[int, int] | None:
    """Generated and exported billionths, where both are complete and no more is exported than generated."""
    made, fed = case.stream("generation"), case.stream("export")
    if made is None or fed is None or made[0] is None or fed[0] is None or fed[0] > made[0]:
        return None
    return (made[0], fed[0]) if made[1] + fed[1] >= COMPLETE * (made[2] + fed[2]) else None


def _self_consumption(case: _Case) -> Decimal | None:
    own = _own(case)
    return None if own is None or own[0] <= 0 else _double((float(own[0]) - float(own[1])) / float(own[0]))


def _self_sufficiency(case: _Case) -> Decimal | None:
    own, bought = _own(case), case.use.nano_kwh()
    if own is None or bought is None or case.use.covered_minutes < COMPLETE * case.use.expected_minutes:
        return None
    made, fed, used = float(own[0]), float(own[1]), bought + own[0] - own[1]
    return None if used <= 0 else _double((made - fed) / (float(bought) + made - fed))


def _contract_share(case: _Case) -> Decimal | None:
    contracted, total = _contracted(case), case.use.nano_kwh()
    if contracted is None or total is None or total <= 0:
        return None
    return _double(_nano_double(contracted) / float(total))


def _mean(name: str) -> Callable[[_Case], Decimal | None]:
    """Mean of a dated fact over the days; None where a day has none."""

    def value(case: _Case) -> Decimal | None:
        amount = case.fact(name)
        return None if amount is None else _double(amount / NANO / case.days)

    return value


def _stream(role: str) -> Callable[[_Case], Decimal | None]:
    def value(case: _Case) -> Decimal | None:
        stream = case.stream(role)
        return None if stream is None or stream[0] is None else _kwh(stream[0])

    return value


def _contracted(case: _Case) -> Decimal | None:
    """Energy of each day times its contracted share; None where a day has none."""
    mine = [fact for fact in facts(case.site) if fact.fact == "contract_share"]
    by_day = case.use.rows.group_by("local_date").agg((pl.col("nano_kwh") * pl.col("sign")).cast(pl.Int128).sum())
    energies = {day: int(total) for day, total in by_day.iter_rows()}
    contracted = Decimal(0)
    for day in days_of(case.period):
        share = next((fact.amount for fact in mine if fact.start <= day < fact.end), None)
        if share is None:
            return None
        contracted += _kwh(energies.get(day, 0)) * share
    return contracted if energies else None


def _water(case: _Case) -> Decimal | None:
    stream = case.stream("water")
    return None if stream is None or stream[0] is None else _kwh(stream[0])


def _weather(name: str) -> Callable[[_Case], Decimal | None]:
    def value(case: _Case) -> Decimal | None:
        return _double(weather_value(name, case.use, case.readings))

    return value


def _delta(case: _Case) -> Decimal | None:
    compared = _compared(case)
    return _kwh(sum(actual - expected for actual, expected in compared)) if compared else None


def _compared(case: _Case) -> list[tuple[int, int]]:
    """Actual and expected billionths of the days with an expected value and all their quarter hours."""
    if case.expected is None:
        raise BadInput("a difference to the baseline needs the expected days", reason="no_expected")
    actual = case.use.rows.group_by("local_date").agg(
        (pl.col("nano_kwh") * pl.col("sign")).cast(pl.Int128).sum(), pl.len().alias("present"), pl.col("members").max()
    )
    known = {
        day: round(value * NANO)
        for day, value in case.expected.select("local_date", "expected_kwh").iter_rows()
        if value is not None
    }
    return [
        (int(total), known[day])
        for day, total, present, members in actual.iter_rows()
        if day in known and present >= case.use.quarter_hours[day] * members
    ]


def _delta_percent(case: _Case) -> Decimal | None:
    compared = _compared(case)
    wanted = sum(expected for _, expected in compared)
    if not compared or wanted <= 0:
        return None
    return _double(100 * float(sum(actual - expected for actual, expected in compared)) / float(wanted))


def _savings(case: _Case) -> Decimal | None:
    delta = _delta(case)
    return None if delta is None else -delta


KPIS: dict[str, Callable[[_Case], Decimal | None]] = {
    "consumption_kwh": _consumption,
    "consumption_m3": _water,
    "peak_15min_kw": _peak,
    "load_factor": _load_factor,
    "demand_factor": _demand_factor,
    "diversity_factor": _diversity_factor,
    "power_factor": _power_factor,
    "eui_kwh_per_m2": _eui,
    "eui_rolling12_kwh_per_m2": _eui_rolling,
    "cost": _cost,
    "emission_kgco2e": _emission,
    "emission_kgco2e_per_m2": _emission_per_m2,
    "self_consumption_rate": _self_consumption,
    "self_sufficiency": _self_sufficiency,
    "contractual_renewable_share": _contract_share,
    "generation_kwh": _stream("generation"),
    "export_kwh": _stream("export"),
    "contracted_kwh": _contracted,
    "kwh_per_occupant": _per_occupant,
    "floor_area_m2": _mean("area_m2"),
    "headcount": _mean("occupants"),
    PRODUCT_KPI: _per_product,
    "kwh_per_hdd": _weather("kwh_per_hdd"),
    "kwh_per_cdd": _weather("kwh_per_cdd"),
    "slope_kwh_per_hdd": _weather("slope_kwh_per_hdd"),
    "slope_kwh_per_cdd": _weather("slope_kwh_per_cdd"),
    "delta_kwh": _delta,
    "savings_kwh": _savings,
    "delta_percent": _delta_percent,
}
