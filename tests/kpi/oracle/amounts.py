"""Use of a scope over local days, in whole billionths: the rows behind every KPI that is computed again in Python.

Members, signs and shares hold on their days (assets/sites/scopes.py); shared meters are given out day by day by
largest remainder, as the SQL of dbt_project does. Money and carbon are counted in 10^-15, energy in 10^-9.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from assets.carbon.factor_choice.factor_view import FACTOR_DECIMALS, MeterFactor
from assets.sites.calendar import day_types
from assets.sites.meter_tree import ENERGY_UNIT
from assets.sites.scopes import ONE, ScopeSpan, known_spans, largest_remainder, scope_spans
from assets.sites.virtual import streams_for, with_virtual
from assets.stores.lake.lake import KEY
from data_quality.contracts.site_file.hierarchy import CONSUMPTION_REGISTER
from data_quality.contracts.site_file.premises import SHARE_DECIMALS
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, Period
from data_quality.contracts.units import QUANTUM_DECIMALS

NANO = 10**QUANTUM_DECIMALS
SLOTS_PER_HOUR = 60 // CANONICAL_MINUTES


@dataclass(frozen=True)
class ScopeUse:
    """Import energy of a scope over a period.

    rows: member rows meter_id, interval_start_utc, local_date, nano_kwh (as read), sign, members (of the scope on the
    day); spans: the scope's own; quarter_hours: by local day of the period.
    """

    site: Site
    scope: str
    period: Period
    spans: tuple[ScopeSpan, ...]
    rows: pl.DataFrame
    quarter_hours: Mapping[date, int]

    @property
    def is_allocated(self) -> bool:
        """True where a share of a meter is among the members."""
        return any(member.share != ONE for span in self.spans for member in span.members)

    @property
    def covered_minutes(self) -> int:
        """Member-minutes with a reading."""
        return self.rows.height * CANONICAL_MINUTES

    @property
    def expected_minutes(self) -> int:
        """Member-minutes of the days on which the scope has members."""
        return sum(slots * CANONICAL_MINUTES * len(self.members_on(day)) for day, slots in self.quarter_hours.items())

    @property
    def scope_days(self) -> int:
        """Days on which the scope has members."""
        return sum(1 for day in self.quarter_hours if self.members_on(day))

    @property
    def covered_days(self) -> int:
        """Days with at least one reading."""
        return self.rows["local_date"].n_unique()

    def members_on(self, day: date) -> tuple[object, ...]:
        """The members of the scope on that day."""
        return next((span.members for span in self.spans if span.start <= day < span.end), ())

    def nano_kwh(self) -> int | None:
        """The energy of the period; None where nothing was read."""
        by_day = self.rows.unique(["meter_id", "interval_start_utc"])
        return self.total(_day_sums(by_day.select("meter_id", "local_date", units="nano_kwh")))

    def total(self, amounts: Mapping[tuple[str, date], int]) -> int | None:
        """Amounts of meters and days, taken by sign and share; None where no member has one."""
        found = [self._taken(meter, day, units) for (meter, day), units in amounts.items()]
        known = [taken for taken in found if taken is not None]
        return sum(known) if known else None

    def _taken(self, meter: str, day: date, units: int) -> int | None:
        span = next((span for span in self.spans if span.start <= day < span.end), None)
        mine = [member for member in span.members if member.meter_id == meter] if span is not None else []
        if not mine:
            return None
        whole = sum(member.sign * units for member in mine if member.share == ONE)
        if all(member.share == ONE for member in mine):
            return whole
        return whole + largest_remainder(units, _weights(self.site, kind_of(self.scope), meter, day))[self.scope]

    def by_quarter_hour(self) -> pl.DataFrame:
        """interval_start_utc, local_date, nano_kwh of the quarter hours in which every member is present."""
        signed = pl.col("nano_kwh") * pl.col("sign")
        grouped = self.rows.group_by("interval_start_utc", "local_date").agg(
            signed.sum().alias("nano_kwh"), pl.len().alias("present"), pl.col("members").max()
        )
        return grouped.filter(pl.col("present") == pl.col("members"))


def kind_of(scope: str) -> str:
    """Kind of a scope: the part before its colon."""
    return scope.partition(":")[0]


def _weights(site: Site, kind: str, meter: str, day: date) -> dict[str, int]:
    """Scope -> share in millionths of everybody who shares the meter on that day."""
    return {
        span.scope: int(member.share.scaleb(SHARE_DECIMALS))
        for span in scope_spans(site)
        if span.kind == kind and span.start <= day < span.end
        for member in span.members
        if member.meter_id == meter and member.share != ONE
    }


def _day_sums(rows: pl.DataFrame) -> dict[tuple[str, date], int]:
    """rows: meter_id, local_date, units (whole). Exact sums by meter and day."""
    sums = rows.group_by("meter_id", "local_date").agg(pl.col("units").cast(pl.Int128).sum())
    return {(meter, day): int(units) for meter, day, units in sums.iter_rows()}


def priced(use: ScopeUse, prices: pl.DataFrame, *, price_decimals: int) -> tuple[int | None, int]:
    """Energy times price in units of 10^-(9 + price_decimals), and the member-minutes without a price.

    prices: carrier, interval_start_utc, price_per_kwh (Decimal, null: unknown). None where nothing is priced.
    """
    carriers = {meter.meter_id: meter.carrier.value for meter in use.site.meters}
    joined = use.rows.with_columns(carrier=pl.col("meter_id").replace_strict(carriers)).join(
        prices.select("carrier", "interval_start_utc", "price_per_kwh"),
        on=["carrier", "interval_start_utc"],
        how="left",
        validate="m:1",
    )
    known = joined.filter(pl.col("price_per_kwh").is_not_null())
    groups = (
        known.unique(["meter_id", "interval_start_utc"])
        .group_by("meter_id", "local_date", "price_per_kwh")
        .agg(pl.col("nano_kwh").cast(pl.Int128).sum())
    )
    amounts: dict[tuple[str, date], int] = {}
    for meter, day, price, nano in groups.iter_rows():
        amounts[meter, day] = amounts.get((meter, day), 0) + int(price.scaleb(price_decimals)) * int(nano)
    return use.total(amounts), (joined.height - known.height) * CANONICAL_MINUTES


def factored(use: ScopeUse, factors: Iterable[MeterFactor]) -> tuple[int | None, int]:
    """Emission in 10^-15 kg, a whole number for each meter and hour, and the member-minutes without a factor."""
    spans: dict[str, list[MeterFactor]] = {}
    for each in factors:
        spans.setdefault(each.meter_id, []).append(each)
    read = use.rows.unique(["meter_id", "interval_start_utc"])
    hour = pl.col("interval_start_utc").dt.truncate("1h")
    hours = read.group_by("meter_id", "local_date", hour).agg(pl.col("nano_kwh").cast(pl.Int128).sum())
    amounts: dict[tuple[str, date], int] = {}
    for meter, day, nano_kwh in hours.select("meter_id", "local_date", "nano_kwh").iter_rows():
        held = next((each for each in spans.get(meter, []) if each.start <= day < each.end), None)
        if held is not None:
            emitted = _rounded(int(nano_kwh) * int(held.kgco2e_per_kwh.scaleb(FACTOR_DECIMALS)))
            amounts[meter, day] = amounts.get((meter, day), 0) + emitted
    days = use.rows.group_by("meter_id", "local_date").len()
    without = sum(count for meter, day, count in days.iter_rows() if (meter, day) not in amounts)
    return use.total(amounts), without * CANONICAL_MINUTES


def _rounded(product: int) -> int:
    """A product of 24 decimals to 15, as SQL casts it: half away from zero."""
    whole, rest = divmod(abs(product), NANO)
    rounded: int = whole + 1 if 2 * rest >= NANO else whole
    return -rounded if product < 0 else rounded


def scope_use(readings: pl.DataFrame, *, site: Site, scope: str, period: Period) -> ScopeUse:
    """The scope's energy over the period. readings: LAKE_SCHEMA; superseded rows may be among them.

    Raises BadInput for a scope that the site does not have.
    """
    spans = tuple(known_spans(site, scope))
    meters = tuple(dict.fromkeys(member.meter_id for span in spans for member in span.members))
    is_of_scope = (
        pl.col("meter_id").is_in(list(meters))
        & (pl.col("register") == CONSUMPTION_REGISTER)
        & (pl.col("unit") == ENERGY_UNIT)
    )
    rows = current(readings, site=site, period=period).filter(
        is_of_scope | pl.col("meter_id").is_in(list(streams_for(site, meters)))
    )
    energy = (
        with_virtual(site, rows, meters)
        .filter(is_of_scope)
        .select(
            "meter_id",
            "interval_start_utc",
            local_date=pl.col("interval_start_utc").dt.convert_time_zone(site.time_zone).dt.date(),
            nano_kwh=nano(pl.col("value")),
        )
    )
    members = pl.DataFrame(
        [
            (each.meter_id, span.start, span.end, each.sign, len(span.members))
            for span in spans
            for each in span.members
        ],
        schema={"meter_id": pl.String, "start": pl.Date, "end": pl.Date, "sign": pl.Int64, "members": pl.UInt32},
        orient="row",
    )
    joined = energy.join(members, on="meter_id").filter(
        (pl.col("local_date") >= pl.col("start")) & (pl.col("local_date") < pl.col("end"))
    )
    return ScopeUse(
        site=site,
        scope=scope,
        period=period,
        spans=spans,
        rows=joined.drop("start", "end"),
        quarter_hours=quarter_hours_of(site, period),
    )


def quarter_hours_of(site: Site, period: Period) -> dict[date, int]:
    """Number of quarter hours of each local day of the period."""
    days = day_types(site, period.start, period.end).select("local_date", "hours")
    return {day: int(hours * SLOTS_PER_HOUR) for day, hours in days.iter_rows()}


def current(readings: pl.DataFrame, *, site: Site, period: Period) -> pl.DataFrame:
    """The site's rows inside of the period, the latest per key."""
    rows = readings.filter(
        (pl.col("site_id") == site.site_id)
        & pl.col("interval_start_utc").is_between(period.start_utc, period.end_utc, closed="left")
    )
    return rows.sort("recorded_at_utc").unique(KEY, keep="last", maintain_order=True)


def nano(value: pl.Expr) -> pl.Expr:
    """A stored value in whole billionths."""
    return (value * float(NANO)).round().cast(pl.Int64)


def days_of(period: Period) -> list[date]:
    """The local days of the period."""
    return [period.start + timedelta(days=each) for each in range((period.end - period.start).days)]
