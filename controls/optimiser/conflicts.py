"""Why there is no plan: which limits contradict one another, and by how much each would have to give (formulas 5.18).

Limits are dropped one family at a time; those without which the rest would be feasible are the conflict. Each of
them is then made elastic alone. Nothing here yields a plan: a relaxed problem is an explanation, not a fallback.
"""

from collections.abc import Collection

from controls.optimiser.case import DispatchCase
from controls.optimiser.lp_build import build_problem, label_of
from controls.optimiser.program import Program
from controls.optimiser.solvers import Outcome, run_solver
from data_quality.contracts.errors import OurFault
from data_quality.contracts.finding import Finding

_UNIT_WORDS = {"kw": "kW", "kwh": "kWh"}
# One limit takes one run, and a person waits for the answer: late is as good as none.
_TIME_LIMIT_S = 10.0


def explain_conflict(case: DispatchCase) -> Finding:
    """A blocking finding `infeasible` that names the conflicting limits of a case that has no plan.

    facts: `families` (comma-separated), and `<family>_<unit>` = how much that family alone would have to give; absent
    where it alone would not help. Raises OurFault where the case is feasible, or infeasible without any limit.
    """
    limits = {label_of(case, part, name): unit for part in case.parts for name, unit in part.limits.items()}
    implied = {label_of(case, part, name) for part in case.parts for name in part.implied}
    families = _conflicting(case, limits, implied)
    needed = {name: amount for name in families if (amount := _needed(case, name, implied)) is not None}
    gives = [
        f"{name} alone would have to give {amount:.3f} {_UNIT_WORDS.get(limits[name], limits[name])}"
        for name, amount in needed.items()
    ]
    sentence = f"no plan keeps {' and '.join(families)}{' together' if len(families) > 1 else ''}"
    return Finding(
        code="infeasible",
        severity="blocking",
        scope=case.case_id,
        message="; ".join([sentence, *gives]),
        facts={
            "families": ",".join(families),
            **{f"{name}_{limits[name]}": round(amount, 9) for name, amount in needed.items()},
        },
    )


def _conflicting(case: DispatchCase, limits: Collection[str], implied: set[str]) -> list[str]:
    if not _is_infeasible(case, implied):
        raise OurFault("asked to explain a conflict where there is none")
    dropped: set[str] = set()
    for name in limits:
        if _is_infeasible(case, implied | dropped | {name}):
            # Stays dropped: what is left at the end is irreducible, every one of them needed for the conflict.
            dropped.add(name)
    if dropped == set(limits):
        raise OurFault("the dispatch problem is infeasible without any limit")
    return [name for name in limits if name not in dropped]


def _is_infeasible(case: DispatchCase, without: set[str]) -> bool:
    program = build_problem(case, without=without).program
    # Nothing to minimise: any point will do, and the search ends at the first.
    program.costs.clear()
    return _run(program).status == "infeasible"


def _needed(case: DispatchCase, family: str, implied: set[str]) -> float | None:
    program = build_problem(case, without=implied).program
    program.elastic(family)
    outcome = _run(program)
    return outcome.objective if outcome.status == "optimal" else None


def _run(program: Program) -> Outcome:
    return run_solver(program, solver="highs", gap=1e-6, time_limit_s=_TIME_LIMIT_S)
