"""Every kind of part writes exactly the rows that stand in tests/golden/lp, from the part in its first line."""

import json
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

import pulp
import pytest

from controls.optimiser.devices.connection import Connection
from controls.optimiser.devices.device import Around, Part, Row
from controls.optimiser.devices.kinds import KINDS
from controls.optimiser.lp_build import balance, build_problem
from tests.controls.optimiser.toys import TOY, changed

GOLDEN = Path(__file__).parents[2] / "golden" / "lp"
PARTS: dict[str, type[Part]] = {**KINDS, "connection": Connection}
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


def written(rows: Iterable[Row], prefix: str, folder: Path) -> str:
    """Each family in the LP format, as a problem of its name."""
    texts = []
    for family, group in groupby(rows, key=lambda row: row[0]):
        lp = pulp.LpProblem(family, pulp.LpMinimize)
        lp.setObjective(0 * lp.add_variable("nothing", lowBound=0))
        for _, name, constraint in group:
            lp.addConstraint(constraint, f"{prefix}_{name}")
        lp.writeLP(str(folder / "got.lp"))
        texts.append((folder / "got.lp").read_text())
    return "".join(texts)


def golden(kind: str) -> tuple[Part, Around, str]:
    r"""The part of a golden's first line (`\* {JSON} *\`), what it sees, and the rows that must follow."""
    first, rows = (GOLDEN / f"{kind}.lp").read_text().split("\n", 1)
    given = json.loads(first.removeprefix("\\* ").removesuffix(" *\\"))
    return PARTS[kind].model_validate(given.pop("part")), Around(**{k: tuple(v) for k, v in given.items()}), rows


def rows_of(part: Part, around: Around) -> Iterable[Row]:
    return part.rows(part.variables(pulp.LpProblem("toy"), around), around)


@pytest.mark.parametrize("kind", sorted(PARTS))
def test_a_kind_writes_its_golden_lp(kind: str, tmp_path: Path) -> None:
    part, around, rows = golden(kind)
    assert written(rows_of(part, around), part.prefix, tmp_path) == rows


def test_the_balance_of_a_case_is_its_golden_lp(tmp_path: Path) -> None:
    rows = balance(CASE, build_problem(CASE).variables)
    assert written(rows, "site", tmp_path) == (GOLDEN / "balance.lp").read_text()


def test_no_golden_is_orphaned() -> None:
    assert {path.stem for path in GOLDEN.glob("*.lp")} == {*PARTS, "balance"}


def test_every_row_of_every_part_is_part_of_the_problem() -> None:
    problem = build_problem(CASE)
    rows = [f"site_{name}" for _, name, _ in balance(CASE, problem.variables)]
    rows += [f"{part.prefix}_{name}" for part in CASE.parts for _, name, _ in rows_of(part, CASE.around)]
    assert [constraint.name for constraint in problem.lp.constraints()] == rows
    assert [name for names in problem.rows.values() for name in names] == rows


def test_a_changed_row_would_be_noticed(tmp_path: Path) -> None:
    part, around, rows = golden("battery")
    other = part.model_copy(update={"charge_efficiency": 1.0})
    assert written(rows_of(other, around), part.prefix, tmp_path) != rows
