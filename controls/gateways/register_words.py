"""Registers to numbers and back. Pure; both ends of the wire use it. Two's complement; a place says its word order."""

import functools
import math
import struct
from typing import Any

from controls.templates.register_places import Frame, FrameWord, RegisterPlace, WordOrder, WordType

WIDTH: dict[WordType, int] = {"int16": 1, "uint16": 1, "int32": 2, "uint32": 2, "float32": 2}
# What a device says where it has no value (SunSpec): the end of the type's range that means nothing else.
NOT_IMPLEMENTED: dict[WordType, int] = {
    "int16": -(1 << 15),
    "uint16": (1 << 16) - 1,
    "int32": -(1 << 31),
    "uint32": (1 << 32) - 1,
}
# seq is long: at one refresh every 15 s sixteen bits would come round within twelve days.
_LONG = ("ttl_long_s", "armed_long_s", "seq")
_OWN_TYPE = ("value", "minus_value", "safe_value")


def encode(raw: float, kind: WordType, word_order: WordOrder = "high_first") -> list[int]:
    """Registers of a raw number, whole but for float32. Raises ValueError where it does not fit the type."""
    converter, how = _converter(kind, word_order)
    try:
        return list(converter.convert_to_registers(raw if kind == "float32" else int(raw), **how))
    except (struct.error, OverflowError) as error:
        raise ValueError(f"{raw} does not fit {kind}") from error


def decode(words: list[int], kind: WordType, word_order: WordOrder = "high_first") -> float:
    """The raw number that the registers hold: whole but for float32."""
    converter, how = _converter(kind, word_order)
    return converter.convert_from_registers(words, **how)  # type: ignore[no-any-return]


@functools.cache
def _converter(kind: WordType, word_order: WordOrder) -> tuple[Any, dict[str, Any]]:
    # Only here, as the client is: whoever only names a gateway should not wait for the library.
    from pymodbus.client.mixin import ModbusClientMixin

    # Modbus fixes the order of bytes in a register, but not of registers in a number: makers differ.
    order = "big" if word_order == "high_first" else "little"
    return ModbusClientMixin, {"data_type": ModbusClientMixin.DATATYPE[kind.upper()], "word_order": order}


def value_of(raw: float, place: RegisterPlace, factor: float = 1.0) -> float | None:
    """A raw number in the place's unit; None for the code of an unavailable value.

    factor: what scale factor and rating of the device add to the place's own scale.
    """
    # Bits have no sign: where a device has none of them, all are set.
    missing = -1 if place.bit is not None and place.type.startswith("int") else NOT_IMPLEMENTED.get(place.type)
    if not math.isfinite(raw) or (place.has_sentinel and raw == missing):
        return None
    if place.bit is not None:
        return float(int(raw) >> place.bit & 1)
    if place.type == "float32":
        # 11.3 in 32 bits is 11.30000019 in 64, beyond a limit of 11.3: the shortest decimal of these bits is meant.
        shorter = (float(f"{raw:.{digits}g}") for digits in range(6, 10))
        raw = next(each for each in shorter if struct.pack(">f", each) == struct.pack(">f", raw))
    # Ten digits drop the noise of e.g. 3 * 0.1 and keep every resolution a register can have; nothing has no sign.
    return round(raw * place.scale * factor, 10) + 0.0


def raw_of(value: float, place: RegisterPlace, factor: float = 1.0) -> float:
    """The raw number nearest to a value."""
    raw = value / (place.scale * factor)
    return raw if place.type == "float32" else round(raw)


def part_type(part: FrameWord | int, place: RegisterPlace) -> WordType:
    """The type of one part of a frame."""
    if part in _OWN_TYPE:
        return place.type
    return "uint32" if part in _LONG else "uint16"


def frame_width(place: RegisterPlace, frame: tuple[FrameWord | int, ...] | None = None) -> int:
    """Registers, or coils, that the place's frame spans."""
    if place.codes:
        return len(next(iter(place.codes.values())))
    return sum(WIDTH[part_type(part, place)] for part in (place.frame if frame is None else frame))


def encode_frame(
    place: RegisterPlace,
    *,
    value: float,
    ttl_s: int,
    epoch: int,
    seq: int,
    safe_value: float = 0.0,
    armed_s: int = 0,
    factor: float = 1.0,
    step: Frame | None = None,
) -> list[int]:
    """Registers of a frame; the value is rounded to the register's resolution. Raises ValueError."""
    if place.codes:
        if value not in place.codes:
            raise ValueError(f"{value:g} is none of {', '.join(map(str, place.codes))}")
        return list(place.codes[int(value)])
    numbers: dict[FrameWord, float] = {
        "value": raw_of(value, place, factor),
        "minus_value": -raw_of(value, place, factor),
        "safe_value": raw_of(safe_value, place, factor),
        "ttl_s": ttl_s,
        "ttl_long_s": ttl_s,
        "armed_s": armed_s,
        "armed_long_s": armed_s,
        "epoch": epoch,
        "seq": seq,
        "enabled": place.on,
        "disabled": 0,
        "skip": 0,
    }
    frame = place.frame if step is None else step.frame
    parts = [(part, part if isinstance(part, int) else numbers[part]) for part in frame]
    return [word for part, number in parts for word in encode(number, part_type(part, place), place.word_order)]


def decode_frame(
    place: RegisterPlace, words: list[int], *, factor: float = 1.0, step: Frame | None = None
) -> dict[FrameWord, float | None]:
    """The numbers in a frame's registers: values in their unit, or None for "no such value"; the rest as they are."""
    if place.codes:
        known = {coils: float(code) for code, coils in place.codes.items()}
        return {"value": known.get(tuple(words))}
    found: dict[FrameWord, float | None] = {}
    at = 0
    for part in place.frame if step is None else step.frame:
        kind = part_type(part, place)
        raw = decode(words[at : at + WIDTH[kind]], kind, place.word_order)
        at += WIDTH[kind]
        if not isinstance(part, int):
            found[part] = value_of(raw, place, factor) if part in _OWN_TYPE else raw
    return found
