"""Documents of the shape of Bright Sky's `/weather`: which hours are forecast, which measured, and their variables.

An instant stands for the hour that begins with it. Sun, rain and wind are of the hour before their time, so they move
to the hour that ends with it. Units are those of `units=dwd`, which the service gives unless asked otherwise.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from assets.feeds.weather_values import Values, document, in_contract, numbers, utc_time
from data_quality.contracts.control.weather_issue import WeatherIssue
from data_quality.contracts.errors import BadInput

SOURCE = "bright_sky"
EXPECTED = 'a Bright Sky answer: {"weather": [{"timestamp": ..., "source_id": ...}], "sources": [...]}'
HOUR = timedelta(hours=1)
# Name in the document -> ours, its unit, and whether it is of the hour before.
NAMES = {
    "temperature": ("temperature_degc", "°C", False),
    "dew_point": ("dew_point_degc", "°C", False),
    "relative_humidity": ("humidity_percent", "%", False),
    "solar": ("ghi_w_per_m2", "kWh/m²", True),
    "cloud_cover": ("cloud_cover_percent", "%", False),
    "wind_speed": ("wind_speed_m_per_s", "km/h", True),
    "wind_direction": ("wind_direction_deg", "°", True),
    "precipitation": ("precipitation_mm", "mm", True),
    "pressure_msl": ("pressure_hpa", "hPa", False),
}
# Longer than the longest forecast with all that a person may ask for beside it.
MAX_HOURS = 24 * 400


def query(latitude_deg: float, longitude_deg: float, now_utc: datetime) -> dict[str, str]:
    """Query of `/weather`: a day back and a week ahead, in UTC and the units that we read."""
    span = {"date": f"{now_utc - 24 * HOUR:%Y-%m-%dT%H:00Z}", "last_date": f"{now_utc + 168 * HOUR:%Y-%m-%dT%H:00Z}"}
    return {"lat": f"{latitude_deg:.4f}", "lon": f"{longitude_deg:.4f}", **span, "tz": "Etc/UTC", "units": "dwd"}


def read_bright_sky(
    content: bytes, *, fetched_at_utc: datetime, issued_at_utc: datetime | None = None, file: str = ""
) -> list[WeatherIssue]:
    """The forecast of a document, then what stations had measured by then, as an issue of its own source.

    The document names no issue: unless the caller knows it, it counts as issued when it was fetched, and says so.
    Raises BadInput naming what was expected.
    """
    found = document(content, expected=EXPECTED, file=file)
    records, sources = found.get("weather"), found.get("sources")
    if not isinstance(records, list) or not isinstance(sources, list):
        raise BadInput(f"expected {EXPECTED}", file=file, reason="wrong_shape")
    if not all(isinstance(each, Mapping) for each in (*records, *sources)):
        raise BadInput(f"expected {EXPECTED}", file=file, reason="wrong_shape")
    kinds = {each.get("id"): each.get("observation_type") == "forecast" for each in sources}
    forecast: dict[str, dict[datetime, float | None]] = {}
    measured: dict[str, dict[datetime, float | None]] = {}
    for place, record in enumerate(records, start=1):
        _sort(record, kinds, forecast, measured, what=f"record {place}", file=file)
    moment = issued_at_utc or fetched_at_utc
    label = "issued_as_fetched" if issued_at_utc is None else "available_as_issued"
    issues = []
    for given, source, labels in ((forecast, SOURCE, (label,)), (measured, f"{SOURCE}_measured", (label, "measured"))):
        if given:
            start, values = _columns(given, file)
            issues.append(
                WeatherIssue(
                    source=source,
                    issued_at_utc=moment,
                    available_at_utc=moment,
                    start_utc=start,
                    values={name: tuple(each) for name, each in values.items()},
                    labels=labels,
                )
            )
    if not issues:
        raise BadInput("it holds no hour of weather", file=file, reason="no_weather")
    return issues


def _sort(
    record: Mapping[str, Any],
    kinds: Mapping[Any, bool],
    forecast: dict[str, dict[datetime, float | None]],
    measured: dict[str, dict[datetime, float | None]],
    *,
    what: str,
    file: str,
) -> None:
    """Put each value of a record with the forecasts or with the measured, by the source that it is from."""
    time = utc_time(record.get("timestamp"), what=what, file=file)
    if time != time.replace(minute=0, second=0, microsecond=0):
        raise BadInput(f"{what} is of {time:%Y-%m-%dT%H:%M:%SZ}; expected whole hours", file=file, reason="not_regular")
    # What a station lacks the service takes from another, which may be a forecast's.
    filled = record.get("fallback_source_ids") or {}
    for name, (ours, unit, is_before) in NAMES.items():
        value = record.get(name)
        if value is None:
            continue
        source = filled.get(name, record.get("source_id")) if isinstance(filled, Mapping) else record.get("source_id")
        if source not in kinds:
            raise BadInput(f"{what}: its source {source!r:.40} is not among the document's sources", file=file)
        (given,) = in_contract(
            ours, numbers([value], what=f"{what}, {name}", file=file), unit, what=f"{what}, {name}", file=file
        )
        (forecast if kinds[source] else measured).setdefault(ours, {})[time - HOUR if is_before else time] = given


def _columns(given: Mapping[str, Mapping[datetime, float | None]], file: str) -> tuple[datetime, dict[str, Values]]:
    """Columns of one length over consecutive hours; None where there are no hours."""
    times = [time for column in given.values() for time in column]
    start, hours = min(times), int((max(times) - min(times)) / HOUR) + 1
    if hours > MAX_HOURS:
        raise BadInput(f"it spans {hours} hours; expected at most {MAX_HOURS}", file=file, reason="too_large")
    grid = [start + each * HOUR for each in range(hours)]
    return start, {name: [column.get(each) for each in grid] for name, column in given.items()}
