"""Values of weather in the units of the contract, within what weather can be, on whole steps. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from data_quality.contracts.control.weather_issue import WEATHER_UNITS
from data_quality.contracts.errors import BadInput

Values = list[float | None]
# Name -> lowest and highest value that weather on Earth comes near: what lies outside is another unit or a filler.
LIMITS = {
    "temperature_degc": (-90, 60),
    "dew_point_degc": (-110, 40),
    "humidity_percent": (0, 105),
    "ghi_w_per_m2": (-20, 1600),
    "dni_w_per_m2": (-20, 1400),
    "dhi_w_per_m2": (-20, 1400),
    "cloud_cover_percent": (0, 100),
    "wind_speed_m_per_s": (0, 110),
    "wind_direction_deg": (0, 360),
    "precipitation_mm": (0, 320),
    "pressure_hpa": (300, 1100),
    "snow_depth_m": (0, 15),
}
# Unit as services write it -> unit of the contract, factor, offset.
TO_CONTRACT = {
    "°c": ("degC", 1.0, 0.0),
    "°f": ("degC", 5 / 9, -160 / 9),
    "k": ("degC", 1.0, -273.15),
    "%": ("%", 1.0, 0.0),
    "w/m²": ("W/m2", 1.0, 0.0),
    "w/m2": ("W/m2", 1.0, 0.0),
    # Of one hour: a mean power.
    "kwh/m²": ("W/m2", 1000.0, 0.0),
    "m/s": ("m/s", 1.0, 0.0),
    "km/h": ("m/s", 1 / 3.6, 0.0),
    "mp/h": ("m/s", 0.44704, 0.0),
    "kn": ("m/s", 1.852 / 3.6, 0.0),
    "°": ("deg", 1.0, 0.0),
    "mm": ("mm", 1.0, 0.0),
    "inch": ("mm", 25.4, 0.0),
    "hpa": ("hPa", 1.0, 0.0),
    "m": ("m", 1.0, 0.0),
    "cm": ("m", 0.01, 0.0),
    "ft": ("m", 0.3048, 0.0),
}
# Finer than any station measures, and half as long in the store as a float that was converted.
DECIMALS = 4


def document(content: bytes, *, expected: str, file: str = "") -> Mapping[str, Any]:
    """A JSON object. Raises BadInput naming what was expected."""
    try:
        found = json_of(content)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"this is no JSON; expected {expected}", file=file, reason="not_json") from error
    if not isinstance(found, Mapping):
        raise BadInput(f"a JSON {type(found).__name__}; expected {expected}", file=file, reason="wrong_shape")
    return found


def json_of(content: bytes) -> Any:
    """Any JSON. Raises ValueError, for NaN and infinity too, and RecursionError."""
    import json

    def refuse(word: str) -> float:
        raise ValueError(f"{word} is no number of JSON")

    return json.loads(content, parse_constant=refuse)


def numbers(values: object, *, what: str, file: str = "") -> Values:
    """A list of numbers and nulls. Raises BadInput naming the first that is neither."""
    if not isinstance(values, list):
        raise BadInput(f"{what}: expected a list of numbers, got {type(values).__name__}", file=file)
    for place, value in enumerate(values, start=1):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise BadInput(f"{what}, element {place}: expected a number or null, got {value!r:.40}", file=file)
    return values


def in_contract(name: str, values: Sequence[float | None], unit: str, *, what: str, file: str = "") -> Values:
    """Values of a name in its unit, rounded. Raises BadInput for a unit that is not its, or values that cannot be."""
    canonical, factor, offset = TO_CONTRACT.get(unit.lower(), ("", 1.0, 0.0))
    if canonical != WEATHER_UNITS[name]:
        known = [each for each, (to, _, _) in TO_CONTRACT.items() if to == WEATHER_UNITS[name]]
        raise BadInput(f"{what} is in {unit!r}; expected {' or '.join(known)}", file=file, reason="unknown_unit")
    low, high = LIMITS[name]
    found: Values = []
    for place, value in enumerate(values, start=1):
        turned = None if value is None else round(value * factor + offset, DECIMALS)
        if turned is not None and not (isfinite(turned) and low <= turned <= high):
            raise BadInput(
                f"{what}, element {place}: {value} {unit} is no weather; expected {low} to {high} "
                f"{WEATHER_UNITS[name]}, and nothing where it is not known",
                file=file,
                reason="no_weather",
            )
        found.append(turned)
    return found


def began_earlier(values: Sequence[float | None]) -> Values:
    """Values labelled by the end of their step, relabelled by its start: of the last step nothing is known."""
    return [*values[1:], None]


def utc_time(text: object, *, what: str, file: str = "") -> datetime:
    """An instant with offset as UTC. Raises BadInput."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise BadInput(f"{what}: cannot read time {str(text)[:40]!r}; expected ISO 8601", file=file) from error
    if moment.tzinfo is None:
        raise BadInput(f"{what}: time {str(text)!r} has no offset from UTC", file=file, reason="no_zone")
    return moment.astimezone(UTC)
