"""Brick graph of a site: meters with their hierarchy and points, drivers, devices; energy uses, tariffs and factors.

What Brick has no word for stands in `ems:` (`ems.ttl`); fields of an entity that nobody else would read stand as one
JSON text, `ems:fields`, so that an import makes the same site of it. Addresses and secrets of devices stay at home, and
so do events of meters, which name people.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from rdflib import RDF, RDFS, XSD, BNode, Graph, Literal, URIRef
from rdflib.term import Node

from data_quality.contracts.model import Model
from data_quality.contracts.site_file.meter import Meter, Register
from data_quality.contracts.site_file.site import Asset, Seu, Site
from data_quality.contracts.units import unit_of
from reports.exports.brick_terms import (
    ABOVE,
    BRICK,
    DEVICE,
    DEVICES,
    DRIVER,
    DRIVERS,
    EMS,
    GENERATED,
    GENERATION_POINT,
    METERS,
    POINTS,
    QUDT,
    QUDT_UNIT,
    REF,
    UNIT,
    uri,
)

Triple = tuple[Node, Node, Node]
BASE = "urn:meterloom:site:"
# Fields that the graph itself says, or nobody: `ems:fields` never holds them.
SAID: Mapping[str, set[str]] = {
    "site": {"site_id", "name", "time_zone", "currency", "country", "floor_area_m2", "latitude_deg", "longitude_deg"},
    "meter": {"meter_id", "name", "carrier", "parent", "registers", "formula", "events"},
    "register": {"register_id", "unit"},
    "driver": {"driver_id", "name", "unit"},
    "seu": {"seu_id", "name", "meters"},
    "asset": {"asset_id", "name", "kind", "template", "meter", "address"},
    "tariff": {"tariff_id", "name", "valid_from", "valid_to"},
    "factor": {"factor_id", "kgco2e_per_kwh", "valid_from", "valid_to", "source", "recorded_at_utc"},
}
# Of a site file: what a building is, beside what stands in lists of their own.
SITE_FIELDS = ("subdivision", "locale", "floor_area_definition", "weekly_rest", "is_simulated")
# Params of a device that are nobody else's: tags of cars and cards, passwords, places in a network.
_PRIVATE = re.compile("tag|pass|secret|token|key|user|url|host|address")


def graph_of(site: Site) -> Graph:
    """The site as a graph with prefixes bound."""
    graph = Graph(bind_namespaces="none")
    spaces = {"brick": BRICK, "ref": REF, "unit": UNIT, "ems": EMS, "rdfs": RDFS, "xsd": XSD}
    for prefix, namespace in spaces.items():
        graph.bind(prefix, namespace)
    graph.bind("site", f"{BASE}{site.site_id}#")
    names = _Names(site.site_id)
    for part in (_site, _meters, _drivers, _assets, _uses, _tariffs, _factors):
        for triple in part(site, names):
            graph.add(triple)
    # For who checks without the vocabulary of units at hand.
    for unit in {each for each in graph.objects(None, BRICK.hasUnit) if isinstance(each, URIRef)}:
        graph.add((unit, RDF.type, QUDT_UNIT))
    return graph


class _Names:
    """Addresses of a site's entities: `kind.id`, so that a battery and its meter may have one id."""

    def __init__(self, site_id: str) -> None:
        self.base = f"{BASE}{site_id}#"
        self.site = URIRef(f"{self.base}site")

    def __call__(self, kind: str, *ids: str) -> URIRef:
        # Ids of tariffs and factors are any text.
        return URIRef(self.base + ".".join((kind, *(quote(each, safe="") for each in ids))))


def _site(site: Site, names: _Names) -> Iterator[Triple]:
    own = names.site
    yield from _entity(own, "Site", site.name)
    yield own, EMS.id, Literal(site.site_id)
    for key, value in (("timeZone", site.time_zone), ("currency", site.currency), ("country", site.country)):
        yield own, EMS[key], Literal(value)
    if site.floor_area_m2 is not None:
        yield from _property(own, "grossArea", Literal(site.floor_area_m2), "M2")
    if site.latitude_deg is not None and site.longitude_deg is not None:
        place = BNode()
        yield own, BRICK.coordinates, place
        yield place, BRICK.latitude, Literal(site.latitude_deg)
        yield place, BRICK.longitude, Literal(site.longitude_deg)
    given = site.model_dump(mode="json", exclude_defaults=True, include=set(SITE_FIELDS))
    yield from _fields(own, given)


def _meters(site: Site, names: _Names) -> Iterator[Triple]:
    for meter in site.meters:
        own, kind = names("meter", meter.meter_id), METERS[meter.carrier]
        is_top = meter.parent_on() is None and not meter.is_virtual and not meter.is_made_on_site
        yield from _entity(own, kind.building if is_top else kind.meter, meter.name)
        yield own, EMS.id, Literal(meter.meter_id)
        # A submeter measures a part of it, which nothing here says.
        if is_top:
            yield names.site, BRICK.isMeteredBy, own
        # Dated parents stand among the fields, for they are not true at once.
        if meter.parent is not None:
            yield names("meter", meter.parent), BRICK.hasSubMeter, own
        if meter.formula is not None:
            yield from _property(own, "isVirtualMeter", Literal(True))
            yield own, EMS.formula, Literal(meter.formula)
        for register in meter.registers:
            yield from _point(site, names, meter, register)
        yield from _fields(own, _rest(meter, "meter"))


def _point(site: Site, names: _Names, meter: Meter, register: Register) -> Iterator[Triple]:
    own = names("point", meter.meter_id, register.register_id)
    canonical = unit_of(register.unit).canonical
    kind = POINTS.get(canonical, METERS[meter.carrier].point)
    if canonical == "kwh" and register.register_id in GENERATED:
        kind = GENERATION_POINT
    yield from _entity(own, kind)
    yield names("meter", meter.meter_id), BRICK.hasPoint, own
    yield _unit(own, register.unit)
    yield own, EMS.register, Literal(register.register_id)
    yield from _series(own, f"{site.site_id}/{meter.meter_id}/{register.register_id}")
    yield from _fields(own, _rest(register, "register"))


def _unit(own: URIRef, code: str) -> Triple:
    """The unit in QUDT's words, or in ours where it has none that we know."""
    return (own, BRICK.hasUnit, UNIT[QUDT[code]]) if code in QUDT else (own, EMS.unit, Literal(code))


def _drivers(site: Site, names: _Names) -> Iterator[Triple]:
    for driver in site.drivers:
        own = names("driver", driver.driver_id)
        yield from _entity(own, DRIVERS.get(driver.unit, DRIVER), driver.name)
        yield own, EMS.id, Literal(driver.driver_id)
        yield names.site, BRICK.hasPoint, own
        yield _unit(own, driver.unit)
        yield from _series(own, f"{site.site_id}/{driver.driver_id}/value")
        yield from _fields(own, _rest(driver, "driver"))


def _assets(site: Site, names: _Names) -> Iterator[Triple]:
    for asset in site.assets:
        own = names("asset", asset.asset_id)
        yield from _entity(own, DEVICES.get(asset.kind, DEVICE), asset.name)
        yield own, EMS.id, Literal(asset.asset_id)
        yield own, EMS.kind, Literal(asset.kind)
        if asset.template:
            yield own, EMS.template, Literal(asset.template)
        if asset.meter is not None:
            yield own, BRICK.isMeteredBy, names("meter", asset.meter)
        yield own, BRICK.hasLocation, names.site
        given = _rest(asset, "asset")
        given["params"] = {name: each for name, each in asset.params.items() if not _PRIVATE.search(name.lower())}
        yield from _fields(own, {name: each for name, each in given.items() if each})


def _uses(site: Site, names: _Names) -> Iterator[Triple]:
    for use in site.seus:
        own = names("seu", use.seu_id)
        yield from _entity(own, "ems:Significant_Energy_Use", use.name)
        yield own, EMS.id, Literal(use.seu_id)
        yield own, EMS.of, names.site
        for meter in use.meters:
            yield own, EMS.measuredBy, names("meter", meter)
        for driver in use.drivers:
            yield own, EMS.dependsOn, names("driver", driver.driver_id)
        yield from _fields(own, _rest(use, "seu"))


def _tariffs(site: Site, names: _Names) -> Iterator[Triple]:
    for number, tariff in enumerate(site.tariffs):
        # Versions of one tariff may share its id.
        own = names("tariff", str(number), tariff.tariff_id)
        yield from _entity(own, "ems:Tariff_Schedule", tariff.name)
        yield own, EMS.id, Literal(tariff.tariff_id)
        yield own, EMS.of, names.site
        yield from _dated(own, tariff.valid_from, tariff.valid_to)
        yield from _fields(own, _rest(tariff, "tariff"))


def _factors(site: Site, names: _Names) -> Iterator[Triple]:
    for number, factor in enumerate(site.factors):
        own = names("factor", str(number), factor.factor_id)
        yield from _entity(own, "ems:Emission_Factor")
        yield own, EMS.id, Literal(factor.factor_id)
        yield own, EMS.of, names.site
        yield own, EMS.kgco2ePerKwh, Literal(repr(factor.kgco2e_per_kwh), datatype=XSD.decimal)
        yield own, EMS.source, Literal(factor.source)
        yield from _dated(own, factor.valid_from, factor.valid_to)
        yield from _fields(own, _rest(factor, "factor"))


def _entity(own: URIRef, kind: str, label: str = "") -> Iterator[Triple]:
    for name in (kind, ABOVE.get(kind)):
        if name:
            yield own, RDF.type, URIRef(uri(name))
    if label:
        yield own, RDFS.label, Literal(label)


def _property(own: URIRef, name: str, value: Literal, unit: str = "") -> Iterator[Triple]:
    """A property of Brick, whose value stands in a node of its own."""
    node = BNode()
    yield own, BRICK[name], node
    yield node, BRICK.value, value
    if unit:
        yield node, BRICK.hasUnit, UNIT[unit]


def _series(own: URIRef, name: str) -> Iterator[Triple]:
    """The series of a point, by the name that the lake has for it: site/stream/register."""
    node = BNode()
    yield own, REF.hasExternalReference, node
    yield node, RDF.type, REF.TimeseriesReference
    yield node, REF.hasTimeseriesId, Literal(name)


def _dated(own: URIRef, first: object, last: object) -> Iterator[Triple]:
    for name, day in (("validFrom", first), ("validTo", last)):
        if day is not None:
            yield own, EMS[name], Literal(str(day), datatype=XSD.date)


def _rest(model: Model | Seu | Asset, kind: str) -> dict[str, Any]:
    return model.model_dump(mode="json", exclude_defaults=True, exclude=SAID[kind])


def _fields(own: URIRef, given: Mapping[str, Any]) -> Iterator[Triple]:
    if given:
        text = json.dumps(given, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        yield own, EMS.fields, Literal(text)
