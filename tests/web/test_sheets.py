"""Every class of the sheets is one that something of the pages has."""

import re
from pathlib import Path

from tests.house.measures import ROOT, tracked

STATIC = ROOT / "orchestration" / "web" / "static"
DRAWN = (".py", ".html", ".js", ".yaml")


def sources() -> str:
    """Text of all that makes markup: templates, modules and scripts of the pages."""
    places = (ROOT / "orchestration" / "web", ROOT / "reports")
    made = (each for each in tracked() if each.suffix in DRAWN and any(each.is_relative_to(of) for of in places))
    return "\n".join(each.read_text(encoding="utf-8") for each in made if ".min." not in each.name)


def classes(sheet: str) -> set[str]:
    """Classes that a sheet names in its selectors."""
    sheet = re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL)
    return set(re.findall(r"\.([a-zA-Z][\w-]*)", re.sub(r"\{[^{}]*\}", "{}", sheet)))


def unused(sheet: str, source: str) -> list[str]:
    """Classes that stand nowhere, neither whole nor as a beginning that something is put behind."""
    words = set(re.findall(r"[\w-]+", source))

    def is_made(name: str) -> bool:
        stem = re.escape(re.sub(r"\d+$" if name[-1].isdigit() else r"[^-]+$", "", name))
        return bool(stem) and re.search(rf"(?<![\w-]){stem}(\{{|\$\{{|[\"'] [~+])", source) is not None

    return sorted(each for each in classes(sheet) if each not in words and not is_made(each))


def test_no_rule_is_for_a_class_that_nothing_has() -> None:
    source = sources()
    found = {path.name: unused(path.read_text(encoding="utf-8"), source) for path in Path(STATIC).glob("*.css")}
    assert {"app.css", "charts.css"} <= found.keys()
    assert not any(found.values()), found
    assert unused(".card { color: red } .nobody-has-it, .c3 { color: red }", source) == ["nobody-has-it"]
