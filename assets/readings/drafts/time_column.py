"""Which column of a table holds its times, and in which style: by the reader's own rules, so that it reads them."""

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from zoneinfo import available_timezones

import polars as pl

from assets.readings.tables.clocks import clock_of
from assets.readings.tables.column_layout import unit_in
from assets.readings.tables.times import (
    ANYBODYS,
    EPOCHS,
    OFFSET_NAME,
    begins_of,
    dates_of,
    epoch_times,
    is_month,
    local_times,
)
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import zone

_CLOCKS = ("%H:%M:%S", "%H:%M", "%I:%M %p", "%I:%M:%S %p", "%H:%M:%S%.f", "%H.%M", "%H.%M.%S", "%H%M")
_DATES = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d-%b-%Y"),
    *("%d %b %Y", "%d/%b/%Y", "%b %d, %Y", "%b %d %Y", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%b-%y", "%Y%m%d"),
)
# The hour alone behind a date, as weather services write it: read as one where it could be seconds since 1970 too.
_HOURLY = "%Y%m%d%H"
# Months alone; a number with a point is one under a name of a time.
_MONTHS = ("%m/%Y", "%Y-%m", "%Y/%m", "%m-%Y", "%b %Y", "%b-%Y", "%B %Y", "%b %y", "%b-%y", "%m.%Y")
# What stands between a date and the time of day.
_BETWEEN = (" ", "T", ", ", ":", "")
_DIGITS = {"%Y": r"\d{4}", r"%\.f": r"\.\d+", "%b": r"[^\W\d]{3}", "%B": r"[^\W\d]{3,9}", "%p": "[AaPp][Mm]"}
_DIGITS |= {f"%{code}": r"\d{1,2}" for code in "mdHI"} | {f"%{code}": r"\d{2}" for code in "yMS"}
_CODE = re.compile(r"%\\\.f|%[A-Za-z]")
_OFFSET = r"\s?(?:Z|[+-]\d{2}:?\d{2})$"
TIME_NAME = re.compile(
    r"time|date|datum|zeit|stamp|^mon(?:at|th)|^mois$|^mes$|period|tag$|fecha|hora|heure|jour|start|beginn|von$|ab$|measured|^day|^dt$|^ts$|^when$|"
    r"^t$|epoch|unix",
    re.IGNORECASE,
)
# A column of times that names the clock of the world; UTC+1, GMT/BST and GMT Standard Time (London's) name another one.
_UTC_NAME = re.compile(
    r"^(?!(?i:.*(?:bst|local|lokal|offset|standard))).*(?:(?<![^\W_])(?i:utc|gmt)|(?<=[a-z])(?:UTC|GMT))(?![^\W_]|\s*[+-]\d)"
)
# Numbers of these years that count from 1970; under a name that is none of a time, this share goes by one step.
_YEARS, _EPOCH_YEARS, _EVEN_SHARE = (1900, 2100), (2000, 2050), 0.9
# Columns of the parts of a time, and their largest number.
_PARTS = {r"year|yr|yyyy|jahr|año|année": _YEARS[1], r"month|mo|mon|mm|monat|mes|mois": 12}
_PARTS |= {r"day|dy|dd|tag|día|jour": 31, r"hour|hr|hh|stunde|hora|heure": 24, r"min|mn|mi|minute|minuto": 59}
# A zone in the name of a column: Time Bucket (America/New_York), Date Time, GMT-05:00 (a logger's, all year).
_ZONE, _FIXED = re.compile(r"[A-Z][A-Za-z]+(?:/[A-Z][A-Za-z_]+){1,2}"), re.compile(r"\b(?:GMT|UTC)([+-])(\d\d):00\b")
_CLOCK = r"^(?:[01]?\d|2[0-5])[:.][0-5]\d(?::[0-5]\d)?(?: ?[AaPp][Mm])?$"
# The longest text of a time that any style says.
_LONGEST = 40
# A table has few lines that are no readings: a total, a remark. More of them, and the style is another one.
_ODD_ROWS, _ODD_SHARE = 3, 0.02
# What a column is called that numbers the intervals of a day, and how many a day of 23, 24 or 25 hours has.
_NUMBER_NAME = re.compile(
    r"(?:usage |read(?:ing)? |meter )?"
    r"(?:h|he|hora|heure|hour|hr|ora|uur|stunde|timme?|time|hodina|godzina|periodo?|viertelstunde|cuarto|sp)"
    r"(?: ?(?:ending|no\.?|nr\.?|number|del d[ií]a))?|(?:settlement|trading)[ _]?period|interval(?:l|lo|o)?",
    re.IGNORECASE,
)
_OF_DAY = {(23, 24, 25): 60, (46, 48, 50): 30, (92, 96, 100): 15}
# From so many rows on, one and the same time names no reading of them.
_SAME_ROWS = 3
# Day and month are distinguished by order where the wrong reading jumps by weeks and the right one never does.
_JUMP, _ROWS_A_DAY, _HOUR = timedelta(days=20), 20, 60


@dataclass(frozen=True)
class TimeColumn:
    """formats: strptime styles, none where ISO 8601 is read as it is; options: both readings, where the content leaves
    day and month open; sure: 0..1, of the style, with why; times: local times in file order.
    """

    name: str
    formats: tuple[str, ...]
    has_offset: bool
    times: pl.Series
    options: tuple[str, ...] = ()
    sure: float = 1.0
    why: str = ""

    @property
    def is_named(self) -> bool:
        """The times have the name of their clock's offset, such as EST."""
        return any("%Z" in form for form in self.formats or self.options)

    @property
    def is_month(self) -> bool:
        """Months alone: each amount is of a whole one."""
        return any(map(is_month, self.formats or self.options))

    @property
    def is_date(self) -> bool:
        """No time of day anywhere."""
        return not (self.times.dt.time() != pl.Series([0]).cast(pl.Time)[0]).any()


def time_column(frame: pl.DataFrame) -> TimeColumn | None:
    """The column that reads as times, one with a telling name first; one time in all rows is that of a query."""
    same = None
    for name in sorted(frame.columns, key=lambda name: (not TIME_NAME.search(name), frame.columns.index(name))):
        found = as_times(frame[name])
        if found is not None and (frame.height < _SAME_ROWS or found.times.n_unique() > 1):
            return found
        same = same or found
    return same


def date_columns(frame: pl.DataFrame) -> list[str]:
    """Columns of year, month and day, and where there are any of hour and minute; none where one of the three lacks."""
    found: list[str] = []
    for (pattern, last), is_needed in zip(_PARTS.items(), (True, True, True, False, False), strict=True):
        names = [name for name in frame.columns if re.fullmatch(pattern, name.strip(), re.IGNORECASE)]
        if len(names) != 1 or not _counts_to(frame[names[0]], last):
            return [] if is_needed else found
        found.append(names[0])
    return found


def _counts_to(column: pl.Series, last: int) -> bool:
    numbers = column.cast(pl.String).str.strip_chars().str.replace(r"\.0+$", "").cast(pl.Int64, strict=False)
    return numbers.null_count() == column.null_count() < column.len() and bool(numbers.is_between(0, last).all())


def zone_in(name: str) -> str | None:
    """The zone that a column of times is named by, also as hours from UTC that never change."""
    if _UTC_NAME.search(name):
        return "UTC"
    zones = [each for each in _ZONE.findall(name) if each in available_timezones()]
    # The sign of these names is that of the sun's way, not of the clock.
    zones += [f"Etc/GMT{'-+'[sign == '-']}{int(hours)}" for sign, hours in _FIXED.findall(name)]
    return zones[0] if len(zones) == 1 else None


def check_offsets(path: Path, frame: pl.DataFrame, time: TimeColumn, time_zone: str) -> None:
    """Raises BadInput where the times carry an offset that the zone has at none of them. UTC is anybody's."""
    if not time_zone or not time.has_offset or frame[time.name].dtype != pl.String:
        return
    offsets = frame[time.name].str.strip_chars().str.extract(r"([+-]\d{2}:?\d{2})$").str.replace(":", "")
    local = time.times.dt.replace_time_zone(time_zone, ambiguous="earliest", non_existent="null")
    rows = pl.DataFrame({"said": offsets, "own": local.dt.to_string("%z"), "at": local}).drop_nulls()
    rows = rows.filter(~pl.col("said").is_in(["+0000", "-0000"]))
    if rows.is_empty() or (rows["said"] == rows["own"]).any():
        return
    first_offset, own, at = rows.row(0)
    message = (
        f"the times have the offset {first_offset}, and {time_zone} has {own} then ({at:%Y-%m-%d %H:%M}): the zone is "
        "not that of the file"
    )
    mend = "name the zone of the site with --tz (times with an offset need none), or correct the file"
    raise BadInput(message, file=str(path), reason="other_zone", mend=mend)


def clock_column(frame: pl.DataFrame, time: TimeColumn) -> str | None:
    """A column of times of day next to one of dates alone: the first, which is where an interval begins."""
    if not time.is_date:
        return None
    for name in frame.columns:
        column = frame[name]
        if name == time.name or column.dtype != pl.String or column.null_count() == column.len():
            continue
        texts = frame.select(clock_of(name)).to_series().drop_nulls()
        # 12.30 beside a date of its own, or under the name of a unit, is an amount.
        if texts.str.contains(r"^\d+\.\d+$").any() and (unit_in(name) or not time.times.is_duplicated().any()):
            continue
        if texts.len() - int(texts.str.contains(_CLOCK).sum()) <= _allowed(texts.len()):
            return name
    return None


def numbered_clock(frame: pl.DataFrame, time: TimeColumn) -> tuple[str, int, int] | None:
    """A column that numbers the intervals of a day next to one of dates: its name, its first number, their minutes."""
    if not time.is_date:
        return None
    for name in frame.columns:
        texts = frame[name].cast(pl.String).str.strip_chars()
        is_hour = name != time.name and numbers_hours(time.times, texts)
        if name == time.name or not (is_hour or _NUMBER_NAME.fullmatch(name.strip())):
            continue
        numbers = texts.str.replace(r":00$" if is_hour else r"\.0+$", "").cast(pl.Int64, strict=False)
        known = numbers.drop_nulls().unique().sort()
        step = next((minutes for counts, minutes in _OF_DAY.items() if known.len() in counts), 0)
        is_whole = numbers.null_count() - frame[name].null_count() <= _allowed(numbers.len())
        if step and is_whole and known[0] in (0, 1) and known[-1] - known[0] == known.len() - 1:
            return name, int(known[0]), step
    return None


def numbers_hours(days: pl.Series, texts: pl.Series) -> bool:
    """01:00 to 24:00 that are numbers of a day's hours: a day ends with 25:00, or with 23:00 (the change of clocks)."""
    if days.is_empty() or not texts.str.contains(r"^(?:0?[1-9]|1\d|2[0-5]):00$").all():
        return False
    hours = pl.DataFrame({"day": days, "hour": texts.str.head(-3).cast(pl.Int64, strict=False)})
    ends = hours.group_by("day").max().sort("day")["hour"]
    # The first and the last day may be parts.
    return 25 in ends or (23 in ends[1:-1] and 24 in ends)


def as_times(column: pl.Series) -> TimeColumn | None:
    """The column as times; None where it holds others."""
    if isinstance(column.dtype, pl.Datetime):
        is_aware = column.dtype.time_zone is not None
        return TimeColumn(column.name, (), is_aware, column.dt.replace_time_zone(None))
    if column.dtype == pl.Date:
        return TimeColumn(column.name, (), False, column.cast(pl.Datetime("us")))
    epoch = None if _is_hourly(column) else _epoch(column)
    if epoch is not None or column.dtype != pl.String or column.null_count() == column.len():
        return epoch
    texts = begins_of(column)
    sample = texts.drop_nulls().head(100)
    has_offset = bool(sample.str.contains(r":\d{2}.*" + _OFFSET).all())
    zone_code = "" if not has_offset else " %z" if sample.str.contains(_OFFSET.replace("?", "", 1)).all() else "%#z"
    has_name = not has_offset and bool(sample.str.contains(OFFSET_NAME).all())
    zone_code = " %Z" if has_name else zone_code
    bare = texts.str.replace(OFFSET_NAME if has_name else _OFFSET, "") if has_name or has_offset else texts
    read = _readings(bare)
    has_offset |= has_name and bool(texts.str.extract(OFFSET_NAME, 1).drop_nulls().is_in(ANYBODYS).all())
    if not read:
        return None if has_name else _two_styles(column.name, bare, has_offset=has_offset)
    best = max(times.len() - times.null_count() for times in read.values())
    whole = {style: times for style, times in read.items() if times.len() - times.null_count() == best}
    style, sure, why = _chosen(whole)
    if style is None:
        first = next(iter(whole))
        options = tuple(each + zone_code for each in whole)
        return TimeColumn(column.name, (), has_offset, whole[first], options, 0.5, "day and month look alike")
    # What the reader takes for ISO 8601 need not be declared; a date beside its clock is asked for all the same.
    undeclared = (dates_of if style == "%Y-%m-%d" else local_times)(bare, ())
    is_known = not has_name and undeclared.null_count() == whole[style].null_count()
    formats = () if is_known else (style + zone_code,)
    return TimeColumn(column.name, formats, has_offset, whole[style], (), sure, why)


def _is_hourly(column: pl.Series) -> bool:
    texts = column.str.strip_chars() if column.dtype == pl.String else pl.Series(dtype=pl.String)
    return bool(texts.drop_nulls().head(1).str.contains(r"^\d{10}$").any()) and _HOURLY in _readings(texts)


def _epoch(column: pl.Series) -> TimeColumn | None:
    """Seconds or milliseconds since 1970, in numbers that differ; None for other numbers, such as those of meters."""
    for form in EPOCHS:
        times = epoch_times(column, form)
        known, filled = times.drop_nulls(), column.len() - column.null_count()
        is_all = known.len() > 0 and filled - known.len() <= _allowed(filled)
        if not is_all or not known.dt.year().is_between(*_EPOCH_YEARS).all() or known.n_unique() < 2:
            continue
        steps = known.diff().drop_nulls()
        common = steps.filter(steps > timedelta()).mode().sort()
        is_even = len(common) > 0 and int((steps == common[0]).sum()) >= _EVEN_SHARE * steps.len()
        if is_even or TIME_NAME.search(column.name):
            what = "seconds" if form == "%s" else "milliseconds"
            return TimeColumn(column.name, (form,), True, times, (), 0.98, f"{what} since 1970 in UTC")
    return None


def _readings(texts: pl.Series) -> dict[str, pl.Series]:
    """By style, the times of all texts but a few odd ones."""
    filled = texts.drop_nulls()
    found = {}
    for style in _likely(filled):
        if style == "%m.%Y" and not TIME_NAME.search(texts.name):
            continue
        times = local_times(texts, (style,))
        is_read = times.null_count() - texts.null_count() <= _allowed(filled.len())
        # Ten digits that name a meter are of no year that anything was metered in.
        if is_read and 2 * int(times.dt.year().is_between(*_YEARS).sum()) >= filled.len():
            found[style] = times
    return found


def _likely(filled: pl.Series) -> list[str]:
    """The styles whose shape some of the first texts have; the quick look keeps the many from being tried on all."""
    kinds = {re.sub(r"\d", "0", str(text)) for text in filled.head(20)}
    found = {style for kind in kinds for style in _of_shape(kind)}
    return [style for style in _shapes() if style in found]


@lru_cache(maxsize=4096)
def _of_shape(kind: str) -> tuple[str, ...]:
    """The styles that a text of this shape may have; all its digits are 0."""
    if not kind[:1].isalnum() or "0" not in kind or len(kind) > _LONGEST:
        return ()
    return tuple(style for style, shape in _shapes().items() if shape.fullmatch(kind))


@lru_cache(maxsize=1)
def _shapes() -> dict[str, re.Pattern[str]]:
    styles = [f"{day}{mark}{clock}" for day in _DATES for mark in _BETWEEN for clock in _CLOCKS]
    styles += [*_DATES, _HOURLY, *_MONTHS]
    return {style: re.compile(_CODE.sub(lambda code: _DIGITS[code[0]], re.escape(style))) for style in styles}


def _allowed(rows: int) -> int:
    """Number of rows, of so many, that may be no readings, the first of them being one in any case."""
    return min(max(_ODD_ROWS, int(rows * _ODD_SHARE)), max(0, (rows - 1) // 2))


def _chosen(whole: dict[str, pl.Series]) -> tuple[str | None, float, str]:
    """The one style of those that read equally many texts, how sure, and why; None where the content leaves it open."""
    months = [style for style in whole if style.startswith(("%m/%d", "%m-%d"))]
    days = [style for style in whole if style.startswith(("%d/%m", "%d-%m-"))]
    style = next(iter(whole))
    if style.startswith("%d.%m"):
        return style, 0.99, "dates with points are day first"
    if not months or not days:
        return style, 1.0, "no other date style reads all rows"
    month, day = whole[months[0]], whole[days[0]]
    if month.equals(day):
        return None, 0.5, ""
    day_is_even, month_is_even = _is_even(day), _is_even(month)
    if day_is_even == month_is_even:
        return None, 0.5, ""
    return (days[0] if day_is_even else months[0]), 0.95, "read the other way the times would jump by weeks"


def _is_even(times: pl.Series) -> bool:
    """Steps below a day, or of a day where each has many rows, and never a jump of weeks."""
    known = times.drop_nulls()
    has_many = known.n_unique() <= known.len() // _ROWS_A_DAY
    steps = (known.unique(maintain_order=True) if has_many else known).diff().drop_nulls()
    common = steps.filter(steps > timedelta()).mode().sort()
    if common.is_empty() or common[0] > timedelta(days=1) or (common[0] == timedelta(days=1) and not has_many):
        return False
    return not (steps.abs() > _JUMP).any()


def _two_styles(name: str, texts: pl.Series, *, has_offset: bool) -> TimeColumn | None:
    """Two styles of one file that read every text between them."""
    filled = texts.drop_nulls()
    if any(not _of_shape(re.sub(r"\d", "0", str(text))) for text in [*filled.head(20), *filled.tail(20)]):
        return None
    styles = sorted({*_likely(filled), *_likely(filled.reverse())})
    parts = {style: local_times(texts, (style,)) for style in styles}
    for first, times in parts.items():
        for second, others in parts.items():
            both = times.zip_with(times.is_not_null(), others)
            if first < second and both.null_count() == texts.null_count():
                return TimeColumn(name, (first, second), has_offset, both, (), 0.9, "two date styles in one file")
    return None


def minutes_between(times: pl.Series, by: pl.Series | None) -> int | None:
    """The commonest step in minutes, of the rows of one meter, whichever of them stands first."""
    steps = _steps(times, by).abs()
    common = steps.filter(steps > timedelta()).mode().sort()
    return int(common[0] / timedelta(minutes=1)) if len(common) else None


def ends_its_day(times: pl.Series, by: pl.Series | None) -> bool:
    """00:00 is written with the day that it ends: time falls back there by nearly a day."""
    steps = _steps(times, by)
    day_back = [step for step in steps.filter(steps < timedelta()).unique() if timedelta() < step + timedelta(days=1)]
    return any(step + timedelta(days=1) <= timedelta(hours=1) for step in day_back)


def label_seen(times: pl.Series, minutes: int | None) -> str | None:
    """`end` where whole days run from the first step to midnight, `start` where they begin at midnight, else None.

    Where the last day is in part, the first step says `end` too: not of hours, which another clock may have cut.
    """
    filled = times.drop_nulls()
    if minutes is None or minutes >= 1440 or filled.is_empty():
        return None
    first, last = filled.min(), filled.max()
    low, high = (int(each.hour * 60 + each.minute) for each in (first, last))  # type: ignore[union-attr]
    if low == 0 and high == 1440 - minutes:
        return "start"
    is_part = minutes < _HOUR and high != 1440 - minutes
    return "end" if low == minutes and (high == 0 or is_part) else None


def summer_time(time: TimeColumn, by: pl.Series | None, name: str) -> tuple[int, int, int]:
    """Times that the zone skips, changes of its clock that the file shows as the zone has them, and times of a
    repeated hour that stand there once. by: the meter of each row. Raises BadInput for a zone that there is not.
    """
    # Asked for its sentence: the library's own error does not say what was expected.
    zone(name)
    times = time.times.drop_nulls()
    if times.is_empty() or time.is_date:
        return 0, 0, 0
    keys = pl.DataFrame({"t": time.times, "by": by.cast(pl.String) if by is not None else None}).drop_nulls("t")
    early = keys["t"].dt.replace_time_zone(name, ambiguous="earliest", non_existent="null")
    late = keys["t"].dt.replace_time_zone(name, ambiguous="latest", non_existent="null")
    is_repeated = (early != late).fill_null(value=False)
    repeated = keys.filter(is_repeated)
    twice = int(repeated.is_duplicated().sum())
    first, last = times.min(), times.max()
    # A gap of an hour and a step that the clock skipped, in a file that has readings before and after.
    local = pl.Series([first, last]).dt.replace_time_zone(name, ambiguous="earliest", non_existent="null")
    offsets = local.dt.base_utc_offset() + local.dt.dst_offset()
    crossed = int(twice > 0 or (offsets.n_unique() > 1 and offsets.null_count() == 0))
    skipped = early.null_count()
    return skipped, crossed if last - first > timedelta() else 0, repeated.height - twice  # type: ignore[operator]


def _steps(times: pl.Series, by: pl.Series | None) -> pl.Series:
    meters = pl.repeat("", times.len(), eager=True) if by is None else by.cast(pl.String)
    return pl.DataFrame({"by": meters, "time": times}).select(pl.col("time").diff().over("by")).to_series()
