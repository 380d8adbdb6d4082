"""The promise of the API is kept: nothing goes, no further input is required."""

import copy
import json
from typing import Any

import pytest

from tests.web.openapi_golden import GOLDEN, breaking, present
from tests.web.served import Served

BODY = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Sent"}}}}
BEFORE: dict[str, Any] = {
    "paths": {"/a": {"post": {"parameters": [{"name": "site"}], "x-permission": "ems.read", "requestBody": BODY}}},
    "components": {"schemas": {"Sent": {"properties": {"name": {}, "note": {}}, "required": ["name"]}}},
}


def test_nothing_that_was_promised_is_broken() -> None:
    assert breaking(json.loads(GOLDEN.read_text()), present()) == []


def test_everything_there_is_is_promised() -> None:
    """Renew with `python -m tests.web.openapi_golden`."""
    assert json.loads(GOLDEN.read_text()) == present()


def changed(*path: str, to: Any) -> dict[str, Any]:
    made = copy.deepcopy(BEFORE)
    at = made
    for each in path[:-1]:
        at = at[each]
    at[path[-1]] = to
    return made


SENT = ("components", "schemas", "Sent")


@pytest.mark.parametrize(
    ("now", "word"),
    [
        (changed("paths", to={}), "is gone"),
        (changed("paths", "/a", to={"get": {}}), "POST /a is gone"),
        (changed("paths", "/a", "post", "parameters", to=[]), "parameter site is gone"),
        (changed("paths", "/a", "post", "parameters", to=[{"name": "site", "required": True}]), "site is now needed"),
        (changed("paths", "/a", "post", "x-permission", to="ems.write"), "needs ems.write and needed ems.read"),
        (changed(*SENT, "properties", to={"name": {}}), "body's note is gone"),
        (changed(*SENT, "required", to=["name", "note"]), "body's note is now needed"),
    ],
)
def test_a_break_is_found(now: dict[str, Any], word: str) -> None:
    assert any(word in each for each in breaking(BEFORE, now))


def test_what_is_added_breaks_nothing() -> None:
    now = changed("paths", "/b", to={"get": {}})
    now["components"]["schemas"]["Sent"]["properties"]["more"] = {}
    assert breaking(BEFORE, now) == []


def test_the_api_is_described_to_who_is_signed_in_as_document_and_as_page(shared: Served) -> None:
    browser = shared.browser("tenant")
    found = browser.ask("/api/openapi.json").said
    assert found["openapi"] == "3.1.0"
    assert found["paths"]["/api/docs"]["get"]["x-permission"] == "signed in"
    page = browser.ask("/api/docs", headers=[("accept", "text/html")])
    assert "/api/openapi.json" in page.text
