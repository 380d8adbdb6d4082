"""Global warming potentials over 100 years by assessment report, and refrigerant blends by mass.

Sources: IPCC AR4, AR5 (without climate-carbon feedbacks) and AR6 as tabled by openclimatedata (CC0); blends: ASHRAE 34.
CH4 of AR6 is the general value 27.9 (29.8 fossil and 27.0 non-fossil stand beside it).
"""

from decimal import Decimal
from functools import cache

from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import GwpSet

_TABLE = """
CO2 1 1 1
CH4 25 28 27.9
N2O 298 265 273
SF6 22800 23500 25200
NF3 17200 16100 17400
HFC23 14800 12400 14600
HFC32 675 677 771
HFC125 3500 3170 3740
HFC134a 1430 1300 1530
HFC143a 4470 4800 5810
HFC152a 124 138 164
HFC227ea 3220 3350 3600
HFC245fa 1030 858 962
HFC365mfc 794 804 914
HFC236fa 9810 8060 8690
HCFC22 1810 1760 1960
CF4 7390 6630 7380
C2F6 12200 11100 12400
C3F8 8830 8900 9290
cC4F8 10300 9540 10200
C4F10 8860 9200 10000
C5F12 9160 8550 9220
C6F14 9300 7910 8620
HFC4310mee 1640 1650 1600
HCFC123 77 79 90.4
HCFC124 609 527 597
HCFC141b 725 782 860
HCFC142b 2310 1980 2300
CFC11 4750 4660 6230
CFC12 10900 10200 12500
CFC13 14400 13900 16200
CFC113 6130 5820 6520
CFC114 10000 8590 9430
CFC115 7370 7670 9600
Halon1211 1890 1750 1930
Halon1301 7140 6290 7200
SF5CF3 17700 17400 18500
"""

# In the order of GwpSet; strict, since a missing column would shift the reports by one.
GWP100: dict[str, dict[GwpSet, Decimal]] = {
    words[0]: dict(zip(GwpSet, map(Decimal, words[1:]), strict=True))
    for words in map(str.split, _TABLE.split("\n")[1:-1])
}

# In percent by mass. A blend with a gas outside the table (R-448A, R-454B, R-513A hold olefins) is refused.
_PERCENT: dict[str, dict[str, int | str]] = {
    "R-401A": {"HCFC22": 53, "HFC152a": 13, "HCFC124": 34},
    "R-401B": {"HCFC22": 61, "HFC152a": 11, "HCFC124": 28},
    "R-404A": {"HFC125": 44, "HFC143a": 52, "HFC134a": 4},
    "R-407A": {"HFC32": 20, "HFC125": 40, "HFC134a": 40},
    "R-407B": {"HFC32": 10, "HFC125": 70, "HFC134a": 20},
    "R-407C": {"HFC32": 23, "HFC125": 25, "HFC134a": 52},
    "R-407D": {"HFC32": 15, "HFC125": 15, "HFC134a": 70},
    "R-407F": {"HFC32": 30, "HFC125": 30, "HFC134a": 40},
    "R-407H": {"HFC32": "32.5", "HFC125": 15, "HFC134a": "52.5"},
    "R-408A": {"HFC125": 7, "HFC143a": 46, "HCFC22": 47},
    "R-409A": {"HCFC22": 60, "HCFC124": 25, "HCFC142b": 15},
    "R-410A": {"HFC32": 50, "HFC125": 50},
    "R-410B": {"HFC32": 45, "HFC125": 55},
    "R-421A": {"HFC125": 58, "HFC134a": 42},
    "R-423A": {"HFC134a": "52.5", "HFC227ea": "47.5"},
    "R-427A": {"HFC32": 15, "HFC125": 25, "HFC143a": 10, "HFC134a": 50},
    "R-442A": {"HFC32": 31, "HFC125": 31, "HFC134a": 30, "HFC152a": 3, "HFC227ea": 5},
    "R-500": {"CFC12": "73.8", "HFC152a": "26.2"},
    "R-502": {"HCFC22": "48.8", "CFC115": "51.2"},
    "R-507A": {"HFC125": 50, "HFC143a": 50},
    "R-508A": {"HFC23": 39, "C2F6": 61},
    "R-508B": {"HFC23": 46, "C2F6": 54},
}
BLENDS: dict[str, dict[str, Decimal]] = {
    name: {gas: Decimal(share) / 100 for gas, share in parts.items()} for name, parts in _PERCENT.items()
}

BIOGENIC = "biogenic CO2"
_REFRIGERANT_NUMBERS = {"R14": "CF4", "R116": "C2F6", "R218": "C3F8", "RC318": "cC4F8", "R744": "CO2"}


def _key(name: str) -> str:
    return "".join(mark for mark in name.casefold() if mark.isalnum())


_SPECIES = {_key(name): name for name in GWP100}
_SPECIES |= {
    _key(f"R{name.removeprefix(kind)}"): name
    for name in GWP100
    # Refrigerant numbers leave out the family: R-22 is HCFC-22, R-134a is HFC-134a.
    for kind in ("HFC", "HCFC", "CFC")
    if name.startswith(kind)
}
_SPECIES |= {_key(number): name for number, name in _REFRIGERANT_NUMBERS.items()}
_BLENDS = {_key(name): name for name in BLENDS}
# Its spellings in public tables; plain CO2 must never match one of them.
_BIOGENIC = {_key(name) for name in (BIOGENIC, "CO2 biogenic", "bio CO2", "CO2b", "CO2bio")}


def species_of(name: str) -> str | None:
    """The table's name of a gas (`HFC-134a`, `R-134a`, `hfc134a` …), `biogenic CO2`, or None where it is unknown."""
    key = _key(name)
    return BIOGENIC if key in _BIOGENIC else _SPECIES.get(key)


def blend_of(name: str) -> str | None:
    """The blend's name, or None."""
    return _BLENDS.get(_key(name))


@cache
def name_key(activity: str) -> str:
    """Key shared by names of one activity: letter case aside, `R-134a` and `HFC134a` are one gas."""
    return species_of(activity) or blend_of(activity) or activity.casefold()


def composition_of(name: str, *, file: str = "", line: int = 0) -> dict[str, Decimal]:
    """Mass fractions of a gas (itself) or of a blend; they sum to 1. Raises BadInput for an unknown one."""
    species, blend = species_of(name), blend_of(name)
    if species is not None:
        return {species: Decimal(1)}
    if blend is not None:
        return dict(BLENDS[blend])
    raise BadInput(
        f"gas {name!r} is not in the table of global warming potentials; it has {', '.join(GWP100)} and the blends "
        f"{', '.join(BLENDS)}",
        file=file,
        line=line,
        reason="unknown_gas",
        mend="give kg_co2e_per_unit with gwp_set instead",
    )


def gwp_of(name: str, gwp_set: GwpSet, *, file: str = "", line: int = 0) -> Decimal:
    """kgCO2e of a kilogram of a gas or blend. Golden: R-410A is 2087.5, 1923.5, 2255.5 in AR4, AR5, AR6."""
    parts = composition_of(name, file=file, line=line)
    # Biogenic CO2 has a place outside the scopes, and no weight inside.
    return sum((share * GWP100[gas][gwp_set] for gas, share in parts.items() if gas != BIOGENIC), Decimal(0))
