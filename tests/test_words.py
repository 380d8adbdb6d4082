"""Names and first sentences use the field's nouns: names that were given up, and phrases that describe instead."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.syntax import parsed

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("assets", "controls", "data_quality", "ml", "orchestration", "reports")
# Name that was given up -> the field's noun.
RETIRED = {
    "again": "recompute",
    "asked": "figures, query",
    "at_the_turn": "repartition",
    "bench": "context",
    "beside": "offload",
    "clauses": "conformance",
    "doubts": "blockers",
    "enpi_of_use": "enpi",
    "freed": "unconstrained",
    "gather": "queries, load",
    "give_away": "offload",
    "life": "lifecycle",
    "made_here": "local_build",
    "metered": "meter_verification",
    "moves": "transitions",
    "past_day": "day_scenario",
    "pieces": "components",
    "porch": "middleware",
    "relived": "with_state",
    "rows_apart": "subprocess_sql",
    "savings_of": "savings",
    "show": "render",
    "sieve": "row_filter",
    "standing": "caveats",
    "stood_in": "sensor_fallback",
    "tell_dagster": "report_to_dagster",
    "together": "portfolio_tiles",
    "understood": "set_points",
    "who_answers": "model_fallback",
    "windows_of_marts": "incremental",
    "wishes": "objective",
}
# Identifier that was given up -> the field's noun.
RETIRED_NAMES = {
    "give_away": "offload",
}
PHRASES = re.compile(
    r"\b(what is asked|(as|was|were) known then|stands? against|(is|are|was|has) told|at the turn|as it was known"
    r"|gives? away|whoever asks|what every handler is given)\b|^(whose|whatever|whoever)\b",
    re.IGNORECASE,
)


def module_names(paths: list[str]) -> list[str]:
    """Modules and folders with a name that was given up, with the noun that stands for it."""
    found = {}
    for path in paths:
        for place, part in enumerate(parts := Path(path).with_suffix("").parts):
            if part in RETIRED:
                found["/".join(parts[: place + 1])] = RETIRED[part]
    return [f"{name}: write {noun}" for name, noun in found.items()]


def identifiers(source: str) -> Iterator[str]:
    """Names of classes, functions, parameters and variables that a source binds."""
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def first_sentences(source: str) -> Iterator[str]:
    """The first line of each docstring of a module, class or function."""
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
            yield text.split("\n")[0]


def files() -> list[str]:
    return [path.relative_to(ROOT).as_posix() for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def test_no_module_has_a_name_that_was_given_up() -> None:
    assert module_names(files()) == []


@pytest.mark.parametrize("room", ROOMS)
def test_no_identifier_is_one_that_was_given_up(room: str) -> None:
    found = {
        f"{name}: {each}: write {RETIRED_NAMES[each]}"
        for name in files()
        if name.startswith(f"{room}/")
        for each in identifiers((ROOT / name).read_text(encoding="utf-8"))
        if each in RETIRED_NAMES
    }
    assert found == set()


@pytest.mark.parametrize("room", ROOMS)
def test_no_first_sentence_describes_what_has_a_noun(room: str) -> None:
    told = [
        f"{name}: {sentence}"
        for name in files()
        if name.startswith(f"{room}/")
        for sentence in first_sentences((ROOT / name).read_text(encoding="utf-8"))
        if PHRASES.search(sentence)
    ]
    assert told == []


def test_what_describes_is_seen() -> None:
    assert module_names(["controls/agent/moves.py", "reports/life/due.py", "reports/figures/query.py"]) == [
        "controls/agent/moves: write transitions",
        "reports/life: write lifecycle",
    ]
    assert set(identifiers("class Bench:\n    x: int = 1\n\n    def put(self, y): z = y\n")) == {
        "Bench", "x", "put", "self", "y", "z",
    }  # fmt: skip
    assert [bool(PHRASES.search(each)) for each in first_sentences('"""What a device is told."""\n\nx = 1\n')] == [True]
