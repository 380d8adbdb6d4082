"""Terms of Brick 1.4 as the product ships them: `python -m tests.exports.brick_terms` rewrites them.

Names and places in the hierarchy alone; definitions stay with the ontology, which the package brickschema holds.
"""

import json
from pathlib import Path

import brickschema
from rdflib import OWL, RDF, RDFS, BNode, Graph, Namespace

from reports.exports.brick_terms import TERMS_FILE

BRICK = Namespace("https://brickschema.org/schema/Brick#")
ONTOLOGY = Path(brickschema.__file__).parent / "ontologies" / "1.4" / "Brick.ttl"


def terms(ontology: Graph) -> dict[str, object]:
    """version, classes (name -> names of the classes above) and properties."""
    version = sorted(str(each) for each in ontology.objects(None, OWL.versionInfo) if str(each).startswith("1."))
    classes = {
        name(each): sorted(
            name(above)
            for above in ontology.objects(each, RDFS.subClassOf)
            if not isinstance(above, BNode) and ours(above)
        )
        for each in ontology.subjects(RDF.type, OWL.Class)
        if not isinstance(each, BNode) and ours(each)
    }
    kinds = (OWL.ObjectProperty, OWL.DatatypeProperty, OWL.AsymmetricProperty, BRICK.EntityProperty)
    properties = {name(each) for kind in kinds for each in ontology.subjects(RDF.type, kind) if ours(each)}
    # Parts of a value: no property of an entity, and named by shapes alone.
    properties |= {"value", "latitude", "longitude"}
    return {"version": version[-1], "classes": dict(sorted(classes.items())), "properties": sorted(properties)}


def ours(term: object) -> bool:
    """A name of Brick itself."""
    return str(term).startswith(str(BRICK))


def name(term: object) -> str:
    """Local name."""
    return str(term).removeprefix(str(BRICK))


if __name__ == "__main__":
    TERMS_FILE.write_text(json.dumps(terms(Graph().parse(ONTOLOGY)), separators=(",", ":"), sort_keys=True) + "\n")
