"""Codes of MSCONS: what an OBIS code, a unit, a quantity qualifier and a date format stand for. Reasons: ADR 0008."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from data_quality.contracts.quality import QualityCode

# UN/ECE recommendation 20 -> our unit; a code that is not here is shown, and its rows rejected.
UNITS = {
    "WHR": "wh",
    "KWH": "kwh",
    "MWH": "mwh",
    "GV": "gj",
    "3B": "mj",
    "WTT": "w",
    "KWT": "kw",
    "MAW": "mw",
    "K3": "kvarh",
    "MAH": "mvarh",
    "D44": "var",
    "KVR": "kvar",
    "MAR": "mvar",
    "D46": "va",
    "KVA": "kva",
    "MVA": "mva",
    "C79": "kvah",
    "KJO": "kj",
    "BTU": "btu",
    "MQH": "m3_per_h",
    "MTQ": "m3",
    "LTR": "l",
    "CEL": "degc",
    "P1": "percent",
    "D54": "w_per_m2",
    "HUR": "h",
}
# Quantity qualifiers: how good the value is; None: there is no usable value.
QUALITIES: dict[str, QualityCode | None] = {
    # 220 true, 79 summed, 67 substituted, 201 proposed as a substitute, Z18 preliminary, 20 not usable.
    "220": QualityCode.VALID,
    "46": QualityCode.VALID,
    "79": QualityCode.DERIVED,
    "67": QualityCode.ESTIMATED_REFERENCE_DAY,
    "201": QualityCode.ESTIMATED_REFERENCE_DAY,
    "Z18": QualityCode.RAW,
    "20": None,
}
_OBIS = re.compile(r"(?:([0-9]{1,2})-[0-9]{1,3}:)?([0-9]{1,3})\.([0-9]{1,3})(?:\.[0-9]{1,3})?(?:[*&][0-9]{1,3})?")
_CARRIERS = {"1": "electricity", "6": "heat", "5": "cooling", "7": "natural_gas", "8": "water", "9": "water"}
# Energy: a register (8, 9, 10) or the load profile (29); maxima and momentary values are of other kinds.
_ENERGY = ("8", "9", "10", "29")
_OFFSET = re.compile(r"([+-])([0-9]{2})([0-9]{2})?")
# UN/EDIFACT 2379: 102 a date, 203 to the minute, 204 to the second, 303 and 304 the same with an offset.
_FORMATS = {"102": 8, "203": 12, "204": 14, "303": 12, "304": 14}
_HAS_OFFSET = ("303", "304")


def obis_facts(obis: str) -> tuple[str, str, str | None]:
    """Carrier (or `unknown`), direction (import, export or empty) and our unit of the energy that an OBIS code names,
    None where the code does not tell.
    """
    match = _OBIS.fullmatch(obis)
    if match is None:
        return "unknown", "", None
    medium, kind, quantity = match[1] or "1", match[2], match[3]
    carrier = _CARRIERS.get(medium, "unknown")
    if carrier != "electricity":
        return carrier, "import" if carrier != "unknown" else "", None
    # OBIS C: 1 and 2 are active energy taken and given, 3 to 8 reactive energy by direction and quadrant.
    direction = {"1": "import", "2": "export"}.get(kind, "")
    if quantity not in _ENERGY:
        return carrier, direction, None
    return carrier, direction, "kwh" if direction else "kvarh" if kind in "345678" else None


def period_minutes(value: str, form: str) -> int | None:
    """Length of a registration period in minutes (806) or hours (805); None for anything else."""
    if not (value.isascii() and value.isdigit() and len(value) < 5) or form not in ("805", "806"):
        return None
    return (int(value) * (60 if form == "805" else 1)) or None


def instant(value: str, form: str, zone: ZoneInfo | None) -> datetime | str:
    """A date and time as UTC, or the reason why it is none. `no_zone`: it has no offset and no zone is declared."""
    length = _FORMATS.get(form)
    if length is None:
        return "bad_timestamp"
    shown, rest = _as_if_utc(value[:length], length), value[length:]
    has_offset = form in _HAS_OFFSET
    if shown is None or (rest and not has_offset):
        return "bad_timestamp"
    if has_offset:
        match = _OFFSET.fullmatch(rest)
        if match is None:
            return "bad_timestamp"
        offset = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
        if offset > timedelta(hours=14):
            return "bad_timestamp"
        try:
            return shown + offset if match[1] == "-" else shown - offset
        except OverflowError:
            return "bad_timestamp"
    return "no_zone" if zone is None else _in_zone(shown, zone)


def _as_if_utc(digits: str, length: int) -> datetime | None:
    if len(digits) != length or not (digits.isascii() and digits.isdigit()):
        return None
    # 24:00 is the end of a day (ISO 8601), which strptime does not know.
    ends_day = length == 12 and digits.endswith("2400")
    time = "000000" if ends_day else digits[8:].ljust(6, "0")
    try:
        moment = datetime.strptime(digits[:8] + time, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        return moment + timedelta(days=1) if ends_day else moment
    except (ValueError, OverflowError):
        return None


def _in_zone(shown: datetime, zone: ZoneInfo) -> datetime | str:
    """Local time as an instant; one that is skipped or repeated is not guessed."""
    try:
        early, late = (shown.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    except OverflowError:
        return "bad_timestamp"
    if early == late:
        return early
    return "ambiguous_local_time" if late > early else "nonexistent_local_time"
