"""Faults of our exports by the schemas that standards publish, which stand in tests/golden/published."""

import json
import lzma
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from lxml import etree

from tests.conftest import ROOT

FOLDER = ROOT / "tests" / "golden" / "published"
ATOM = "{http://www.w3.org/2005/Atom}"


@cache
def _espi() -> etree.XMLSchema:
    return etree.XMLSchema(etree.fromstring(lzma.decompress((FOLDER / "espi-3.3.20200320.xsd.xz").read_bytes())))


@cache
def _openadr(kind: str) -> Draft202012Validator:
    schemas = json.loads(lzma.decompress((FOLDER / "openadr-3.1.0.json.xz").read_bytes()))
    # OpenAPI 3.0 says in a word of its own what JSON Schema says by a type.
    return Draft202012Validator(
        {"$ref": f"#/components/schemas/{kind}", "components": {"schemas": _with_null(schemas)}},
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )


def _with_null(said: Any) -> Any:
    if isinstance(said, list):
        return [_with_null(each) for each in said]
    if not isinstance(said, dict):
        return said
    found = {name: _with_null(each) for name, each in said.items() if name != "nullable"}
    return {"anyOf": [found, {"type": "null"}]} if said.get("nullable") is True else found


def espi_faults(path: Path) -> tuple[int, list[str]]:
    """Number of ESPI elements of a Green Button file, and what the schema says against them."""
    found = [each for entry in etree.parse(str(path)).iter(f"{ATOM}content") for each in entry]
    schema, faults = _espi(), list[str]()
    for each in found:
        if not schema.validate(etree.ElementTree(etree.fromstring(etree.tostring(each)))):
            faults += [str(fault.message) for fault in schema.error_log]
    return len(found), faults


def openadr_faults(kind: str, body: Any) -> list[str]:
    """Faults of a body of OpenADR 3.1 by a schema of its description: `report`, `reportRequest`, `event`…"""
    return [f"{each.json_path}: {each.message}" for each in _openadr(kind).iter_errors(body)]
