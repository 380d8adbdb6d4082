"""A wrong call is one sentence that says what was expected; a command offers the shared options that it heeds."""

import dis
import importlib
import re
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestration.cli.main import PANELS, build_app
from orchestration.operations.commands import MODULES
from orchestration.operations.operation import OPERATIONS, Call

RUNNER = CliRunner()
ROOT = Path(__file__).resolve().parents[2]
# A command as a text names it: quoted, in a block of its own, or behind another; `meterloom rows` heads a file.
NAMED = re.compile(r"(?:['`(]|^ *(?:\$ )?|&& )meterloom (?!rows\b)([a-z][a-z-]*(?: [a-z][a-z-]*){0,2})", re.MULTILINE)
# What a command asks its call for, and the shared option that this comes from.
ASKED = {
    "project": "project_", "folder": "project_", "sources": "project_", "as_of_utc": "as_of_", "as_of_or_now": "as_of_",
    "fresh_marts": "as_of_",
    "places": "project_", "acting": "person_", "known_person": "person_", "person": "person_",
    "person_id": "person_", "has_actor": "person_",
}  # fmt: skip
# They keep the text before under who acts, where a page or a program signed in knows it; in a shell they sign nothing
# and anybody may, so that an option would only promise something.
WITHOUT_OPTION = {"sniff": {"person_"}, "tariff import": {"person_"}}


def run(*words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    result = RUNNER.invoke(build_app(), list(words))
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "kpis --site factory",
            "meterloom kpis needs --period (2025, 2025-Q1, 2025-03 or START/END), "
            "as in: meterloom kpis --site factory --period 2025-Q1 --grain month",
        ),
        (
            "kpis --period 2025 --grain week",
            "meterloom kpis: --grain: expected hour, day, month or year, got 'week'",
        ),
        ("quality --site", "meterloom: --site needs a value"),
        (
            "baseline savings --confidence high",
            "meterloom baseline savings: --confidence: expected a number, got 'high'",
        ),
        ("trace", "meterloom trace needs FIGURE_ID, as in: meterloom trace 4f1c2ab09d3e77aa --rows"),
        ("sniff a.csv --zone x", "meterloom sniff has no option --zone: 'meterloom sniff --help' lists what it has"),
        ("kpis --perod 2025", "meterloom kpis has no option --perod: did you mean --period?"),
        ("plan case.json --gap", "meterloom: --gap needs a value"),
        ("kpi", "meterloom: no such command 'kpi'. Did you mean 'kpis'?"),
        ("tariff show a.yaml b.yaml", "meterloom tariff show: got unexpected extra argument(s) (b.yaml)"),
        (
            "bill may.pdf",
            "meterloom bill: 'may.pdf' is no command; a file is given as in 'meterloom bill --load may.pdf', "
            "'meterloom bill --reads may.pdf' or 'meterloom bill reconcile may.pdf'",
        ),
        (
            "sniff a.csv --as-of 2025-01-01T00:00Z",
            "meterloom sniff has no option --as-of: it works on what is known now",
        ),
        (
            "--project plant kpis",
            "meterloom: --project stands behind the command, as in: meterloom COMMAND … --project",
        ),
        (
            "baseline --json list",
            "meterloom baseline: --json stands behind the command, as in: meterloom baseline COMMAND … --json",
        ),
        ("seu list --as anna", "meterloom seu list has no option --as: nobody signs for it"),
        (
            "keys list --as-of 2025-01-01T00:00Z",
            "meterloom keys list has no option --as-of: it works on what is known now",
        ),
    ],
)
def test_a_wrong_call_is_one_sentence_with_what_was_expected(words: str, said: str) -> None:
    assert run(*words.split()) == (2, "", said + "\n")


def test_a_bill_as_a_plain_argument_is_the_bill(tmp_path: Any) -> None:
    code, _, error = run("bill", "reconcile", str(tmp_path / "may.csv"), "--tariff", str(tmp_path / "t.json"))
    assert (code, "t.json" in error or "may.csv" in error) == (2, True)
    code, _, error = run("bill", "reconcile", "may.csv", "--bill", "june.csv")
    assert (code, error) == (2, "--bill june.csv and may.csv: expected one bill, got two\n")


def test_the_version_is_told_by_the_program_itself() -> None:
    code, out, _ = run("--version")
    assert (code, out.split()[0]) == (0, "meterloom")


def test_every_command_stands_once_in_the_help_under_what_one_wants() -> None:
    named = [name for names in PANELS.values() for name in names]
    assert len(named) == len(set(named))
    assert set(MODULES) <= set(named)
    out = run("--help")[1]
    assert [line.rstrip(":") for line in out.splitlines() if line.rstrip(":") in PANELS] == list(PANELS)
    assert out.count("...") == out.count("[ARGS]...")


def call_options(function: Callable[..., Any], seen: set[Any]) -> set[str]:
    """The shared options that a function, and those of the command line that it calls, ask the call for."""
    if function in seen:
        return set()
    seen.add(function)
    found: set[str] = set()
    for code in _codes(function.__code__):
        before: dis.Instruction | None = None
        for step in dis.get_instructions(code):
            if before is not None and before.opname.startswith("LOAD_") and before.argval == "call":
                is_asked = step.opname in ("LOAD_ATTR", "LOAD_METHOD") and step.argval in ASKED
                found |= {ASKED[step.argval]} if is_asked else set()
            before = step
        for name in code.co_names:
            found |= {option for each in _called(function, name) for option in call_options(each, seen)}
    return found


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _codes(each)


def _called(function: Callable[..., Any], name: str) -> list[Callable[..., Any]]:
    # Some are imported where they are needed only.
    late = importlib.import_module("orchestration.operations.signing")
    named = [names[name] for names in (function.__globals__, vars(late)) if name in names]
    found = getattr(named[0], "__wrapped__", named[0]) if named else None
    if isinstance(found, type):
        return [each for each in vars(found).values() if isinstance(each, FunctionType)]
    is_ours = isinstance(found, FunctionType) and found.__module__.startswith(
        ("orchestration.cli", "orchestration.operations")
    )
    return [found] if is_ours and not found.__module__.endswith((".frame", ".operation", ".answer", ".render")) else []


def _beginnings(words: str) -> list[str]:
    """`dr`, `dr loads`, `dr loads list`."""
    return list(accumulate(words.split(), "{} {}".format))


def test_every_command_that_a_text_names_is_there() -> None:
    build_app()
    names = {each.name for found in OPERATIONS.values() for each in found}
    groups = {before for each in names for before in _beginnings(each)[:-1]}
    wrong, seen = [], 0
    for path in texts():
        for words in NAMED.findall(path.read_text(encoding="utf-8")):
            seen += 1
            if not names.intersection(_beginnings(words)) and words not in groups:
                wrong.append(f"{path.relative_to(ROOT)}: meterloom {words}")
    assert wrong == []
    assert seen > 400


def texts() -> Iterator[Path]:
    """Every source of words for people: sources with their messages, pages, catalogues, documents."""
    yield from ROOT.glob("*.md")
    for folder in (
        "assets",
        "controls",
        "data_quality",
        "dbt_project/models",
        "deploy",
        "docs",
        "ml",
        "orchestration",
        "reports",
    ):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".md", ".yaml", ".yml", ".html", ".csv", ".js") and path.name != "CHANGELOG.md":
                yield path


def test_a_command_offers_the_shared_options_that_it_heeds_and_no_others() -> None:
    build_app()
    commands = [each for found in OPERATIONS.values() for each in found]
    assert len(commands) > 70
    heeded = {each.name: call_options(each.function, set()) for each in commands}
    offered = {each.name: set(each.takes) | WITHOUT_OPTION.get(each.name, set()) for each in commands}
    wrong = {name: (offered[name], heeded[name]) for name in heeded if offered[name] != heeded[name]}
    assert wrong == {}
    assert not [each.name for each in commands if set(each.takes) & WITHOUT_OPTION.get(each.name, set())]


def heeds_by_id_alone(call: Call) -> str:
    return call.person_id


def test_a_command_that_heeds_a_person_by_their_id_alone_is_found() -> None:
    assert call_options(heeds_by_id_alone, set()) == {"person_"}
