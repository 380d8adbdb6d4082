"""The readable form of a problem: every column and row by its name, as PuLP has it, for people and for CBC."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from controls.optimiser.backends.program import FEASIBILITY, Arrays, Outcome, Program
from data_quality.contracts.errors import BadInput, OurFault

if TYPE_CHECKING:
    import pulp


def readable(program: Program, arrays: Arrays | None = None) -> "pulp.LpProblem":
    """The problem with its names; `writeLP` puts it into a file."""
    import pulp

    arrays = arrays or program.arrays()
    lp = pulp.LpProblem("dispatch", pulp.LpMinimize)
    columns = [
        lp.add_variable(
            name,
            lowBound=low if np.isfinite(low) else None,
            upBound=high if np.isfinite(high) else None,
            cat="Integer" if is_integer else "Continuous",
        )
        for name, low, high, is_integer in zip(
            program.column_names(),
            arrays.lower.tolist(),
            arrays.upper.tolist(),
            arrays.is_integer.tolist(),
            strict=True,
        )
    ]
    for number, name in enumerate(program.row_names()):
        low, high = float(arrays.row_lower[number]), float(arrays.row_upper[number])
        total = pulp.lpSum(value * columns[column] for column, value in arrays.row(number))
        sense, bound = ("==", low) if low == high else ("<=", high) if np.isfinite(high) else (">=", low)
        row = total == bound if sense == "==" else total <= bound if sense == "<=" else total >= bound
        lp.addConstraint(row, name)
    cost = pulp.lpSum(arrays.cost[place] * columns[place] for place in np.flatnonzero(arrays.cost).tolist())
    lp.setObjective(cost + arrays.offset)
    return lp


def write_readable(program: Program, path: Path, *, weights: Mapping[str, float]) -> None:
    """The problem as an LP file. Raises BadInput where it cannot be written."""
    try:
        readable(program, program.arrays(weights)).writeLP(str(path))
    except OSError as error:
        raise BadInput(f"cannot be written: {error.strerror}", file=str(path), reason="not_written") from error


def run_cbc(program: Program, arrays: Arrays, *, gap: float, time_limit_s: float) -> Outcome:
    """Solve; see solvers.run_solver."""
    return solved_by_cbc(readable(program, arrays), program.column_names(), arrays, gap=gap, time_limit_s=time_limit_s)


def rewritten_problem(arrays: Arrays) -> tuple["pulp.LpProblem", list[str]]:
    """The problem written from its numbers alone, column by column, and the names of its columns in their order.

    It shares no line with `readable`: a row that one of the two drops or bends, the other has.
    """
    import pulp

    lp = pulp.LpProblem("apart", pulp.LpMinimize)
    rows: list[dict[pulp.LpVariable, float]] = [{} for _ in arrays.row_lower]
    # From rows to columns: an entry's row is how many rows have begun before it.
    row_of = np.searchsorted(arrays.start, np.arange(arrays.value.size), side="right") - 1
    order = np.argsort(arrays.column, kind="stable")
    first = np.searchsorted(arrays.column[order], np.arange(arrays.column_count + 1))
    names, price = [], {}
    for n in range(arrays.column_count):
        low, high = (None if np.isinf(bound) else float(bound) for bound in (arrays.lower[n], arrays.upper[n]))
        names.append(f"x{n}")
        kind = pulp.LpInteger if arrays.is_integer[n] else pulp.LpContinuous
        price[column := lp.add_variable(names[-1], low, high, kind)] = float(arrays.cost[n])
        for entry in order[first[n] : first[n + 1]]:
            rows[row_of[entry]][column] = float(arrays.value[entry])
    for n, terms in enumerate(rows):
        total = pulp.LpAffineExpression(terms)
        # Either side is a row of its own; an equation is both.
        if np.isfinite(arrays.row_lower[n]):
            lp.addConstraint(total >= float(arrays.row_lower[n]), f"least{n}")
        if np.isfinite(arrays.row_upper[n]):
            lp.addConstraint(total <= float(arrays.row_upper[n]), f"most{n}")
    lp.setObjective(pulp.LpAffineExpression(price, constant=arrays.offset))
    return lp, names


def solved_by_cbc(
    lp: "pulp.LpProblem", names: list[str], arrays: Arrays, *, gap: float, time_limit_s: float
) -> Outcome:
    """Answer of CBC to a problem. names: of its columns, in the order of the arrays.

    Raises BadInput where CBC is not installed, OurFault for an unbounded problem.
    """
    import pulp
    from pulp.apis import coin_api

    # CBC's own rewriting of integers loses solutions of heat pumps, and calls problems infeasible that are not.
    options = [f"integerTolerance {FEASIBILITY}", f"primalTolerance {FEASIBILITY}", "preprocess off"]
    engine = pulp.COIN_CMD(
        path=coin_api.pulp_cbc_path,
        msg=False,
        gapRel=gap,
        timeLimit=time_limit_s,
        threads=1,
        options=options,
    )
    if not engine.available():
        raise BadInput("CBC is not part of this installation of PuLP; use the solver 'highs'", reason="unknown_solver")
    lp.solve(engine)
    if lp.status == pulp.LpStatusUnbounded:
        raise OurFault("the dispatch problem is unbounded: a limit is missing")
    if lp.status == pulp.LpStatusInfeasible:
        return Outcome(status="infeasible", solver="CBC")
    # PuLP's status says optimal at a time limit too.
    if lp.status != pulp.LpStatusOptimal or lp.sol_status not in {
        pulp.LpSolutionOptimal,
        pulp.LpSolutionIntegerFeasible,
    }:
        return Outcome(status="stopped", solver="CBC")
    # By name: PuLP has an order of its own. A variable that stands in no row has no value.
    found = {variable.name: float(variable.value() or 0.0) for variable in lp.variables()}
    values = np.array([found.get(name, 0.0) for name in names])
    objective = float(arrays.cost @ values + arrays.offset)
    if lp.sol_status == pulp.LpSolutionIntegerFeasible:
        # CBC tells its bound to its log alone: what it had when time ran out is not proven, and may not even be whole.
        whole = values[arrays.is_integer]
        is_whole = np.abs(whole - np.round(whole)).max(initial=0.0) <= FEASIBILITY
        return Outcome("feasible", "CBC", objective, values=values) if is_whole else Outcome("stopped", "CBC")
    # CBC may stop within the gap it was given and call it optimal: its proof is worth no more than that.
    return Outcome("optimal", "CBC", objective=objective, bound=objective - gap * abs(objective), values=values)
