"""Documents of the shape that Open-Meteo and Bright Sky answer with, made for tests."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

NOW = datetime(2025, 6, 1, 6, 20, tzinfo=UTC)
FIRST = datetime(2025, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def open_meteo(hours: int = 48, *, offset_s: int = 0, **changes: Any) -> dict[str, Any]:
    """A forecast that begins with the local day: temperature counts the hours, the sun is their number times ten."""
    local = FIRST + timedelta(seconds=offset_s)
    return {
        "latitude": 52.52,
        "longitude": 13.41,
        "generationtime_ms": 0.05,
        "utc_offset_seconds": offset_s,
        "timezone": "GMT",
        "elevation": 38.0,
        "hourly_units": {
            "time": "iso8601",
            "temperature_2m": "°C",
            "shortwave_radiation": "W/m²",
            "precipitation": "mm",
            "wind_speed_10m": "km/h",
        },
        "hourly": {
            "time": [f"{local + n * HOUR:%Y-%m-%dT%H:%M}" for n in range(hours)],
            "temperature_2m": [n / 10 for n in range(hours)],
            "shortwave_radiation": [10.0 * n for n in range(hours)],
            "precipitation": [0.1 * n for n in range(hours)],
            "wind_speed_10m": [36.0] * hours,
            "weather_code": [3] * hours,
        },
    } | changes


def bright_sky(measured: int = 6, hours: int = 24) -> dict[str, Any]:
    """Hours that a station measured, then forecast ones."""
    records = [
        {
            "timestamp": (FIRST + n * HOUR).isoformat(),
            "source_id": 1 if n < measured else 2,
            "temperature": 10.0 + n,
            "solar": n / 100,
            "wind_speed": 18.0,
            "wind_direction": 90,
            "relative_humidity": None,
            "pressure_msl": 1013.3,
            "icon": "cloudy",
        }
        for n in range(hours)
    ]
    sources = [
        {"id": 1, "observation_type": "current", "station_name": "Here"},
        {"id": 2, "observation_type": "forecast", "station_name": "Here"},
    ]
    return {"weather": records, "sources": sources}


def content(document: object) -> bytes:
    """As a service sends it."""
    return json.dumps(document).encode()
