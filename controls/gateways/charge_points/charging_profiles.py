"""Charging profiles, composite schedules and meter values of OCPP 1.6 and 2.0.1, pure: both say the same in two ways.

Keys are in snake case, as the library hands them over. OCPP 1.6 edition 2, sections 3.13, 5.7, 5.16 and 7.8; OCPP 2.0.1
part 2, K01, K08 and section 2 of its data types.
"""

import math
from datetime import UTC, datetime
from typing import Any, Literal

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.time import parse_instant

Version = Literal["ocpp16", "ocpp201"]
# Ours, so that a revert takes away what we set and nothing else.
FLOOR_ID, SET_POINT_ID = 4100, 4101
# The higher level counts while it holds; when it ends, the lower one counts again: that is the safe default.
FLOOR_LEVEL, SET_POINT_LEVEL = 0, 1


class LimitPeriod(Model):
    """From `start_s` on at most `limit` (A per phase, or W). phases: None where the charger does not say."""

    start_s: int
    limit: float
    phases: int | None = None


class Composite(Model):
    """Composite schedule of a charger, from start_utc on by its own clock, for duration_s."""

    start_utc: datetime | None
    unit: str
    duration_s: int | None
    periods: tuple[LimitPeriod, ...]

    @property
    def ends_s(self) -> int | None:
        """Seconds until another limit than the present one holds; None where none is in sight."""
        return next((each.start_s for each in self.periods[1:] if each.limit != self.periods[0].limit), None)


def stamp(at: datetime) -> str:
    """An instant as both versions write it; whole seconds, downwards."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def set_profile(
    version: Version,
    connector: int,
    *,
    profile_id: int,
    level: int,
    unit: str,
    limit: float,
    phases: int,
    start_utc: datetime,
    duration_s: int | None = None,
    valid_to_utc: datetime | None = None,
) -> dict[str, Any]:
    """The payload of SetChargingProfile: a TxDefaultProfile, which needs no transaction and holds in those that run.

    Without a duration it holds for ever, also where the charger is offline and after it was restarted.
    """
    schedule: dict[str, Any] = {
        "start_schedule": stamp(start_utc),
        "charging_rate_unit": unit,
        "charging_schedule_period": [{"start_period": 0, "limit": limit, "number_phases": phases}],
    }
    if duration_s is not None:
        schedule["duration"] = duration_s
    profile: dict[str, Any] = {
        "stack_level": level,
        "charging_profile_purpose": "TxDefaultProfile",
        "charging_profile_kind": "Absolute",
    }
    if valid_to_utc is not None:
        profile["valid_to"] = stamp(valid_to_utc)
    if version == "ocpp16":
        profile |= {"charging_profile_id": profile_id, "charging_schedule": schedule}
        return {"connector_id": connector, "cs_charging_profiles": profile}
    profile |= {"id": profile_id, "charging_schedule": [{"id": profile_id, **schedule}]}
    return {"evse_id": connector, "charging_profile": profile}


def clear_profile(version: Version, profile_id: int) -> dict[str, Any]:
    """The payload of ClearChargingProfile for one profile."""
    return {"id": profile_id} if version == "ocpp16" else {"charging_profile_id": profile_id}


def composite_request(version: Version, connector: int, *, unit: str, duration_s: int) -> dict[str, Any]:
    """The payload of GetCompositeSchedule."""
    where = "connector_id" if version == "ocpp16" else "evse_id"
    return {where: connector, "duration": duration_s, "charging_rate_unit": unit}


def trigger_request(version: Version, connector: int, message: str) -> dict[str, Any]:
    """The payload of TriggerMessage: the charger is to send `message` of one connector now."""
    where: dict[str, Any] = {"connector_id": connector} if version == "ocpp16" else {"evse": {"id": connector}}
    return {"requested_message": message, **where}


def composite_of(version: Version, answer: dict[str, Any]) -> Composite | None:
    """Limits of an accepted GetCompositeSchedule; None where it names no limit. Raises BadInput (no time)."""
    given = answer.get("charging_schedule" if version == "ocpp16" else "schedule")
    start = answer.get("schedule_start") if version == "ocpp16" else (given or {}).get("schedule_start")
    periods = sorted((given or {}).get("charging_schedule_period", []), key=lambda each: int(each["start_period"]))
    if not given or not periods:
        return None
    return Composite(
        start_utc=None if start is None else parse_instant(start),
        unit=given["charging_rate_unit"],
        duration_s=given.get("duration"),
        periods=tuple(
            LimitPeriod(start_s=each["start_period"], limit=float(each["limit"]), phases=each.get("number_phases"))
            for each in periods
        ),
    )


def sampled(meter_values: list[dict[str, Any]]) -> dict[str, tuple[float, datetime]]:
    """The newest value of each measurand in W, Wh, A, V, Percent or Celsius, with its time.

    What is stated for each phase alone is added up where it adds up (powers). Values that are no numbers, and times
    that are none, are left out: a charger sends what it sends.
    """
    found: dict[str, tuple[float, datetime]] = {}
    for moment in meter_values:
        try:
            at_utc = parse_instant(str(moment.get("timestamp")))
        except BadInput:
            continue
        whole: dict[str, float] = {}
        parts: dict[str, float] = {}
        for each in moment.get("sampled_value") or []:
            name, value = each.get("measurand", "Energy.Active.Import.Register"), _base(each)
            if value is None:
                continue
            if each.get("phase") is None:
                whole[name] = value
            elif name.startswith("Power."):
                parts[name] = parts.get(name, 0.0) + value
        for name, value in {**parts, **whole}.items():
            if name not in found or at_utc >= found[name][1]:
                found[name] = (value, at_utc)
    return found


def _base(sample: dict[str, Any]) -> float | None:
    """The number in its base unit: kW and kWh are thousands, 2.0.1 states a power of ten beside the unit."""
    stated = sample.get("unit_of_measure") or {}
    unit, power = sample.get("unit") or stated.get("unit") or "", stated.get("multiplier", 0)
    try:
        value = float(sample["value"]) * 10.0 ** int(power)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if not math.isfinite(value):
        return None
    return value * 1000.0 if unit.startswith("k") else value
