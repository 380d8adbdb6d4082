"""Documents of the shape of Open-Meteo's `/v1/forecast`: which weather of which hours do they tell, known since when?

An instant stands for the step that begins with it. Radiation and rain are of the hour before their time, so they move
to the step that ends with it. Times without offset are local by `utc_offset_seconds`, one for all of
them.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from assets.feeds.weather_values import Values, began_earlier, document, in_contract, numbers
from data_quality.contracts.control.weather_issue import WeatherIssue
from data_quality.contracts.errors import BadInput

SOURCE = "open_meteo"
EXPECTED = 'an Open-Meteo forecast: {"hourly": {"time": [...], "temperature_2m": [...]}, "hourly_units": {...}}'
# Name in the document -> ours; of two for one of ours the first that is there counts.
NAMES = {
    "temperature_2m": "temperature_degc",
    "dew_point_2m": "dew_point_degc",
    "dewpoint_2m": "dew_point_degc",
    "relative_humidity_2m": "humidity_percent",
    "relativehumidity_2m": "humidity_percent",
    "shortwave_radiation": "ghi_w_per_m2",
    "direct_normal_irradiance": "dni_w_per_m2",
    "diffuse_radiation": "dhi_w_per_m2",
    "cloud_cover": "cloud_cover_percent",
    "cloudcover": "cloud_cover_percent",
    "wind_speed_10m": "wind_speed_m_per_s",
    "windspeed_10m": "wind_speed_m_per_s",
    "wind_direction_10m": "wind_direction_deg",
    "winddirection_10m": "wind_direction_deg",
    "precipitation": "precipitation_mm",
    "pressure_msl": "pressure_hpa",
    "surface_pressure": "pressure_hpa",
    "snow_depth": "snow_depth_m",
}
# What we ask for: one name for each of ours.
REQUESTED = tuple({ours: name for name, ours in reversed(NAMES.items())}.values())
OF_HOUR_BEFORE = {"ghi_w_per_m2", "dni_w_per_m2", "dhi_w_per_m2", "precipitation_mm"}
BLOCKS = {"hourly": 60, "minutely_15": 15}
_PREVIOUS = re.compile(r"(.+)_previous_day(\d)")
DAY = timedelta(days=1)


def query(latitude_deg: float, longitude_deg: float) -> dict[str, str]:
    """Query of `/v1/forecast`: seven days of all names that we know, in UTC."""
    place = {"latitude": f"{latitude_deg:.4f}", "longitude": f"{longitude_deg:.4f}"}
    return place | {"hourly": ",".join(REQUESTED), "timezone": "GMT", "wind_speed_unit": "ms", "forecast_days": "7"}


def read_open_meteo(
    content: bytes, *, fetched_at_utc: datetime, issued_at_utc: datetime | None = None, file: str = ""
) -> list[WeatherIssue]:
    """The issues of a document: the newest run, then the earlier ones of its `…_previous_dayN`, a day each.

    The document names no issue: unless the caller knows it, it counts as issued when it was fetched, and says so.
    Raises BadInput naming what was expected.
    """
    found = document(content, expected=EXPECTED, file=file)
    if found.get("error") is True:
        raise BadInput(
            f"Open-Meteo refuses: {str(found.get('reason', 'no reason'))[:200]}", file=file, reason="refused"
        )
    name = next((each for each in BLOCKS if isinstance(found.get(each), Mapping)), "")
    block, units = found.get(name, {}), found.get(f"{name}_units", {})
    if not name or not isinstance(block.get("time"), list) or not block["time"] or not isinstance(units, Mapping):
        raise BadInput(f"expected {EXPECTED}", file=file, reason="wrong_shape")
    step = timedelta(minutes=BLOCKS[name])
    start = _start(block["time"], found.get("utc_offset_seconds", 0), step, file)
    runs: dict[int, dict[str, Values]] = {}
    for column, values in block.items():
        match = _PREVIOUS.fullmatch(column)
        plain, days = (match[1], int(match[2])) if match else (column, 0)
        ours = NAMES.get(plain)
        if ours is None or ours in runs.get(days, {}):
            continue
        given = numbers(values, what=column, file=file)
        if len(given) != len(block["time"]):
            raise BadInput(f"{column} has {len(given)} values for {len(block['time'])} times", file=file)
        turned = in_contract(ours, given, str(units.get(column, "")), what=column, file=file)
        runs.setdefault(days, {})[ours] = began_earlier(turned) if ours in OF_HOUR_BEFORE else turned
    if not any(value is not None for run in runs.values() for values in run.values() for value in values):
        raise BadInput(f"it tells none of {', '.join(REQUESTED)}", file=file, reason="no_weather")
    issues = []
    if 0 in runs:
        moment = issued_at_utc or fetched_at_utc
        label = "issued_as_fetched" if issued_at_utc is None else "available_as_issued"
        issues.append(_issue(runs.pop(0), start, step, moment, label))
    return [*issues, *(each for days, run in sorted(runs.items()) for each in _earlier(run, start, step, days))]


def _issue(run: dict[str, Values], start: datetime, step: timedelta, moment: datetime, label: str) -> WeatherIssue:
    return WeatherIssue(
        source=SOURCE,
        issued_at_utc=moment,
        available_at_utc=moment,
        start_utc=start,
        step_minutes=int(step / timedelta(minutes=1)),
        values={name: tuple(values) for name, values in run.items()},
        labels=(label,),
    )


def _earlier(run: dict[str, Values], start: datetime, step: timedelta, days: int) -> list[WeatherIssue]:
    """Values of runs that many days before each time, cut into days: what it holds of the last time of a day (of its
    end, for radiation and rain) is known that many days before it, and the rest of the day was known by then.
    """
    size, count, found = int(DAY / step), len(next(iter(run.values()))), []
    for first in range(0, count, size):
        part = {name: values[first : first + size] for name, values in run.items()}
        if any(value is not None for values in part.values() for value in values):
            begins = start + first * step
            found.append(_issue(part, begins, step, begins + DAY - days * DAY, "previous_run"))
    return found


def _start(times: list[Any], offset_s: object, step: timedelta, file: str) -> datetime:
    """The first instant of consecutive times. Raises BadInput naming the first that does not follow."""
    if isinstance(offset_s, bool) or not isinstance(offset_s, int) or abs(offset_s) > 86_400:
        raise BadInput(f"utc_offset_seconds: expected whole seconds, got {offset_s!r:.40}", file=file)
    try:
        moments = [
            datetime.fromtimestamp(each, UTC)
            if isinstance(each, int)
            else datetime.fromisoformat(each).replace(tzinfo=UTC) - timedelta(seconds=offset_s)
            for each in times
        ]
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise BadInput("its times cannot be read; expected 2025-03-30T00:00 or seconds", file=file) from error
    for before, after in pairwise(moments):
        if after - before != step:
            raise BadInput(
                f"the time after {before:%Y-%m-%dT%H:%MZ} is {after:%Y-%m-%dT%H:%MZ}; expected one every "
                f"{step // timedelta(minutes=1)} minutes",
                file=file,
                reason="not_regular",
            )
    return moments[0]
