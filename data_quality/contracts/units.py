"""The closed list of units, their canonical form, and the energy quantum. New units go here and nowhere else."""

from decimal import Context, Decimal
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model_faults import did_you_mean
from data_quality.contracts.sentence import Sentence

# One nano-unit: nine decimals survive Float64 and DECIMAL(18,9) alike, so sums are exact in every engine (ADR 0001).
QUANTUM_DECIMALS = 9
# Money and emissions: an energy of nine decimals times a price or a factor, over shares of months or of units. Within
# sixty digits nothing of that is rounded, so no total depends on the order of its parts.
EXACT = Context(prec=60)
# One context for every derived figure, so that a quotient has the same digits wherever it is computed.
ARITHMETIC = Context(prec=34)


class Behaviour(StrEnum):
    """Behaviour of a value over time: amounts add up, levels average."""

    AMOUNT = "amount"
    LEVEL = "level"


class Unit(BaseModel):
    """One unit. value_in_canonical = value * factor (+ offset). Power is stored as energy of its interval."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    code: str
    canonical: str
    factor: float = Field(gt=0)
    offset: float = 0.0
    behaviour: Behaviour
    is_power: bool = False


def _amount(code: str, canonical: str, factor: float) -> Unit:
    return Unit(code=code, canonical=canonical, factor=factor, behaviour=Behaviour.AMOUNT)


def _power(code: str, canonical: str, factor: float) -> Unit:
    return Unit(code=code, canonical=canonical, factor=factor, behaviour=Behaviour.AMOUNT, is_power=True)


def _level(code: str, canonical: str, factor: float = 1.0, offset: float = 0.0) -> Unit:
    return Unit(code=code, canonical=canonical, factor=factor, offset=offset, behaviour=Behaviour.LEVEL)


UNITS: dict[str, Unit] = {
    unit.code: unit
    for unit in (
        _amount("wh", "kwh", 0.001),
        _amount("kwh", "kwh", 1.0),
        _amount("mwh", "kwh", 1000.0),
        _amount("gwh", "kwh", 1_000_000.0),
        _amount("kj", "kwh", 1 / 3600),
        _amount("mj", "kwh", 1 / 3.6),
        _amount("gj", "kwh", 1000 / 3.6),
        # 100,000 Btu of the International Table; the US therm is 29.3001.
        _amount("therm", "kwh", 29.3071),
        # International Table: 1055.05585262 J.
        _amount("btu", "kwh", 1055.05585262 / 3.6e6),
        _amount("kbtu", "kwh", 1055.05585262 / 3.6e3),
        _amount("mmbtu", "kwh", 1055.05585262 / 3.6),
        # International Table: 4.1868 J.
        _amount("kcal", "kwh", 1.163 / 1000),
        _amount("mcal", "kwh", 1.163),
        _amount("gcal", "kwh", 1163.0),
        _power("w", "kwh", 0.001),
        _power("kw", "kwh", 1.0),
        _power("mw", "kwh", 1000.0),
        _power("var", "kvarh", 0.001),
        _power("kvar", "kvarh", 1.0),
        _power("mvar", "kvarh", 1000.0),
        _amount("varh", "kvarh", 0.001),
        _amount("kvarh", "kvarh", 1.0),
        _amount("mvarh", "kvarh", 1000.0),
        # Apparent: never added to active energy, and no sum of meters is that of the site.
        _power("va", "kvah", 0.001),
        _power("kva", "kvah", 1.0),
        _power("mva", "kvah", 1000.0),
        _amount("vah", "kvah", 0.001),
        _amount("kvah", "kvah", 1.0),
        _amount("mvah", "kvah", 1000.0),
        _amount("m3", "m3", 1.0),
        _amount("l", "m3", 0.001),
        _amount("ft3", "m3", 0.028316846592),
        _amount("ccf", "m3", 2.8316846592),
        # Rates behave like power: the volume of an interval is rate times hours.
        _power("l_per_min", "m3", 0.06),
        _power("m3_per_h", "m3", 1.0),
        _amount("count", "count", 1.0),
        _amount("h", "h", 1.0),
        _level("degc", "degc"),
        _level("degf", "degc", 5 / 9, -160 / 9),
        _level("w_per_m2", "w_per_m2"),
        _level("percent", "percent"),
        _level("fraction", "percent", 100.0),
        _level("m_per_s", "m_per_s"),
        _level("kgco2e_per_kwh", "kgco2e_per_kwh"),
        _level("occupants", "occupants"),
        _level("per_kwh", "per_kwh"),
        _level("per_mwh", "per_kwh", 0.001),
    )
}

# What people write; these are not taken, only proposed: a code has one spelling.
_SPELLINGS = {"°c": "degc", "c": "degc", "celsius": "degc", "°f": "degf", "%": "percent", "pcs": "count", "litre": "l"}

# Units that the lake holds; every other is converted on the way in.
CANONICAL_UNITS = tuple(sorted({unit.canonical for unit in UNITS.values()}))


def unit_at_end(name: str) -> str:
    """The unit code with which a name ends, the longest (`flow_m3_per_h`: m3_per_h); empty where it ends with none."""
    return max((code for code in UNITS if name.endswith(f"_{code}")), key=len, default="")


def unit_of(code: str, *, file: str = "", line: int = 0) -> Unit:
    """The unit of that name, any letter case. Raises BadInput naming the allowed units."""
    found = UNITS.get(code.strip().lower().replace("³", "3"))
    if found is None:
        near = did_you_mean(_SPELLINGS.get(code.strip().lower(), code), list(UNITS))
        message = Sentence("unknown unit {0}", repr(code))
        if not near:
            message = Sentence("unknown unit {0}; allowed are {1}", repr(code), ", ".join(sorted(UNITS)))
        raise BadInput(message, file=file, line=line, reason="unknown_unit", mend=near)
    return found


def quantise(value: float) -> float:
    """Nearest multiple of the quantum (nine decimals): what may be stored and summed exactly."""
    return round(value, QUANTUM_DECIMALS)


def of_quanta(quanta: int) -> Decimal:
    """Whole quanta (1e-9 of a unit) as the exact decimal that they are."""
    return Decimal(int(quanta)).scaleb(-QUANTUM_DECIMALS)
