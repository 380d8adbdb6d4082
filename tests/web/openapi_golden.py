"""Renew what the API promises: `python -m tests.web.openapi_golden`. Only for what is added; a break is refused."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestration.open_project import OpenProject
from orchestration.web.api.openapi import described
from orchestration.web.app import make_app

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "openapi.json"


def present() -> dict[str, Any]:
    """The document of this checkout."""
    app = make_app(OpenProject("."), clock=None, signed_in=lambda _: None)  # type: ignore[arg-type]
    return described(app)


def breaking(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Sentences about what a program that relies on `before` would miss, or would now have to send."""
    found = []
    for path, methods in before["paths"].items():
        for method, said in methods.items():
            present = now["paths"].get(path, {}).get(method)
            if present is None:
                found.append(f"{method.upper()} {path} is gone")
                continue
            found += [f"{method.upper()} {path}: {what}" for what in _broken(said, present, before, now)]
    return found


def _broken(before: dict[str, Any], now: dict[str, Any], old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    names = {each["name"] for each in now.get("parameters", [])}
    known = {each["name"]: each.get("required", False) for each in before.get("parameters", [])}
    yield from (f"parameter {name} is gone" for name in sorted(known.keys() - names))
    for each in now.get("parameters", []):
        if each.get("required") and not known.get(each["name"], False):
            yield f"parameter {each['name']} is now needed"
    if before.get("x-permission") != now.get("x-permission"):
        yield f"needs {now.get('x-permission')} and needed {before.get('x-permission')}"
    was, is_now = _body(before, old), _body(now, new)
    yield from (f"the body's {name} is gone" for name in sorted(was.keys() - is_now.keys()))
    for name, is_needed in is_now.items():
        if is_needed and not was.get(name, False):
            yield f"the body's {name} is now needed"


def _body(said: dict[str, Any], document: dict[str, Any]) -> dict[str, bool]:
    """Fields of the JSON body, and whether each must be there."""
    content = said.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    name = content.get("$ref", "").rpartition("/")[2]
    schema = document["components"].get("schemas", {}).get(name, content)
    return {field: field in schema.get("required", ()) for field in schema.get("properties", {})}


def main() -> int:
    """Write it, unless it breaks what stands there; 1 then."""
    now = present()
    found = breaking(json.loads(GOLDEN.read_text()), now) if GOLDEN.exists() else []
    if found:
        sys.stderr.write("\n".join(found) + "\n")
        return 1
    GOLDEN.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
