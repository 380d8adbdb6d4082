"""OBIS objects of a telegram as meters, registers, carriers and instants.

Energy: A=1 (electricity) or 0-n (M-Bus); C.D.E = 1.8.0 import, 2.8.0 export, E = 1 to 4 their tariffs. An M-Bus
device says what it measures in 0-n:24.1.0 and its last state, with its own time, in 0-n:24.2.1 (24.2.3: not corrected
for temperature) or, before DSMR 4, in 0-n:24.3.0.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from assets.readings.readers.p1_format.dsmr_text import Field, Telegram
from data_quality.contracts.time import zone
from data_quality.contracts.units import UNITS

# Telegrams name the summer or winter pass of an hour, but no zone; the standard is Dutch.
DEFAULT_ZONE = "Europe/Amsterdam"
# Device types of EN 13757-3. Without 8, which allocates heat in units of its own, and 13, of heat and cooling alike.
MBUS_COMMODITY = {
    2: "electricity", 3: "natural_gas", 4: "heat", 5: "steam", 6: "water", 7: "water", 9: "compressed_air",
    10: "cooling", 11: "cooling", 12: "heat", 21: "water", 22: "water",
}  # fmt: skip
_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,9})?")
_TIME = re.compile(r"(\d{12})([SW]?)")
_SUFFIX = re.compile(r"[*.]255$")
_IDS = ("0-0:96.1.1", "0-0:96.1.0", "0-0:42.0.0", "0-0:96.1.255", "1-0:0.0.0")
_TOTALS = {"import": "1-0:1.8", "export": "1-0:2.8"}
_ENERGY = re.compile(r"1-0:[12]\.8\.[0-4](?:[*.]255)?$")
_MBUS = re.compile(r"0-([1-9]\d?):(24\.1\.0|96\.1\.[01]|24\.2\.\d|24\.3\.0)")
_OWN_TIME = re.compile(rb"(?m)^0-0:1\.0\.0\((\d{12})[SW]?\)")
_OWN_ID = re.compile(rb"(?m)^0-0:96\.1\.[01]\([^()\r\n]*\)")
_MBUS_TIME = re.compile(rb"(?m)^0-[1-9]\d?:24\.[23]\.\d\((\d{12})")
OF_REGISTERS = re.compile(
    rb"1-0:(?:[12]\.8\.[0-4]|0\.0\.0)|0-0:(?:1\.0\.0|42\.0\.0|96\.1\.(?:0|1|255))|0-[1-9]\d?:(?:24\.|96\.1\.)"
)
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){4,48}")


@dataclass(frozen=True)
class Reading:
    """One value of a telegram with its unit. epoch_s: None where the telegram tells no time."""

    meter: str
    alias: str | None
    obis: str
    commodity: str
    unit: str
    value: Decimal
    epoch_s: int | None
    line: int


def times_of(telegram: Telegram) -> tuple[bytes, bytes, tuple[bytes, ...]]:
    """(whose, when, M-Bus times) of a telegram as written: enough to choose among many. when: empty if it has none."""
    when = _OWN_TIME.search(telegram.body)
    return (
        (_OWN_ID.search(telegram.body) or [b""])[0],
        when[1] if when else b"",
        tuple(_MBUS_TIME.findall(telegram.body)),
    )


def readings_of(fields: list[Field], header: str, time_zone: str) -> list[Reading]:
    """Every value with a unit, of the electricity meter and of M-Bus devices, as one telegram states it."""
    # The brackets of each object; one that appears twice, and says the same, is one object.
    objects: dict[str, list[Field]] = {}
    seen: set[tuple[str, str]] = set()
    for each in fields:
        place = (each.obis, each.position)
        if each.position == "cont" or place not in seen:
            objects.setdefault(each.obis, []).append(each)
        seen.add(place)
    # (name of the meter, the same as written): its equipment id as text, else the telegram's header.
    plain = {_SUFFIX.sub("", obis): fields[0].value for obis, fields in objects.items()}
    written = next((plain[obis] for obis in _IDS if plain.get(obis)), None)
    name, alias = (_as_text(written), written) if written else (header or "unnamed", None)
    clock = objects.get("0-0:1.0.0", [])
    moment = _instant(clock[0].value, time_zone) if len(clock) == 1 else None
    found = []
    for obis, brackets in objects.items():
        if _MBUS.match(obis) or brackets[-1].position == "cont":
            continue
        # One value, or the time of a maximum and the maximum; longer lists are histories.
        is_timed = len(brackets) == 2 and _TIME.fullmatch(brackets[0].value) is not None
        value = brackets[-1]
        number = _number(value)
        if number is None or not value.unit or (len(brackets) > 1 and not is_timed):
            continue
        when = _instant(brackets[0].value, time_zone) if is_timed else moment
        found.append(Reading(name, alias, obis, "electricity", value.unit, number, when, value.line))
    return found + _mbus_readings(objects, name, time_zone)


def unreadable(fields: list[Field], readings: Iterable[Reading]) -> list[Field]:
    """Registers of energy that stand in a telegram, and of which no state can be read: a field of each."""
    known = {each.obis for each in readings}
    unknown = {each.obis: each for each in fields if _ENERGY.match(each.obis) and each.obis not in known}
    return list(unknown.values())


def totals(readings: Iterable[Reading], unknown: Iterable[Field] = ()) -> list[tuple[str, Reading]]:
    """(register, state) of one telegram's cumulative registers: import and export over all tariffs, and M-Bus.

    `obis` of a sum names all its parts: sums of other parts are states of something else. unknown: registers that
    cannot be read; what the others add up to is no total then.
    """
    incomplete = {each.obis[:7] for each in unknown}
    by_code = {_SUFFIX.sub("", each.obis): each for each in readings}
    found = [("import", each) for each in _mbus_registers(by_code)]
    for register, code in _TOTALS.items():
        if code in incomplete:
            continue
        # Dutch meters send the registers of their two tariffs and no total; others send all three, or the total alone.
        whole = by_code.get(f"{code}.0")
        parts = [by_code[f"{code}.{n}"] for n in range(1, 5) if f"{code}.{n}" in by_code]
        if whole is not None:
            found.append((register, whole))
        elif parts and len({part.unit for part in parts}) == 1:
            first = parts[0]
            names = "+".join(part.obis for part in parts)
            value = sum((part.value for part in parts), Decimal(0))
            total = Reading(
                first.meter, first.alias, names, first.commodity, first.unit, value, first.epoch_s, first.line
            )
            found.append((register, total))
    return found


def telegram_readings(fields: list[Field], header: str, time_zone: str) -> dict[str, Reading]:
    """Readings of one telegram, by OBIS code without its `.255`. 1-0:1.8.0 and 1-0:2.8.0 are sums over tariffs where
    the meter states no total; where one of those cannot be read, they are left out.
    """
    readings = readings_of(fields, header, time_zone)
    found = {_SUFFIX.sub("", each.obis): each for each in readings}
    sums = dict(totals([each for each in readings if not _MBUS.match(each.obis)], unreadable(fields, readings)))
    return found | {f"{code}.0": sums[register] for register, code in _TOTALS.items() if register in sums}


def unit_code(unit: str) -> str | None:
    """Our code of a telegram's unit; None for one that no register of energy or volume has."""
    code = unit.lower()
    return code if code in UNITS and code not in {"w", "kw", "mw"} else None


def conflict(fields: list[Field]) -> Field | None:
    """The first object that appears twice with different values."""
    seen: dict[tuple[str, str], Field] = {}
    for each in fields:
        before = seen.setdefault((each.obis, each.position), each)
        if each.position != "cont" and (before.value, before.unit) != (each.value, each.unit):
            return each
    return None


def _as_text(written: str) -> str:
    """An id that is hex of letters and digits as these; any other as it is written."""
    if _HEX.fullmatch(written):
        text = bytes.fromhex(written).decode("latin-1")
        if text.isascii() and text.isalnum():
            return text
    return "".join(each if each.isprintable() else "?" for each in written)[:96]


def _mbus_readings(objects: dict[str, list[Field]], main: str, time_zone: str) -> list[Reading]:
    devices: dict[str, dict[str, list[Field]]] = {}
    for obis, fields in objects.items():
        if (found := _MBUS.fullmatch(obis)) is not None:
            devices.setdefault(found[1], {})[found[2]] = fields
    readings = []
    for channel, parts in devices.items():
        kind = _number(parts["24.1.0"][0]) if "24.1.0" in parts else None
        commodity = MBUS_COMMODITY.get(int(kind), "unknown") if kind is not None else "unknown"
        written = next((parts[code][0].value for code in ("96.1.1", "96.1.0") if code in parts), "")
        # An id of zeros was never given: it must not make one meter of several.
        name = _as_text(written) if written.strip("0") else f"{main}/mbus{channel}"
        for code, fields in parts.items():
            if not code.startswith(("24.2.", "24.3.")):
                continue
            unit, value = _mbus_value(code, fields)
            number = _number(value)
            if value is None or number is None or not unit:
                continue
            when = _instant(fields[0].value, time_zone)
            obis = f"0-{channel}:{code}"
            readings.append(Reading(name, written or None, obis, commodity, unit, number, when, value.line))
    return readings


def _mbus_value(code: str, fields: list[Field]) -> tuple[str, Field | None]:
    """(unit, field of the value): `(time)(value*unit)`, or the older `(time)(..)(..)(n)(obis)(unit)(value)`."""
    if code != "24.3.0":
        return (fields[1].unit, fields[1]) if len(fields) == 2 else ("", None)
    return (fields[5].value, fields[6]) if len(fields) == 7 else ("", None)


def _mbus_registers(by_code: dict[str, Reading]) -> list[Reading]:
    """One register per M-Bus device: corrected for temperature where both are there."""
    found: dict[str, Reading] = {}
    for code in ("24.2.1", "24.2.3", "24.3.0"):
        for obis, each in by_code.items():
            if (match := _MBUS.fullmatch(obis)) is not None and match[2] == code:
                found.setdefault(match[1], each)
    return list(found.values())


def _number(field: Field | None) -> Decimal | None:
    return Decimal(field.value) if field is not None and _NUMBER.fullmatch(field.value) else None


def _instant(text: str, time_zone: str) -> int | None:
    """Epoch seconds of YYMMDDhhmmss with S (summer) or W (winter); None where that is no time of the zone."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    minute, second = int(found[1][8:10]), int(found[1][10:])
    start = _hour(found[1][:8], found[2], time_zone)
    return None if start is None or minute > 59 or second > 59 else start + 60 * minute + second


@lru_cache(maxsize=65536)
def _hour(text: str, season: str, time_zone: str) -> int | None:
    """Epoch seconds at which the local hour YYMMDDhh begins; None where it is none, or one of two."""
    try:
        # Years have two digits: telegrams are of this century.
        local = datetime.strptime(f"20{text}", "%Y%m%d%H")  # noqa: DTZ007 (the zone follows)
    except ValueError:
        return None
    passes = [local.replace(tzinfo=zone(time_zone), fold=fold) for fold in (0, 1)]
    real = [each for each in passes if each.astimezone(UTC).astimezone(each.tzinfo).replace(tzinfo=None) == local]
    if season:
        real = [each for each in real if _is_summer(each) == (season == "S")]
    instants = {int(each.timestamp()) for each in real}
    return instants.pop() if len(instants) == 1 else None


def _is_summer(moment: datetime) -> bool:
    """True where clocks stand ahead of the zone's least offset within a year."""
    offsets = [
        (moment.replace(fold=0) + timedelta(days=days)).utcoffset() or timedelta(0) for days in range(0, 366, 30)
    ]
    return (moment.utcoffset() or timedelta(0)) > min(offsets)
