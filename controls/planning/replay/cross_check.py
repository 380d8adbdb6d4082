"""Cross-check of a stored plan's optimum: written separately for PuLP, solved by CBC, compared with the plan."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from assets.stores.ledgers.job_outcomes import TO_MEND, JobOutcome, record_outcomes, withdraw_obstacle
from assets.stores.transactions import Store
from controls.optimiser.backends.program import Arrays, Outcome, Program
from controls.optimiser.backends.solve_pulp import rewritten_problem, solved_by_cbc
from controls.optimiser.case import case_of
from controls.optimiser.lp_build import build_problem
from controls.optimiser.objective import bound_of, goal_weights, goals_of
from controls.optimiser.stochastic.two_stage import TwoStage
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.time import Clock

# Its name on boards and in commands.
JOB = "cross-check of the plan"
# Relative. Above the noise that a verified plan may carry (1e-5), far below a cent of a day's bill.
TOLERANCE = 2e-5
GAP = 1e-6
WITHIN_S = 60.0


class CrossCheck(Model):
    """A plan's objective next to CBC's optimum of the same problem, in the plan's currency.

    optimum: the least cost that CBC found; bound: no plan costs less, by CBC. finding: None where both agree.
    """

    plan_id: str
    site_id: str
    currency: str
    objective: float
    optimum: float | None = None
    bound: float | None = None
    finding: Finding | None = None

    @property
    def is_passed(self) -> bool:
        """Nothing contradicts the plan."""
        return self.finding is None or self.finding.severity == "info"


def cross_checked(plan: Plan, *, time_limit_s: float = WITHIN_S) -> CrossCheck:
    """Solve the problem of a stored plan with CBC and compare the optimum; relative tolerance: TOLERANCE.

    time_limit_s: of each search. The finding is `optimum_differs` (with the cost by kind that does most),
    `optimum_not_proven` (time ran out, and nothing known by then contradicts the plan) or `plan_not_checked` (CBC is
    not installed, or refuses). Raises OurFault for a kind of device that this version does not know.
    """
    result = CrossCheck(plan_id=plan.plan_id, site_id=plan.site_id, currency=plan.currency, objective=plan.objective)
    try:
        outcome, costs = _solved(plan, time_limit_s)
    except BadInput as error:
        return result.model_copy(update={"finding": _finding(plan, "plan_not_checked", f"not checked: {error}")})
    finding = _compared(plan, outcome, costs)
    return result.model_copy(update={"optimum": outcome.objective, "bound": outcome.bound, "finding": finding})


def keep_cross_check(store: Store, checked: CrossCheck, clock: Clock) -> None:
    """Keep what contradicts a site's plan for boards, doctor, status and `meterloom next`, until a plan passes.

    Raises Unreachable.
    """
    if checked.is_passed or checked.finding is None:
        withdraw_obstacle(store, JOB, checked.site_id, clock)
        return
    mend = f"meterloom plan --site {checked.site_id} makes it again, and the next day checks that"
    if checked.finding.code == "plan_not_checked":
        mend = "install PuLP with its CBC, as requirements.lock has it; the next day checks again"
    sentence = f"{checked.finding.message}{TO_MEND}{mend}"
    made = JobOutcome.of_no_run(JOB, checked.site_id, sentence, clock.now_utc())
    record_outcomes(store, [made], clock)


def _compared(plan: Plan, outcome: Outcome, costs: Mapping[str, float]) -> Finding | None:
    costs_so = f"the plan costs {plan.objective:.6g} {plan.currency}"
    if outcome.status == "infeasible":
        return _finding(plan, "optimum_differs", f"CBC calls its problem infeasible, {costs_so}")
    noise = TOLERANCE * max(1.0, abs(plan.objective))
    least, found = outcome.bound, outcome.objective
    if least is not None and least > plan.objective + noise:
        return _finding(plan, "optimum_differs", f"{costs_so}, CBC says at least {least:.6g}{_kinds(plan, costs)}")
    if found is not None and found < plan.bound - noise:
        message = f"{costs_so} and none less than {plan.bound:.6g}, CBC finds {found:.6g}{_kinds(plan, costs)}"
        return _finding(plan, "optimum_differs", message)
    if outcome.status == "optimal":
        return None
    return _finding(plan, "optimum_not_proven", "CBC proved no optimum in time; what it found agrees", severity="info")


def _finding(plan: Plan, code: str, message: str, *, severity: str = "blocking") -> Finding:
    return Finding.model_validate(
        {"code": code, "severity": severity, "scope": plan.site_id, "message": f"plan {plan.plan_id}: {message}"}
    )


def _kinds(plan: Plan, costs: Mapping[str, float]) -> str:
    """Which kind of cost differs most; a plan of an earlier version has none."""
    off = {kind: costs[kind] - plan.costs[kind] for kind in plan.costs.keys() & costs.keys()}
    if not off:
        return ""
    most = max(sorted(off), key=lambda kind: abs(off[kind]))
    return f"; most by {most}: {costs[most]:.6g}, in the plan {plan.costs[most]:.6g}"


def _solved(plan: Plan, time_limit_s: float) -> tuple[Outcome, dict[str, float]]:
    """The problem solved goal by goal, as the plan was, and its costs by kind, before any weight."""
    case = case_of(plan.request)
    if case.uncertain:
        both = TwoStage(case)
        return _bounded(both.arrays, time_limit_s), {}
    for goal in goals_of(case.objective):
        program = build_problem(case).program
        outcome = _by_cbc(program.arrays(goal_weights(goal.goal, program.costs)), time_limit_s)
        if outcome.status != "optimal" or outcome.objective is None:
            # Nothing is known of what comes after a goal that is not reached.
            return Outcome("infeasible" if outcome.status == "infeasible" else "stopped", "CBC"), {}
        case = case.model_copy(update={"kept": case.kept | {goal.goal: bound_of(goal, outcome.objective)}})
    program = build_problem(case).program
    outcome = _bounded(program.arrays(case.weights), time_limit_s)
    return outcome, _costs(program, outcome)


def _bounded(arrays: Arrays, time_limit_s: float) -> Outcome:
    """CBC's answer; where it stopped, with the bound of the problem without its integers."""
    outcome = _by_cbc(arrays, time_limit_s)
    if outcome.status not in {"stopped", "feasible"}:
        return outcome
    relaxed = _by_cbc(replace(arrays, is_integer=np.zeros_like(arrays.is_integer)), time_limit_s)
    return replace(outcome, bound=relaxed.bound if relaxed.status == "optimal" else None)


def _by_cbc(arrays: Arrays, time_limit_s: float) -> Outcome:
    return solved_by_cbc(*rewritten_problem(arrays), arrays, gap=GAP, time_limit_s=time_limit_s)


def _costs(program: Program, outcome: Outcome) -> dict[str, float]:
    if outcome.values is None:
        return {}
    values = outcome.values
    return {
        kind: float(sum(term.value @ values[term.column] + term.constant.sum() for term in terms))
        for kind, terms in program.costs.items()
    }
