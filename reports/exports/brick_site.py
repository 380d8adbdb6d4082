"""Brick graph -> draft of a site file, and what of it could not be mapped. Nothing is filled in that it does not say.

A graph of our own gives the same site again; of a foreign one come meters with carrier, hierarchy and registers,
temperature and irradiance, devices that plans know, name and area.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from rdflib import RDF, RDFS, BNode, Graph, Literal, URIRef
from rdflib.term import Node

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.units import UNITS, Behaviour
from reports.exports.brick_graph import SAID, SITE_FIELDS
from reports.exports.brick_terms import BRICK, CODES, DEVICES, DRIVER, DRIVERS, EMS, METERS, UNIT, lineage, uri

# A model of a large campus has some hundred thousand.
MAX_TRIPLES = 1_000_000
_CARRIERS = {name: carrier.value for carrier, kind in METERS.items() for name in (kind.meter, kind.building)}
# Beside what we write ourselves.
_CARRIERS |= {"Hot_Water_Meter": "heat", "Building_Hot_Water_Meter": "heat"}
_DEVICES = {name: kind for kind, name in DEVICES.items()} | {
    "Photovoltaic_Inverter": "pv", "PV_Generation_System": "pv", "PV_Array": "pv",
    "Electric_Vehicle_Charging_Port": "ev_charger", "Energy_Storage": "battery",
    "Thermal_Energy_Storage_Tank": "tank", "Water_Heater": "tank",
}  # fmt: skip
_AREAS = {UNIT.M2: 1.0, UNIT.FT2: 0.09290304}
# Beside active energy, as other sources have it.
_PREFIX = {"kvarh": "reactive_", "kvah": "apparent_"}
_AMOUNTS = (
    "Energy_Sensor",
    "Energy_Generation_Sensor",
    "Usage_Sensor",
    "Reactive_Energy_Sensor",
    "Active_Power_Sensor",
    "Electric_Power_Sensor",
)
# What a site file asks for and Brick does not know.
ASKED = {"time_zone": "timeZone", "currency": "currency", "country": "country"}


class Unmapped(Model):
    """Entity that no part of a site file is made of, or something of it was left. kind: its class; reason: a code."""

    entity: str
    kind: str
    reason: str


@dataclass
class Draft:
    """A site file as plain data, in the order in which one reads it."""

    site: dict[str, Any] = field(default_factory=dict)
    unmapped: list[Unmapped] = field(default_factory=list)


class _Bounded(Graph):
    """A graph that refuses to grow without end: a text of some megabytes may say many millions of triples."""

    file = ""

    def add(self, triple: tuple[Node, Node, Node]) -> Self:
        """As Graph. Raises BadInput."""
        if len(self) >= MAX_TRIPLES:
            raise BadInput(f"more than {MAX_TRIPLES:,} triples", file=self.file, reason="too_large")
        return super().add(triple)


def read_graph(text: str, file: str) -> Graph:
    """A Turtle text as graph. Raises BadInput: broken, too large, or without anything of Brick."""
    graph = _Bounded()
    graph.file = file
    try:
        graph.parse(data=text, format="turtle")
    except BadInput:
        raise
    # Whatever its grammar stumbles over, among it errors of its own making.
    except Exception as error:
        line = re.search(r"line (\d+)", str(error))
        at = int(line[1]) if line else 0
        raise BadInput("not readable as Turtle", file=file, line=at, reason="bad_turtle") from error
    if not any(str(kind).startswith(str(BRICK)) for kind in graph.objects(None, RDF.type)):
        raise BadInput(
            "no entity of Brick in it; expected classes of https://brickschema.org/schema/Brick#",
            file=file,
            reason="other_ontology",
        )
    return graph


def draft_of(graph: Graph, given: Mapping[str, str], file: str) -> Draft:
    """The draft. given: what Brick does not say (ASKED).

    Raises BadInput: no or several sites, no meter, something of ASKED neither said nor given.
    """
    reader = _Reader(graph)
    draft = Draft()
    own = reader.site(file)
    site = draft.site
    site["site_id"] = reader.id_of(own)
    site["name"] = reader.label(own) or site["site_id"]
    for key, term in ASKED.items():
        value = reader.text(own, EMS[term]) or given.get(key, "")
        if not value:
            option = key.replace("_", "-")
            raise BadInput(f"Brick says no {key.replace('_', ' ')}: give --{option}", file=file, reason="not_said")
        site[key] = value
    site |= reader.place(own) | reader.fields(own, "site")
    site["meters"] = list(reader.meters())
    if not site["meters"]:
        raise BadInput("no meter in it; expected a class of brick:Meter", file=file, reason="no_meter")
    for key, part in (
        ("drivers", reader.drivers),
        ("seus", reader.uses),
        ("assets", reader.assets),
        ("tariffs", reader.tariffs),
        ("factors", reader.factors),
    ):
        if found := list(part()):
            site[key] = found
    draft.unmapped = list(reader.unmapped())
    return draft


class _Reader:
    """Questions to one graph. Entities come in the order of their addresses, so that a draft is always the same."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._ids: dict[Node, str] = {}
        self._taken: set[tuple[str, str]] = set()
        self._mapped: set[Node] = set()
        self._why: dict[Node, str] = {}
        self._lines: dict[Node, list[str]] = {}

    def site(self, file: str) -> Node:
        """The site, or the building where no site is named."""
        for kind in ("Site", "Building"):
            found = list[Node](sorted(self.graph.subjects(RDF.type, BRICK[kind]), key=str))
            if len(found) > 1:
                raise BadInput(
                    f"{len(found)} entities of brick:{kind}; expected one site in a file",
                    file=file,
                    reason="many_sites",
                )
            if found:
                self._mapped.add(found[0])
                return found[0]
        raise BadInput("neither brick:Site nor brick:Building in it", file=file, reason="no_site")

    def place(self, own: Node) -> dict[str, Any]:
        """Area and coordinates, where they are said."""
        found: dict[str, Any] = {}
        for name in ("grossArea", "netArea", "area"):
            for node in self.graph.objects(own, BRICK[name]):
                value, unit = self.graph.value(node, BRICK.value), self.graph.value(node, BRICK.hasUnit)
                if not isinstance(unit, URIRef) or unit not in _AREAS:
                    self._why[own] = "no_known_unit"
                elif (area := self._number(own, value)) is not None:
                    found.setdefault("floor_area_m2", area * _AREAS[unit])
        place = self.graph.value(own, BRICK.coordinates)
        for key, name in (("latitude_deg", "latitude"), ("longitude_deg", "longitude")) if place is not None else ():
            if (degrees := self._number(own, self.graph.value(place, BRICK[name]))) is not None:
                found[key] = degrees
        return found

    def meters(self) -> Iterator[dict[str, Any]]:
        """Meters of carriers that we know, each with its registers."""
        known = {own: carrier for own in self._of("Meter") if (carrier := self._carrier(own))}
        self._why |= dict.fromkeys(set(self._of("Meter")) - set(known), "no_known_carrier")
        for own in sorted(known, key=str):
            self._mapped.add(own)
            meter: dict[str, Any] = {
                "meter_id": self.id_of(own, "meter"),
                "name": self.label(own),
                "carrier": known[own],
            }
            above = [*self.graph.subjects(BRICK.hasSubMeter, own), *self.graph.objects(own, BRICK.isSubMeterOf)]
            parents = sorted({each for each in above if each in known}, key=str)
            if len(parents) == 1:
                meter["parent"] = self.id_of(parents[0], "meter")
            elif parents:
                self._why[own] = "several_parents"
            if formula := self.text(own, EMS.formula):
                meter["formula"] = formula
            meter["registers"] = list(self._registers(own))
            if not meter["registers"]:
                # The draft has it as a site file has a meter of which nothing is said: a person must look at it.
                self._why.setdefault(own, "no_register")
                del meter["registers"]
            yield _without_empty(meter) | self.fields(own, "meter")

    def _carrier(self, own: Node) -> str:
        ours = [f"ems:{str(kind).removeprefix(str(EMS))}" for kind in self.graph.objects(own, RDF.type)]
        found = [_CARRIERS[name] for name in (*ours, *self._lineage(own)) if name in _CARRIERS]
        return found[0] if found else ""

    def _registers(self, own: Node) -> Iterator[dict[str, Any]]:
        """Registers of a meter: its energy, volume and power points with a known unit."""
        points = sorted({*self.graph.objects(own, BRICK.hasPoint), *self.graph.subjects(BRICK.isPointOf, own)}, key=str)
        units, taken = {point: self._unit(point) for point in points}, set[str]()
        # Where energy and power of one direction are measured, the energy is the register.
        for point in sorted(points, key=lambda each: bool(units[each]) and UNITS[units[each]].is_power):
            unit, names = units[point], set(self._lineage(point))
            if not names.intersection(_AMOUNTS):
                continue
            if not unit or UNITS[unit].behaviour is not Behaviour.AMOUNT:
                self._why[point] = "no_known_unit"
                continue
            self._mapped.add(point)
            flow = "export" if "Energy_Generation_Sensor" in names else "import"
            register = self.text(point, EMS.register) or _PREFIX.get(UNITS[unit].canonical, "") + flow
            if register in taken:
                self._why[point] = "same_register"
                continue
            taken.add(register)
            yield {"register_id": register, "unit": unit} | self.fields(point, "register")

    def drivers(self) -> Iterator[dict[str, Any]]:
        """Weather of the site, and variables of ours."""
        found = [own for name in set(DRIVERS.values()) for own in self._of(name)]
        found += self.graph.subjects(RDF.type, URIRef(uri(DRIVER)))
        for own in sorted(set(found), key=str):
            unit = self._unit(own) or self.text(own, EMS.unit)
            if not unit:
                self._why[own] = "no_known_unit"
                continue
            self._mapped.add(own)
            driver = {"driver_id": self.id_of(own, "driver"), "name": self.label(own), "unit": unit}
            yield _without_empty(driver) | ({"aggregation": "mean"} | self.fields(own, "driver"))

    def assets(self) -> Iterator[dict[str, Any]]:
        """Devices: of a kind that stands there, or that the class is."""
        for own in sorted({*self._of("Equipment"), *self.graph.subjects(EMS.kind, None)} - self._mapped, key=str):
            known = next((_DEVICES[name] for name in self._lineage(own) if name in _DEVICES), "")
            kind = self.text(own, EMS.kind) or known
            if not kind:
                continue
            self._mapped.add(own)
            meter = self.graph.value(own, BRICK.isMeteredBy)
            asset = {
                "asset_id": self.id_of(own, "asset"),
                "name": self.label(own),
                "kind": kind,
                "template": self.text(own, EMS.template),
                "meter": self.id_of(meter, "meter") if meter in self._mapped and meter is not None else "",
            }
            yield _without_empty(asset) | self.fields(own, "asset")

    def uses(self) -> Iterator[dict[str, Any]]:
        """Significant energy uses."""
        for own in self._ours("Significant_Energy_Use"):
            meters = sorted(self.id_of(each, "meter") for each in self.graph.objects(own, EMS.measuredBy))
            yield {"seu_id": self.id_of(own, "seu"), "name": self.label(own), "meters": meters} | self.fields(
                own, "seu"
            )

    def tariffs(self) -> Iterator[dict[str, Any]]:
        """Tariffs with their dates."""
        for own in self._ours("Tariff_Schedule"):
            tariff = {"tariff_id": self.text(own, EMS.id), "name": self.label(own)} | self._dates(own)
            yield _without_empty(tariff) | self.fields(own, "tariff")

    def factors(self) -> Iterator[dict[str, Any]]:
        """Emission factors with their dates."""
        for own in self._ours("Emission_Factor"):
            value = self._number(own, self.graph.value(own, EMS.kgco2ePerKwh))
            factor: dict[str, Any] = {"factor_id": self.text(own, EMS.id)}
            factor |= {} if value is None else {"kgco2e_per_kwh": value}
            yield factor | self._dates(own) | {"source": self.text(own, EMS.source)} | self.fields(own, "factor")

    def unmapped(self) -> Iterator[Unmapped]:
        """Entities of Brick or of ours that are part of nothing, and what of the others was left."""
        for own in sorted(set(self.graph.subjects(RDF.type, None)) | set(self._why), key=str):
            names = [str(kind) for kind in self.graph.objects(own, RDF.type)]
            classes = [name for name in names if name.startswith((str(BRICK), str(EMS)))]
            if own in self._why or (classes and own not in self._mapped):
                kind = re.split(r"[#/]", sorted(classes)[0])[-1] if classes else ""
                yield Unmapped(entity=str(own), kind=kind, reason=self._why.get(own, "no_such_part"))

    def id_of(self, own: Node, kind: str = "site") -> str:
        """Id of an entity in a site file: its own, else made of its address."""
        if own not in self._ids:
            stated = self.text(own, EMS.id)
            # The name of a node without one is another at each reading.
            called = "" if isinstance(own, BNode) else re.split(r"[#/:]", str(own))[-1].lower()
            made = re.sub(r"[^a-z0-9_-]+", "_", called).strip("_-")[:60] or kind
            # Meters and drivers share one set of names.
            space, number, found = "stream" if kind in ("meter", "driver") else kind, 2, stated or made
            while (space, found) in self._taken:
                found, number = f"{made}_{number}", number + 1
            self._taken.add((space, found))
            self._ids[own] = found
        return self._ids[own]

    def label(self, own: Node) -> str:
        """Name for people."""
        return self.text(own, RDFS.label)

    def text(self, own: Node, term: URIRef) -> str:
        """The text of a property, empty where there is none; of several, as in two languages, always the same."""
        return min((str(each) for each in self.graph.objects(own, term) if isinstance(each, Literal)), default="")

    def fields(self, own: Node, kind: str) -> dict[str, Any]:
        """Fields that were written for ourselves, without those that an export never writes, such as an address."""
        try:
            found = json.loads(self.text(own, EMS.fields) or "{}")
        except (ValueError, RecursionError):
            found = None
        given = found if isinstance(found, dict) else {}
        kept = {name: each for name, each in given.items() if name not in SAID[kind]}
        if kind == "site":
            kept = {name: each for name, each in kept.items() if name in SITE_FIELDS}
        if found is None or kept != found:
            self._why[own] = "bad_fields"
        return kept

    def _number(self, own: Node, value: object) -> float | None:
        """A finite number; None where there is none, and named where there is something else."""
        if value is None:
            return None
        try:
            found = float(str(value))
        except ValueError:
            found = math.nan
        if not math.isfinite(found):
            self._why[own] = "no_number"
            return None
        return found

    def _dates(self, own: Node) -> dict[str, str]:
        days = {"valid_from": self.text(own, EMS.validFrom), "valid_to": self.text(own, EMS.validTo)}
        return _without_empty(days)

    def _unit(self, own: Node) -> str:
        value = self.graph.value(own, BRICK.hasUnit) or self.graph.value(own, EMS.unit)
        if not isinstance(value, URIRef):
            return str(value) if str(value) in UNITS else ""
        return CODES.get(str(value).removeprefix(str(UNIT)), "")

    def _ours(self, name: str) -> Iterable[Node]:
        found = sorted(self.graph.subjects(RDF.type, EMS[name]), key=_by_number)
        self._mapped.update(found)
        return found

    def _of(self, name: str) -> Iterator[Node]:
        """Entities of a class of Brick or of one below it."""
        for own in set(self.graph.subjects(RDF.type, None)):
            if name in self._lineage(own):
                yield own

    def _lineage(self, own: Node) -> list[str]:
        if own not in self._lines:
            kinds = sorted(str(kind) for kind in self.graph.objects(own, RDF.type))
            names = [kind[len(str(BRICK)) :] for kind in kinds if kind.startswith(str(BRICK))]
            self._lines[own] = [above for name in names for above in lineage(name)]
        return self._lines[own]


def _by_number(own: Node) -> tuple[int, str]:
    # `tariff.10.x` comes behind `tariff.9.x`.
    found = re.search(r"\.(\d+)\.", str(own))
    return int(found[1]) if found else 0, str(own)


def _without_empty(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value != ""}
