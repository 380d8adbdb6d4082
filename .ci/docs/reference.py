"""Reference pages that are made of the program: schemas of files, findings, clauses with results, benches, modules."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("data_quality", "assets", "ml", "controls", "reports", "orchestration")
# Calls that make a finding; each takes code and message first, or by name.
MAKERS = {"Finding", "finding", "_finding"}


def pages() -> dict[str, str]:
    """Address -> text of each page below reference/."""
    made = {"schemas": _schemas(), "findings": _findings(), "conformance": _conformance(), "benches": _benches()}
    made["modules"] = _modules()
    return {f"reference/{name}.md": "\n".join(lines) for name, lines in made.items()}


def _schemas() -> Iterator[str]:
    """Keys of each file that people write."""
    from controls.templates.load_templates import Template
    from data_quality.contracts.billing.tariff import Tariff
    from data_quality.contracts.organisation import Organisation
    from data_quality.contracts.people import People
    from data_quality.contracts.reporting.report_template import ReportTemplate
    from data_quality.contracts.settings import Settings
    from data_quality.contracts.site_file.site import Site

    files: dict[str, Any] = {
        "sites/SITE.yaml": Site, "tariff file": Tariff, "device template": Template, "report template": ReportTemplate,
        "organisation.yaml": Organisation, "people.yaml": People, "meterloom.yaml": Settings,
    }  # fmt: skip
    yield "# Keys of files\n\nMade of the program. A key that is not here is refused with file and line."
    for title, model in files.items():
        schema = model.model_json_schema()
        yield f"\n## {title}\n\n{_plain(schema.get('description'))}\n\n{_keys(schema)}"
        for name, inner in sorted(schema.get("$defs", {}).items()):
            if inner.get("properties"):
                yield f"\n**{name}**: {_plain(inner.get('description'))}\n\n{_keys(inner)}"


def _keys(schema: dict[str, Any]) -> str:
    rows = [
        (f"`{key}`" + (" *" if key in schema.get("required", ()) else ""), _type(each), _plain(each.get("description")))
        for key, each in schema.get("properties", {}).items()
    ]
    return _table(("key (* needed)", "value", "meaning"), rows)


def _type(schema: dict[str, Any]) -> str:
    """A schema in a few words: number, list of Meter, one of a, b."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema or "const" in schema:
        return ", ".join(map(str, schema.get("enum", [schema.get("const")])))
    if parts := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return " or ".join(dict.fromkeys(_type(each) for each in parts if each.get("type") != "null"))
    if schema.get("type") == "array":
        items = [_type(each) for each in schema.get("prefixItems", [schema.get("items", {})])]
        return f"list of {', '.join(dict.fromkeys(items))}"
    return str(schema.get("format") or schema.get("type") or "any")


def _findings() -> Iterator[str]:
    """Each code with its sentences and severities as the source makes them."""
    found: dict[str, tuple[set[str], set[str], set[str]]] = {}
    for path in sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "id", getattr(call.func, "attr", "")) in MAKERS:
                given = dict(zip(("code", "message", "severity"), call.args, strict=False))
                given |= {each.arg: each.value for each in call.keywords if each.arg}
                code, severity = given.get("code"), given.get("severity")
                if isinstance(code, ast.Constant) and isinstance(code.value, str):
                    sentences, severities, rooms = found.setdefault(code.value, (set(), set(), set()))
                    rooms.add(path.relative_to(ROOT).parent.as_posix())
                    sentences.update(filter(None, [_pattern(given.get("message"))]))
                    known = severity.value if isinstance(severity, ast.Constant) else "by the case"
                    severities.add(
                        str(known if severity else "warning" if "Finding" in ast.unparse(call.func) else known)
                    )
    yield (
        "# Codes of findings\n\nMade of the source. `{…}` stands for what differs; a code without a sentence words it "
        "by the case. *blocking* stops approval and publication unless somebody waives it in writing. What to do about "
        "an open one: `meterloom findings list --site SITE`, then acknowledge, mute or explain it.\n"
    )
    rows = [
        (f"`{code}`", "; or ".join(sorted(map(_plain, texts))), ", ".join(sorted(grave)), ", ".join(sorted(rooms)))
        for code, (texts, grave, rooms) in sorted(found.items())
    ]
    yield _table(("code", "sentence", "severity", "found in"), rows)


def _pattern(message: ast.expr | None) -> str:
    """The sentence's fixed words; empty where another line words it."""
    if isinstance(message, ast.Call) and getattr(message.func, "id", "") == "Sentence" and message.args:
        message = message.args[0]
    if isinstance(message, ast.Constant):
        return re.sub(r"\{\d+\}", "{…}", str(message.value))
    if isinstance(message, ast.JoinedStr):
        return "".join(str(each.value) if isinstance(each, ast.Constant) else "{…}" for each in message.values)
    return ""


def _conformance() -> Iterator[str]:
    """Every clause with the result of its case, computed now. Raises RuntimeError where one fails."""
    from ml.conformance.register import conformance_rows

    rows = conformance_rows()
    if failed := [row.test for row in rows if row.result == "fail"]:
        raise RuntimeError(f"conformance fails: {', '.join(failed)}")
    yield "# Conformance\n\nMade by `meterloom conformance`. A pass is our own case, no certificate.\n"
    yield _table(
        ("standard", "clause", "what must be true", "result", "note"),
        [(row.standard, row.clause, row.statement, row.result, row.note) for row in rows],
    )


def _benches() -> Iterator[str]:
    """The benches that are there; figures that were kept stand on the page of capacity."""
    yield "# Benches\n\nMade of `tests/bench`: each measures a ratio or memory, never a wall clock. Kept figures: "
    yield "[capacity](../ems/capacity.md). `make bench` runs those of a release; each runs alone as below.\n"
    paths = sorted((ROOT / "tests" / "bench").glob("*_bench.py"))
    rows = [(f"`python -m tests.bench.{path.stem}`", _first(path)) for path in paths]
    yield _table(("command", "measures"), rows)


def _modules() -> Iterator[str]:
    """Every module by room and folder."""
    yield "# Modules\n\nMade of the source: the first words of each module. Rules of a room stand in its README.\n"
    for room in ROOMS:
        yield f"\n## {room}\n"
        for folder in sorted({path.parent for path in (ROOT / room).rglob("*.py")}):
            paths = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
            if paths:
                yield f"\n**{folder.relative_to(ROOT).as_posix()}**: {_first(folder / '__init__.py')}\n"
                yield _table(("module", "content"), [(f"`{path.name}`", _first(path)) for path in paths])


def _first(path: Path) -> str:
    """The first paragraph of a module's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) if path.exists() else ""
    return (text or "").partition("\n\n")[0]


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *(tuple(_plain(cell) for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _plain(text: str | None) -> str:
    """On one line of a table, tags and bars shown as they are written; within code nothing else shows them."""
    parts = " ".join((text or "").split()).split("`")
    parts[::2] = [part.replace("&lt;", "<").replace("<", "&lt;").replace("|", "&#124;") for part in parts[::2]]
    return "`".join(parts)
