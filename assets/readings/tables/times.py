"""Time columns become UTC instants. Nothing is guessed: a time without offset needs a declared zone, an hour that
summer time skips does not exist, and an hour that it repeats is resolved by the order of the rows or rejected.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final, Literal

import polars as pl

from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import local_midnight_utc, zone

UTC_US: Final = pl.Datetime("us", "UTC")
LOCAL_US: Final = pl.Datetime("us")
_OFFSET = r"(?:Z|z|[+-]\d{2}(?::?\d{2})?)$"
_AWARE = r":\d{2}(?:[.,]\d+)?\s?" + _OFFSET
_DATE_ONLY = r"^\d{4}-\d{2}-\d{2}$"
_HOUR_24 = r"(^|[ T])24:00((?::00(?:\.0+)?)?)$"
# An interval written whole, the name of its clock's offset perhaps behind each end: its begin is the time. Its end has
# a date too: `01.03.2025 - 14:00` is one time.
_SPAN = (
    r"^(\d.{6,24}?\d(?:\s?[AaPp][Mm]|Z|[+-]\d\d:?\d\d)?)(?:\s?\([A-Z]{3,4}\))?"
    r"[\s\x{a0}]+(?:to|bis|until|[-–—])[\s\x{a0}]+(?:\d{1,4}[-./]\d{1,2}[-./]|\d{1,2}\.? [[:alpha:]]{3})\d?.{4,36}$"
)
# The name of a clock's offset behind a time, as EST or (CEST): which offset that is, a zone says.
ANYBODYS: Final = ("UTC", "GMT")
OFFSET_NAME: Final = r"[\s\x{a0}]\(?([A-Z]{3,5})\)?$"
# Years that a calendar holds; beyond them local time has no meaning.
_YEARS, _FIRST_DAY, _LAST_DAY = (1, 9999), date(2, 1, 1), date(9999, 11, 30)
# Rows that tell whether a column holds dates.
_FIRST_ROWS = 20
# Styles of numbers that count from 1970 in UTC, seconds and milliseconds, with microseconds of one; to the year 2100.
EPOCHS = {"%s": 1_000_000, "%Q": 1_000}
_LAST_EPOCH_US = 4_102_444_800_000_000
# 03/04/2025 is a day of April here and of March there: neither is taken.
_UNDECIDABLE = r"^\d{1,2}[/.]\d{1,2}[/.]\d{4}"
_FORMATS = (
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
)


@dataclass(frozen=True)
class TimeRule:
    """Declared rule of a time column.

    time_zone: zone of times without offset; day_zone: zone whose local days a date column means; formats: strptime
    styles in the order they are tried, none where the texts are ISO 8601; midnight_ends_day: 00:00 written with a
    date ends that date; repeated_hour: what a repeated local hour means that stands there once.
    """

    time_zone: str | None = None
    day_zone: str | None = None
    formats: tuple[str, ...] = ()
    midnight_ends_day: bool = False
    repeated_hour: Literal["both_passes", "first", "second"] = "both_passes"


def add_instants(frame: pl.DataFrame, *, column: str, rule: TimeRule, by: str) -> pl.DataFrame:
    """The frame with `_start` (UTC instant or null), `_days_minutes` (length of a local day where the column holds
    dates, else null), `_time_fault` (reason or null), `_is_assumed` (the pass of a repeated hour is the rule's).

    frame: the time column, `_line`, and `by`: rows with the same `by` follow each other in time.
    Raises BadInput where the column as a whole cannot be read, or has no zone.
    """
    times = frame[column]
    if len(rule.formats) == 1 and rule.formats[0] in EPOCHS:
        return _with(frame, epoch_times(times, rule.formats[0]).dt.replace_time_zone("UTC"))
    if len({is_month(form) for form in rule.formats}) > 1:
        message = f"{' and '.join(rule.formats)}: one column holds days, or months; expected date formats of one kind"
        raise BadInput(message, line=1, reason="bad_timestamp")
    if times.dtype == pl.Date or (times.dtype == pl.String and _is_date_only(times, rule.formats)):
        return _days(
            frame, dates_of(times, rule.formats), rule.day_zone, by_month=all(map(is_month, rule.formats or ("",)))
        )
    if isinstance(times.dtype, pl.Datetime):
        if times.dtype.time_zone is not None:
            return _with(frame, times.dt.convert_time_zone("UTC").cast(UTC_US))
        naive = times.dt.cast_time_unit("us")
        naive = naive.set(~naive.dt.year().is_between(*_YEARS).fill_null(value=True), None)
        return _localised(frame, naive, None, rule, by)
    if times.dtype != pl.String:
        raise BadInput(f"expected times in column {column!r}, got {times.dtype}", line=1, reason="bad_timestamp")
    return _text(frame, begins_of(times), rule, by)


def epoch_times(column: pl.Series, form: str) -> pl.Series:
    """Numbers that count from 1970 (form: of EPOCHS), whole or as 1.74e12, as times of UTC; null for others."""
    if not column.dtype.is_numeric() and column.dtype != pl.String:
        return pl.repeat(None, column.len(), dtype=LOCAL_US, eager=True)
    texts = column.str.strip_chars().str.replace(",", ".", literal=True) if column.dtype == pl.String else column
    micros = texts.cast(pl.Float64, strict=False) * EPOCHS[form]
    is_one = ((micros > 0) & (micros < _LAST_EPOCH_US)).fill_null(value=False)
    return micros.set(~is_one, None).round().cast(pl.Int64).cast(LOCAL_US)


def begins_of(times: pl.Series) -> pl.Series:
    """The texts without blanks around them; of those that write an interval as `A to B` or `A - B`, the begin."""
    texts = times.str.strip_chars()
    first = texts.drop_nulls().head(1)
    if first.str.ends_with("]").any():
        # The zone behind the offset, as 2024-03-04T00:00+01:00[Europe/Oslo].
        texts = texts.str.replace(r"((?:Z|[+-]\d\d:?\d\d))\[[A-Za-z_]+(?:/[A-Za-z_]+)*\]$", "${1}")
    if not first.str.contains(_SPAN).any():
        return texts
    return texts.str.replace(_SPAN, "${1}")


def _is_date_only(times: pl.Series, formats: tuple[str, ...]) -> bool:
    if formats:
        return not any(code in form for form in formats for code in ("%H", "%I", "%T", "%R", "%s"))
    # Most of the first ones: a total may stand above the days.
    first = times.drop_nulls().head(_FIRST_ROWS)
    return 2 * int(first.str.contains(_DATE_ONLY).sum()) > first.len()


def dates_of(times: pl.Series, formats: tuple[str, ...]) -> pl.Series:
    """Dates in the declared styles, or as ISO 8601 writes them; null for other texts."""
    if times.dtype == pl.Date:
        return times
    texts = times.str.strip_chars()
    shaped = [(in_shape(texts, form, is_declared=bool(formats)), form) for form in formats or ("%Y-%m-%d",)]
    whole = [_with_day(each, form) for each, form in shaped]
    return _first_of([each.str.to_date(form, strict=False) for each, form in whole])


def is_month(form: str) -> bool:
    """A style of months alone, such as 03/2024: what stands there is of the whole of it."""
    return bool(form) and not re.search(r"%[^mbByY]", form) and bool(re.search("%[mbB]", form))


def _with_day(texts: pl.Series, form: str) -> tuple[pl.Series, str]:
    return (texts + " 01", f"{form} %d") if is_month(form) else (texts, form)


def _first_of(parsed: list[pl.Series]) -> pl.Series:
    """The first reading of every text that is one, in the order of the styles."""
    found = parsed[0]
    for other in parsed[1:]:
        found = found.zip_with(found.is_not_null(), other)
    return found


def _days(frame: pl.DataFrame, dates: pl.Series, day_zone: str | None, *, by_month: bool) -> pl.DataFrame:
    """Local civil days, or months: start at local midnight, last 23, 24 or 25 hours, or as long as the month."""
    if day_zone is None:
        raise BadInput("dates without a zone", line=2, reason="no_zone", mend="give --tz or a column map with zone")
    table = day_table(dates, day_zone, by_month=by_month)
    joined = frame.with_columns(_day=dates).join(table, on="_day", how="left", maintain_order="left").drop("_day")
    return joined.with_columns(
        _time_fault=pl.when(pl.col("_start").is_null()).then(pl.lit("bad_timestamp")), _is_assumed=pl.lit(value=False)
    )


def day_table(dates: pl.Series, day_zone: str, *, by_month: bool = False) -> pl.DataFrame:
    """`_start` (UTC) and `_days_minutes` of each local day (`_day`) among the dates, or of the month that it begins."""
    # 0001-01-01 and 9999-12-31 stand for nothing in some files; by another clock they are of no year of the calendar.
    days = dates.filter(dates.is_between(_FIRST_DAY, _LAST_DAY)).unique()
    ends = days.dt.offset_by("1mo" if by_month else "1d").to_list()
    starts = [local_midnight_utc(day, day_zone) for day in days]
    minutes = [
        (local_midnight_utc(end, day_zone) - start) // timedelta(minutes=1)
        for end, start in zip(ends, starts, strict=True)
    ]
    return pl.DataFrame(
        {"_day": days, "_start": starts, "_days_minutes": minutes},
        schema={"_day": pl.Date, "_start": UTC_US, "_days_minutes": pl.Int32},
    )


def _text(frame: pl.DataFrame, times: pl.Series, rule: TimeRule, by: str) -> pl.DataFrame:
    if rule.formats:
        if any("%Z" in form for form in rule.formats):
            return _with(frame, _named(frame, times, rule))
        if any(code in form for form in rule.formats for code in ("%z", "%:z", "%#z")):
            aware = [times.str.to_datetime(form, strict=False, time_unit="us") for form in rule.formats]
            return _with(frame, _first_of([each.cast(UTC_US) for each in aware]))
        return _localised(frame, local_times(times, rule.formats), None, rule, by)
    is_aware = times.str.contains(_AWARE).fill_null(value=False)
    if not is_aware.any():
        naive = local_times(times)
        if naive.null_count() == times.len():
            _refuse_undecidable(frame, times)
        return _localised(frame, naive, None, rule, by)
    base, offsets = _split_offset(times)
    instants = _with_hour_24(base, _parse_naive).dt.replace_time_zone("UTC") - _offset_durations(offsets)
    if is_aware.all():
        return _with(frame, instants)
    naive = _with_hour_24(times.set(is_aware, None), _parse_naive)
    return _localised(frame, naive, instants, rule, by)


def _named(frame: pl.DataFrame, times: pl.Series, rule: TimeRule) -> pl.Series:
    """Instants of local times with the name of their clock's offset: of both passes of a repeated hour, and of a clock
    that shows winter time all year; null where the zone has no offset of that name in that year.
    """
    bare = tuple(form.replace("%Z", "").strip() for form in rule.formats)
    naive = _with_ended_days(local_times(times.str.replace(OFFSET_NAME, ""), bare), rule)
    rows = pl.DataFrame({"year": naive.dt.year(), "name": times.str.extract(OFFSET_NAME, 1)})
    if rule.time_zone is None and not rows["name"].drop_nulls().is_in(ANYBODYS).all():
        raise _no_zone(frame, naive)
    here = zone(rule.time_zone or "UTC")
    known = {(year, name, timedelta()) for year in rows["year"].drop_nulls().unique() for name in ANYBODYS}
    for year in {year for year, _, _ in known}:
        halves = [datetime(year, month, 1, tzinfo=here) for month in (1, 7)]
        known |= {(year, each.tzname() or "", each.utcoffset() or timedelta()) for each in halves}
    schema = {"year": pl.Int32(), "name": pl.String(), "offset": pl.Duration("us")}
    offsets = pl.DataFrame(sorted(known), schema=schema, orient="row").unique(["year", "name"], keep="none")
    found = rows.join(offsets, on=["year", "name"], how="left", maintain_order="left")["offset"]
    return naive.dt.replace_time_zone("UTC") - found


def local_times(texts: pl.Series, formats: tuple[str, ...] = ()) -> pl.Series:
    """Texts without blanks around them as local times, in the declared styles or those of ISO 8601; null for others."""
    if not formats:
        return _with_hour_24(texts, _parse_naive)
    styled = _with_hour_24(texts, lambda each: _first_of([_parsed(each, form, is_declared=True) for form in formats]))
    return styled.cast(LOCAL_US)


def _with_hour_24(texts: pl.Series, parse: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """Local times, 24:00 of a date read as the end of that date (ISO 8601)."""
    parsed = parse(texts)
    if parsed.null_count() == texts.null_count():
        return parsed
    is_end = parsed.is_null() & texts.str.contains(_HOUR_24).fill_null(value=False)
    if not is_end.any():
        return parsed
    started = parse(texts.str.replace(_HOUR_24, "${1}00:00${2}").set(~is_end, None))
    return parsed.zip_with(~is_end, started.dt.offset_by("1d"))


def _refuse_undecidable(frame: pl.DataFrame, times: pl.Series) -> None:
    odd = times.str.contains(_UNDECIDABLE).fill_null(value=False)
    if odd.any():
        row = odd.arg_max() or 0
        raise BadInput(
            f"cannot distinguish day from month in {times[row]!r}",
            line=int(frame["_line"][row]),
            reason="ambiguous_date",
            mend="give date_format in a column map",
        )


def _split_offset(times: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Date and time, and offset text; equal lengths, the usual case, need no regular expression per row."""
    lengths = times.str.len_bytes()
    sample = times.drop_nulls().head(1)
    found = sample.str.extract(f"({_OFFSET})", 1)
    if lengths.min() == lengths.max() and found[0] is not None:
        width = len(found[0])
        offsets = times.str.tail(width)
        if offsets.unique().str.contains("^" + _OFFSET).all():
            return times.str.head(-width).str.strip_chars_end(), offsets
    return times.str.replace(r"\s?" + _OFFSET, ""), times.str.extract(f"({_OFFSET})", 1)


def _offset_durations(offsets: pl.Series) -> pl.Series:
    """Offset texts (Z, +02, +0200, -03:30) as durations."""
    texts = offsets.drop_nulls().unique().to_list()
    durations = {}
    for text in texts:
        digits = text.lstrip("+-").replace(":", "")
        minutes = 0 if text in "Zz" else int(digits[:2]) * 60 + int(digits[2:] or 0)
        durations[text] = timedelta(minutes=-minutes if text.startswith("-") else minutes)
    return offsets.replace_strict(durations, default=None, return_dtype=pl.Duration("us"))


_SHAPE_OF_CODE = {
    "Y": r"\d{4}",
    "y": r"\d{2}",
    "m": r"\d{2}",
    "d": r"\d{2}",
    "H": r"\d{2}",
    "M": r"\d{2}",
    "S": r"\d{2}",
}
_SHORT = {"m": r"\d{1,2}", "d": r"\d{1,2}", "H": r"\d{1,2}"}


def in_shape(texts: pl.Series, form: str, *, is_declared: bool = False) -> pl.Series:
    """The texts that have the shape which the strptime form says, null for the others.

    The parser alone takes a blank for a digit and nothing for a separator: a time with a lost digit would be another.
    In a declared form a month, day or hour may be one digit; a form with codes beyond year to second is left to the
    parser.
    """
    shapes = _SHAPE_OF_CODE | (_SHORT if is_declared else {})
    pattern, place = "", 0
    while place < len(form):
        mark = form[place]
        if mark == "%":
            code = form[place + 1 : place + 2]
            if form[place : place + 4] == "%.f":
                code, place = ".f", place + 1
            known = r"\.\d+" if code == ".f" else shapes.get(code)
            if known is None:
                return texts
            pattern, place = pattern + known, place + 2
        else:
            pattern, place = pattern + re.escape(mark), place + 1
    kinds = texts.drop_nulls().unique()
    bad = kinds.filter(~kinds.str.contains(f"^{pattern}$"))
    return texts.set(texts.is_in(bad.implode()).fill_null(value=False), None) if bad.len() else texts


def _parsed(texts: pl.Series, form: str, *, is_declared: bool = False) -> pl.Series:
    """Local times in one form, in the years that a meter may know; null for other texts."""
    if form.endswith("%H"):
        # The parser wants minutes beside an hour: 2024030413.
        texts, form = texts + "00", f"{form}%M"
    try:
        shaped, whole = _with_day(in_shape(texts, form, is_declared=is_declared), form)
        parsed = shaped.str.to_datetime(whole, strict=False, time_unit="us")
    except pl.exceptions.ComputeError as error:
        why = str(error).partition("\n")[0].removeprefix("Invalid format string: ").rstrip(".")
        raise BadInput(f"no time can be read by the date format {form!r}: {why}", reason="bad_timestamp") from error
    return parsed.set(~parsed.dt.year().is_between(*_YEARS).fill_null(value=True), None)


def _parse_naive(texts: pl.Series) -> pl.Series:
    """ISO 8601 texts without offset as local times; null where the text is something else."""
    sample = texts.drop_nulls().head(1)
    # The style of the first text is tried first: it reads nearly every file whole.
    first = next((form for form in _FORMATS if not _parsed(sample, form).null_count()), _FORMATS[0])
    parsed = _parsed(texts, first)
    for form in (each for each in _FORMATS if each != first):
        if parsed.null_count() == texts.null_count():
            break
        parsed = parsed.zip_with(parsed.is_not_null(), _parsed(texts, form))
    return parsed.cast(LOCAL_US)


def _with_ended_days(naive: pl.Series, rule: TimeRule) -> pl.Series:
    if not rule.midnight_ends_day:
        return naive
    is_midnight = (naive.dt.time() == time.min).fill_null(value=False)
    return naive.zip_with(~is_midnight, naive.dt.offset_by("1d"))


def _no_zone(frame: pl.DataFrame, naive: pl.Series) -> BadInput:
    row = naive.is_not_null().arg_max() or 0
    return BadInput(
        f"time {naive[row]:%Y-%m-%d %H:%M} has no offset and no zone is declared",
        line=int(frame["_line"][row]),
        reason="no_zone",
        mend="give --tz or a column map with zone",
    )


def _localised(
    frame: pl.DataFrame, naive: pl.Series, instants: pl.Series | None, rule: TimeRule, by: str
) -> pl.DataFrame:
    """Local times of one zone as instants; `instants` holds those that brought their own offset."""
    time_zone = rule.time_zone
    naive = _with_ended_days(naive, rule)
    if time_zone is None:
        if naive.null_count() == naive.len():
            return _with(frame, naive.dt.replace_time_zone("UTC") if instants is None else instants)
        raise _no_zone(frame, naive)
    # Asked for its sentence: the library's own error names neither the zone's source nor what was expected.
    zone(time_zone)
    sides: tuple[Literal["earliest"], Literal["latest"]] = ("earliest", "latest")
    early, late = (
        naive.dt.replace_time_zone(time_zone, ambiguous=side, non_existent="null").dt.convert_time_zone("UTC")
        for side in sides
    )
    rows = frame.with_columns(_local=naive, _early=early, _late=late, _aware=instants)
    if bool((early != late).any()):
        # Both passes of a repeated hour must be there: one alone could be either.
        key = [by, "_local"]
        is_repeated = pl.col("_early") != pl.col("_late")
        # Of two equal local times the upper line is the first pass, or the second where the newest stands first.
        moved = pl.when(~is_repeated).then("_early").forward_fill().diff()
        up, down = (is_so.sum().over(by) for is_so in (moved > timedelta(), moved < timedelta()))
        is_upper = pl.col("_line").rank("ordinal").over(key) == 1
        picked = pl.when(is_upper == (up >= down)).then("_early").otherwise("_late")
        # A third row of that time is a double of one of them, and nobody can say of which; nor where there is no order.
        is_pair = (pl.len().over(key) == 2) & (3 * pl.min_horizontal(up, down) <= up + down)
        is_single = is_repeated & (pl.len().over(key) == 1)
        is_assumed = is_single if rule.repeated_hour != "both_passes" else pl.lit(value=False)
        assumed = "_late" if rule.repeated_hour == "second" else "_early"
        rows = rows.with_columns(
            _picked=pl.when(is_repeated & is_pair)
            .then(picked)
            .when(is_assumed)
            .then(assumed)
            .when(~is_repeated)
            .then("_early"),
            _time_fault=pl.when(is_repeated & ~is_pair & ~is_assumed).then(pl.lit("ambiguous_local_time")),
            _is_assumed=is_assumed.fill_null(value=False),
        )
    else:
        rows = rows.with_columns(_picked="_early", _time_fault=pl.lit(None, pl.String), _is_assumed=pl.lit(value=False))
    fault = (
        pl.when(pl.col("_local").is_not_null() & pl.col("_early").is_null())
        .then(pl.lit("nonexistent_local_time"))
        .otherwise("_time_fault")
    )
    start = pl.col("_picked") if instants is None else pl.coalesce("_aware", "_picked")
    rows = _finish(rows.with_columns(_start=start, _time_fault=fault))
    return rows.drop("_local", "_early", "_late", "_aware", "_picked", strict=False)


def _with(frame: pl.DataFrame, instants: pl.Series) -> pl.DataFrame:
    start, fault = instants.cast(UTC_US), pl.lit(None, pl.String)
    return _finish(frame.with_columns(_start=start, _time_fault=fault, _is_assumed=pl.lit(value=False)))


def _finish(frame: pl.DataFrame) -> pl.DataFrame:
    is_bad = pl.col("_start").is_null() & pl.col("_time_fault").is_null()
    return frame.with_columns(
        _days_minutes=pl.lit(None, pl.Int32),
        _time_fault=pl.when(is_bad).then(pl.lit("bad_timestamp")).otherwise("_time_fault"),
    )
