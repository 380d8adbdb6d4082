"""Does a parent hold what its submeters read? Per local day, in exact sums, with the rest that nobody meters."""

from datetime import date

import polars as pl

from assets.sites.calendar import day_types
from assets.sites.meter_tree import ENERGY_UNIT, submeters_of, tree_spans
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.hierarchy import CONSUMPTION_REGISTER
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, Period
from data_quality.contracts.units import QUANTUM_DECIMALS, unit_of

_NANO = 10**QUANTUM_DECIMALS
ENERGY = pl.Decimal(38, QUANTUM_DECIMALS)
# Two meters of class 1 in one comparison, and clocks that differ by seconds.
TOLERANCE_SHARE = 0.02
# A day that is mostly missing proves nothing.
LEAST_COVERAGE = 0.9
BALANCE_SCHEMA: dict[str, pl.DataType] = {
    "parent": pl.String(),
    "day": pl.Date(),
    "unit": pl.String(),
    "parent_kwh": ENERGY,
    "children_kwh": ENERGY,
    "rest_kwh": ENERGY,
    "rest_share": pl.Float64(),
    "coverage": pl.Float64(),
    "verdict": pl.String(),
}
# Signs seen from the meter: what it passes on to those below it is positive.
_SUPPLY = {"import": 1, "discharge": 1, "export": -1, "charge": -1}


def balance(readings: pl.DataFrame, site: Site, period: Period) -> pl.DataFrame:
    """One row per meter with submeters and local day of the period on which it has some, by parent and day.

    readings: LAKE_SCHEMA, unique by key (the view at T). Sums run over the quarter hours at which the parent and all
    its submeters are present, so that a gap is no imbalance; coverage is their share of the day. The parent's energy
    is what it imports less what it exports, plus what generators and batteries below it give: `parent_kwh` is what its
    other submeters and the rest use. Columns `*_kwh` hold the canonical unit named in `unit` (m3 for water).
    verdict: ok, children_exceed_parent (by more than TOLERANCE_SHARE of the parent), or not_enough where coverage is
    below LEAST_COVERAGE. Children are those of each day (formulas 5.1, meter_tree.submeters_of).
    """
    days = day_types(site, period.start, period.end).select("local_date", "hours")
    members = _members(site, days["local_date"].to_list())
    if members.is_empty():
        return pl.DataFrame(schema=BALANCE_SCHEMA)
    inside = readings.filter(
        (pl.col("site_id") == site.site_id)
        & pl.col("interval_start_utc").is_between(period.start_utc, period.end_utc, closed="left")
    ).with_columns(
        local_date=pl.col("interval_start_utc").dt.convert_time_zone(site.time_zone).dt.date(),
        nano=(pl.col("value") * float(_NANO)).round().cast(pl.Int128),  # sums of floats would depend on their order
    )
    slots = (
        members.join(inside, on=["meter_id", "register", "unit", "local_date"], how="inner")
        .group_by("parent", "unit", "local_date", "interval_start_utc", "streams")
        .agg(
            supply=(pl.col("nano") * pl.col("sign")).filter(pl.col("is_supply")).sum(),
            use=(pl.col("nano") * pl.col("sign")).filter(~pl.col("is_supply")).sum(),
            present=pl.len(),
        )
        .filter(pl.col("present") == pl.col("streams"))
        .group_by("parent", "local_date")
        .agg(pl.col("supply", "use").sum(), slots=pl.len())
    )
    wanted = members.select("parent", "unit", "local_date").unique().join(days, on="local_date", validate="m:1")
    rows = wanted.join(slots, on=["parent", "local_date"], how="left", validate="1:1").with_columns(
        coverage=pl.col("slots").fill_null(0) / (pl.col("hours") * 60 / CANONICAL_MINUTES),
        rest=pl.col("supply") - pl.col("use"),
    )
    share = pl.when(pl.col("supply") != 0).then(pl.col("rest").cast(pl.Float64) / pl.col("supply").cast(pl.Float64))
    # Of the size of the supply: a parent that exports has a negative one.
    is_short = pl.col("rest").cast(pl.Float64) < -TOLERANCE_SHARE * pl.col("supply").cast(pl.Float64).abs()
    verdict = (
        pl.when(pl.col("coverage") < LEAST_COVERAGE)
        .then(pl.lit("not_enough"))
        .when(is_short)
        .then(pl.lit("children_exceed_parent"))
        .otherwise(pl.lit("ok"))
    )
    return (
        rows.rename({"local_date": "day"})
        .with_columns(
            parent_kwh=_decimal("supply"),
            children_kwh=_decimal("use"),
            rest_kwh=_decimal("rest"),
            rest_share=share,
            verdict=verdict,
        )
        .select(pl.col(name).cast(kind) for name, kind in BALANCE_SCHEMA.items())
        .sort("parent", "day")
    )


def balance_findings(table: pl.DataFrame) -> tuple[Finding, ...]:
    """One finding per parent with days on which its submeters exceed it, the worst day named."""
    found = []
    for (parent,), days in table.filter(pl.col("verdict") == "children_exceed_parent").group_by(
        "parent", maintain_order=True
    ):
        worst = days.sort("rest_kwh").row(0, named=True)
        found.append(
            Finding(
                code="children_exceed_parent",
                message=f"the submeters of {parent!r} read more than it on {days.height} days, most on "
                f"{worst['day']}: {worst['children_kwh']:f} against {worst['parent_kwh']:f} {worst['unit']}",
                scope=f"meter:{parent}",
                facts={"days": days.height, "worst_day": str(worst["day"])},
            )
        )
    return tuple(found)


def rest_profile(readings: pl.DataFrame, site: Site, period: Period, parent: str) -> pl.DataFrame:
    """Mean rest of a parent in each hour of the local day: local_hour (0-23), rest_kw, quarter_hours behind it.

    readings as `balance` takes them. Hours without a complete quarter hour are left out.
    """
    days = day_types(site, period.start, period.end)["local_date"].to_list()
    members = _members(site, days, only=parent)
    local = pl.col("interval_start_utc").dt.convert_time_zone(site.time_zone)
    return (
        members.join(
            readings.filter(
                pl.col("interval_start_utc").is_between(period.start_utc, period.end_utc, closed="left")
            ).with_columns(local_date=local.dt.date(), local_hour=local.dt.hour()),
            on=["meter_id", "register", "unit", "local_date"],
            how="inner",
        )
        .group_by("interval_start_utc", "local_hour", "streams")
        .agg(
            # A mean for the eye, so floats will do; what is judged stands in `balance`.
            rest=(pl.col("value") * pl.col("sign") * pl.when(pl.col("is_supply")).then(1).otherwise(-1)).sum(),
            present=pl.len(),
        )
        .filter(pl.col("present") == pl.col("streams"))
        .group_by("local_hour")
        .agg(rest_kw=pl.col("rest").mean() * 60 / CANONICAL_MINUTES, quarter_hours=pl.len())
        .sort("local_hour")
    )


def _members(site: Site, days: list[date], only: str | None = None) -> pl.DataFrame:
    """The streams of each parent's balance on each day: how each counts, and how many there are."""
    by_id = {meter.meter_id: meter for meter in site.meters}
    rows = []
    for span in tree_spans(site):
        inside = [day for day in days if span.start <= day < span.end]
        for parent in site.meters if inside else ():
            # Any day of a span does: the hierarchy is the same on all of them.
            below = submeters_of(site, parent.meter_id, inside[0])
            if parent.is_virtual or not below or (only is not None and parent.meter_id != only):
                continue
            unit = unit_of(parent.registers[0].unit).canonical
            streams = _streams(parent, [by_id[name] for name in below])
            rows += [(parent.meter_id, unit, day, *stream, len(streams)) for day in inside for stream in streams]
    schema: dict[str, pl.DataType] = {
        "parent": pl.String(),
        "unit": pl.String(),
        "local_date": pl.Date(),
        "meter_id": pl.String(),
        "register": pl.String(),
        "sign": pl.Int64(),
        "is_supply": pl.Boolean(),
        "streams": pl.UInt32(),
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _streams(parent: Meter, children: list[Meter]) -> list[tuple[str, str, int, bool]]:
    """meter, register, sign, is_supply. A child that only takes energy is use; one that gives any is supply."""
    unit = unit_of(parent.registers[0].unit).canonical
    found = [
        (parent.meter_id, register.register_id, _SUPPLY.get(register.register_id, 1), True)
        for register in parent.registers
        if unit_of(register.unit).canonical == unit
    ]
    for child in children:
        registers = [each.register_id for each in child.registers if unit_of(each.unit).canonical == unit]
        # In kWh only: a water meter counts what is used in a register of another name.
        gives = CONSUMPTION_REGISTER not in registers and unit == ENERGY_UNIT
        for name in registers:
            if gives:
                # Generation stands in `value` or `export`: towards the parent it is supply.
                found.append((child.meter_id, name, -1 if name == "charge" else 1, True))
            else:
                found.append((child.meter_id, name, -1 if name in ("export", "discharge") else 1, False))
    return found


def _decimal(column: str) -> pl.Expr:
    """Whole billionths as an exact decimal."""
    return pl.col(column).cast(pl.Decimal(38, 0)).cast(ENERGY) * pl.lit("0.000000001").cast(ENERGY)
