"""Value columns of a table: their unit, the marks in their numbers, and the codes for "no reading"."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

import polars as pl

from assets.readings.drafts.column_kinds import price_column
from assets.readings.tables.column_layout import is_of_each_kwh, unit_in, unit_text
from assets.readings.tables.values import (
    COUNTER_ROWS,
    SUSPECT_KW,
    SUSPECT_ROWS,
    UNIT_BEHIND,
    infers_comma,
    rises_as_counter,
    starts_daily,
)
from data_quality.contracts.units import UNITS, Behaviour

_UNIT_HINTS = (
    (r"temp.*_f$|degf|temp(?:erature)?f$|(?:point|chill|heat index)f$|fahrenheit|°f", "degf"),
    (r"temp|degc|_c$|celsius|°c|\[c\]|\(c\)|^tt_tu$|^t(?:2m|avg|min|max)$", "degc"),
    (r"irradiance|ghi|w_m2|w/m2|w/m²|radiation|globalstrahlung|einstrahlung", "w_per_m2"),
    (r"humidity|feuchte|_pct$|percent|%", "percent"),
    (r"fraction", "fraction"),
    (r"litre_per_min|l_per_min|l/min", "l_per_min"),
    (r"m3/h|m³/h|m3_h$", "m3_per_h"),
    (r"m/s|wind_?(speed|ms)|windgeschw", "m_per_s"),
    (r"power_w$|_w$", "w"),
    (r"kilowatt.?(?:hour|stunde)", "kwh"),
    (r"(?<!mega)watt.?(?:hour|stunde)", "wh"),
)
# A unit within a name, in its own letters: kWh.first, Active energy Wh (A), UsageKwh.
_WITHIN = re.compile(r"(?<![A-Za-z])([kMG]?Wh|[kM]W|[KM]WH|m³|m3)(?![A-Za-z0-9])|(?<=[a-z])([KM]?[Ww]h)$")
# What a column of identifiers is called, in one word; and from so many digits on a whole number is one by itself.
_IDENTIFIER = re.compile(
    r"(?:ean|nmi|mpan|mprn|esiid|esi id|icp|prm|pdl|pod|cups|gsrn|malo|melo|serial|account|contract|interval|index|id|"
    r"meter|zähler|compteur|contador|contatore)"
    r"(?:code|asn| code| id| no\.?| nr\.?| nummer| number| serial number)?|.*\b(?:ean|id|(?:serial|account) number)"
)
_IDENTIFIER_DIGITS = 9
# What is paid in all measures nothing; a price of a unit has one.
_MONEY = re.compile(
    r"\bcost(?:s|es?|os?|i)?\b|\bcharges\b|\b(?:inc|incl|excl|ex)\.? (?:tax|vat)\b|kosten\b|betrag\b|\bco[uû]ts?\b",
    re.IGNORECASE,
)
# Between the words of CostsWithTax and total_cost.
_PARTS = re.compile(r"_|(?<=[a-z])(?=[A-Z])")
# A name of no amount: voltage (of low-voltage boards too, which are meters), current, frequency, power factor.
_OTHER = re.compile(
    r"^(?!.*(?:photovolt|volt.?amp|(?:low|medium|high).?volt|(?:nieder|mittel|hoch)spannung))(?:.*(?:volt|spannung|"
    r"stromst(?:ä|ae)rke|power.?factor|leistungsfaktor|cos.?(?:phi|φ)|[\[(](?:k?v|a|hz)[\])])|(?:.*(?<![^\W_]))?"
    r"(?:amps?|amperes?|hertz|hz|frequency|frequenz|fréquence|tension)(?![^\W_]))",
    re.IGNORECASE,
)
# What the state of a counter is called, read by hand or printed on a bill.
_STATE = re.compile(
    r"z(?:ä|ae)hlerst(?:a|ä|ae)nd|meter.?(?:reading|stand|read\b)|meterstand|m[åa]lerst|stand\b|relev[ée]", re.I
)
# Of fewer kinds, values may rise by chance.
_COUNTER_KINDS = 4
# So many rows show whether two columns count the same.
_STEPS, _SAME_STEPS = 1000, 0.9
# The sun's energy on an area, in an interval: no unit of ours.
_PER_AREA = re.compile(r"[kM]?Wh ?/ ?(?:m2|m²|㎡)", re.IGNORECASE)
_BRACKETED = re.compile(r"[\[(]\s*([^\])]*?)\s*[\])]")
# Beyond this a number is no price of a kWh, in whatever currency the questions bound.
_DEAREST_PER_KWH = 2.0
# Where a cell says that there is none.
_NO_READING = ("-", "--", "---", "n/a", "na", "nan", "null", "none", "#n/a", "#nv", "#nan", "k.a.", "k. a.", "?", ".")
_FILLS = (-999.0, -9999.0, -99999.0)
# What parts thousands, by the numbers that show it; the decimal mark is the other one.
_THOUSANDS = {
    ".": r"^-?\d{1,3}(?:\.\d{3})+,\d*$",
    ",": r"^-?\d{1,3}(?:,\d{3})+\.\d*$",
    " ": "^-?\\d{1,3}(?:[ \u00a0\u202f]\\d{3})+(?:[.,]\\d*)?$",
    "'": r"^-?\d{1,3}(?:['’]\d{3})+(?:[.,]\d*)?$",
}


@dataclass(frozen=True)
class ValueColumn:
    """One column of numbers. unit: code or None; is_unit_stated: by the name or a row of units, not by a hint;
    looks_like: the smaller unit that its size suggests, as in F03; is_counter: states of a counter, which never fall;
    may_be_load: they more than double besides, as a load that grows may; is_constant: two rows or more never change;
    same_as: the column that rises by the same steps, as `state` and `sum` of one counter do; is_daily: states of a
    counter that starts anew each day; notes: what a person should know of its cells.
    """

    name: str
    unit: str | None
    is_unit_stated: bool
    looks_like: str = ""
    notes: tuple[str, ...] = ()
    is_counter: bool = False
    may_be_load: bool = False
    is_constant: bool = False
    same_as: str = ""
    is_daily: bool = False

    @property
    def is_other(self) -> bool:
        """No unit is known, and the name is one of another quantity: voltage, current, frequency, power factor; or the
        energy of the day so far.
        """
        return self.is_daily or (self.unit is None and _OTHER.match(self.name) is not None)

    @property
    def counter_hint(self) -> str:
        """Addition to a question about a column that is a counter's, or its second one; else empty."""
        is_state = self.is_counter and not self.may_be_load
        hint = "; it never falls: states of a counter, whose register wants kind: cumulative" if is_state else ""
        return f"; it rises by the steps of {self.same_as!r}: skip it, or both count the same" if self.same_as else hint


@dataclass(frozen=True)
class Marks:
    """decimal, thousands: as a column map wants them, None where nothing need be declared; missing: texts that say "no
    reading"; is_open: points may be decimal or part thousands.
    """

    decimal: str | None = None
    thousands: str | None = None
    missing: tuple[str, ...] = ()
    is_open: bool = False


def unit_of_name(name: str) -> tuple[str | None, bool]:
    """The unit that a column name tells, or that it hints at, and which of both; of ct/kWh neither."""
    price = price_column(name)
    if price is not None and price.unit:
        return (price.unit, True) if price.unit in UNITS else (None, False)
    own = unit_in(name)
    if is_of_each_kwh(name):
        return own, own is not None
    for inside in reversed(_BRACKETED.findall(name)):
        found = unit_text(inside)
        if found is not None:
            return found, True
    if _PER_AREA.search(name):
        return None, False
    last = re.split(r"\s+(?:in\s+)?", name.strip())[-1]
    unit = unit_text(last) if last != name.strip() else None
    unit = unit or own
    if unit is not None and len(unit) > 1:
        return unit, True
    hint = next((unit for pattern, unit in _UNIT_HINTS if re.search(pattern, name.lower())), None)
    if unit is not None and hint is None:
        return unit, True
    within = _WITHIN.search(name)
    return hint or (unit_text(within[1] or within[2]) if within is not None else None), False


def number_columns(
    frame: pl.DataFrame, names: list[str], stated: dict[str, str], minutes: int | None
) -> list[ValueColumn]:
    """The columns among `names` that hold numbers; stated: units of a row below the names; minutes: the rows' step."""
    numbers = [name for name in names if is_number(frame[name])]
    # Where nothing else stands, a number is what is measured, whatever it is called.
    values = [name for name in numbers if not _measures_nothing(frame[name])] or numbers
    return [_described(frame[name], stated.get(name), minutes) for name in values]


def _measures_nothing(column: pl.Series) -> bool:
    """Money, and numbers that name or count what was measured: in a column called so, of many digits that stay, or one
    more from row to row.
    """
    found, words = as_numbers(column).drop_nulls(), _PARTS.sub(" ", column.name)
    if unit_of_name(column.name)[0] is None and price_column(column.name) is None and _MONEY.search(words):
        return True
    if unit_of_name(column.name)[0] is not None or (found != found.round()).any():
        return False
    steps = found.diff().drop_nulls()
    is_numbering = (steps == 1).all() or (steps == -1).all()
    if found.len() > COUNTER_ROWS and is_numbering and 0 <= float(found.min()) <= 1:  # type: ignore[arg-type]
        return True
    few = found.n_unique() <= max(1, found.len() // 2)
    is_long = few and float(found.abs().min()) >= 10**_IDENTIFIER_DIGITS  # type: ignore[arg-type]
    name = column.name.strip().lower().replace("_", " ")
    if not is_long and _IDENTIFIER.fullmatch(name) is None:
        return False
    # Intervals are counted from one on, a French index from where the meter stands; a column called meter may be one's.
    if name.startswith(("interval", "index")):
        return float(found.min()) <= 1  # type: ignore[arg-type]
    return few or name.split()[-1] == "id"


def _described(column: pl.Series, stated: str | None, minutes: int | None) -> ValueColumn:
    unit, is_stated = (stated, True) if stated is not None else unit_of_name(column.name)
    values = as_numbers(column)
    notes, zeros, empty = [], int((values == 0).sum()), values.null_count()
    if empty:
        notes.append(f'{empty} cells are empty; missing: [""] counts them as no reading')
    if 0 < zeros < values.len() // 2:
        notes.append(f"{zeros} zeros; zero_is_missing: true if a zero means no reading")
    if values.min() is not None and float(values.min()) < 0:  # type: ignore[arg-type]
        notes.append("holds negative values; a register import or export refuses them")
    smaller, is_constant = (
        _smaller_unit(values.drop_nulls(), unit, minutes),
        values.len() > 1 and values.min() == values.max(),
    )
    return ValueColumn(column.name, unit, is_stated, smaller, tuple(notes), is_constant=is_constant)


def _smaller_unit(values: pl.Series, unit: str | None, minutes: int | None) -> str:
    """The unit a thousand times smaller, where whole numbers average more than a meter of this heading does."""
    smaller = {"kwh": "wh", "kw": "w", "mwh": "kwh", "mw": "kw"}.get(unit or "")
    if smaller is None or values.len() < SUSPECT_ROWS or values.n_unique() <= 2 or minutes is None:
        return ""
    hours = 1.0 if UNITS[unit or ""].is_power else minutes / 60
    mean_kw = float(values.abs().mean() or 0.0) * UNITS[unit or ""].factor / hours  # type: ignore[arg-type]
    return smaller if mean_kw > SUSPECT_KW and bool((values == values.round()).all()) else ""


def with_counters(
    values: list[ValueColumn], frame: pl.DataFrame, times: pl.Series, meters: pl.Series | None
) -> tuple[ValueColumn, ...]:
    """The columns, those marked in which no meter's amounts ever fall: whole numbers there say nothing of the unit."""
    by = pl.repeat("", frame.height, eager=True) if meters is None else meters.cast(pl.String)
    marked = []
    for each in values:
        is_amount = each.unit is None or UNITS[each.unit].behaviour is Behaviour.AMOUNT
        rows = pl.DataFrame({"by": by, "time": times, "value": as_numbers(frame[each.name])}).drop_nulls()
        value, time = pl.col("value"), pl.col("time")
        minutes = (time.last() - time.first()).dt.total_minutes()
        streams = (
            rows.sort("by", "time", maintain_order=True)
            .group_by("by")
            .agg(
                n=pl.len(),
                kinds=value.n_unique(),
                is_rising=rises_as_counter(value, minutes),
                grows=value.last() > 2 * value.first(),
                falls=(value.diff() < 0).any(),
                is_daily=starts_daily(value, time),
            )
        )
        long, falling = streams.filter(pl.col("n") >= COUNTER_ROWS), streams.filter("falls")
        is_counter = (
            is_amount and bool(long.height) and bool((long["is_rising"] & (long["kinds"] >= _COUNTER_KINDS)).all())
        )
        # So few states that nothing but the name tells.
        is_state = _STATE.search(each.name) is not None and not streams["falls"].any() and streams["kinds"].max() != 1
        is_counter |= is_amount and not long.height and bool(streams.height) and is_state
        may_be_load = is_counter and bool(long["grows"].any())
        counter = replace(each, is_counter=True, may_be_load=may_be_load, looks_like="")
        is_daily = is_amount and bool(falling.height) and bool(falling["is_daily"].all())
        marked.append(counter if is_counter else replace(each, is_daily=is_daily))
    # The surest counter is kept, the others are it again.
    kept: dict[str, ValueColumn] = {}
    for each in sorted(marked, key=lambda one: (not one.is_counter, one.may_be_load)):
        steps = {
            name: _is_same(frame.head(_STEPS), by.head(_STEPS), name, each.name)
            for name, one in kept.items()
            if one.is_counter
        }
        same = next((name for name, is_same in steps.items() if is_same and kept[name].unit == each.unit), "")
        kept[each.name] = replace(each, same_as=kept[same].same_as or same) if same else each
    return tuple(kept[each.name] for each in marked)


def _is_same(frame: pl.DataFrame, by: pl.Series, counter: str, other: str) -> bool:
    """The other column moves as the counter in nine of ten steps: one of both may begin anew."""
    values = pl.DataFrame({"by": by, "one": as_numbers(frame[counter]), "two": as_numbers(frame[other])}).drop_nulls()
    steps = values.select(pl.col("one", "two").diff().over("by")).drop_nulls().filter(pl.col("one") > 0)
    is_near = (pl.col("one") - pl.col("two")).abs() <= 0.01 * pl.col("one").mean()
    return steps.height >= _COUNTER_KINDS and steps.select(is_near.mean()).item() >= _SAME_STEPS


def load_question(values: Iterable[ValueColumn]) -> str:
    """The question about columns that hold states of a counter or a load that grows; empty where there are none."""
    names = ", ".join(repr(each.name) for each in values if each.may_be_load and not each.same_as)
    asked = "states of a counter, whose register has kind: cumulative, or amounts of a load that grows, without it?"
    return names and f"{names} never falls and more than doubles: {asked}"


def marks_of(frame: pl.DataFrame, names: list[str], *, allows_comma: bool) -> Marks:
    """The marks in the numbers of these columns."""
    texts = [frame[name].str.strip_chars() for name in names if frame[name].dtype == pl.String]
    if not texts:
        return Marks()
    every = pl.concat([text.rename("") for text in texts])
    missing = tuple(
        sorted({text for text in every.drop_nulls().unique() if text.lower() in _NO_READING} | _fill(texts))
    )
    numbers = every.filter(~every.is_in(list(missing)))
    marks = [mark for mark, pattern in _THOUSANDS.items() if numbers.str.contains(pattern).any()]
    if len(marks) == 1:
        is_comma = marks[0] == "." or (marks[0] in " '" and numbers.str.contains(",", literal=True).any())
        return Marks("," if is_comma else ".", marks[0], missing)
    if infers_comma(numbers):
        # Between quotes a comma may part thousands too: 1,234 alone says nothing, 0,234 and 1,23 do.
        is_open = not allows_comma and not numbers.str.contains(r"^-?(?:0|\d{4,}),|,(?:\d{1,2}|\d{4,})$").any()
        return Marks(None if is_open else ",", None, missing, is_open)
    return Marks(None, None, missing, _groups_alone(numbers, allows_comma=allows_comma))


def _fill(texts: list[pl.Series]) -> set[str]:
    """-999 and the like, far below all else of their column: no reading, as files of weather say it."""
    found = set[str]()
    for text in texts:
        if not text.str.contains("-99", literal=True).any():
            continue
        values = pl.DataFrame({"text": text, "value": as_numbers(text)})
        is_code = pl.col("value").is_in(_FILLS)
        others = values.filter(~is_code)["value"].drop_nulls()
        if others.len() and float(others.min()) > -200:  # type: ignore[arg-type]
            found |= set(values.filter(is_code)["text"])
    return found


def _groups_alone(numbers: pl.Series, *, allows_comma: bool) -> bool:
    """1.234 beside 987: every point is followed by three digits, and some numbers have none; it may part thousands."""
    has_point = numbers.str.contains(".", literal=True).fill_null(value=False)
    grouped = numbers.filter(has_point).str.contains(r"^-?[1-9]\d{0,2}(?:\.\d{3})+$")
    few = bool(has_point.any()) and bool(grouped.all())
    rest = numbers.filter(~has_point).drop_nulls()
    return allows_comma and few and rest.len() > 0 and bool(rest.str.contains(r"^-?\d{1,3}$").all())


def is_number(column: pl.Series) -> bool:
    """At least half of what stands there is numbers."""
    values = as_numbers(column)
    return values.len() > values.null_count() and values.null_count() <= max(column.null_count(), column.len() // 2)


def as_numbers(column: pl.Series) -> pl.Series:
    """The column as numbers, whatever its marks; null where a cell is none."""
    if column.dtype.is_numeric():
        return column.cast(pl.Float64).fill_nan(None)
    if column.dtype != pl.String:
        return pl.repeat(None, column.len(), dtype=pl.Float64, eager=True)
    texts = column.str.strip_chars()
    mark = next((mark for mark, pattern in _THOUSANDS.items() if texts.str.contains(pattern).any()), None)
    if mark is not None:
        texts = texts.str.replace_all("[ \u00a0\u202f]" if mark == " " else re.escape(mark), "")
    if infers_comma(texts):
        texts = texts.str.replace(",", ".", literal=True)
    return texts.cast(pl.Float64, strict=False).fill_nan(None)


def without_units(frame: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, str]]:
    """The columns in which one unit stands behind every number (`30.00 kW`) without it, and column -> unit. What never
    changes may be the size of a connection.
    """
    units = {}
    for name, dtype in frame.schema.items():
        texts = frame[name].drop_nulls() if dtype == pl.String else pl.Series(dtype=pl.String)
        behind = texts.str.extract(UNIT_BEHIND, 2).unique()
        unit = unit_text(behind[0] or "") if behind.len() == 1 < texts.n_unique() else None
        bare = frame[name].str.replace(UNIT_BEHIND, "${1}") if unit is not None else None
        if unit is not None and bare is not None and is_number(bare):
            units[name], frame = unit, frame.with_columns(bare.alias(name))
    return frame, units


def only_price(values: pl.Series, unit: str, factor: float) -> float | None:
    """Price of a kWh where every row says the same; None where rows differ or are less than a day's hours."""
    every = values.drop_nulls()
    if len(every) < 24 or every.n_unique() > 1:
        return None
    price = float(every[0]) * factor / (1000 if unit == "per_mwh" else 1)
    return price if 0 < price <= _DEAREST_PER_KWH else None
