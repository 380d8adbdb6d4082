"""One German term for each term of ISO 50001, IPMVP and the GHG Protocol, in every text that has it in English.

`python -m tests.reports.test_glossary` writes docs/ems/glossary.md.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from ruamel.yaml import YAML

from reports.content.templates import BUILT_IN
from reports.texts import locales
from tests.house.measures import ROOT

TERMS = YAML(typ="safe").load((locales._FOLDER / "glossary" / "terms.yaml").read_text(encoding="utf-8"))["terms"]
PAGE = ROOT / "docs" / "ems" / "glossary.md"
HEAD = """# Glossary
What a term of ISO 50001, IPMVP and the GHG Protocol is called in German reports and pages. The list is
[terms.yaml](../../reports/texts/languages/glossary/terms.yaml); a test holds every German text to it whose English
one has the term, and this page is made of it.

| English | German | Term of |
|---|---|---|
"""


def _texts(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, dict):
        if isinstance(value.get("en"), str):
            yield value["en"], value.get("de", "")
        for each in value.values():
            yield from _texts(each)


@cache
def of_templates() -> dict[str, str]:
    """Texts of the package's templates: English -> German, empty where the template has none."""
    paths = sorted(BUILT_IN.rglob("*.yaml"))
    return dict(pair for path in paths for pair in _texts(YAML(typ="safe").load(path.read_text(encoding="utf-8"))))


@cache
def pairs() -> dict[str, str]:
    """All texts in both languages."""
    rules = locales.rules_of("de")
    return {key: said for key, said in of_templates().items() if said} | dict(rules.reports) | dict(rules.pages)


def has(text: str, term: str) -> bool:
    """True where the English text has the term, also in the plural."""
    return re.search(rf"(?<![\w-]){re.escape(term)}s?\b", text, re.IGNORECASE) is not None


@pytest.mark.parametrize("term", TERMS, ids=lambda term: str(term["en"]))
def test_a_german_text_uses_the_term_of_the_glossary(term: dict[str, Any]) -> None:
    mine = {english: german for english, german in pairs().items() if has(english, term["en"])}
    assert mine
    other = [
        (english, german)
        for english, german in mine.items()
        if not any(each.casefold() in german.casefold() for each in term["said"])
    ]
    assert other == []


def test_every_text_of_a_template_has_german_and_every_german_word_arabic() -> None:
    german, arabic = locales.rules_of("de"), locales.rules_of("ar")
    lists = {
        str(YAML(typ="safe").load(path.read_text())["descriptions"].get("en")) for path in BUILT_IN.rglob("*.yaml")
    }
    left = [
        text
        for text, said in of_templates().items()
        if not said
        and text not in lists
        and text not in {**german.reports, **german.pages}
        # A place alone, a unit or a number holds no word.
        and re.search(r"[^\W\d_]{4}", re.sub(r"\{\w+\}", "", text))
    ]
    assert left == []
    assert set(german.reports) - {*arabic.reports, *arabic.pages} == set()


def page() -> str:
    """The page as the terms make it."""
    return HEAD + "".join(f"| {each['en']} | {each['de']} | {each['of']} |\n" for each in TERMS)


def test_the_page_is_made_of_the_terms() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
