"""Cells of a value column: numbers, no reading, or a value that cannot be. Declared rules only."""

import re

import polars as pl

from assets.readings.parsed import ReadRequest
from assets.readings.tables.column_layout import Layout, unit_text
from assets.readings.tables.row_filter import RowFilter
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import ColumnMap, Site
from data_quality.contracts.units import QUANTUM_DECIMALS, UNITS, Behaviour

# Canonical units: above this, a billion kWh in an interval are no meter's, and a sum of quanta could overflow 64 bits.
IMPLAUSIBLE = 999_999_999.0
# Registers that count one way only.
ONE_WAY = ("import", "export", "charge", "discharge")
# Whole numbers of this mean size under a kWh or kW heading look like Wh or W; fewer rows than this show nothing.
SUSPECT_KW, SUSPECT_ROWS = 100.0, 12
# A counter's states never fall: in so many rows, of so many kinds, no load does that for longer than a day. A plant in
# the morning sun, or a slow start, may within one: but not in so small steps, of which a counter's state holds many.
COUNTER_ROWS, COUNTER_KINDS, COUNTER_DAY_MINUTES, COUNTER_STEP = 24, 12, 24 * 60, 0.001
# Where the energy of a day so far begins, as a share of the day before; its rises for each fall, and the sizes that
# they have at least: no load does that, and what goes up evenly is counted by hand.
ANEW, DAILY_RISES, DAILY_KINDS = 0.1, 6, 4
# Above three times the connected load it is not the load that is wrong.
LOAD_LIMIT = 3.0
# A number whose points can only part thousands, and one whose points may.
_GROUPED, _WHOLE_GROUPS = r"^[+-]?[1-9]\d{0,2}(?:\.\d{3})+,\d*$", r"^[+-]?[1-9]\d{0,2}(?:\.\d{3})+$"
# A number and the unit behind it, as trends of building controls write them: 30.00 kW.
UNIT_BEHIND = r"^(.*\d)[\s\x{a0}\x{202f}]*([\p{L}%°]\S*)\s*$"
_KEY = ["_meter", "_register"]


def drop_missing_rows(row_filter: RowFilter, layout: Layout, mapping: ColumnMap) -> None:
    """Rows in which every value cell says "no reading" are counted and left out, before their times are judged."""
    if not mapping.missing:
        return
    is_missing = pl.all_horizontal(
        _marks_missing(row_filter.frame.schema[column.column], column.column, mapping) for column in layout.values
    )
    height = row_filter.frame.height
    row_filter.frame = row_filter.frame.filter(~is_missing)
    row_filter.warn("missing_values", (height - row_filter.frame.height) * len(layout.values))


def drop_missing_values(row_filter: RowFilter, mapping: ColumnMap) -> None:
    """Single cells that say "no reading", and the last row of a stream whose rows last until the next one."""
    if mapping.missing:
        height = row_filter.frame.height
        row_filter.frame = row_filter.frame.filter(~_marks_missing(row_filter.frame.schema["_raw"], "_raw", mapping))
        row_filter.warn("missing_values", height - row_filter.frame.height)
    if mapping.until_next_row:
        row_filter.frame = row_filter.frame.filter(pl.col("_minutes").is_not_null() | pl.col("_raw").is_not_null())


def drop_zeros(row_filter: RowFilter, mapping: ColumnMap) -> None:
    """Values and states of zero, where the map says that they mean "no reading": counted and left out."""
    if mapping.zero_is_missing:
        height = row_filter.frame.height
        row_filter.frame = row_filter.frame.filter(pl.col("_value") != 0)
        row_filter.warn("zero_is_missing", height - row_filter.frame.height)


def _marks_missing(dtype: pl.DataType, column: str, mapping: ColumnMap) -> pl.Expr:
    cell = pl.col(column)
    found = cell.is_null() if "" in mapping.missing else pl.lit(value=False)
    texts = [text for text in mapping.missing if text]
    if dtype == pl.String:
        return found | cell.str.strip_chars().is_in(texts).fill_null(value=False)
    if not dtype.is_numeric():
        return found
    for text in texts:
        number = _number(text)
        if number is not None:
            value = cell.cast(pl.Float64)
            # A NaN equals nothing, not even itself.
            same = value.is_nan() if number != number else value == number  # noqa: PLR0124
            found = found | same.fill_null(value=False)
    return found


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def read_values(row_filter: RowFilter, layout: Layout, mapping: ColumnMap, *, allows_comma: bool) -> None:
    """Column `_value`; what is no finite number, or larger than any meter, goes to the rejects."""
    column = row_filter.frame["_raw"]
    if column.dtype == pl.String:
        texts = column if mapping.thousands is None else _without_thousands(column, mapping.thousands, mapping.decimal)
        values = as_numbers(texts, mapping.decimal, allows_comma=allows_comma)
        if values.null_count() > texts.null_count():
            bare = _without_units(texts, row_filter.frame["_unit"])
            values = values if bare is None else as_numbers(bare, mapping.decimal, allows_comma=allows_comma)
    elif column.dtype.is_numeric() and column.dtype != pl.Boolean:
        values = column.cast(pl.Float64)
    else:
        names = ", ".join(repr(each.column) for each in layout.values)
        raise BadInput(f"expected numbers in {names}, got {column.dtype}", line=1, reason="not_a_number")
    row_filter.frame = row_filter.frame.with_columns(_value=values)
    if mapping.multipliers:
        row_filter.frame = row_filter.frame.with_columns(_value=pl.col("_value") * pl.col("_factor"))
    row_filter.frame = row_filter.frame.drop("_factor")
    row_filter.take("not_a_number", ~pl.col("_value").is_finite().fill_null(value=False), pl.col("_raw"))
    size = pl.col("_value").abs() * _per_unit({code: unit.factor for code, unit in UNITS.items()})
    row_filter.take("implausible", size > IMPLAUSIBLE, pl.col("_raw"))


def _without_units(texts: pl.Series, units: pl.Series) -> pl.Series | None:
    """Texts without the unit behind the number, where it is that of the row; None where none has one."""
    behind = texts.str.extract(UNIT_BEHIND, 2)
    known = {text: unit_text(text) for text in behind.drop_nulls().unique()}
    is_own = (behind.replace_strict(known, default=None, return_dtype=pl.String) == units).fill_null(value=False)
    return texts.zip_with(~is_own, texts.str.replace(UNIT_BEHIND, "${1}")) if is_own.any() else None


def _without_thousands(texts: pl.Series, mark: str, decimal: str | None) -> pl.Series:
    """Texts without the marks between thousands; null where marks stand that part no groups of three digits."""
    # Plain, no-break, thin and narrow no-break: all stand between thousands in spreadsheets.
    blanks = "[ \u00a0\u2009\u202f]"
    part = blanks if mark == " " else re.escape(mark)
    point = re.escape(decimal or ".")
    trimmed = texts.str.strip_chars()
    is_grouped = trimmed.str.contains(rf"^[+-]?\d{{1,3}}(?:{part}\d{{3}})+(?:{point}\d*)?$").fill_null(value=False)
    has_marks = trimmed.str.contains(part).fill_null(value=False)
    return trimmed.zip_with(~is_grouped, trimmed.str.replace_all(part, "")).set(has_marks & ~is_grouped, None)


def as_numbers(texts: pl.Series, decimal: str | None, *, allows_comma: bool = False) -> pl.Series:
    """Texts as numbers; null where one is none. Undeclared, a comma is a decimal comma only where it cannot separate
    fields and no text has a point too.
    """
    if decimal == ",":
        trimmed = texts.str.strip_chars()
        plain = trimmed.set(trimmed.str.contains(".", literal=True).fill_null(value=False), None)
        return plain.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
    values = texts.cast(pl.Float64, strict=False)
    if values.null_count() == texts.null_count():
        return values
    trimmed = texts.str.strip_chars()
    if decimal is None and _parts_thousands(trimmed):
        # Where 1.234,5 stands, 12.000 is no twelve: where the marks are declared both are reported.
        return values.set(trimmed.str.contains(_WHOLE_GROUPS).fill_null(value=False), None)
    is_comma = decimal is None and allows_comma and infers_comma(trimmed)
    if is_comma:
        trimmed = trimmed.str.replace(",", ".", literal=True)
    return values.zip_with(values.is_not_null(), trimmed.cast(pl.Float64, strict=False))


def _parts_thousands(texts: pl.Series) -> bool:
    """True where points part thousands in some text, and in none they can only be decimal."""
    if not texts.str.contains(_GROUPED).any():
        return False
    has_point, is_group = (texts.str.contains(pattern) for pattern in (r"^[^,]*\.[^,]*$", _WHOLE_GROUPS))
    return not (has_point & ~is_group).any()


def infers_comma(texts: pl.Series) -> bool:
    """True where commas stand in the texts and no point does."""
    return bool(texts.str.contains(",", literal=True).any() and not texts.str.contains(".", literal=True).any())


def check_plausible(row_filter: RowFilter, layout: Layout, request: ReadRequest) -> None:
    """Rows that a meter of this kind cannot have counted: negative amounts of a one-way register, and whole streams
    whose size says another unit than their heading (F03): above three times the connected load, or, where neither
    a load nor a person's column map vouches for the unit, whole numbers that average over 100 kW.
    """
    mapping = request.mapping or ColumnMap()
    amounts = [code for code, unit in UNITS.items() if unit.behaviour is Behaviour.AMOUNT]
    drivers = [driver.driver_id for driver in request.site.drivers] if request.site else []
    is_metered = pl.col("_unit").is_in(amounts) & ~pl.col("_meter").is_in(drivers)
    if mapping.negative == "quarantine":
        is_negative = is_metered & pl.col("_register").is_in(ONE_WAY) & (pl.col("_value") < 0)
        row_filter.take("negative_consumption", is_negative, pl.col("_raw").cast(pl.String))
    if row_filter.frame.is_empty():
        return
    energies = [code for code in row_filter.frame["_unit"].unique() if UNITS[code].canonical == "kwh"]
    if not energies:
        return
    vouched = request.is_scale_vouched or is_vouched(layout, mapping, request.site)
    if not request.is_scale_vouched:
        _take_no_amounts(row_filter, energies)
    _take_suspected(row_filter, request.site, energies, is_vouched=vouched)


def is_vouched(layout: Layout, mapping: ColumnMap, site: Site | None) -> bool:
    """A person wrote the unit into a column map, or the file names it row by row."""
    declared = mapping.unit is not None or any(column.column in mapping.units for column in layout.values)
    # A site's column map that leaves the unit open means the register's own.
    return declared or layout.unit_column is not None or (site is not None and bool(mapping.values))


def _take_no_amounts(row_filter: RowFilter, energies: list[str]) -> None:
    """Whole streams that are no amounts of intervals, whatever their unit: the states of a counter, which never fall,
    rise by less than they began with, and would be over 100 kW; and the energy of the day so far.

    No word about the unit vouches for them: what is doubted is that they are amounts.
    """
    amounts = [code for code in energies if not UNITS[code].is_power]
    value = pl.col("_value")
    facts = (
        row_filter.frame.lazy()
        .filter(pl.col("_unit").is_in(amounts))
        .with_columns(_power=_power_kw(amounts))
        .group_by(_KEY)
        .agg(
            _first=value.first(),
            _last=value.last(),
            _is_counter=(value.n_unique() >= COUNTER_KINDS)
            & rises_as_counter(value, pl.col("_minutes").sum())
            & (value.last() <= 2 * value.first())
            & (pl.col("_power").mean() > SUSPECT_KW),
            _is_daily=starts_daily(value, pl.col("_start")),
            _rows=pl.len(),
        )
        .filter((pl.col("_rows") >= COUNTER_ROWS) & (pl.col("_is_counter") | pl.col("_is_daily")))
        .collect()
    )
    for meter, register, first, last, is_daily in facts.select(*_KEY, "_first", "_last", "_is_daily").iter_rows():
        is_it = (pl.col("_meter") == meter) & (pl.col("_register") == register) & pl.col("_unit").is_in(amounts)
        expected = (
            "amounts of intervals: these rise through each day and begin anew, as the energy of the day so far; "
            "take the counter or the power of the device, or take amounts with --accept-scale"
            if is_daily
            else f"amounts of intervals: these never fall ({first:g} to {last:g}), as the states of a counter; "
            "give its register kind: cumulative, or take amounts with --accept-scale"
        )
        row_filter.take("unit_suspected", is_it, pl.col("_raw").cast(pl.String), expected)


def rises_as_counter(value: pl.Expr, minutes: pl.Expr) -> pl.Expr:
    """True of values in order of time that never fall: in the small steps of a counter, or for longer than a day and
    not as a flat load that grows a few times. minutes: of all rows.
    """
    small = value.last() - value.first() <= COUNTER_STEP * value.first() * (pl.len() - 1)
    moves = (minutes > COUNTER_DAY_MINUTES) & (4 * value.n_unique() >= pl.len())
    return (value.diff().min() >= 0) & (moves | small)


def starts_daily(value: pl.Expr, time: pl.Expr) -> pl.Expr:
    """True of values in order of time that rise step by step, and fall to nearly nothing at one time of the day alone:
    the energy of the day so far.
    """
    last = value.shift(1)
    falls = (value < last).fill_null(value=False)
    # An hour before or after, as clocks change and as a first row of the day may lack.
    apart = ((time.filter(falls).diff().dt.total_minutes() + 60) % COUNTER_DAY_MINUTES).drop_nulls()
    is_anew = (value <= ANEW * last).filter(falls).all()
    rises = (value - last).filter(value > last).round(QUANTUM_DECIMALS)
    is_stepwise = (rises.len() >= DAILY_RISES * falls.sum()) & (rises.n_unique() >= DAILY_KINDS)
    return (apart.len() > 0) & (apart <= 2 * 60).all() & is_anew & is_stepwise


def _power_kw(energies: list[str]) -> pl.Expr:
    """Mean power of each row."""
    rate_units = [code for code in energies if UNITS[code].is_power]
    kw = pl.col("_value").abs() * _per_unit({code: UNITS[code].factor for code in energies})
    return (
        pl.when(pl.col("_unit").is_in(rate_units)).then(kw).otherwise(kw / (pl.col("_minutes").cast(pl.Float64) / 60))
    )


def _take_suspected(row_filter: RowFilter, site: Site | None, energies: list[str], *, is_vouched: bool) -> None:
    loads = {m.meter_id: m.connected_load_kw for m in site.meters if m.connected_load_kw} if site else {}
    is_energy = pl.col("_unit").is_in(energies)
    load = pl.col("_meter").replace_strict(loads, default=None, return_dtype=pl.Float64) if loads else pl.lit(None)
    # Only a heading of kilo or mega can hide the smaller unit.
    big = ["kwh", "kw", "mwh", "mw"]
    facts = (
        row_filter.frame.lazy()
        .filter(is_energy)
        .with_columns(_power=_power_kw(energies), _load=load.cast(pl.Float64))
        .group_by(_KEY)
        .agg(
            _rows=pl.len(),
            _load=pl.col("_load").first(),
            # Not the maximum: a single spike is a bad reading, not a wrong unit.
            _high=pl.col("_power").quantile(0.9),
            _mean=pl.col("_power").mean(),
            _whole=((pl.col("_value") == pl.col("_value").round()) & pl.col("_unit").is_in(big)).all(),
            _kinds=pl.col("_value").n_unique(),
        )
        .collect()
    )
    above_load = pl.col("_load").is_not_null() & (pl.col("_high") > LOAD_LIMIT * pl.col("_load"))
    looks_like_wh = (
        pl.col("_load").is_null()
        & pl.lit(not is_vouched)
        & pl.col("_whole")
        & (pl.col("_rows") >= SUSPECT_ROWS)
        # A constant or a switch is no load that was scaled.
        & (pl.col("_kinds") > 2)
        & (pl.col("_mean") > SUSPECT_KW)
    )
    for meter, register, *_, mean in facts.filter(above_load | looks_like_wh).select(*_KEY, "_mean").iter_rows():
        is_it = (pl.col("_meter") == meter) & (pl.col("_register") == register) & is_energy
        expected = (
            f"a unit that fits: {mean:.0f} kW on average; give unit in a column map, or the meter's connected_load_kw"
        )
        row_filter.take("unit_suspected", is_it, pl.col("_raw").cast(pl.String), expected)


def _per_unit(factors: dict[str, float]) -> pl.Expr:
    return pl.col("_unit").replace_strict(factors, default=None, return_dtype=pl.Float64)
