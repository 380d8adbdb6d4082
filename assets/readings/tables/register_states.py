"""Rows of a table that are states of registers which the site file declares cumulative: taken out before lengths,
sums and sizes of intervals are judged, which say nothing about a display.
"""

import polars as pl

from assets.readings.parsed import FIRST_PLAUSIBLE, FUTURE_LIMIT, REJECT_SCHEMA, STATE_SCHEMA, ReadRequest
from assets.readings.tables.column_layout import Layout
from assets.readings.tables.row_filter import RowFilter
from assets.readings.tables.values import drop_missing_values, drop_zeros, read_values
from data_quality.contracts.site_file.site import ColumnMap, Site
from data_quality.contracts.units import QUANTUM_DECIMALS, UNITS, Behaviour


def cumulative_streams(site: Site | None) -> pl.DataFrame:
    """Meters and registers whose sources hold states: columns _meter, _register."""
    found = [
        (meter.meter_id, register.register_id)
        for meter in (site.meters if site is not None else ())
        for register in meter.registers
        if register.kind == "cumulative"
    ]
    return pl.DataFrame(found, schema={"_meter": pl.String, "_register": pl.String}, orient="row")


def take_states(row_filter: RowFilter, request: ReadRequest, layout: Layout, *, allows_comma: bool) -> pl.DataFrame:
    """Move the rows of cumulative registers out of the row_filter: STATE_SCHEMA. What is none goes to its rejects.

    row_filter.frame: `_meter`, `_register`, `_unit`, `_start` (the instant of the read), `_raw`, `_factor`, `_line`.
    """
    wanted = cumulative_streams(request.site)
    if wanted.is_empty():
        return pl.DataFrame(schema=STATE_SCHEMA)
    key = wanted.columns
    taken = row_filter.frame.join(wanted, on=key, how="semi", maintain_order="left")
    if taken.is_empty():
        return pl.DataFrame(schema=STATE_SCHEMA)
    row_filter.frame = row_filter.frame.join(wanted, on=key, how="anti", maintain_order="left")
    # A state lasts no time; the checks of values ask for a length, and one minute stands for it.
    own = RowFilter(taken.with_columns(_minutes=pl.lit(1, pl.Int32)), pl.DataFrame(schema=REJECT_SCHEMA), {})
    mapping = request.mapping or ColumnMap()
    drop_missing_values(own, mapping)
    # A display may show far more than an interval may hold: judged as the smallest unit, it may be 10^12 of its own.
    own.frame = own.frame.with_columns(_shown_unit="_unit", _unit=pl.lit("wh"))
    read_values(own, layout, mapping, allows_comma=allows_comma)
    own.frame = own.frame.drop("_unit").rename({"_shown_unit": "_unit"})
    displays = [code for code, unit in UNITS.items() if unit.behaviour is Behaviour.AMOUNT and not unit.is_power]
    own.take("unit_mismatch", ~pl.col("_unit").is_in(displays), pl.col("_unit"), "an amount: a display counts no power")
    expected = "a state of a display, which is never negative"
    own.take("not_a_number", pl.col("_value") < 0, pl.col("_raw").cast(pl.String), expected)
    drop_zeros(own, mapping)
    time = pl.col("_start").dt.to_string("iso:strict")
    own.take("clock_suspect", pl.col("_start") < pl.lit(FIRST_PLAUSIBLE), time)
    if request.now_utc is not None:
        limit = pl.lit(request.now_utc + FUTURE_LIMIT).cast(pl.Datetime("us", "UTC"))
        own.take("future_timestamp", pl.col("_start") > limit, time)
    row_filter.rejects += own.rejects
    for code, count in own.warnings.items():
        row_filter.warn(code, count)
    return own.frame.select(
        meter_id="_meter",
        register="_register",
        series=pl.lit(""),
        at_utc=pl.col("_start").cast(pl.Datetime("us", "UTC")),
        value=pl.col("_value").round(QUANTUM_DECIMALS).cast(pl.String).cast(pl.Decimal(38, QUANTUM_DECIMALS)),
        unit="_unit",
        source_line=pl.col("_line").cast(pl.Int64),
    )
