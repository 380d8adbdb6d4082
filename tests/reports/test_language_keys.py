"""No language keeps a word that nothing says any more."""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache

from reports.texts.locales import languages, rules_of
from tests.house.measures import ROOMS, ROOT, tracked
from tests.syntax import parsed

# What a sentence is made of must say something itself, or hold a place: "{a} {b}" would make any.
ENOUGH = r"[^\W\d_]{3}|[^\W\d_].*\\{\d|\\{\d.*[^\W\d_]"
RAW = (".html", ".js", ".yaml", ".yml", ".csv", ".sql")


@cache
def code_texts() -> tuple[frozenset[str], str, tuple[re.Pattern[str], ...]]:
    """Strings of the modules, text of all other files, and patterns of strings with places, all in small letters."""
    strings, texts, made = set[str](), list[str](), set[str]()
    for path in (each for each in tracked() if each.relative_to(ROOT).parts[0] in ROOMS):
        if path.suffix in RAW and "languages" not in path.parts:
            # YAML folds a long sentence into lines.
            texts.append(" ".join(path.read_text(encoding="utf-8").lower().split()))
        elif path.suffix == ".py":
            for each in ast.walk(parsed(path.read_text(encoding="utf-8"))):
                if isinstance(each, ast.Constant) and isinstance(each.value, str):
                    strings.add(each.value.lower().strip())
                elif isinstance(each, ast.JoinedStr):
                    made.add("".join(_piece(part) for part in each.values).lower())
    kept = tuple(re.compile(each, re.DOTALL) for each in made if re.search(ENOUGH, each))
    return frozenset(strings), "\n".join(texts), kept


def _piece(part: ast.expr) -> str:
    return re.escape(part.value) if isinstance(part, ast.Constant) and isinstance(part.value, str) else ".*"


def forms(key: str) -> Iterator[str]:
    """Forms of a word in code: as it is, or as the code whose words it is."""
    small = key.lower()
    yield from (small, small.replace(" ", "_"), small.replace(" ", "-"))


def unsaid(keys: Iterable[str]) -> list[str]:
    """Keys that nothing of the rooms can say."""
    strings, text, made = code_texts()
    return [
        key
        for key in sorted(keys)
        if not any(form in strings or form in text for form in forms(key))
        and not any(each.fullmatch(key.lower()) for each in made)
    ]


def test_every_word_of_a_language_is_said_somewhere() -> None:
    keys = {key for each in languages() for words in (rules_of(each).pages, rules_of(each).reports) for key in words}
    assert len(keys) > 1000
    assert unsaid(keys) == []


def test_a_word_that_nothing_says_is_found() -> None:
    assert unsaid(["Findings", "Words that nobody ever wrote here"]) == ["Words that nobody ever wrote here"]
