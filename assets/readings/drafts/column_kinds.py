"""Column kinds of a home's or a works' table other than meter import: a price, a direction, a device's state."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from assets.readings.drafts.name_match import folded, tokens
from assets.readings.streams import canonical_of
from assets.readings.tables.column_layout import MONEY_PER

# What a column of prices becomes: the driver that price_stream names.
PRICE = "import_price"
_PRICE = re.compile(r"preis|price|spot|day.?ahead|epex|prix|precio|prezzo|\btarif", re.IGNORECASE)
_HUNDREDTHS = ("ct", "cts", "cent", "cents", "pf", "rp", "rappen", "p", "ore", "øre", "öre", "hal", "c", "\u00a2")
_EMITTED = re.compile(
    r"(?<![^\W_])(?P<mass>k?g|t)[ _]?(?:co.?2?.{0,4}?)?(?:/|_per_| per | pro )(?P<energy>k|m)wh\b", re.IGNORECASE
)
_KILOGRAMS = {"g": 0.001, "kg": 1.0, "t": 1000.0}
_PAID = re.compile(r"verguetung|vergutung|einspeise|feed.?in|export|sell|verkauf", re.IGNORECASE)
# Units of a price as an answer says them: the unit of a column map, and what its values are multiplied by.
PRICE_UNITS = {"per_kwh": ("per_kwh", 1.0), "ct_per_kwh": ("per_kwh", 0.01), "per_mwh": ("per_mwh", 1.0)}

# A-, AS and the OBIS code 1-1:2 of active energy are given, A+ and 1-1:1 are taken.
_EXPORT = re.compile(
    r"einspeis|ruckliefer|ruckspeis|\bexport|feed.?in|fed.?in|injectio|injectie|teruglever|netzlieferung|abgabe netz|"
    r"to.?grid|vertid|excedent|\bimmess[ao]|injetad|(?<!\w)(?:a-|-a|as k?wh)(?!\w)|(?<![\d.])1-\d{1,2}:2\.\d+\.\d",
    re.IGNORECASE,
)
_IMPORT = re.compile(
    r"bezug|\bimport|from.?grid|netzentnahme|soutirage|afname|prelev|(?<!\w)(?:a\+|\+a)(?!\w)|(?<![\d.])1-\d{1,2}:1\.\d+\.\d",
    re.IGNORECASE,
)
# Words of a name that say what a meter counts.
_CARRIERS = (
    ("heat", r"warme(?!pumpe)|fernwarme|heat(?!.?pump)|chaleur|calor"),
    ("cooling", r"kalte|cool|chilled|froid"),
    ("steam", r"dampf|steam|vapeur"),
    ("compressed_air", r"druckluft|compresed|aircomp"),
    ("natural_gas", r"gas|erdgas|gaz"),
    ("water", r"waser|water|eau|agua"),
)
_GENERATION = re.compile(r"\bpv|photovolt|solar|erzeug|generation|wechselrichter|inverter", re.IGNORECASE)
_GENERATED = re.compile(
    r"\b(?:(?:energia)?generada|"
    r"pv|photovolt\w*|solar\w*|erzeugung|generation|wechselrichter|(?:system|energy) produc(?:tion|ed)|ertrag)\b"
)
_BATTERY = re.compile(r"batter|\bakku|speicher|storage|\bbess\b", re.IGNORECASE)
_DISCHARGE, _CHARGE = re.compile(r"entlad|discharg"), re.compile(r"lad|charg")
_CHARGE_STATE = re.compile(
    r"\bsoc\b|ladezustand|ladestand|fullstand|state.of.charge|charge.?(?:level|state)|akkustand|batteriestand",
    re.IGNORECASE,
)
_OUTSIDE = re.compile(r"\boutdoor|\boutside|\baussen|\bexterior", re.IGNORECASE)
_CAR = re.compile(r"\bauto|\bcar\b|\bev\b|fahrzeug|vehicle|wallbox|elektroauto|\be.?auto", re.IGNORECASE)
_CAPACITIVE = re.compile(r"\bleading\b|kapazitiv|capacitiv", re.IGNORECASE)
_TANK = re.compile(r"warmwas|boiler|brauchwas|hot.?water|\bdhw\b|trinkwarm", re.IGNORECASE)
_HOUSE = re.compile(r"hausverbrauch|haushalt|hauslast|household|house|eigenverbrauch gesamt|gesamtverbrauch|home.?load")
# Names that say what is driven, and not whether its electricity or its product is counted.
_EITHER = (
    ("compressed_air", r"druckluft|compresed|aircomp", r"kompresor|compresor",
     "counts kWh: electricity of the compressor, or compressed_air (energy of the air)?"),
    ("heat", r"warmepump|heat.?pump", r"strom|electric|elektr",
     "counts kWh: electricity of the heat pump, or heat that it gives?"),
)  # fmt: skip


@dataclass(frozen=True)
class ColumnQuestion:
    """Open question about a column. id: stable, of its name; text: as in the draft; answers: those allowed."""

    id: str
    text: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class PriceColumn:
    """A column of prices. unit: one of PRICE_UNITS, empty where its name does not say; is_paid: for what is fed in."""

    unit: str
    is_paid: bool


def price_column(name: str) -> PriceColumn | None:
    """Price column that a name stands for; None where it is no price."""
    plain = folded(name)
    per = MONEY_PER.search(name) or MONEY_PER.search(plain)
    if per is None and not _PRICE.search(plain):
        return None
    unit = ""
    if per is not None:
        is_part = per["money"].lower() in _HUNDREDTHS
        unit = "per_mwh" if per["energy"].lower() == "m" else "ct_per_kwh" if is_part else "per_kwh"
        if is_part and unit == "per_mwh":
            unit = ""
    return PriceColumn(unit, bool(_PAID.search(plain)))


def scaled_unit(name: str) -> tuple[str, float] | None:
    """Unit and multiplier of a price in hundredths, or of an emission of each unit of energy: ct/kWh, gCO2eq/kWh."""
    price, emitted = price_column(name), _EMITTED.search(name)
    if price is not None and price.unit and not price.is_paid:
        return PRICE_UNITS[price.unit]
    if emitted is None:
        return None
    mass, energy = _KILOGRAMS[emitted["mass"].lower()], emitted["energy"].lower()
    return "kgco2e_per_kwh", mass / (1000 if energy == "m" else 1)


def state_of(name: str, unit: str | None) -> str:
    """The device whose state a column holds (battery, car, hot_water), empty where it is none."""
    plain = folded(name)
    if unit in ("degc", "degf"):
        return "hot_water" if _TANK.search(plain) else ""
    if unit not in (None, "percent", "fraction") or not _CHARGE_STATE.search(plain):
        return ""
    return "car" if _CAR.search(plain) else "battery"


def state_driver(device: str) -> str:
    """The driver that holds a device's state."""
    return f"{device}_{'degc' if device == 'hot_water' else 'soc'}"


def level_of(name: str, unit: str) -> tuple[str, str, str]:
    """Driver, unit and device of what a home's sensor measures: a price, a device's state or the temperature outside.

    unit: ours, or money per energy as the file has it; the unit of a price that comes back is one of PRICE_UNITS. All
    three are empty where no plan or baseline needs the sensor.
    """
    price, device = price_column(f"{name} {unit}"), state_of(name, unit) if unit else ""
    if device:
        return state_driver(device), unit, device
    if price is not None and not price.is_paid and price.unit:
        return PRICE, price.unit, ""
    if unit in ("degc", "degf") and _OUTSIDE.search(folded(name)):
        return "outdoor_degc", unit, ""
    return "", "", ""


def direction(name: str) -> str:
    """charge, discharge, export or import of a column of energy, `battery` and `generated_or_export` where its name
    leaves it open; empty for all others.
    """
    plain = folded(name)
    if _BATTERY.search(plain) and not _CAR.search(plain):
        return "discharge" if _DISCHARGE.search(plain) else "charge" if _CHARGE.search(plain) else "battery"
    if _EXPORT.search(plain):
        return "generated_or_export" if _GENERATION.search(plain) else "export"
    return "import" if _IMPORT.search(plain) else ""


def is_given_back(name: str) -> bool:
    """The name is one of energy that goes to the grid: fed in, or reactive energy that is capacitive."""
    return direction(name) == "export" or bool(_CAPACITIVE.search(folded(name).replace("_", " ")))


def is_generated(name: str) -> bool:
    """The name is one of what the sun makes."""
    return bool(_GENERATED.search(folded(name)))


def is_house(name: str) -> bool:
    """The name is one that people give to all that a house uses."""
    return bool(_HOUSE.search(folded(name)))


def house_formula(meters: Mapping[str, tuple[str, Collection[str]]], main: str, devices: Collection[str]) -> str:
    """Formula of a house's own use: bought and made, less fed in, stored, and used by devices that plans move.

    meters: name and registers by id; main: the one at the grid. Empty where a part is not metered, or none differs.
    """
    own = {"car": _CAR, "hot_water": _TANK}
    terms, grid = [f"{main}.import"], meters[main][1]
    for meter_id, (name, registers) in meters.items():
        moved = any(pattern.search(folded(name)) for device, pattern in own.items() if device in devices)
        if "value" in registers:
            terms.append(f"+ {meter_id}.value")
        elif {"charge", "discharge"} <= set(registers):
            terms.append(f"+ {meter_id}.discharge - {meter_id}.charge")
        elif moved and meter_id != main and "import" in registers:
            terms.append(f"- {meter_id}.import")
    is_known = "import" in grid and ("export" in grid or not any(term.startswith("+") for term in terms))
    if len(terms) == 1 or not is_known or not all(name[:1].isalpha() for name in meters):
        return ""
    return " ".join([terms[0], *(f"- {main}.export" for _ in range("export" in grid)), *terms[1:]])


def either(name: str) -> tuple[str, str]:
    """The carrier that a name of energy may mean instead of electricity, and the question; empty where it is clear."""
    plain = folded(name)
    for carrier, might, electric, text in _EITHER:
        if re.search(might, plain) and not re.search(electric, plain):
            return carrier, text
    return "", ""


def carrier_of(name: str, unit: str | None) -> tuple[str, str]:
    """The carrier that a name and a unit tell, and the question where they leave it open."""
    words = " ".join(tokens(name))
    found = next((carrier for carrier, pattern in _CARRIERS if re.search(pattern, words)), None)
    if canonical_of(unit) != "m3":
        energy = found if found not in (None, "water") else "electricity"
        return energy or "electricity", ""
    if found in ("natural_gas", "water"):
        return found, ""
    return "natural_gas", "counts m3: natural_gas or water?"
