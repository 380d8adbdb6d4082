"""Terms of Brick 1.4.4 that an export writes and an import understands, and of `ems:`, for what Brick leaves open.

Source: formulas 5.15. Names and hierarchy of Brick's classes stand in `brick_1_4.json`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from rdflib import RDF, Graph, Literal, Namespace, URIRef
from rdflib.term import Node

from data_quality.contracts.model import Model
from data_quality.contracts.site_file.meter import Carrier

BRICK = Namespace("https://brickschema.org/schema/Brick#")
REF = Namespace("https://brickschema.org/schema/Brick/ref#")
QUDT_UNIT = URIRef("http://qudt.org/schema/qudt/Unit")
UNIT = Namespace("http://qudt.org/vocab/unit/")
EMS = Namespace("urn:meterloom:ems#")
TERMS_FILE = Path(__file__).with_name("brick_1_4.json")
# Unit code -> QUDT; the first of two codes of one unit is what an import makes of it.
QUDT = {
    "kwh": "KiloW-HR", "wh": "W-HR", "mwh": "MegaW-HR", "gwh": "GigaW-HR", "kj": "KiloJ", "mj": "MegaJ", "gj": "GigaJ",
    "therm": "THERM_EC", "btu": "BTU_IT", "kbtu": "KiloBTU_IT", "mmbtu": "MegaBTU_IT", "w": "W", "kw": "KiloW",
    "mw": "MegaW", "varh": "V-A_Reactive-HR", "kvarh": "KiloV-A_Reactive-HR", "mvarh": "MegaV-A_Reactive-HR",
    "var": "V-A_Reactive", "kvar": "KiloV-A_Reactive", "mvar": "MegaV-A_Reactive", "va": "V-A", "kva": "KiloV-A",
    "mva": "MegaV-A", "vah": "V-A-HR", "kvah": "KiloV-A-HR", "mvah": "MegaV-A-HR", "m3": "M3", "l": "L", "ft3": "FT3",
    "l_per_min": "L-PER-MIN", "m3_per_h": "M3-PER-HR", "count": "NUM", "h": "HR", "degc": "DEG_C", "degf": "DEG_F",
    "w_per_m2": "W-PER-M2", "percent": "PERCENT", "fraction": "FRACTION", "m_per_s": "M-PER-SEC",
}  # fmt: skip
CODES = {name: code for code, name in reversed(QUDT.items())}
# Relation -> classes of its subject, classes of its object.
_JOINS = {
    "hasPoint": (("Equipment", "Location", "Collection"), ("Point",)),
    "isPointOf": (("Point",), ("Equipment", "Location", "Collection")),
    "hasSubMeter": (("Meter",), ("Meter",)),
    "isSubMeterOf": (("Meter",), ("Meter",)),
    "isMeteredBy": (("Equipment", "Location", "Collection"), ("Meter",)),
    "meters": (("Meter",), ("Equipment", "Location", "Collection")),
    "hasLocation": (("Equipment", "Point", "Location", "Collection"), ("Location",)),
}


class MeterKind(NamedTuple):
    """Class of a carrier's meter, of the one that stands above all others of a site, and of its amount's point."""

    meter: str
    building: str
    point: str


METERS: Mapping[Carrier, MeterKind] = {
    Carrier.ELECTRICITY: MeterKind("Electrical_Meter", "Building_Electrical_Meter", "Electrical_Energy_Usage_Sensor"),
    Carrier.NATURAL_GAS: MeterKind("Gas_Meter", "Building_Gas_Meter", "Natural_Gas_Usage_Sensor"),
    Carrier.WATER: MeterKind("Water_Meter", "Building_Water_Meter", "Water_Usage_Sensor"),
    Carrier.HEAT: MeterKind("Thermal_Power_Meter", "Thermal_Power_Meter", "Thermal_Energy_Usage_Sensor"),
    Carrier.COOLING: MeterKind("Chilled_Water_Meter", "Building_Chilled_Water_Meter", "Thermal_Energy_Usage_Sensor"),
    Carrier.STEAM: MeterKind("ems:Steam_Meter", "ems:Steam_Meter", "Steam_Usage_Sensor"),
    Carrier.COMPRESSED_AIR: MeterKind("ems:Compressed_Air_Meter", "ems:Compressed_Air_Meter", "Usage_Sensor"),
}


# Of a meter's register in this canonical unit, before what its carrier says.
POINTS = {"kvarh": "Reactive_Energy_Sensor", "kvah": "Energy_Sensor"}


GENERATED = frozenset({"export", "value"})


GENERATION_POINT = "Energy_Generation_Sensor"


# Class of a driver by its unit; another is a variable of ours, which no sensor of a building measures.
DRIVERS = {
    "degc": "Outside_Air_Temperature_Sensor",
    "degf": "Outside_Air_Temperature_Sensor",
    "w_per_m2": "Solar_Irradiance_Sensor",
}


DRIVER = "ems:Relevant_Variable"


# Kind of an asset -> class.
DEVICES = {
    "battery": "Battery", "pv": "Inverter", "ev_charger": "Electric_Vehicle_Charging_Station",
    "tank": "Hot_Water_Storage_Tank", "heat_pump": "Packaged_Heat_Pump", "grid_meter": "ems:Grid_Instrument",
    "heating_relay": "Relay",
}  # fmt: skip


DEVICE = "ems:Device"


# Class of Brick that one of ours is below: stated beside it, for who has not our ontology at hand.
ABOVE = {
    "ems:Steam_Meter": "Meter", "ems:Compressed_Air_Meter": "Meter", "ems:Relevant_Variable": "Point",
    "ems:Device": "Equipment", "ems:Grid_Instrument": "Equipment",
}  # fmt: skip


def uri(name: str) -> str:
    """A name of the tables above as an address: `ems:` before it is ours."""
    return str(EMS[name[4:]] if name.startswith("ems:") else BRICK[name])


@cache
def brick_terms() -> tuple[Mapping[str, tuple[str, ...]], frozenset[str]]:
    """Classes of Brick (name -> names above) and names of its properties."""
    found = json.loads(TERMS_FILE.read_text(encoding="utf-8"))
    return {name: tuple(above) for name, above in found["classes"].items()}, frozenset(found["properties"])


def lineage(name: str) -> Iterable[str]:
    """A class of Brick and those above it, the nearest first."""
    classes, seen, waiting = brick_terms()[0], set[str](), [name]
    while waiting:
        each = waiting.pop(0)
        if each in seen:
            continue
        seen.add(each)
        yield each
        waiting += classes.get(each, ())


class Misfit(Model):
    """Triple that Brick does not allow. reason: unknown_class, unknown_property, not_joined or no_unit."""

    entity: str
    term: str
    reason: str


def misfits(graph: Graph) -> list[Misfit]:
    """All of a graph, by entity; entities without a class of Brick or of ours are nobody's."""
    return sorted({*_terms(graph), *_joins(graph), *_units(graph)}, key=lambda each: (each.entity, each.term))


def _terms(graph: Graph) -> Iterator[Misfit]:
    classes, properties = brick_terms()
    for own, term, value in graph:
        if term == RDF.type and (name := _brick(value)) and name not in classes:
            yield Misfit(entity=str(own), term=name, reason="unknown_class")
        if (name := _brick(term)) and name not in properties:
            yield Misfit(entity=str(own), term=name, reason="unknown_property")


def _joins(graph: Graph) -> Iterator[Misfit]:
    for name, (subjects, objects) in _JOINS.items():
        for own, value in graph.subject_objects(BRICK[name]):
            if not (_is_of(graph, own, subjects) and _is_of(graph, value, objects)):
                yield Misfit(entity=str(own), term=name, reason="not_joined")


def _units(graph: Graph) -> Iterator[Misfit]:
    for own, value in graph.subject_objects(BRICK.hasUnit):
        if isinstance(value, Literal) or not str(value).startswith(str(UNIT)):
            yield Misfit(entity=str(own), term="hasUnit", reason="no_unit")


def _is_of(graph: Graph, own: Node, wanted: tuple[str, ...]) -> bool:
    kinds = list(graph.objects(own, RDF.type))
    # A class of another ontology alone says for itself what it is.
    names = [each for kind in kinds if (name := _brick(kind)) for each in lineage(name)]
    return (bool(kinds) and not names) or not set(names).isdisjoint(wanted)


def _brick(term: Node) -> str:
    return str(term).removeprefix(str(BRICK)) if isinstance(term, URIRef) and str(term).startswith(str(BRICK)) else ""
