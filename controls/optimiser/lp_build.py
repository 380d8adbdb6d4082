"""The whole problem: the power balance, the rows of every part, and the cost to be minimised."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from controls.optimiser.backends.expressions import Floats, Linear
from controls.optimiser.backends.program import Program, Row
from controls.optimiser.case import DispatchCase, phase_rows
from controls.optimiser.devices.device import Numbers, Part
from controls.optimiser.objective import GOALS


@dataclass(frozen=True)
class Problem:
    """program: columns, rows and costs. variables: of each part, by its id."""

    program: Program
    variables: dict[str, dict[str, Linear]]

    def values(self, part_id: str, x: Floats) -> Numbers:
        """Solved values of a part's variables. x: one value a column."""
        return {name: x[columns.column] for name, columns in self.variables[part_id].items()}


def build_problem(
    case: DispatchCase,
    *,
    without: Collection[str] = (),
    program: Program | None = None,
    given: Mapping[str, dict[str, Linear]] | None = None,
) -> Problem:
    """The problem of a case. Families whose label is in `without` are left out: only for the search for a conflict.

    program: that it is added to. given: variables of devices whose rows and costs stand there already, by id. Costs get
    the program's tag behind their kind.
    """
    program, around, given = program or Program(), case.around, given or {}
    problem = Problem(program, dict(given))
    own = [part for part in case.parts if part.device_id not in given]
    for each in own:
        # What the objective adds sees the connection's variables: both have no id.
        problem.variables.setdefault(each.device_id, {}).update(each.variables(program, around))
    for part in (None, *own):
        rows = [balance(case, problem)] if part is None else part.rows(problem.variables[part.device_id], around)
        for row in rows:
            label = label_of(case, part, row.family) if part else row.family
            if label not in without:
                program.add(label, part.prefix if part else "site", row, steps=around.steps)
    for row in phase_rows(case, problem.variables):
        if row.family not in without:
            program.add(row.family, "site", row, steps=around.steps)
    costs = [
        (part, kind, term)
        for part in case.parts
        for kind, term in part.cost(problem.variables[part.device_id], around.step_h)
    ]
    for part, kind, term in costs:
        if part.device_id not in given:
            program.costs.setdefault(kind + program.tag, []).append(term)
    for goal, most in case.bounds.items():
        terms = [term.sum() for _, kind, term in costs if kind in GOALS[goal]]
        if terms and (label := f"{goal}_max") not in without:
            program.add(label, "site", Row(label, label, sum(terms[1:], start=terms[0]) <= most), steps=0)
    return problem


def balance(case: DispatchCase, problem: Problem) -> Row:
    """Power balance of parts and load, kW: PV - curtailed + import + discharge = load + export + charge."""
    drawn = [part.drawn_kw(problem.variables[part.device_id]) for part in case.parts]
    return Row("power_balance", "balance", -sum(drawn[1:], start=drawn[0]) == np.array(case.load_kw))


def label_of(case: DispatchCase, part: Part, family: str) -> str:
    """Name of a family of rows in findings: with its device where another part has a family of that name."""
    # Without the objective's part: its families are its own. This runs for every family of every problem.
    others = (case.connection, *case.devices)
    is_shared = any(other is not part and (other.kind == part.kind or family in other.limits) for other in others)
    return f"{part.prefix}.{family}" if is_shared else family
