"""Registers to numbers and back. Pure; both ends of the wire use it. Two's complement; a place says its word order."""

from controls.templates.load_templates import FrameWord, Place, WordOrder, WordType

WIDTH: dict[WordType, int] = {"int16": 1, "uint16": 1, "int32": 2, "uint32": 2}
# What a device says where it has no value (SunSpec): the end of the type's range that means nothing else.
NOT_IMPLEMENTED: dict[WordType, int] = {
    "int16": -(1 << 15),
    "uint16": (1 << 16) - 1,
    "int32": -(1 << 31),
    "uint32": (1 << 32) - 1,
}
# seq is long: at one refresh every 15 s sixteen bits would come round within twelve days.
PART_TYPE: dict[FrameWord, WordType] = {"ttl_s": "uint16", "epoch": "uint16", "seq": "uint32"}


def encode(raw: int, kind: WordType, word_order: WordOrder = "high_first") -> list[int]:
    """Registers of an integer. Raises ValueError where it does not fit the type."""
    bits = 16 * WIDTH[kind]
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind.startswith("int") else (0, (1 << bits) - 1)
    if not low <= raw <= high:
        raise ValueError(f"{raw} does not fit {kind} ({low}..{high})")
    # Masking is two's complement: -1 becomes 0xFFFF, as the wire wants it.
    unsigned = raw & ((1 << bits) - 1)
    if bits == 16:
        return [unsigned]
    words = [unsigned >> 16, unsigned & 0xFFFF]
    return words if word_order == "high_first" else words[::-1]


def decode(words: list[int], kind: WordType, word_order: WordOrder = "high_first") -> int:
    """The integer that the registers hold."""
    bits = 16 * WIDTH[kind]
    # Modbus fixes the order of bytes in a register, but not of registers in a number: makers differ.
    high, low = (0, -1) if word_order == "high_first" else (-1, 0)
    unsigned = words[high] << 16 | words[low] if bits == 32 else words[0]
    return unsigned - (1 << bits) if kind.startswith("int") and unsigned >= 1 << bits - 1 else unsigned


def value_of(raw: int, place: Place) -> float | None:
    """A register's integer in the place's unit; None where it says that the device has no such value."""
    if place.has_sentinel and raw == NOT_IMPLEMENTED[place.type]:
        return None
    # Ten digits drop the noise of e.g. 3 * 0.1 and keep every resolution a register can have.
    return round(raw * place.scale, 10)


def part_type(part: FrameWord, place: Place) -> WordType:
    """The integer type of one part of a frame."""
    return place.type if part == "value" else PART_TYPE[part]


def frame_width(place: Place) -> int:
    """Registers that the place's frame spans."""
    return sum(WIDTH[part_type(part, place)] for part in place.frame)


def encode_frame(place: Place, *, value: float, ttl_s: int, epoch: int, seq: int) -> list[int]:
    """Registers of a frame; the value is rounded to the register's resolution. Raises ValueError."""
    numbers: dict[FrameWord, int] = {"value": round(value / place.scale), "ttl_s": ttl_s, "epoch": epoch, "seq": seq}
    return [word for part in place.frame for word in encode(numbers[part], part_type(part, place), place.word_order)]


def decode_frame(place: Place, words: list[int]) -> dict[FrameWord, float]:
    """The numbers in a frame's registers: value in its unit, the other parts as they are."""
    found: dict[FrameWord, float] = {}
    at = 0
    for part in place.frame:
        kind = part_type(part, place)
        raw = decode(words[at : at + WIDTH[kind]], kind, place.word_order)
        # Ten digits drop the noise of e.g. 3 * 0.1 and keep every resolution a register can have.
        found[part] = round(raw * place.scale, 10) if part == "value" else raw
        at += WIDTH[kind]
    return found
