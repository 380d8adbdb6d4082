"""Meaning of a Green Button ReadingType: unit, power of ten, register, commodity, or why it has none.

Source: formulas 5.14 (ESPI 4.0).
"""

from dataclasses import dataclass

from data_quality.contracts.quality import QualityCode

# uom -> (unit code, further power of ten); joule has no unit of its own here and is read as megajoule.
UOM: dict[int, tuple[str, int]] = {
    31: ("mj", -6),
    38: ("w", 0),
    42: ("m3", 0),
    61: ("va", 0),
    63: ("var", 0),
    71: ("vah", 0),
    72: ("wh", 0),
    73: ("varh", 0),
    119: ("ft3", 0),
    132: ("btu", 0),
    169: ("therm", 0),
}
POWER_UOM = frozenset({38, 61, 63})
ENERGY_UOM = frozenset({31, 71, 72, 73, 132, 169})
# Beside active energy, and never of its register.
KIND_OF_REGISTER = {61: "apparent_", 71: "apparent_", 63: "reactive_", 73: "reactive_"}
# ESPI kind: 12 energy, 8 demand, 37 power.
KIND_ENERGY, KINDS_OF_POWER = 12, frozenset({8, 37})
# ESPI accumulationBehaviour: 1 bulk quantity and 3 cumulative, 4 delta, 6 indicating and 12 instantaneous.
REGISTER_STATES, INTERVAL_AMOUNTS, INSTANTANEOUS = frozenset({1, 3}), 4, frozenset({6, 12})
# ESPI flowDirection: 1 forward, 19 reverse, 4 net, 20 total.
FLOWS = {1: "import", 19: "export", 4: "net", 20: "total"}
COMMODITIES = {
    0: "unknown",
    1: "electricity",
    2: "electricity",
    4: "compressed_air",
    7: "natural_gas",
    9: "water",
    10: "steam",
    12: "heat",
    13: "cooling",
}
SERVICES = {"0": "electricity", "1": "natural_gas", "2": "water", "4": "heat"}
# From pico to tera.
MAX_POWER_OF_TEN = 12


@dataclass(frozen=True)
class Meaning:
    """value * 10 ** exponent is in `unit`. reason is empty, or says why the rows cannot be readings.

    unit is empty where the type states none (nothing is wrong, and nothing can be made of the rows either).
    is_register: values are states of a register, not amounts. quality: of rows that state none.
    """

    unit: str = ""
    exponent: int = 0
    register: str = "import"
    commodity: str = "unknown"
    is_register: bool = False
    is_power: bool = False
    quality: int = int(QualityCode.RAW)
    reason: str = ""
    expected: str = ""
    got: str = ""


def meaning(fields: dict[str, str], service: str | None, declared_unit: str | None = None) -> Meaning:
    """fields: the leaves of a ReadingType; service: kind of the usage point's ServiceCategory; declared_unit: unit
    code of the column map, for types that state none.
    """
    codes = {name: _code(fields.get(name)) for name in _CODES}
    commodity = COMMODITIES.get(codes["commodity"] or 0, "unknown")
    if commodity == "unknown":
        commodity = SERVICES.get(service or "", "unknown")
    broken = next((name for name in _CODES if fields.get(name) and codes[name] is None), None)
    if broken is not None:
        return _bad("no_reading_type", f"a whole number as {broken}", fields[broken], commodity)
    uom, exponent = codes["uom"], codes["powerOfTenMultiplier"] or 0
    if abs(exponent) > MAX_POWER_OF_TEN:
        return _bad("no_reading_type", "a power of ten between -12 and 12", str(exponent), commodity)
    if not uom:
        # An empty type, or "not applicable" (0): the sender says nothing of the unit.
        return Meaning(unit=declared_unit or "", exponent=exponent, commodity=commodity)
    contradiction = _contradiction(uom, codes["kind"], codes["accumulationBehaviour"])
    if contradiction is not None:
        return _bad(*contradiction, commodity)
    if uom not in UOM:
        return _bad("unknown_unit", f"one of uom {', '.join(map(str, sorted(UOM)))}", f"uom {uom}", commodity)
    unit, shift = UOM[uom]
    # A type that leaves the direction open counts what is delivered.
    flow = FLOWS.get(codes["flowDirection"] or 1)
    if flow is None:
        return _bad("unknown_register", "flowDirection 1, 4, 19 or 20", str(codes["flowDirection"]), commodity)
    default = codes["defaultQuality"]
    return Meaning(
        unit=unit,
        exponent=exponent + shift,
        register=f"{KIND_OF_REGISTER.get(uom, '')}{flow}",
        commodity=commodity,
        is_register=codes["accumulationBehaviour"] in REGISTER_STATES,
        is_power=uom in POWER_UOM,
        quality=int(QualityCode.RAW) if default is None else quality_code(default),
    )


def quality_code(code: int) -> int:
    """A ReadingQuality code as ours; an unknown one is questionable."""
    return code if code in _QUALITIES else int(QualityCode.QUESTIONABLE)


def _contradiction(uom: int, kind: int | None, accumulation: int | None) -> tuple[str, str, str] | None:
    """(reason, expected, got) where unit, kind and accumulation cannot be true together."""
    got = f"uom {uom}, kind {kind}, accumulationBehaviour {accumulation}"
    is_power, is_energy = uom in POWER_UOM, uom in ENERGY_UOM
    is_amount = accumulation == INTERVAL_AMOUNTS or accumulation in REGISTER_STATES
    if is_power and (kind == KIND_ENERGY or (is_amount and kind not in KINDS_OF_POWER)):
        return "unit_kind_mismatch", "a unit of energy for a reading type of interval energy", got
    if is_energy and (kind in KINDS_OF_POWER or accumulation in INSTANTANEOUS):
        return "unit_kind_mismatch", "a unit of power for a reading type of power", got
    known = accumulation is None or accumulation == 0 or is_amount or accumulation in INSTANTANEOUS
    if not known:
        return "unsupported_accumulation", "accumulationBehaviour 1, 3, 4, 6 or 12", got
    return None


def _bad(reason: str, expected: str, got: str, commodity: str) -> Meaning:
    return Meaning(commodity=commodity, reason=reason, expected=expected, got=got)


def _code(text: str | None) -> int | None:
    if text is None:
        return None
    digits = text.removeprefix("-").removeprefix("+")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 9 else None


_CODES = (
    "uom",
    "powerOfTenMultiplier",
    "kind",
    "accumulationBehaviour",
    "flowDirection",
    "commodity",
    "defaultQuality",
)
_QUALITIES = frozenset(int(code) for code in QualityCode)
