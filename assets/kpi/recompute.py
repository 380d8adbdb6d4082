"""Every KPI again, in pure Python, from rows of the lake: what a trace recomputes a printed figure with.

Energies are whole billionths of a kWh and prices whole millionths, so sums are exact and equal the marts to the
last digit. The SQL of the marts is in dbt_project/models; a test holds the two together.
"""

from decimal import Decimal

import polars as pl

from assets.carbon.factors import electricity_factors
from assets.sites.calendar import day_types
from assets.sites.meter_tree import ENERGY_UNIT, has_import, total_meters
from assets.sites.virtual import streams_for, with_virtual
from assets.stores.lake import KEY
from assets.tariffs.periods import PRICE_DECIMALS, known_prices
from data_quality.contracts.errors import BadInput
from data_quality.contracts.hierarchy import CONSUMPTION_REGISTER
from data_quality.contracts.site import Carrier, Site
from data_quality.contracts.time import CANONICAL_MINUTES, Period
from data_quality.contracts.units import QUANTUM_DECIMALS

KPIS = (
    "consumption_kwh",
    "peak_15min_kw",
    "load_factor",
    "eui_kwh_per_m2",
    "cost",
    "emission_kgco2e",
    "delta_kwh",
    "savings_kwh",
)
EUI_DAYS = 365
_NANO = 10**QUANTUM_DECIMALS


def kpi_value(
    kpi: str,
    *,
    site: Site,
    scope: str,
    period: Period,
    readings: pl.DataFrame,
    expected: pl.DataFrame | None = None,
) -> Decimal | None:
    """The KPI of the scope ("meter:x", "seu:x", "site:<site_id>") over the period; None where it cannot be known.

    readings: LAKE_SCHEMA rows that hold at least `streams_behind(...)` over the period; superseded rows may be
    among them. expected: local_date, expected_kwh; needed for delta_kwh and savings_kwh. Exact for sums and the
    peak; a ratio is the double that the marts hold. Raises BadInput for an unknown KPI or scope.
    Formulas 5.2, 5.10, 5.11; definitions in dbt_project/README.md.
    """
    if kpi not in KPIS:
        raise BadInput(f"unknown KPI {kpi!r}; there are {', '.join(KPIS)}", reason="unknown_kpi")
    meters = scope_meters(site, scope)
    rows = _energy(readings, site=site, meters=meters, period=period)
    if kpi in ("delta_kwh", "savings_kwh"):
        delta = _delta(rows, site=site, meters=len(meters), period=period, expected=expected)
        return delta if delta is None or kpi == "delta_kwh" else -delta
    if rows.is_empty():
        return None
    if kpi == "consumption_kwh":
        return _kwh(_sum(rows["nano_kwh"]))
    if kpi == "cost":
        return _priced(rows, site, known_prices(site, period.start, period.end, readings))
    if kpi == "emission_kgco2e":
        factors = electricity_factors(site, period.start, period.end)
        by_day = factors.select("local_date", price_per_kwh="electricity_kgco2e_per_kwh")
        return _priced(_with_local_date(rows, site), site, by_day)
    if kpi == "eui_kwh_per_m2":
        return _eui(rows, site=site, scope=scope)
    complete = _complete_quarter_hours(rows, meters=len(meters))
    if complete.is_empty():
        return None
    peak_nano_kw = 4 * max(complete["nano_kwh"].to_list())
    if kpi == "peak_15min_kw":
        return _kwh(peak_nano_kw)
    return _load_factor(_sum(complete["nano_kwh"]), peak_nano_kw, minutes=complete.height * CANONICAL_MINUTES)


def scope_meters(site: Site, scope: str) -> tuple[str, ...]:
    """The meters whose import makes up the scope. Raises BadInput for a scope that the site does not have."""
    importing = {meter.meter_id for meter in site.meters if has_import(meter)}
    kind, _, name = scope.partition(":")
    seus = {seu.seu_id: seu.meters for seu in site.seus}
    if kind == "meter" and site.meter(name) is not None:
        found: tuple[str, ...] = (name,)
    elif kind == "seu" and name in seus:
        found = seus[name]
    elif kind == "site" and name == site.site_id:
        found = total_meters(site, Carrier.ELECTRICITY)
    else:
        raise BadInput(
            f"unknown scope {scope!r} at site {site.site_id}; expected site:{site.site_id}, meter:<meter_id> "
            "or seu:<seu_id>",
            reason="unknown_scope",
        )
    return tuple(meter_id for meter_id in dict.fromkeys(found) if meter_id in importing)


def streams_behind(kpi: str, *, site: Site, scope: str) -> tuple[str, ...]:
    """The streams that `kpi_value` reads for the scope: its meters, what virtual ones among them are made of, and for
    cost the site's price stream.
    """
    meters = streams_for(site, scope_meters(site, scope))
    return (*meters, site.price_stream) if kpi == "cost" and site.price_stream else meters


def _energy(readings: pl.DataFrame, *, site: Site, meters: tuple[str, ...], period: Period) -> pl.DataFrame:
    """Current import rows of the scope in the period: meter_id, interval_start_utc, nano_kwh (whole billionths)."""
    is_of_scope = (
        pl.col("meter_id").is_in(list(meters))
        & (pl.col("register") == CONSUMPTION_REGISTER)
        & (pl.col("unit") == ENERGY_UNIT)
    )
    rows = readings.filter(
        (pl.col("site_id") == site.site_id)
        & (is_of_scope | pl.col("meter_id").is_in(list(streams_for(site, meters))))
        & pl.col("interval_start_utc").is_between(period.start_utc, period.end_utc, closed="left")
    )
    latest = with_virtual(site, rows.sort("recorded_at_utc").unique(KEY, keep="last", maintain_order=True), meters)
    return latest.filter(is_of_scope).select(
        "meter_id", "interval_start_utc", nano_kwh=(pl.col("value") * float(_NANO)).round().cast(pl.Int64)
    )


def _sum(nano: pl.Series) -> int:
    return int(nano.cast(pl.Int128).sum())


def _kwh(nano: int) -> Decimal:
    return Decimal(nano).scaleb(-QUANTUM_DECIMALS)


def _with_local_date(rows: pl.DataFrame, site: Site) -> pl.DataFrame:
    return rows.with_columns(local_date=pl.col("interval_start_utc").dt.convert_time_zone(site.time_zone).dt.date())


def _priced(rows: pl.DataFrame, site: Site, prices: pl.DataFrame) -> Decimal | None:
    """Sum of energy times price over electricity rows whose price is known; None where none is."""
    electric = [meter.meter_id for meter in site.meters if meter.carrier == Carrier.ELECTRICITY]
    key = "local_date" if "local_date" in prices.columns else "interval_start_utc"
    groups = (
        rows.filter(pl.col("meter_id").is_in(electric))
        .join(prices, on=key, how="inner", validate="m:1")
        .filter(pl.col("price_per_kwh").is_not_null())
        .group_by("price_per_kwh")
        .agg(pl.col("nano_kwh").cast(pl.Int128).sum())
    )
    if groups.is_empty():
        return None
    total = sum(int(price.scaleb(PRICE_DECIMALS)) * int(nano) for price, nano in groups.iter_rows())
    return Decimal(total).scaleb(-QUANTUM_DECIMALS - PRICE_DECIMALS)


def _complete_quarter_hours(rows: pl.DataFrame, *, meters: int) -> pl.DataFrame:
    grouped = rows.group_by("interval_start_utc").agg(pl.col("nano_kwh").sum(), present=pl.len())
    return grouped.filter(pl.col("present") == meters)


def _load_factor(nano_kwh: int, peak_nano_kw: int, *, minutes: int) -> Decimal | None:
    if peak_nano_kw <= 0:
        return None
    return Decimal(repr(float(nano_kwh) / (float(peak_nano_kw) * (minutes / 60.0))))


def _eui(rows: pl.DataFrame, *, site: Site, scope: str) -> Decimal | None:
    """Site electricity per floor area: only of the whole site, and only with a year of days (resolution C3.8)."""
    days = _with_local_date(rows, site)["local_date"].n_unique()
    if not scope.startswith("site:") or site.floor_area_m2 is None or days < EUI_DAYS:
        return None
    return Decimal(repr(float(_sum(rows["nano_kwh"])) / _NANO / site.floor_area_m2))


def _delta(
    rows: pl.DataFrame, *, site: Site, meters: int, period: Period, expected: pl.DataFrame | None
) -> Decimal | None:
    """Actual minus expected over the days with an expected value and all their quarter hours."""
    if expected is None:
        raise BadInput("delta_kwh and savings_kwh need the expected days", reason="no_expected")
    actual = _with_local_date(rows, site).group_by("local_date").agg(pl.col("nano_kwh").sum(), present=pl.len())
    wanted = day_types(site, period.start, period.end).select("local_date", quarter_hours=pl.col("hours") * 4 * meters)
    compared = (
        actual.join(wanted, on="local_date", validate="1:1")
        .join(expected.select("local_date", "expected_kwh"), on="local_date", validate="1:1")
        .filter(pl.col("expected_kwh").is_not_null() & (pl.col("present") >= pl.col("quarter_hours")))
    )
    if compared.is_empty():
        return None
    nano_expected = (compared["expected_kwh"] * float(_NANO)).round().cast(pl.Int64)
    return _kwh(_sum(compared["nano_kwh"]) - _sum(nano_expected))
