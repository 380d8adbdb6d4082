"""Linear terms given to a solver as an optimiser would: at a fixed load, and with a load that may be moved."""

from typing import Any

import numpy as np

from assets.tariffs.linear_model import LinearTerms
from assets.tariffs.linear_rows import Rows, rows_of


def least_cost(
    terms: LinearTerms, import_kwh: np.ndarray, export_kwh: np.ndarray, *, is_movable: bool = False
) -> tuple[float, np.ndarray]:
    """The least cost, and the import that has it. is_movable: import may go to other intervals, its sum stays."""
    import pulp

    problem, rows = pulp.LpProblem("bill", pulp.LpMinimize), rows_of(terms)
    columns = {
        each.name: problem.add_variable(
            f"v{number}", _float(each.lower), _float(each.upper), pulp.LpBinary if each.is_binary else pulp.LpContinuous
        )
        for number, each in enumerate(rows.variables)
    }
    bought: list[Any] = [float(value) for value in import_kwh]
    if is_movable:
        most = _float(terms.max_import_kwh)
        bought = [problem.add_variable(f"i{n}", 0, most) for n in range(terms.size)]
        problem += pulp.lpSum(bought) == float(import_kwh.sum())
    problem.setObjective(_cost(terms, columns, bought, export_kwh))
    _add_rows(problem, rows, columns, bought, export_kwh)
    status = problem.solve(pulp.HiGHS(msg=False, gapRel=0))
    assert pulp.LpStatus[status] == "Optimal", pulp.LpStatus[status]
    found = np.array([pulp.value(each) for each in bought], dtype=np.float64)
    return float(pulp.value(_cost(terms, columns, bought, export_kwh))), found


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _cost(terms: LinearTerms, columns: dict[str, Any], bought: list[Any], export_kwh: np.ndarray) -> Any:
    import pulp

    fixed = float(terms.constant)
    fixed += sum(float(price) * value for price, value in zip(terms.export_price_per_kwh, export_kwh, strict=True))
    moving = [float(price) * value for price, value in zip(terms.import_price_per_kwh, bought, strict=True)]
    return pulp.lpSum([*moving, *(float(rate) * columns[name] for name, rate in terms.objective)]) + fixed


def _add_rows(problem: Any, rows: Rows, columns: dict[str, Any], bought: list[Any], export_kwh: np.ndarray) -> None:
    import pulp

    for row in rows.rows:
        left = pulp.lpSum(float(rate) * columns[name] for name, rate in row.parts)
        left += pulp.lpSum(float(rate) * bought[slot] for slot, rate in row.import_parts)
        left += sum(float(rate) * float(export_kwh[slot]) for slot, rate in row.export_parts)
        rhs = float(row.rhs)
        problem += {"<=": left <= rhs, ">=": left >= rhs, "==": left == rhs}[row.sense]
