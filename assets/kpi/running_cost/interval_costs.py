"""lake.interval_cost: what each quarter hour of a site's supply costs by its dated tariffs, and its running block.

The supply is the site's main electricity meters together (formulas 5.1): one bill a local month, its lines not rounded,
laid back over the quarter hours (assets/bills). Days without a tariff, or with a tariff that cannot be
billed from intervals, have no cost and the reason in its place.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from assets.bills.engine.bill_load import Load, nano
from assets.bills.engine.book import Book, Run, Span, book_of, calendar_months, carries_over, runs_of
from assets.bills.engine.interval_cost import running_of
from assets.carbon.factor_choice.factor_view import FactorView, electricity_factors, known_factors
from assets.kpi.mart_windows import Window
from assets.kpi.running_cost.demand_window import Blocks, blocks_of
from assets.kpi.running_cost.supply_terms import needs_reactive, reactive_rows, without_gaps
from assets.sites.calendar import types_around
from assets.sites.meter_tree import has_import, total_meters, tree_spans
from assets.sites.view import summed_readings
from assets.stores.lake.lake import Lake
from assets.stores.warehouse.warehouse_tables import AMOUNT, FACTOR, SOURCE_SCHEMAS, empty_source
from assets.tariffs.periods import PRICE, PRICE_DECIMALS, tariffs_of
from assets.tariffs.price_series import PriceSeries
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.billing.tariff_calendar import DayType
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, local_midnight_utc
from data_quality.contracts.units import QUANTUM_DECIMALS

NO_TARIFF, PRICE_GAP = "no_tariff_in_force", "price_gap"
_SCALE = 10**QUANTUM_DECIMALS
_STEP = timedelta(minutes=CANONICAL_MINUTES)
_COSTS = ("energy_cost", "other_cost")
# Of a site of a thousand main meters a year is never copied whole.
_ROWS_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class MeteredLoad(Load):
    """Import and export as two registers count them: `load` is the import, `generation` the export, none netted."""

    def imported(self, *, is_gross: bool) -> np.ndarray:
        """The import register."""
        # Two registers have counted both directions within the quarter hour: netted again, billed energy would be lost.
        return self.load

    def exported(self, *, is_gross: bool) -> np.ndarray:
        """The export register."""
        return np.zeros_like(self.load) if self.generation is None else self.generation


class Supply(NamedTuple):
    """The load of the main meters, and where at least one of them was read."""

    load: MeteredLoad
    is_read: np.ndarray


def interval_costs(
    site: Site, lake: Lake, windows: Iterable[Window], *, as_of_utc: datetime | None = None
) -> pl.DataFrame:
    """lake.interval_cost of the whole local months of the windows, as far as the lake's readings reach.

    One row per quarter hour; costs in the site's currency, null with a `cost_finding`. Raises BadInput for tariffs
    that overlap.
    """
    known = lake.span(site.site_id, as_of_utc=as_of_utc)
    mains = main_meters(site)
    if known is None or not mains:
        return empty_source("interval_cost")
    # A UTC day may reach into the local day before and after it.
    first, last = (known[0] - timedelta(days=1)).replace(day=1), known[1] + timedelta(days=2)
    spans = [(max(first, w.first), min(last, w.after)) for w in windows if w.site_id == site.site_id]
    months = [month for start, end in spans if start < end for month in calendar_months(start, end)]
    if not months:
        return empty_source("interval_cost")
    # Ratchets and credits reach back to the first bill that there is.
    start = first if carries_over(tariffs_of(site)) else months[0][0]
    start_utc, end_utc = (local_midnight_utc(day, site.time_zone) for day in (start, months[-1][1]))
    span: Any = {"start_utc": start_utc, "end_utc": end_utc, "as_of_utc": as_of_utc}
    rows = summed_readings(lake, site, supply_streams(site), **span, has_quality=False)
    factors = known_factors(site, lake.store, as_of_utc=as_of_utc)
    frame = costs_of_months(site, rows, calendar_months(start, months[-1][1]), factors=factors)
    # Months before the asked ones were made for what they hand on, and stand in the marts already.
    wanted = [_between(local_midnight_utc(a, site.time_zone), local_midnight_utc(b, site.time_zone)) for a, b in months]
    return frame.filter(pl.any_horizontal(wanted))


def costs_of_months(
    site: Site, readings: pl.DataFrame, months: Sequence[tuple[date, date]], *, factors: FactorView
) -> pl.DataFrame:
    """lake.interval_cost of those whole local months, in order and without a hole. readings: LAKE_SCHEMA."""
    supply = metered(site, readings, months[0][0], months[-1][1])
    load = supply.load
    book = book_of(site)
    runs = [run for month in months for run in runs_of(book, *month)]
    types = types_around(site, months[0][0], months[-1][1])
    prices = prices_of(site, readings)
    billed = [run for run in runs if run.has_tariff]
    # What a bill hands on is known only where the bills are made in one go.
    groups = [billed] if carries_over(tariffs_of(site)) else [[run] for run in billed]
    parts = [
        _frame(supply, site, run, NO_TARIFF, _blocks(book, supply, site, run, types))
        for run in runs
        if not run.has_tariff
    ]
    for group in (group for group in groups if group):
        assert book is not None  # noqa: S101
        made = _cost_of(book, [Span(run.start, run.end) for run in group], load, prices, types)
        parts += [_frame(supply, site, run, made, _blocks(book, supply, site, run, types)) for run in group]
    dated = electricity_factors(factors, months[0][0], months[-1][1])
    return _with_factor(pl.concat(parts).sort("interval_start_utc"), site, readings, dated)


def _cost_of(
    book: Book,
    spans: Sequence[Span],
    load: MeteredLoad,
    prices: Mapping[str, PriceSeries],
    types: dict[date, DayType],
) -> pl.DataFrame | str:
    """Cost of the bills' quarter hours, with cost_finding; or why nothing of them is known.

    A price that lacks leaves its own quarter hours without an energy cost, and the others as they are.
    """
    try:
        try:
            made, unpriced = running_of(book, spans, load, prices=prices, day_types=types), None
        except BadInput as fault:
            # A lacking price is mended below; whatever else a bill refuses holds for all of it.
            if fault.reason != "price_gap":
                raise
            filled, unpriced = without_gaps(book.tariffs, load, prices)
            made = running_of(book, spans, load, prices=filled, day_types=types)
    except BadInput as fault:
        return fault.reason or "not_billable"
    finding = pl.lit("no_reactive_energy" if needs_reactive(book.tariffs) and load.kvarh is None else None, pl.String)
    if unpriced is None:
        return made.with_columns(cost_finding=finding)
    is_gap = pl.col("interval_start_utc").is_in(unpriced.implode())
    return made.with_columns(
        energy_cost=pl.when(~is_gap).then("energy_cost"),
        cost_finding=pl.when(is_gap).then(pl.lit(PRICE_GAP)).otherwise(finding),
    )


def main_meters(site: Site) -> tuple[str, ...]:
    """Electricity meters that are a main meter on any day, in file order."""
    ever = {name for span in tree_spans(site) for name in total_meters(site, Carrier.ELECTRICITY, span.start)}
    return tuple(meter.meter_id for meter in site.meters if meter.meter_id in ever)


def supply_streams(site: Site) -> tuple[str, ...]:
    """The streams that the running figures read: main meters, prices, the hourly factor."""
    prices = [driver.driver_id for driver in site.drivers if driver.unit in ("per_kwh", "per_mwh")]
    factor = _factor_stream(site)
    return (*main_meters(site), *prices, *([factor] if factor else ()))


def metered(site: Site, readings: pl.DataFrame, start: date, end: date) -> Supply:
    """Import and export of the main meters over local dates [start, end), each by the hierarchy of its day.

    A quarter hour is present where every main meter has its import, read where one has: what it read is counted.
    """
    start_utc, end_utc = (local_midnight_utc(day, site.time_zone) for day in (start, end))
    size = (end_utc - start_utc) // _STEP
    found = {name: np.zeros(size, dtype=np.int64) for name in ("import", "export", "present", "read")}
    reactive, total = reactive_rows(site, readings), 0.0
    for span in tree_spans(site):
        if span.start >= end or span.end <= start:
            continue
        first, after = (local_midnight_utc(day, site.time_zone) for day in (max(start, span.start), min(end, span.end)))
        mains = frozenset(total_meters(site, Carrier.ELECTRICITY, span.start))
        importing = sum(meter.meter_id in mains and has_import(meter) for meter in site.meters)
        is_own = pl.col("meter_id").is_in(mains) & _between(first, after) & (pl.col("unit") == "kwh")
        counts = np.zeros(size, dtype=np.int64)
        for some in readings.iter_slices(_ROWS_AT_ONCE):
            for register in ("import", "export"):
                each = some.filter(is_own & (pl.col("register") == register))
                index = ((each["interval_start_utc"].dt.epoch("us").to_numpy()) - _us(start_utc)) // _us_step()
                values = each["value"].to_numpy()
                # All of them together must fit, not only these.
                total += float(np.abs(values).sum())
                nano(np.array([total]))
                # Several meters share a quarter hour: plain assignment would keep the last of them.
                np.add.at(found[register], index, nano(values))
                if register == "import":
                    counts += np.bincount(index, minlength=size)
        # Of a supply by two meters half is not the whole: present is where all of them were read.
        found["present"] += (counts == importing) & (counts > 0)
        found["read"] += counts
    load = MeteredLoad(
        start_utc=start_utc,
        step_minutes=CANONICAL_MINUTES,
        load=found["import"],
        is_present=found["present"] > 0,
        generation=found["export"] if found["export"].any() else None,
        kvarh=_kvarh(reactive, start_utc, size),
    )
    return Supply(load, found["read"] > 0)


def _frame(supply: Supply, site: Site, run: Run, found: pl.DataFrame | str, blocks: Blocks) -> pl.DataFrame:
    """The rows of one run. found: the running cost of its bill among others, or why there is none."""
    start_utc, end_utc = (local_midnight_utc(day, site.time_zone) for day in (run.start, run.end))
    part = supply.load.between(start_utc, end_utc)
    first = (start_utc - supply.load.start_utc) // _STEP
    frame = pl.DataFrame(
        {
            "site_id": pl.repeat(site.site_id, part.size, eager=True),
            "interval_start_utc": pl.datetime_range(
                start_utc, end_utc, interval=_STEP, closed="left", time_unit="us", time_zone="UTC", eager=True
            ),
            "is_present": part.is_present,
            "is_read": supply.is_read[first : first + part.size],
            "import_kwh": _amounts(part.imported(is_gross=False)),
            "export_kwh": _amounts(part.exported(is_gross=False)),
            "block_kwh": _amounts(blocks.energy),
            "block_minutes": blocks.so_far,
            "window_minutes": blocks.window,
            "demand_charge": pl.Series(blocks.charge, dtype=pl.String),
        }
    ).with_columns(
        # Missing is never zero, and only what was read in full is a block.
        import_kwh=pl.when("is_read").then("import_kwh"),
        block_kwh=pl.when(pl.col("block_kwh") >= 0).then("block_kwh"),
    )
    if isinstance(found, str):
        none = [pl.lit(None, dtype=AMOUNT).alias(name) for name in _COSTS]
        frame = frame.with_columns(*none, bill_start=pl.lit(None, dtype=pl.Date), cost_finding=pl.lit(found))
        return frame.select(name for name in SOURCE_SCHEMAS["interval_cost"] if name in frame.columns)
    cost = found.filter(pl.col("bill_start") == run.start).select(
        "interval_start_utc", "bill_start", "cost_finding", *_COSTS
    )
    frame = frame.join(cost, on="interval_start_utc", how="left", validate="1:1", maintain_order="left")
    return frame.select(name for name in SOURCE_SCHEMAS["interval_cost"] if name in frame.columns)


def _blocks(book: Book | None, supply: Supply, site: Site, run: Run, types: Mapping[date, DayType]) -> Blocks:
    """The demand windows of a run's tariffs; of quarter hours where there is none."""
    parts: list[tuple[Tariff | None, date, date]] = [(None, run.start, run.end)]
    if book is not None and run.has_tariff:
        parts = list(book.parts(Span(run.start, run.end)))
    loads = [
        (tariff, supply.load.between(*(local_midnight_utc(day, site.time_zone) for day in days)))
        for tariff, *days in parts
    ]
    return blocks_of(loads, time_zone=site.time_zone, day_types=types)


def _with_factor(frame: pl.DataFrame, site: Site, readings: pl.DataFrame, dated: pl.DataFrame) -> pl.DataFrame:
    """The hour's own factor, of the site's stream of unit kgco2e_per_kwh, else that of the day; null without either."""
    rows = readings.filter((pl.col("unit") == "kgco2e_per_kwh") & (pl.col("meter_id") == (_factor_stream(site) or "")))
    hourly = rows.select("interval_start_utc", hourly=pl.col("value").round(QUANTUM_DECIMALS).cast(AMOUNT).cast(FACTOR))
    local_date = pl.col("interval_start_utc").dt.convert_time_zone(site.time_zone).dt.date()
    joined = (
        frame.with_columns(local_date=local_date)
        .join(hourly, on="interval_start_utc", how="left", validate="1:1", maintain_order="left")
        .join(dated, on="local_date", how="left", validate="m:1", maintain_order="left")
        .with_columns(
            kgco2e_per_kwh=pl.coalesce("hourly", "electricity_kgco2e_per_kwh"),
            is_hourly_factor=pl.col("hourly").is_not_null(),
        )
    )
    return joined.select(pl.col(name).cast(kind) for name, kind in SOURCE_SCHEMAS["interval_cost"].items())


def _factor_stream(site: Site) -> str | None:
    return next((driver.driver_id for driver in site.drivers if driver.unit == "kgco2e_per_kwh"), None)


def prices_of(site: Site, readings: pl.DataFrame) -> Mapping[str, PriceSeries]:
    """The site's price streams by name, to six decimals as the cost KPI takes them."""
    found = {}
    for (name,), rows in readings.filter(pl.col("unit") == "per_kwh").partition_by("meter_id", as_dict=True).items():
        prices = rows.select(
            "interval_start_utc",
            minutes=pl.lit(CANONICAL_MINUTES),
            price_per_kwh=pl.col("value").round(PRICE_DECIMALS).cast(PRICE),
        )
        found[str(name)] = PriceSeries.of(str(name), prices, currency=site.currency)
    nothing = pl.DataFrame(
        schema={"interval_start_utc": pl.Datetime("us", "UTC"), "minutes": pl.Int64, "price_per_kwh": PRICE}
    )
    declared = [driver.driver_id for driver in site.drivers if driver.unit in ("per_kwh", "per_mwh")]
    # A declared stream without readings yet is a gap of prices, no unknown series.
    return {name: PriceSeries.of(name, nothing, currency=site.currency) for name in declared} | found


def _kvarh(rows: pl.DataFrame | None, start_utc: datetime, size: int) -> np.ndarray | None:
    """Reactive energy per quarter hour; None where no main meter counts it, or nothing of it was read."""
    if rows is None or rows.is_empty():
        return None
    index = (rows["interval_start_utc"].dt.epoch("us").to_numpy() - _us(start_utc)) // _us_step()
    inside = (index >= 0) & (index < size)
    found = np.zeros(size, dtype=np.int64)
    np.add.at(found, index[inside], nano(rows["value"].to_numpy()[inside]))
    return found


def _amounts(values: np.ndarray) -> pl.Series:
    """Whole 1e-9 as exact decimals."""
    return pl.Series(values).cast(pl.Decimal(38, QUANTUM_DECIMALS)) / pl.Series([_SCALE]).cast(pl.Decimal(38, 0))


def _between(start_utc: datetime, end_utc: datetime) -> pl.Expr:
    return pl.col("interval_start_utc").is_between(start_utc, end_utc, closed="left")


def _us(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


def _us_step() -> int:
    return CANONICAL_MINUTES * 60_000_000
