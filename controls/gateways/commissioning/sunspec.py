"""SunSpec: find a device's models by walking them from the marker "SunS", so that no template knows an address."""

from collections.abc import Callable

from controls.gateways.capabilities import DeviceRefused
from data_quality.contracts.model import Model

# "SunS" in two registers, and where the specification lets it stand.
MARKER = [0x5375, 0x6E53]
STARTS = (40000, 0, 50000)
END_MODEL = 0xFFFF
# The common model, which comes first: maker, type and serial number.
COMMON, COMMON_LENGTH = 1, 66
# Real devices have a dozen; more is a device whose lengths lead in circles.
_MAX_MODELS = 200

Read = Callable[[int, int], list[int]]


class SunSpecModel(Model):
    """One model of a device. register: of its id, on the wire; length: as it says, id and length apart."""

    model: int
    register_address: int
    length: int


def walk_models(read: Read) -> list[SunSpecModel]:
    """The models of a device, by `read(register, count)`. Raises DeviceRefused where it has none or they do not end."""
    at = _start(read) + len(MARKER)
    found: list[SunSpecModel] = []
    while at <= 0xFFFE and len(found) < _MAX_MODELS:
        model, length = read(at, 2)
        if model == END_MODEL:
            return found
        found.append(SunSpecModel(model=model, register_address=at, length=length))
        at += 2 + length
    raise DeviceRefused("its list of SunSpec models has no end", code="no_end_model")


def maker_of(read: Read, models: list[SunSpecModel]) -> dict[str, str]:
    """Manufacturer, type and serial number of the common model; empty where it has none."""
    common = next((each for each in models if each.model == COMMON), None)
    if common is None or common.length < COMMON_LENGTH - 1:
        return {}
    words = read(common.register_address + 2, COMMON_LENGTH - 2)
    places = {"maker": (0, 16), "type": (16, 32), "version": (40, 48), "serial": (48, 64)}
    return {name: _text(words[first:last]) for name, (first, last) in places.items()}


def _start(read: Read) -> int:
    for start in STARTS:
        try:
            if read(start, len(MARKER)) == MARKER:
                return start
        except DeviceRefused:
            # Most devices have no such register, and say so.
            continue
    raise DeviceRefused(f"has no SunSpec marker at {', '.join(map(str, STARTS))}", code="no_sunspec")


def _text(words: list[int]) -> str:
    raw = b"".join(word.to_bytes(2, "big") for word in words).split(b"\0")[0]
    return "".join(each for each in raw.decode("latin-1") if each.isprintable()).strip()
