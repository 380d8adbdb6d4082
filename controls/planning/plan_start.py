"""Start of a search from the plan before, moved to the steps of now, and its worth.

A plan is searched without it first: of plans that are equally good the same inputs must give the same one, whatever
was planned before. The plan before helps where time runs out, and says how near it would have been.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np

from controls.optimiser.backends.program import Outcome
from controls.optimiser.backends.solvers import run_highs
from controls.optimiser.case import DispatchCase, case_of
from controls.optimiser.lp_build import build_problem
from controls.optimiser.solution import Series, Solution
from controls.optimiser.solve import solve, start_of
from controls.planning.frozen_plan import series_of
from controls.planning.habit import solved_request
from data_quality.contracts.control.plan import Plan, PlanRequest, PlanStart
from data_quality.contracts.finding import Finding
from data_quality.contracts.sentence import Numeral, Sentence

# After the time limit of the search alone; and for the plan before as it stands.
MORE_S, HELD_S = 10.0, 2.0
_HELD_GAP = 1e-3
# Goals that differ by less are as good as each other.
_SAME = 1e-6
_DAY_S = 86400.0


def solved_from(
    request: PlanRequest,
    last: Plan | None,
    *,
    time_zone: str = "UTC",
    time_limit_s: float | None = None,
    more_s: float = MORE_S,
) -> tuple[Solution | Finding, PlanStart]:
    """The schedule of a request, and what the plan before was worth to it.

    time_limit_s: of the search alone; None: as `solve` has it. Where it proves its plan, that is the answer, and how
    far the plan before is from it is told. Where time is over first, it is searched more_s longer from there, and the
    better of both holds: by the goals that come first, then by cost.
    """
    alone = solved_request(request, time_zone=time_zone, time_limit_s=time_limit_s)
    if isinstance(alone, Finding) and alone.code != "no_plan_in_time":
        return alone, PlanStart(why="there is no plan to begin")
    case = case_of(request)
    moved = _why_none(case, request) or moved_series(last, case)
    if last is None or isinstance(moved, str):
        return alone, PlanStart(why=str(moved))
    found = alone if isinstance(alone, Solution) else None
    outcome = _held(case if found is None else case.model_copy(update={"kept": found.kept}), moved)
    if outcome.status == "infeasible":
        return alone, PlanStart(why="the plan before cannot be kept under what is known now")
    # None where its time was over before: a start it may be all the same.
    held = outcome.objective
    start = PlanStart(
        plan_id=last.plan_id,
        gap_alone=None if found is None else found.gap,
        seconds_alone=_seconds(alone),
    )
    if found is not None and found.status == "optimal":
        return found, start.model_copy(update={"first_gap": _gap(held, found.bound)})
    longer = solve(case, previous=moved, time_limit_s=more_s, time_zone=time_zone)
    if not isinstance(longer, Solution):
        why = "the search from the plan before found none in time"
        return alone, start.model_copy(update={"plan_id": "", "why": why, "seconds": more_s})
    best = longer if found is None or is_better(longer, found) else found
    # Of other bounds of the goals that come first, a bound of the cost is one of another problem.
    bounds = [each.bound for each in (longer, found) if each is not None and each.kept == best.kept]
    bound = min(max(bounds), best.objective)
    gap = _gap(best.objective, bound)
    # Begun from another plan it may come out otherwise: it is never called the best there is.
    best = best.model_copy(update={"status": "feasible", "bound": bound, "gap": gap})
    facts = {"first_gap": _gap(held, bound), "gap": gap, "seconds": longer.solve_seconds}
    return best, start.model_copy(update=facts)


def _seconds(found: Solution | Finding) -> float:
    return float(found.facts["time_limit_s"] or 0) if isinstance(found, Finding) else found.solve_seconds


def is_better(one: Solution, other: Solution) -> bool:
    """By the goals that come first, in their order; then by the cost."""
    for goal, most in one.kept.items():
        if abs(most - other.kept[goal]) > _SAME * max(1.0, abs(most)):
            return most < other.kept[goal]
    return one.objective < other.objective


def _why_none(case: DispatchCase, request: PlanRequest) -> str:
    if request.follows == "habit":
        return "a day by habit is not searched"
    return "a plan over scenarios starts from scratch" if case.uncertain is not None else ""


def moved_series(last: Plan | None, case: DispatchCase) -> Series | str:
    """The series of a plan over the steps of a case: as planned where it reaches, after that as a day before; else why
    there are none.
    """
    if last is None:
        return "there is no plan before"
    before = series_of(last)
    devices = {one.device_id for one in case.devices}
    if devices != set(before.devices):
        return "the plan before is of other devices"
    steps = [(step.start_utc, step.end_utc) for step in last.steps]
    places = [_place(steps, start, end) for start, end in case.windows_utc]
    if None in places:
        return "the plan before is of other steps"
    at = [place for place in places if place is not None]

    def moved(columns: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, ...]]:
        return {name: tuple(values[place] for place in at) for name, values in columns.items()}

    return Series(
        connection=moved(before.connection), devices={name: moved(each) for name, each in before.devices.items()}
    )


def _place(steps: Sequence[tuple[datetime, datetime]], start: datetime, end: datetime) -> int | None:
    """The step of a plan in which a window lies, or lies whole days later; None where there is none."""
    last_utc, days = steps[-1][1], 0
    while start.timestamp() - days * _DAY_S >= last_utc.timestamp():
        days += 1
    first, after = (at.timestamp() - days * _DAY_S for at in (start, end))
    found = (n for n, (a, b) in enumerate(steps) if a.timestamp() <= first and after <= b.timestamp())
    return next(found, None)


def start_sentence(start: PlanStart) -> str:
    """The worth of a start, for people."""
    if not start.plan_id:
        return Sentence("started from scratch: {0}", Sentence(start.why))
    alone = Numeral(f"{start.seconds_alone:.2f}")
    if start.gap is None and start.first_gap is None:
        return Sentence(
            "what the switchings of the plan before cost was not known in time; found without it in {0} s", alone
        )
    if start.gap is None:
        pattern = (
            "with the switchings of the plan before it would be at most {0} from the best there is; "
            "found without it in {1} s"
        )
        return Sentence(pattern, Numeral(f"{start.first_gap:.2%}"), alone)
    if start.gap_alone is None:
        pattern = "the search ended without a plan; begun from the plan before it came to {0} from the best there is"
        return Sentence(pattern, Numeral(f"{start.gap:.2%}"))
    pattern = "the search ended at {0} from the best there is; begun from the plan before it came to {1}"
    return Sentence(pattern, Numeral(f"{start.gap_alone:.2%}"), Numeral(f"{start.gap:.2%}"))


def _held(case: DispatchCase, moved: Series) -> Outcome:
    """The case where everything that is whole is as in the moved plan, to a thousandth; infeasible: it cannot be."""
    problem = build_problem(case)
    arrays = problem.program.arrays(case.weights)
    start = start_of(case, problem, moved)
    whole = np.flatnonzero(arrays.is_integer & np.isfinite(start))
    held = np.round(start[whole])
    inside = (held >= arrays.lower[whole]) & (held <= arrays.upper[whole])
    if not inside.all():
        return Outcome(status="infeasible", solver="")
    return run_highs(arrays.bounded(whole, held, held), gap=_HELD_GAP, time_limit_s=HELD_S)


def _gap(cost: float | None, bound: float) -> float | None:
    return None if cost is None else max(cost - bound, 0.0) / max(abs(cost), 1e-9)
