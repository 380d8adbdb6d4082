"""Registers to numbers and back. Pure; both ends of the wire use it. High word first, two's complement."""

from controls.templates.load import FrameWord, Place, WordType

WIDTH: dict[WordType, int] = {"int16": 1, "uint16": 1, "int32": 2, "uint32": 2}
PART_TYPE: dict[FrameWord, WordType] = {"ttl_s": "uint16", "epoch": "uint16", "seq": "uint32"}


def encode(raw: int, kind: WordType) -> list[int]:
    """Registers of an integer. Raises ValueError where it does not fit the type."""
    bits = 16 * WIDTH[kind]
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind.startswith("int") else (0, (1 << bits) - 1)
    if not low <= raw <= high:
        raise ValueError(f"{raw} does not fit {kind} ({low}..{high})")
    unsigned = raw & ((1 << bits) - 1)
    return [unsigned >> 16, unsigned & 0xFFFF] if bits == 32 else [unsigned]


def decode(words: list[int], kind: WordType) -> int:
    """The integer that the registers hold."""
    bits = 16 * WIDTH[kind]
    unsigned = words[0] << 16 | words[1] if bits == 32 else words[0]
    return unsigned - (1 << bits) if kind.startswith("int") and unsigned >= 1 << bits - 1 else unsigned


def part_type(part: FrameWord, place: Place) -> WordType:
    """The integer type of one part of a frame."""
    return place.type if part == "value" else PART_TYPE[part]


def frame_width(place: Place) -> int:
    """Registers that the place's frame spans."""
    return sum(WIDTH[part_type(part, place)] for part in place.frame)


def encode_frame(place: Place, *, value: float, ttl_s: int, epoch: int, seq: int) -> list[int]:
    """Registers of a frame; the value is rounded to the register's resolution. Raises ValueError."""
    numbers: dict[FrameWord, int] = {"value": round(value / place.scale), "ttl_s": ttl_s, "epoch": epoch, "seq": seq}
    return [word for part in place.frame for word in encode(numbers[part], part_type(part, place))]


def decode_frame(place: Place, words: list[int]) -> dict[FrameWord, float]:
    """The numbers in a frame's registers: value in its unit, the other parts as they are."""
    found: dict[FrameWord, float] = {}
    at = 0
    for part in place.frame:
        kind = part_type(part, place)
        raw = decode(words[at : at + WIDTH[kind]], kind)
        # Ten digits drop the noise of e.g. 3 * 0.1 and keep every resolution a register can have.
        found[part] = round(raw * place.scale, 10) if part == "value" else raw
        at += WIDTH[kind]
    return found
