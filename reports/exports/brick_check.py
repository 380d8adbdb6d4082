"""Conformance of a graph to Brick 1.4: known terms, and relations between what they may join. Nothing is loaded for it.

The rules are those of Brick's own shapes for the relations that we write; tests hold them against SHACL.
"""

from collections.abc import Iterator

from rdflib import RDF, Graph, Literal, URIRef
from rdflib.term import Node

from data_quality.contracts.model import Model
from reports.exports.brick_terms import BRICK, UNIT, brick_terms, lineage

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
