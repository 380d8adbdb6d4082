"""The whole problem: the power balance, the rows of every part, and the cost to be minimised."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.device import Part, Row, Values

if TYPE_CHECKING:
    import pulp


@dataclass(frozen=True)
class Problem:
    """lp: the mixed-integer problem. variables: of each part, by its id. rows: names of the rows by label."""

    lp: "pulp.LpProblem"
    variables: dict[str, Values]
    rows: dict[str, list[str]]


def build_problem(case: DispatchCase, *, without: Collection[str] = ()) -> Problem:
    """The problem of a case. Families whose label is in `without` are left out: only for the search for a conflict."""
    import pulp

    lp, around = pulp.LpProblem("dispatch", pulp.LpMinimize), case.around
    problem = Problem(lp, {part.device_id: part.variables(lp, around) for part in case.parts}, {})

    def add(prefix: str, label: str, name: str, constraint: object) -> None:
        if label not in without:
            lp.addConstraint(constraint, f"{prefix}_{name}")
            problem.rows.setdefault(label, []).append(f"{prefix}_{name}")

    for family, name, constraint in balance(case, problem.variables):
        add("site", family, name, constraint)
    for part in case.parts:
        for family, name, constraint in part.rows(problem.variables[part.device_id], around):
            add(part.prefix, label_of(case, part, family), name, constraint)
    terms = (part.cost(problem.variables[part.device_id], case.step_h) for part in case.parts)
    lp.setObjective(pulp.lpSum(term for some in terms for term in some))
    return problem


def balance(case: DispatchCase, variables: Mapping[str, Values]) -> Iterator[Row]:
    """What the parts give is what the load takes, kW: PV - curtailed + import + discharge = load + export + charge."""
    for t, load_kw in enumerate(case.load_kw):
        given = 0
        for part in case.parts:
            given = given - part.drawn_kw(variables[part.device_id], t)
        yield "power_balance", f"balance_{t:03d}", given == load_kw


def label_of(case: DispatchCase, part: Part, family: str) -> str:
    """What a family of rows is called in findings: after its device too where another part has one of that name."""
    is_shared = any(other is not part and (other.kind == part.kind or family in other.limits) for other in case.parts)
    return f"{part.prefix}.{family}" if is_shared else family
