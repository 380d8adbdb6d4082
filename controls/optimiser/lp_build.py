"""The whole problem: the power balance, the rows of every part, and the cost to be minimised."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from controls.optimiser.backends.expressions import Floats, Linear
from controls.optimiser.backends.program import Program, Row
from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.device import Numbers, Part
from controls.optimiser.objective import GOALS
from controls.optimiser.phases import phase_rows


@dataclass(frozen=True)
class Problem:
    """program: columns, rows and costs. variables: of each part, by its id."""

    program: Program
    variables: dict[str, dict[str, Linear]]

    def values(self, part_id: str, x: Floats) -> Numbers:
        """What the variables of a part got. x: one value a column."""
        return {name: x[columns.column] for name, columns in self.variables[part_id].items()}


def build_problem(case: DispatchCase, *, without: Collection[str] = ()) -> Problem:
    """The problem of a case. Families whose label is in `without` are left out: only for the search for a conflict."""
    program, around = Program(), case.around
    problem = Problem(program, {})
    for each in case.parts:
        # What the objective adds sees the connection's variables: both have no id.
        problem.variables.setdefault(each.device_id, {}).update(each.variables(program, around))
    for part in (None, *case.parts):
        rows = [balance(case, problem)] if part is None else part.rows(problem.variables[part.device_id], around)
        for row in rows:
            label = label_of(case, part, row.family) if part else row.family
            if label not in without:
                program.add(label, part.prefix if part else "site", row, steps=around.steps)
    for row in phase_rows(case, problem.variables):
        if row.family not in without:
            program.add(row.family, "site", row, steps=around.steps)
    for part in case.parts:
        for kind, term in part.cost(problem.variables[part.device_id], around.step_h):
            program.costs.setdefault(kind, []).append(term)
    for goal, most in case.bounds.items():
        terms = [term.sum() for kind, found in program.costs.items() if kind in GOALS[goal] for term in found]
        if terms and (label := f"{goal}_max") not in without:
            program.add(label, "site", Row(label, label, sum(terms[1:], start=terms[0]) <= most), steps=0)
    return problem


def balance(case: DispatchCase, problem: Problem) -> Row:
    """What the parts give is what the load takes, kW: PV - curtailed + import + discharge = load + export + charge."""
    drawn = [part.drawn_kw(problem.variables[part.device_id]) for part in case.parts]
    return Row("power_balance", "balance", -sum(drawn[1:], start=drawn[0]) == np.array(case.load_kw))


def label_of(case: DispatchCase, part: Part, family: str) -> str:
    """What a family of rows is called in findings: after its device too where another part has one of that name."""
    # Without the objective's part: its families are its own. This is asked for every family of every problem.
    others = (case.connection, *case.devices)
    is_shared = any(other is not part and (other.kind == part.kind or family in other.limits) for other in others)
    return f"{part.prefix}.{family}" if is_shared else family
