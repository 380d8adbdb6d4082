"""Every number that a command prints has an id that `trace` takes; commands whose numbers are none are named."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import call_here
from tests.oracle.examples import COMMANDS, DEMO, LeftOut
from tests.oracle.inputs import write_inputs

# Numbers that say how much, by the names that answers have for them: no prices a unit, no shares, no times.
MEASURE = re.compile(
    r"value|total|amount|billed|recomputed|expected|difference|objective|enpi|deviation_percent"
    r"|p5|p10|p50|p90|p95|(?!.*_per_)(.*_)?(kwh|kw|kgco2e|cost|savings?)"
)
# Commands with numbers that are no figures, and why; one that prints none any more goes from here.
NO_FIGURES: dict[str, str] = {}


def unnamed(said: Any, ids: dict[str, str], at: str = "", *, has_ids: bool = False) -> Iterator[str]:
    """Places of measures that have an id neither beside them nor among the answer's."""
    if isinstance(said, list):
        for row, each in enumerate(said):
            yield from unnamed(each, ids, f"{at}/{row}")
    elif isinstance(said, dict):
        has_ids = has_ids or bool(said.get("figure_id")) or bool(_beside(said))
        for name, each in said.items():
            place = f"{at}/{name}"
            if not isinstance(each, int | float) or isinstance(each, bool):
                yield from unnamed(each, ids, place, has_ids=has_ids)
            elif MEASURE.fullmatch(name) and not has_ids and place not in ids:
                yield place


def _beside(said: dict[str, Any]) -> list[str]:
    found = said.get("figures")
    return [each for each in found.values() if each and isinstance(each, str)] if isinstance(found, dict) else []


def ids_in(said: Any) -> Iterator[str]:
    """Ids beside numbers, wherever they stand."""
    if isinstance(said, dict):
        yield from (each for each in [said.get("figure_id"), *_beside(said)] if each)
    for each in said.values() if isinstance(said, dict) else said if isinstance(said, list) else ():
        yield from ids_in(each)


def walked(folder: Path) -> Iterator[tuple[str, str, Any]]:
    """Name, words and answer of each command that the oracle has an example of; those that are refused are left out."""
    for name, examples in COMMANDS.items():
        for example in () if isinstance(examples, LeftOut) else examples:
            words = f"{name} {re.sub(r'{(item|figure|last_figure|kpi_figure)}', 'none', example).format(**DEMO)}"
            _, said, _ = call_here(*shlex.split(words), "--project", str(folder))
            if said is not None:
                yield name, words, said


def test_every_number_of_a_command_has_an_id_that_trace_takes(
    demo: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_inputs(tmp_path / "inputs")
    bare, traced, faults = dict[str, set[str]](), set[str](), list[str]()
    for name, words, said in walked(demo[0]):
        ids = said.get("figure_ids", {})
        bare.setdefault(name, set()).update(re.sub(r"/\d+", "[]", each) for each in unnamed(said, ids))
        for figure_id in [*list(ids_in(said))[:1], *list(ids.values())[-1:]]:
            code, told, fault = call_here("trace", figure_id, "--project", str(demo[0]))
            traced.add(name)
            if code != 0 or not told["is_equal"]:
                faults.append(f"{words}: {figure_id}: {code} {fault}")
    assert faults == []
    assert {name: places for name, places in bare.items() if places and name not in NO_FIGURES} == {}
    assert {name for name in NO_FIGURES if not bare.get(name)} == set()
    assert {"bill", "bill list", "baseline savings", "running", "kpis", "carbon group", "plan", "simulate"} <= traced
