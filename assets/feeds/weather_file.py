"""Weather forecasts from a file: a document of one of the services, or a table of `issued_at,timestamp,temp_degc,...`.

The table is CSV (plain or gzipped) or Parquet and may hold many issues. Times are the beginning of their step and carry
an offset; `available_at` says from when on an issue was known here. Where it is missing, the issue itself counts, which
is said.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from assets.feeds.bright_sky import read_bright_sky
from assets.feeds.open_meteo import read_open_meteo
from assets.feeds.weather_values import LIMITS, document
from data_quality.contracts.control.weather_issue import WEATHER_UNITS, WeatherIssue
from data_quality.contracts.errors import BadInput

SOURCE = "file"
MAX_BYTES = 512 * 2**20
MAX_STEPS = 24 * 4 * 400
TIMES = ("issued_at", "available_at", "timestamp")
# As plain weather files of this house call it -> the contract's name.
ALIASES = {"temp_degc": "temperature_degc"}
TABLE = f"issued_at,timestamp[,available_at] and columns among temp_degc, {', '.join(WEATHER_UNITS)}"
EXPECTED = f"a document of Open-Meteo or Bright Sky, or a table of {TABLE}"
_MINUTE = timedelta(minutes=1)


def read_weather_file(
    path: Path,
    *,
    issued_at_utc: datetime | None = None,
    is_synthetic: bool = False,
) -> list[WeatherIssue]:
    """All issues of a file, the oldest first.

    issued_at_utc: of a document, where the caller knows it: else it counts as fetched when the file was written, since
    a copy is never older than what it copies. A table says it itself.
    Raises BadInput with file, line and what was expected.
    """
    file = str(path)
    try:
        with path.open("rb") as opened:
            found, head = path.stat(), opened.read(64)
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", file=file, reason="no_file") from error
    if found.st_size > MAX_BYTES:
        raise BadInput(f"more than {MAX_BYTES // 2**20} MiB; split it by years", file=file, reason="too_large")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        content = path.read_bytes().lstrip(b"\xef\xbb\xbf")
        is_bright_sky = "weather" in document(content, expected=EXPECTED, file=file)
        read = read_bright_sky if is_bright_sky else read_open_meteo
        written_utc = datetime.fromtimestamp(found.st_mtime, UTC)
        issues = read(content, fetched_at_utc=written_utc, issued_at_utc=issued_at_utc, file=file)
    elif issued_at_utc is not None:
        raise BadInput("a table says when it was issued; leave --issued out", file=file)
    else:
        issues = _issues(_table(path, is_parquet=head.startswith(b"PAR1")), file)
    if is_synthetic:
        issues = [each.model_copy(update={"is_synthetic": True}) for each in issues]
    return sorted(issues, key=lambda each: (each.issued_at_utc, each.available_at_utc, each.start_utc))


def _table(path: Path, *, is_parquet: bool) -> pl.DataFrame:
    """The columns by the contract's names, times as UTC, with `line`. Raises BadInput."""
    file = str(path)
    try:
        # Every cell as text: which one is no number is to be said, and not that a type could not be guessed.
        found = pl.read_parquet(path) if is_parquet else pl.read_csv(path, infer_schema=False)
        found = found.rename(str.strip).rename(lambda name: ALIASES.get(name, name))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInput(f"this cannot be read; expected {EXPECTED}", file=file, reason="wrong_shape") from error
    missing = [name for name in ("issued_at", "timestamp") if name not in found.columns]
    unknown = [name for name in found.columns if name not in {*TIMES, *WEATHER_UNITS}]
    if missing or unknown or not set(found.columns) & set(WEATHER_UNITS):
        what = f"no column {missing[0]!r}" if missing else f"unknown column {unknown[0]!r}" if unknown else "no weather"
        raise BadInput(f"{what}; expected {EXPECTED}", file=file, line=0 if is_parquet else 1, reason="wrong_columns")
    if found.is_empty():
        raise BadInput("there are columns but no row", file=file, line=1, reason="no_rows")
    found = found.with_row_index("line", offset=1 if is_parquet else 2)
    times = [name for name in TIMES if name in found.columns]
    found = found.with_columns(_times(found, name, file) for name in times)
    return found.with_columns(_numbers(found, name, file) for name in found.columns if name in WEATHER_UNITS)


def _times(found: pl.DataFrame, name: str, file: str) -> pl.Series:
    column = found[name]
    if isinstance(column.dtype, pl.Datetime):
        if column.dtype.time_zone is None:
            raise BadInput(f"the times of {name} have no zone; expected UTC", file=file, reason="no_zone")
        read = column.dt.convert_time_zone("UTC").cast(pl.Datetime("us", "UTC"))
    else:
        # With offset alone: a bare local time is not known to the hour twice a year.
        texts = column.cast(pl.String).str.strip_chars()
        texts = texts.str.replace(r"(?i)z$", "+00:00").str.replace(r"^(\S{10}) ", "${1}T")
        # The parser wants seconds, which nobody writes for an hour.
        texts = texts.str.replace(r"T(\d{2}:\d{2})([+-])", "T${1}:00${2}")
        read = texts.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
    _all_good(found, name, read.is_not_null(), "a time with offset such as 2025-03-30T06:00:00Z", file)
    return read


def _numbers(found: pl.DataFrame, name: str, file: str) -> pl.Series:
    column = found[name]
    texts = column.str.strip_chars() if column.dtype == pl.String else column
    is_empty = texts.is_null() | (texts == "") if texts.dtype == pl.String else texts.is_null()
    read = texts.cast(pl.Float64, strict=False)
    low, high = LIMITS[name]
    wanted = f"{low} to {high} {WEATHER_UNITS[name]}, and an empty cell where it is not known"
    _all_good(found, name, is_empty | read.is_between(low, high).fill_null(False), wanted, file)
    return read


def _all_good(found: pl.DataFrame, name: str, is_good: pl.Series, expected: str, file: str) -> None:
    """Raises BadInput about the first row that is not."""
    wrong = found.filter(~is_good)
    if not wrong.is_empty():
        line, got = wrong["line"][0], str(wrong[name][0])[:40]
        raise BadInput(f"{name}: expected {expected}, got {got!r}", file=file, line=line, reason="bad_cell")


def _issues(table: pl.DataFrame, file: str) -> list[WeatherIssue]:
    keys = [name for name in ("issued_at", "available_at") if name in table.columns]
    table = table.sort(*keys, "timestamp", maintain_order=True)
    table = table.with_columns(apart=pl.col("timestamp").diff().over(keys))
    _all_fit(table, pl.col("apart") <= timedelta(0), "its time appears twice in one issue", file)
    if "available_at" in keys:
        what = "available_at is before issued_at: weather cannot be known before it was issued"
        _all_fit(table, pl.col("available_at") < pl.col("issued_at"), what, file)
    # Of the whole file: where rows of one issue are missing, its own times look further apart than they are.
    shortest = table["apart"].min()
    step = shortest if isinstance(shortest, timedelta) else timedelta(hours=1)
    since_first = pl.col("timestamp") - pl.col("timestamp").first().over(keys)
    is_off = since_first.dt.total_microseconds() % (step // timedelta(microseconds=1)) != 0
    _all_fit(
        table, is_off | pl.lit(bool(step % _MINUTE)), f"expected steps of whole minutes on {step} throughout", file
    )
    _all_fit(table, since_first > MAX_STEPS * step, f"an issue of more than {MAX_STEPS} steps", file)
    names = [name for name in WEATHER_UNITS if name in table.columns]
    known = table.filter(pl.any_horizontal(pl.col(names).is_not_null()))
    if known.is_empty():
        raise BadInput("no cell holds any weather", file=file, line=table["line"][0], reason="no_weather")
    parts = known.partition_by(keys, maintain_order=True)
    return [_issue(rows, names, step) for rows in parts]


def _all_fit(table: pl.DataFrame, is_wrong: pl.Expr, what: str, file: str) -> None:
    """Raises BadInput about the first line of the file for which that holds."""
    lines = table.filter(is_wrong)["line"]
    if not lines.is_empty():
        raise BadInput(what, file=file, line=min(lines), reason="not_regular")


def _issue(rows: pl.DataFrame, names: list[str], step: timedelta) -> WeatherIssue:
    """One issue on consecutive steps; None where a row is missing."""
    times = rows["timestamp"]
    first: datetime = times[0]
    grid = pl.datetime_range(first, times[-1], step, eager=True, time_unit="us", time_zone="UTC")
    whole = pl.DataFrame({"timestamp": grid}).join(rows, on="timestamp", how="left", maintain_order="left")
    is_stated = "available_at" in rows.columns
    issued: datetime = rows["issued_at"][0]
    return WeatherIssue(
        source=SOURCE,
        issued_at_utc=issued.astimezone(UTC),
        available_at_utc=rows["available_at"][0].astimezone(UTC) if is_stated else issued.astimezone(UTC),
        start_utc=first.astimezone(UTC),
        step_minutes=step // _MINUTE,
        values={name: tuple(whole[name].to_list()) for name in names if whole[name].count()},
        labels=() if is_stated else ("available_as_issued",),
    )
