"""Every kind of part writes exactly the rows that stand in tests/golden/lp, from the part in its first line."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from controls.optimiser.backends.program import Program
from controls.optimiser.backends.solve_pulp import readable
from controls.optimiser.devices.battery import Battery
from controls.optimiser.devices.connection import Connection
from controls.optimiser.devices.device import CaseContext, Device, Part
from controls.optimiser.devices.kinds import KINDS
from controls.optimiser.lp_build import build_problem, label_of
from tests.controls.optimiser.toys import TOY, changed

GOLDEN = Path(__file__).parents[2] / "golden" / "lp"
# A connection by its prices, and one by a tariff's own bill: tiers that fall, a demand charge, a peak already incurred.
PARTS: dict[str, type[Part]] = {
    **KINDS,
    "connection": Connection,
    "connection_bill": Connection,
    # The same with all that a battery may say beyond its ratings.
    "battery_curves": Battery,
}
# Two unequal steps; the prices of the second would pay for importing and exporting at once.
CASE = changed(
    TOY,
    step_h=(1.0, 0.25),
    pv_kw=(0.5, 3.0),
    import_price_per_kwh=(0.10, -0.05),
    demand_price_per_kw=2.0,
    limit_min_kw=1.0,
    soc_min_kwh=0.2,
    soc_init_kwh=0.7,
    soc_end_min_kwh=0.5,
)


def lp_text(program: Program) -> str:
    """The problem as PuLP writes it, rows in the order of their names."""
    with TemporaryDirectory() as folder:
        readable(program).writeLP(str(Path(folder) / "got.lp"))
        return (Path(folder) / "got.lp").read_text().partition("\n")[2]


def written(part: Part, around: CaseContext) -> str:
    """The part alone, with its costs."""
    program = Program()
    x = part.variables(program, around)
    for row in part.rows(x, around):
        program.add(row.family, part.prefix, row, steps=around.steps)
    for kind, term in part.cost(x, around.step_h):
        program.costs.setdefault(kind, []).append(term)
    return lp_text(program)


def balance_text() -> str:
    """The balance of a case alone."""
    program = build_problem(CASE, without={label for part in CASE.parts for label in _labels(part)}).program
    program.costs.clear()
    return lp_text(program)


def _labels(part: Part) -> set[str]:
    rows = part.rows(part.variables(Program(), CASE.around), CASE.around)
    return {label_of(CASE, part, row.family) for row in rows}


def golden(kind: str) -> tuple[Part, CaseContext, str]:
    r"""The part of a golden's first line (`\* {JSON} *\`), what it sees, and the problem that must follow."""
    first, rows = (GOLDEN / f"{kind}.lp").read_text().split("\n", 1)
    given = json.loads(first.removeprefix("\\* ").removesuffix(" *\\"))
    part, steps = PARTS[kind].model_validate(given.pop("part")), len(given["step_h"])
    nothing = [0.0] * steps
    return (
        part,
        CaseContext(*(np.array(given.get(name, nothing)) for name in ("step_h", "drawn_max_kw", "fed_max_kw"))),
        rows,
    )


@pytest.mark.parametrize("kind", sorted(PARTS))
def test_a_kind_writes_its_golden_lp(kind: str) -> None:
    part, around, rows = golden(kind)
    assert written(part, around) == rows


def test_the_balance_of_a_case_is_its_golden_lp() -> None:
    assert balance_text() == (GOLDEN / "balance.lp").read_text()


def test_no_golden_is_orphaned() -> None:
    assert {path.stem for path in GOLDEN.glob("*.lp")} == {*PARTS, "balance"}


def test_every_row_of_every_part_is_part_of_the_problem() -> None:
    problem, around = build_problem(CASE), CASE.around
    expected = [("site", "balance")]
    for part in CASE.parts:
        expected += [(part.prefix, row.name) for row in part.rows(part.variables(Program(), around), around)]
    assert [(family.prefix, family.name) for family in problem.program.families] == expected
    assert len(problem.program.row_names()) == problem.program.arrays().row_lower.size


def test_a_changed_row_would_be_noticed() -> None:
    part, around, rows = golden("battery")
    other = part.model_copy(update={"charge_efficiency": 1.0})
    assert written(other, around) != rows


if __name__ == "__main__":
    # After a change that is meant: read what git shows of the golden files before it is committed.
    for kind in PARTS:
        first = (GOLDEN / f"{kind}.lp").read_text().partition("\n")[0]
        (GOLDEN / f"{kind}.lp").write_text(f"{first}\n{written(*golden(kind)[:2])}")
    (GOLDEN / "balance.lp").write_text(balance_text())


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if not kind.measure])
def test_what_a_stateless_kind_is_told_makes_of_it_what_its_plan_says(kind: str) -> None:
    part, around, _ = golden(kind)
    assert isinstance(part, Device)
    assert type(part).acted is not Device.acted
    if "rating_kw" in type(part).model_fields:
        part = part.model_copy(update={"rating_kw": 99.0})
    most_kw = np.max([np.broadcast_to(each, around.steps) for each in part.reach_kw()], axis=0)
    t = int(np.argmax(most_kw))
    step = dict.fromkeys(part.columns, float(most_kw[t]))
    assert most_kw[t] > 0
    assert part.acted(part.commands(step, t), t) == pytest.approx(step)
