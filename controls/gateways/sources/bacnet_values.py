"""BACnet object values as samples or refusals: pure, on plain values.

Properties are those of ASHRAE 135, clause 12: present-value, status-flags (in-alarm, fault, overridden,
out-of-service), units, and of an accumulator the scale that makes a value of its count.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from data_quality.contracts.live.sample import EXCERPT_CHARACTERS, Refusal, Sample
from data_quality.contracts.site_file.live_source import BacnetPoint
from data_quality.contracts.text import one_line

# BACnetEngineeringUnits and ours. What is not here has no unit of ours, and no point can be of it.
_UNITS = {
    "watt-hours": "wh", "kilowatt-hours": "kwh", "megawatt-hours": "mwh", "kilojoules": "kj", "megajoules": "mj",
    "gigajoules": "gj", "therms": "therm", "btus": "btu", "kilo-btus": "kbtu", "watts": "w", "kilowatts": "kw",
    "megawatts": "mw", "volt-amperes-reactive": "var", "kilovolt-amperes-reactive": "kvar", "volt-amperes": "va",
    "kilovolt-amperes": "kva", "watt-hours-reactive": "varh", "kilowatt-hours-reactive": "kvarh",
    "megawatt-hours-reactive": "mvarh", "volt-ampere-hours-reactive": "varh", "kilovolt-ampere-hours-reactive": "kvarh",
    "volt-ampere-hours": "vah", "kilovolt-ampere-hours": "kvah", "megavolt-ampere-hours": "mvah", "cubic-meters": "m3",
    "liters": "l", "cubic-feet": "ft3", "liters-per-minute": "l_per_min", "cubic-meters-per-hour": "m3_per_h",
    "hours": "h", "degrees-celsius": "degc", "degrees-fahrenheit": "degf", "percent": "percent",
    "watts-per-square-meter": "w_per_m2", "meters-per-second": "m_per_s",
}  # fmt: skip
NO_UNITS = "no-units"
# A value that is in alarm is measured all the same; one that is forced or faulty is not.
_DOUBTS = ("fault", "overridden", "out of service")


@dataclass(frozen=True)
class Denied:
    """A property that the device does not give, with its own word for why."""

    reason: str


def sample_of(point: BacnetPoint, values: Mapping[str, Any], received_utc: datetime) -> Sample | Refusal:
    """Sample of a point from its object. values: property -> number, text, flags, or Denied; absent where not read."""

    def refused(reason: str) -> Refusal:
        came = ", ".join(f"{name} {value}" for name, value in values.items())
        return Refusal(point.point, received_utc, reason, one_line(came, EXCERPT_CHARACTERS))

    value = values.get("present-value", Denied("no answer"))
    if isinstance(value, Denied):
        return refused(f"{point.object} gives no present value: {value.reason}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return refused(f"{point.object} sends {one_line(str(value), 40)!r}, which is no number")
    if not math.isfinite(value):
        return refused(f"{point.object} sends {value}, which is no finite number")
    unit = values.get("units", NO_UNITS)
    if not isinstance(unit, Denied) and unit != NO_UNITS and _UNITS.get(unit) != point.received_unit:
        return refused(
            f"{point.object} is reported in {one_line(str(unit), 40)}; the site file says {point.received_unit}"
        )
    scale = values.get("scale")
    # The count itself is what a pulse counter is asked for: what a pulse is worth stands in the site file.
    if isinstance(scale, Decimal) and point.what != "pulses":
        value = float(Decimal(str(value)) * scale)
    doubtful = any(doubts(values.get("status-flags", ())))
    return Sample(
        point.point,
        received_utc,
        float(value),
        point.received_unit,
        received_utc,
        None,
        "doubtful" if doubtful else "measured",
    )


def doubts(flags: Sequence[int]) -> list[str]:
    """Flags of the device against a value, as BACnet orders them; not given: nothing."""
    return [] if isinstance(flags, Denied) else [word for word, flag in zip(_DOUBTS, flags[1:], strict=False) if flag]


def as_written(real: float) -> float:
    """A number of 32 bits as the shortest decimal that it stands for: 12345.67, where its bits say 12345.669921875."""
    for digits in range(6, 9):
        shorter = float(f"{real:.{digits}g}")
        if math.isfinite(shorter) and struct.pack("f", shorter) == struct.pack("f", real):
            return shorter
    return real
