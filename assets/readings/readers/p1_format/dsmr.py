"""DSMR P1 telegrams (2.2 to 5, Fluvius, E.ON Hungary and others): states of registers, one or many telegrams a file.

A telegram is a state, not an interval: register_intervals.py makes amounts of successive ones; a single one stays a
statement in the report (`single_register_read`). `source_line` is the line of the state's value.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from assets.readings.cumulative.register_steps import State
from assets.readings.packed.bounded import content, unpacked_head
from assets.readings.parsed import PARSED_SCHEMA, Channel, FieldValue, Parsed, ReadRequest
from assets.readings.readers.p1_format.dsmr_meters import (
    DEFAULT_ZONE,
    OF_REGISTERS,
    Reading,
    conflict,
    readings_of,
    times_of,
    totals,
    unit_code,
    unreadable,
)
from assets.readings.readers.p1_format.dsmr_text import Field, Telegram, TelegramFile, fields_of, read_telegrams
from assets.readings.readers.placed_rows import PLACED_SCHEMA, STATES_SCHEMA, RowFilter, meter_names, place_states
from assets.readings.readers.register_rows import placed_states, quanta_of
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import zone
from data_quality.contracts.units import UNITS, Behaviour

# A day of one telegram in two seconds; a longer log is better handed over in days.
MAX_BYTES = 32 << 20
# Editors put it before the first telegram, which would lose its '/'.
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_FIRST_LINE = re.compile(rb"(?m)^/[^\r\n]{3,100}\r?$")
_OBJECT = re.compile(rb"(?m)^\d-\d{1,3}:\d{1,3}\.\d{1,3}\.\d{1,3}(?:[*.]\d{1,3})?\(")


class Dsmr:
    """Reader of P1 telegrams."""

    name = "dsmr"
    version = "2"

    def recognises(self, head: bytes, path: Path) -> bool:
        """A line that begins with '/' and a line that is an OBIS code with a bracket."""
        text = unpacked_head(head).removeprefix(BYTE_ORDER_MARK)
        return _FIRST_LINE.search(text) is not None and _OBJECT.search(text) is not None

    def header(self, path: Path) -> list[str]:
        """A telegram has no columns."""
        return []

    def read(self, path: Path, request: ReadRequest) -> Parsed:
        """All whole telegrams. Raises BadInput where none of them can be trusted."""
        found = trusted_telegrams(path)
        zone_name, is_assumed = _zone(request)
        row_filter = RowFilter(pl.DataFrame(schema=PLACED_SCHEMA), found.warnings)
        for refusal in found.refusals:
            row_filter.reject(refusal.line, refusal.reason, refusal.expected, refusal.got)
        last, stated = _last(found.telegrams, zone_name)
        row_filter.warn("assumed_zone", int(is_assumed and any(each.epoch_s is not None for each in stated)))
        states = place_states(_states(found.telegrams, zone_name, row_filter), row_filter, request)
        names = meter_names(request)
        return Parsed(
            rows=pl.DataFrame(schema=PARSED_SCHEMA),
            states=states,
            rejects=row_filter.rejects(),
            warnings=row_filter.warnings,
            channels=tuple(_channel(each) for each in stated),
            commodities={
                names.get(each.meter, names.get(each.alias or "", each.meter)): each.commodity for each in stated
            },
            values=tuple(
                FieldValue(name=each.obis, position=each.position, value=each.value, unit=each.unit) for each in last
            ),
        )


def trusted_telegrams(path: Path) -> TelegramFile:
    """The file's telegrams. Raises BadInput where none of them can be trusted.

    A capture ends wherever it was stopped: whole telegrams prove themselves, and the one begun is a warning.
    """
    found = read_telegrams(content(path, max_bytes=MAX_BYTES).removeprefix(BYTE_ORDER_MARK))
    if found.telegrams:
        found.warnings |= {"cut_telegram": 1} if found.cut else {}
        return found
    if found.cut:
        line, reason = found.cut.line, found.cut.reason
        raise BadInput("the last telegram has no '!' at its end; the file is cut", line=line, reason=reason)
    if not found.refusals:
        raise BadInput("no telegram begins in this file", line=1, reason="no_rows")
    first = found.refusals[0]
    raise BadInput(f"expected {first.expected}, got {first.got}", line=first.line, reason=first.reason)


def _last(telegrams: list[Telegram], time_zone: str) -> tuple[list[Field], list[Reading]]:
    """(all fields, all values with a unit) of the last telegram that says something."""
    for telegram in reversed(telegrams):
        fields = fields_of(telegram)
        # The newest that can be believed: what a person sees is the state of now.
        if fields and conflict(fields) is None:
            return fields, readings_of(fields, telegram.header, time_zone)
    raise BadInput("no telegram with unambiguous values", line=telegrams[0].line, reason="no_rows")


def _zone(request: ReadRequest) -> tuple[str, bool]:
    """(zone of the telegrams' times, whether it is only assumed)."""
    declared = request.mapping.zone if request.mapping else None
    found = declared or request.tz or (request.site.time_zone if request.site else None)
    if found is not None:
        zone(found, line=1)
    return found or DEFAULT_ZONE, found is None


def _states(telegrams: list[Telegram], time_zone: str, row_filter: RowFilter) -> pl.DataFrame:
    """STATES_SCHEMA rows of all telegrams, per meter and register."""
    states: dict[tuple[str, ...], list[State]] = {}
    channels: dict[tuple[str, ...], dict[str, Any]] = {}
    # Of a day with a telegram a second, 86 400, a few hundred tell all amounts: the others are never taken apart.
    for telegram in _needed(telegrams):
        fields = fields_of(telegram, OF_REGISTERS)
        twice = conflict(fields)
        if twice is not None:
            row_filter.reject(
                twice.line, "duplicate_conflict", "one value per OBIS code", f"{twice.obis} {twice.value}"
            )
            continue
        readings = readings_of(fields, telegram.header, time_zone)
        unknown = unreadable(fields, readings)
        for each_field in unknown:
            got = f"{each_field.obis} {each_field.value}"
            row_filter.reject(each_field.line, "not_a_number", "the state of a register: a number with its unit", got)
        for register, each in totals(readings, unknown):
            unit = unit_code(each.unit)
            if unit is None:
                continue
            key = (each.meter, register, unit, each.obis)
            channels.setdefault(key, {"meter": each.meter, "alias": each.alias, "register": register, "unit": unit})
            known = states.setdefault(key, [])
            if each.epoch_s is not None:
                known.append(State(each.epoch_s, quanta_of(each.value), each.line))
    timeless = sum(not known for known in states.values())
    row_filter.warn("no_time", timeless)
    row_filter.warn("single_register_read", timeless)
    # Sums of other parts, and a device of another kind in its place, are counts of something else: they must not be
    # taken for one another's states.
    parts = [placed_states(known, channels[key], _series(*key[2:])) for key, known in states.items()]
    return pl.concat([pl.DataFrame(schema=STATES_SCHEMA), *parts])


def _series(unit: str, obis: str) -> str:
    """Series of a telegram object: an M-Bus channel may hold gas (m3) today and heat (GJ) tomorrow."""
    return f"{obis} {UNITS[unit].canonical}" if obis.startswith("0-") else obis


def _needed(telegrams: list[Telegram]) -> list[Telegram]:
    """The telegrams that amounts between quarter hours need: the first and last of each quarter hour and meter, those
    that bring a new M-Bus state, and those without time.
    """
    needed: dict[int, Telegram] = {}
    bounds: dict[tuple[bytes, bytes, int], list[tuple[bytes, Telegram]]] = {}
    seen: dict[bytes, tuple[bytes, ...]] = {}
    for telegram in telegrams:
        whose, when, others = times_of(telegram)
        if not when or seen.get(whose) != others:
            needed[telegram.number] = telegram
            seen[whose] = others
        if when:
            of_quarter = bounds.setdefault((whose, when[:8], int(when[8:10]) // 15), [])
            of_quarter.append((when, telegram))
            if len(of_quarter) > 2:
                of_quarter.sort(key=lambda each: each[0])
                del of_quarter[1:-1]
    needed |= {telegram.number: telegram for kept in bounds.values() for _, telegram in kept}
    return [needed[number] for number in sorted(needed)]


def _channel(reading: Reading) -> Channel:
    """Channel of one object of the last telegram."""
    unit = UNITS.get(reading.unit.lower())
    adds_up = unit is not None and unit.behaviour is Behaviour.AMOUNT and not unit.is_power
    is_energy = unit is not None and adds_up and unit.canonical == "kwh"
    when = datetime.fromtimestamp(reading.epoch_s, UTC) if reading.epoch_s is not None else None
    return Channel(
        meter=reading.meter,
        channel=reading.obis,
        commodity=reading.commodity,
        unit=reading.unit,
        start_utc=when,
        end_utc=when,
        sum=float(reading.value) if adds_up else None,
        sum_kwh=float(reading.value * Decimal(str(unit.factor))) if unit is not None and is_energy else None,
        reading=float(reading.value),
    )
