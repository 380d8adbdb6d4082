"""Parsed rows become canonical quarter hours: canonical units, energy preserved to the last quantum.

Amounts are split and summed as whole numbers of 1e-9, so that nothing is made or lost; levels are repeated and
averaged. Power is the energy of its interval. Gas volume gets its energy beside it, by the factors that a site states
for its meter and date; without them, m3 stays m3. Source: formulas 5.1.
"""

import math

import polars as pl

from assets.readings.parsed import REJECT_SCHEMA
from data_quality.contracts.quality import WORST_FIRST, QualityCode
from data_quality.contracts.site_file.meter import GasFactors
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, local_midnight_utc
from data_quality.contracts.units import QUANTUM_DECIMALS, UNITS, Behaviour, Unit

# The lake's columns that a file gives, named here so that a look at a file does not load the lake.
CANONICAL_SCHEMA: dict[str, pl.DataType] = {
    "meter_id": pl.String(),
    "register": pl.String(),
    "interval_start_utc": pl.Datetime("us", "UTC"),
    "interval_minutes": pl.Int32(),
    "source_minutes": pl.Int32(),
    "value": pl.Float64(),
    "unit": pl.String(),
    "quality_code": pl.Int32(),
    "source_line": pl.Int64(),
}
# Minutes of the whole quarter hours that parts of an hour make together: three of ten are half an hour.
_TOGETHER = {each: math.lcm(each, CANONICAL_MINUTES) for each in range(1, 60) if 60 % each == 0 and each % 15}
_QUANTA = 10**QUANTUM_DECIMALS
_ORDER = ("meter_id", "register", "interval_start_utc")


def on_grid(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """rows: PARSED_SCHEMA, unique and not overlapping per meter and register.

    Returns (rows that can be made quarter hours, the others as REJECT_SCHEMA): off_grid for intervals that do not fit
    quarter hours, incomplete_quarter for amounts whose other parts of the quarter hour are missing, as of the half hour
    or hour that parts of ten or twelve minutes fill.
    """
    minutes, start = pl.col("source_minutes"), pl.col("interval_start_utc")
    is_short = minutes.is_in(list(_TOGETHER))
    step = pl.when(is_short).then(minutes).otherwise(CANONICAL_MINUTES).cast(pl.Int64)
    divides = (minutes % CANONICAL_MINUTES == 0) | is_short
    # 1970 began on a quarter hour: what is left over against the epoch is what lies off the grid.
    fits = divides & (start.dt.epoch("us") % (step * 60_000_000) == 0)
    rejects = [pl.DataFrame(schema=REJECT_SCHEMA)]
    # What fits, nearly always all of it, is not copied.
    if not rows.select(fits.all()).item():
        rejects = [_rejected(rows.filter(~fits), "off_grid", "an interval that starts and ends on quarter hours")]
        rows = rows.filter(fits)
    if rows.select(is_short.any()).item():
        key = ["meter_id", "register", _together(), _begin()]
        is_amount = pl.col("unit").is_in([code for code, unit in UNITS.items() if unit.behaviour is Behaviour.AMOUNT])
        is_quarter = _together() == CANONICAL_MINUTES
        # A level of ten minutes lies in two quarter hours: it too stands for them only beside its neighbours.
        is_part = is_short & (is_amount | ~is_quarter) & (minutes.sum().over(key) != _together())
        for length, whole in ((15, "quarter hour"), (30, "half hour"), (60, "hour")):
            lone = rows.filter(is_part & (_together() == length))
            rejects.append(_rejected(lone, "incomplete_quarter", f"all parts of the {whole}"))
        rows = rows.filter(~is_part)
    return rows, pl.concat(rejects)


def _together() -> pl.Expr:
    """Minutes of the whole quarter hours that a row's neighbours fill with it."""
    minutes = pl.col("source_minutes")
    return minutes.replace_strict(_TOGETHER, default=CANONICAL_MINUTES, return_dtype=pl.Int64)


def _begin() -> pl.Expr:
    start, whole = pl.col("interval_start_utc"), _together() * 60_000_000
    return (start.dt.epoch("us") // whole * whole).cast(pl.Datetime("us", "UTC"))


def normalise(rows: pl.DataFrame) -> pl.DataFrame:
    """rows: PARSED_SCHEMA as `on_grid` lets them through.

    Returns CANONICAL_SCHEMA, unique and sorted by meter, register and start; an amount's energy is that of its rows.
    """
    frame = in_quanta(rows)
    is_long = ~pl.col("source_minutes").is_in(list(_TOGETHER))
    # A long table is neither copied nor sorted where it stands in order as it is.
    if frame.select(is_long.all()).item():
        canonical = _split(frame)
    else:
        canonical = pl.concat([_split(frame.filter(is_long)), _gather(frame.filter(~is_long))])
    later = pl.lit(value=False)
    for name in reversed(_ORDER):
        before = pl.col(name).shift(1)
        later = (pl.col(name) > before) | ((pl.col(name) == before) & later)
    return canonical if bool(canonical.select(later.fill_null(value=True).all()).item()) else canonical.sort(_ORDER)


def in_quanta(rows: pl.DataFrame) -> pl.DataFrame:
    """rows: PARSED_SCHEMA. Returns them with `unit` canonical, `_quanta` (the value in it, whole) and `_is_amount`.

    Dividing and gathering keep the sum of `_quanta`, so that totals need no quarter hours.
    """
    units = [UNITS[code] for code in rows["unit"].unique().to_list()]
    if not units:
        return rows.with_columns(_is_amount=pl.lit(value=True), _quanta=pl.lit(0, pl.Int64))
    lengths = rows["source_minutes"].unique().to_list()
    hours = pl.col("source_minutes").replace_strict(
        {length: length / 60 for length in lengths}, return_dtype=pl.Float64
    )
    value = pl.col("value")
    converted = {unit.code: value * unit.factor * hours if unit.is_power else _converted(value, unit) for unit in units}
    amounts = [unit.code for unit in units if unit.behaviour is Behaviour.AMOUNT]
    by_unit = pl.coalesce(pl.when(pl.col("unit") == code).then(each) for code, each in converted.items())
    return rows.with_columns(
        _is_amount=pl.col("unit").is_in(amounts),
        _quanta=(by_unit * _QUANTA).round().cast(pl.Int64),
        unit=pl.col("unit").replace_strict({unit.code: unit.canonical for unit in units}, return_dtype=pl.String),
    )


def _converted(value: pl.Expr, unit: Unit) -> pl.Expr:
    return value if unit.factor == 1 and unit.offset == 0 else value * unit.factor + unit.offset


def _split(frame: pl.DataFrame, length: str = "source_minutes") -> pl.DataFrame:
    """Intervals of k quarter hours as k rows: amounts divided, the first r one quantum more; levels repeated.

    length: column of their minutes.
    """
    count = (pl.col(length) // CANONICAL_MINUTES).cast(pl.Int64)
    if frame.select((count > 1).any()).item():
        frame = (
            frame.with_columns(_count=count, _part=pl.int_ranges(0, count))
            .explode("_part")
            .with_columns(
                interval_start_utc=pl.col("interval_start_utc")
                + pl.duration(minutes=pl.col("_part") * CANONICAL_MINUTES),
                _quanta=pl.when("_is_amount")
                .then(
                    pl.col("_quanta") // pl.col("_count")
                    + (pl.col("_part") < pl.col("_quanta") % pl.col("_count")).cast(pl.Int64)
                )
                .otherwise("_quanta"),
            )
        )
    # NumPy divides; polars multiplies by the reciprocal of a constant, which misses the nearest float.
    values = pl.Series(frame["_quanta"].to_numpy() / _QUANTA, dtype=pl.Float64)
    return frame.with_columns(interval_minutes=pl.lit(CANONICAL_MINUTES), value=values).select(
        pl.col(name).cast(dtype) for name, dtype in CANONICAL_SCHEMA.items()
    )


def _gather(frame: pl.DataFrame) -> pl.DataFrame:
    """Parts of a quarter hour as one row: amounts summed, levels averaged over those there, with the worst quality.

    Parts that fill several quarter hours together become one row, which is divided.
    """
    gathered = (
        frame.group_by("meter_id", "register", _length=_together(), interval_start_utc=_begin())
        .agg(
            pl.col("source_minutes", "unit", "_is_amount").first(),
            pl.col("source_line").min(),
            _place=pl.col("quality_code").replace_strict(WORST_FIRST, range(len(WORST_FIRST))).min(),
            _sum=pl.col("_quanta").sum(),
            _mean=pl.col("_quanta").mean().round().cast(pl.Int64),
        )
        .with_columns(
            quality_code=pl.col("_place").replace_strict(range(len(WORST_FIRST)), WORST_FIRST),
            _quanta=pl.when("_is_amount").then("_sum").otherwise("_mean"),
        )
    )
    return _split(gathered, "_length")


def _rejected(frame: pl.DataFrame, reason: str, expected: str) -> pl.DataFrame:
    time = pl.col("interval_start_utc").dt.strftime("%Y-%m-%dT%H:%MZ")
    return frame.select(
        source_line="source_line",
        reason=pl.lit(reason),
        expected=pl.lit(expected),
        got=pl.concat_str(time, pl.lit(" for "), "source_minutes", pl.lit(" min")),
    ).cast(REJECT_SCHEMA)  # type: ignore[arg-type]


def kwh_per_m3(factors: GasFactors) -> float:
    """Energy of one metered cubic metre."""
    return factors.volume_correction * factors.calorific_value_mj_per_m3 / 3.6


def with_gas_energy(canonical: pl.DataFrame, site: Site) -> pl.DataFrame:
    """canonical: quarter hours (meter_id, register, interval_start_utc, value, unit, quality_code …), unit m3 for gas.
    Returns them and, for each of a meter with factors on its local date, one more in the meter's register of energy,
    in kWh to the nearest quantum, quality `derived`. A date without factors gets none: a gap, not a guess.
    """
    parts = [canonical]
    for meter in site.meters:
        if not meter.gas_factors:
            continue
        volume, energy = meter.register_in("m3") or "", meter.register_in("kwh") or ""
        is_volume = (pl.col("meter_id") == meter.meter_id) & (pl.col("register") == volume) & (pl.col("unit") == "m3")
        for factors in meter.gas_factors:
            rows = canonical.filter(is_volume & _holds(factors, site.time_zone))
            if not rows.is_empty():
                parts.append(_energy(rows, kwh_per_m3(factors), energy))
    return pl.concat(parts) if len(parts) > 1 else canonical


def _energy(rows: pl.DataFrame, factor: float, register: str) -> pl.DataFrame:
    # NumPy divides to the nearest float, as the rest of the canonical rows.
    quanta = (rows["value"] * factor * _QUANTA).round().to_numpy()
    return rows.with_columns(
        register=pl.lit(register),
        unit=pl.lit("kwh"),
        value=pl.Series(quanta / _QUANTA),
        # An estimated or edited volume stays that: `derived` would promise more than it was.
        quality_code=pl.when(pl.col("quality_code") == int(QualityCode.RAW))
        .then(pl.lit(int(QualityCode.DERIVED)))
        .otherwise(pl.col("quality_code"))
        .cast(rows.schema["quality_code"]),
    )


def _holds(factors: GasFactors, time_zone: str) -> pl.Expr:
    start = pl.col("interval_start_utc") >= pl.lit(local_midnight_utc(factors.valid_from, time_zone))
    if factors.valid_to is None:
        return start
    return start & (pl.col("interval_start_utc") < pl.lit(local_midnight_utc(factors.valid_to, time_zone)))
