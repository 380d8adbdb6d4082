"""Every number that a command prints has an id that `trace` takes; commands whose numbers are none are named."""

import re
import shlex
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import call_here
from tests.oracle.examples import COMMANDS, DEMO, LeftOut
from tests.oracle.inputs import write_inputs

# Numbers that a computation makes, by the names that answers have for them: no counts, times, versions, shares of
# readings, and nothing that a file states.
MEASURE = re.compile(
    r"value|total|amount|quantity|sum|billed|recomputed|expected|difference|objective|enpi"
    r"|(deviation|savings)_percent|without_control|income|penalty|low|high|half_width|costs|by_owner"
    r"|p5|p10|p50|p90|p95|(?!.*_per_)(.*_)?(kwh|kw|kgco2e|cost|money|savings?)"
    r"|rate|above_cheapest|bound|first_gap|gap|gap_alone|energy|demand|wear|intercept|standard_error|vif|ci_low|ci_high"
    r"|p_value|f_p_value|r2|r2_adj|cvrmse(_\w+)?|pnrmse|rrmse|rmse_\w+|nmbe_\w+|mae|bias|bic|rho1|durbin_watson|delta_e"
    r"|discomfort_degree_hours|cycles|breach_share|saved_share|uncertainty_share|self_consumption"
)
# Acts, and what is told of a time to come: no recording is made of them.
BY_THE_CLOCK = ("plan --site home --for tomorrow", "dr plan --site tower --event {event} --target-kw 20")
# Some of each kind: of files, of a project, acts, and what is asked by the clock.
TRACED = {
    "bill", "bill list", "baseline savings", "running", "kpis", "carbon group", "plan", "simulate", "dr plan",
    "quality", "enpi", "advise list", "baseline project",
}  # fmt: skip
# Acts whose numbers are quoted as they were printed, and not made again.
QUOTED = {"plan"}
# In their order, in parts that each end in time on a machine at work.
EVERY, A_PART = [*COMMANDS, *BY_THE_CLOCK], 24
# Commands with numbers that are no figures, and why; one that prints none any more goes from here.
NO_FIGURES: dict[str, str] = {}


def unnamed(said: Any, ids: dict[str, str], at: str = "", name: str = "", *, has_id: bool = False) -> Iterator[str]:
    """Places of measures that have an id neither beside them nor among the answer's."""
    if isinstance(said, int | float) and not isinstance(said, bool):
        if MEASURE.fullmatch(name) and not has_id and at not in ids:
            yield at
    elif isinstance(said, list):
        for row, each in enumerate(said):
            # Numbers of a series have its name, and its id.
            is_row = isinstance(each, dict | list)
            yield from unnamed(each, ids, f"{at}/{row}", "" if is_row else name, has_id=has_id and not is_row)
    elif isinstance(said, dict):
        has_own, beside = has_id or bool(said.get("figure_id")), _beside(said)
        for key, each in said.items():
            yield from unnamed(each, ids, f"{at}/{key.replace('/', '~1')}", key, has_id=has_own or key in beside)


def _beside(said: dict[str, Any]) -> dict[str, str]:
    found = said.get("figures")
    named = found.items() if isinstance(found, dict) else ()
    return {name: each for name, each in named if each and isinstance(each, str)}


def ids_in(said: Any) -> Iterator[str]:
    """Ids beside numbers, wherever they stand."""
    if isinstance(said, dict):
        yield from (each for each in [said.get("figure_id"), *_beside(said).values()] if each)
    for each in said.values() if isinstance(said, dict) else said if isinstance(said, list) else ():
        yield from ids_in(each)


def walked(folder: Path, names: Sequence[str]) -> Iterator[tuple[str, str, Any]]:
    """Name, words and answer of each command that the oracle has an example of; those that are refused are left out."""
    for name in (each for each in names if each in COMMANDS):
        examples = COMMANDS[name]
        for example in () if isinstance(examples, LeftOut) else examples:
            words = f"{name} {re.sub(r'{(item|figure|last_figure|kpi_figure)}', 'none', example).format(**DEMO)}"
            _, said, _ = call_here(*shlex.split(words), "--project", str(folder))
            if said is not None:
                yield name, words, said
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    event = f"{tomorrow}T14:00/{tomorrow}T16:00"
    for words in (each.format(event=event) for each in BY_THE_CLOCK if each in names):
        code, said, fault = call_here(*shlex.split(words), "--project", str(folder))
        assert code == 0, fault
        yield words.partition(" --")[0], words, said


def run_in(names: Sequence[str]) -> set[str]:
    """Names of the commands of which a walk over these runs an example."""
    return {each.partition(" --")[0] for each in names if not isinstance(COMMANDS.get(each), LeftOut)}


@pytest.mark.parametrize("names", [EVERY[at : at + A_PART] for at in range(0, len(EVERY), A_PART)], ids=lambda n: n[0])
def test_every_number_of_a_command_has_an_id_that_trace_takes(
    demo: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_inputs(tmp_path / "inputs")
    bare, traced, faults = dict[str, set[str]](), set[str](), list[str]()
    for name, words, said in walked(demo[0], names):
        ids = said.get("figure_ids", {})
        bare.setdefault(name, set()).update(re.sub(r"/\d+", "[]", each) for each in unnamed(said, ids))
        for figure_id in [*list(ids_in(said))[:1], *list(ids.values())[-1:]]:
            code, told, fault = call_here("trace", figure_id, "--project", str(demo[0]))
            traced.add(name)
            is_quoted = code == 0 and told["is_equal"] is None and name in QUOTED
            if code != 0 or not (told["is_equal"] or is_quoted):
                faults.append(f"{words}: {figure_id}: {code} {fault}")
    assert faults == []
    assert {name: places for name, places in bare.items() if places and name not in NO_FIGURES} == {}
    assert {name for name in NO_FIGURES if name in names and not bare.get(name)} == set()
    assert traced >= TRACED & run_in(names)


def test_every_command_that_must_be_traced_is_in_a_part() -> None:
    assert run_in(EVERY) >= TRACED | QUOTED | NO_FIGURES.keys()
