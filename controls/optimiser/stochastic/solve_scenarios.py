"""From a case with scenarios to one verified plan, and what thinking of them was worth."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np

from controls.optimiser.backends.expressions import Floats, Places
from controls.optimiser.backends.program import Outcome
from controls.optimiser.backends.solvers import run_highs
from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.device import numbers
from controls.optimiser.devices.room import Room
from controls.optimiser.lp_build import Problem
from controls.optimiser.objective import MEASURES, measures_of
from controls.optimiser.solution import Series, Solution, costs_of, replay_case
from controls.optimiser.stochastic.room_columns import MANY, Block, run_by_columns
from controls.optimiser.stochastic.two_stage import TwoStage, mean_case, risk_figures, weighed
from data_quality.contracts.control.plan_scenario import RiskFigures, Scenario
from data_quality.contracts.errors import OurFault

# Relative gaps at which a search stops.
PLAIN_GAP, SCHEDULES_GAP = 1e-6, 0.005
# The least cost of a case without scenarios, found within so many seconds; None where there is none by then.
Alone = Callable[[DispatchCase, float], float | None]


def usual_gap(case: DispatchCase) -> float:
    """Default gap at which a search may stop: a bound by schedules comes no closer in time."""
    return SCHEDULES_GAP if _many_rooms(case) else PLAIN_GAP


def _many_rooms(case: DispatchCase) -> list[Room]:
    # A share of a step is no column: rooms with shares have few whole switchings, and need none.
    rooms = [d for d in case.devices if isinstance(d, Room) and d.is_planned and d.duty_from_h is None]
    return rooms if len(rooms) * len(case.step_h) >= MANY else []


def room_blocks(case: DispatchCase, problem: Problem) -> list[Block]:
    """The planned rooms of a problem, where they are many enough to be solved by schedules; else none."""
    rooms = _many_rooms(case)
    own_rows = dict[str, list[Places]]()
    for family in problem.program.families:
        own_rows.setdefault(family.prefix, []).append(np.arange(family.first, family.first + family.size))
    return [
        Block(
            room=room,
            is_on=problem.variables[room.device_id]["is_on"].column,
            columns=np.concatenate([x.column for x in problem.variables[room.device_id].values()]),
            rows=np.concatenate(own_rows[room.prefix]),
        )
        for room in rooms
    ]


def solve_scenarios(
    case: DispatchCase, *, alone: Alone, gap: float, time_limit_s: float, worth_within_s: float = 10.0
) -> Solution | Outcome:
    """The plan that is best over the scenarios of a case, each of which is checked step by step.

    Its series are those of the scenario nearest to the mean one; what is slow or soon is the same in all. gap:
    relative. alone: the least cost of a case without scenarios, within so many seconds. worth_within_s: for what it is
    compared with; what is not done by then is not told. What the solver says, where it has no plan.
    """
    both, started = TwoStage(case), time.perf_counter()
    arrays = both.arrays
    built = time.perf_counter()
    outcome = _solved(both, gap=gap, time_limit_s=time_limit_s)
    solved = time.perf_counter()
    until = solved + worth_within_s
    mean_plan = _by_mean_plan(both, gap=gap, until=until)
    outcome = _better(outcome, mean_plan, gap=gap)
    if outcome.values is None or outcome.bound is None or outcome.objective is None:
        return outcome
    series = _verified(both, outcome.values)
    figures = both.figures(series)
    objective = weighed(figures)
    noise = 1e-5 * max(1.0, abs(outcome.objective))
    if not outcome.bound - noise <= objective <= outcome.objective + noise:
        raise OurFault(f"{outcome.solver} claims a cost of {outcome.objective}, its schedules cost {objective}")
    bound, shown = min(outcome.bound, objective), series[both.central]
    weights = [one.weight for one in both.known.scenarios]
    kinds = [costs_of(each, one) for each, one in zip(both.cases, series, strict=True)]
    return Solution(
        status="optimal" if outcome.status == "optimal" else "feasible",
        objective=objective,
        bound=bound,
        gap=(objective - bound) / max(abs(objective), 1e-9),
        build_seconds=built - started,
        solve_seconds=solved - built,
        solver=f"{outcome.solver}; {len(weights)} scenarios, {arrays.column_count} columns",
        costs={
            kind: sum(weight * found.get(kind, 0.0) for weight, found in zip(weights, kinds, strict=True))
            for kind in kinds[0]
            if kind not in MEASURES
        },
        measures=measures_of(numbers(shown.connection), np.array(case.step_h), case.carbon_kgco2e_per_kwh),
        series=shown,
        values=tuple(outcome.values.tolist()),
        risk=_worth(both, figures, mean_plan, alone=alone, gap=gap, until=until),
    )


def _better(outcome: Outcome, mean_plan: Outcome | str, *, gap: float) -> Outcome:
    """Within the gap that the search stopped at, what the mean scenario asks for may be the better plan."""
    if isinstance(mean_plan, str) or None in {mean_plan.objective, outcome.objective, outcome.bound}:
        return outcome
    cost, found, bound = (float(value or 0.0) for value in (mean_plan.objective, outcome.objective, outcome.bound))
    if cost >= found:
        return outcome
    is_close = cost - bound <= gap * max(abs(cost), 1e-9)
    status: Literal["optimal", "feasible"] = "optimal" if is_close else "feasible"
    return replace(mean_plan, bound=bound, solver=outcome.solver, status=status)


def _solved(both: TwoStage, *, gap: float, time_limit_s: float) -> Outcome:
    blocks = room_blocks(both.cases[0], both.problems[0])
    if not blocks:
        return run_highs(both.arrays, gap=gap, time_limit_s=time_limit_s)
    return run_by_columns(
        both.arrays,
        blocks,
        step_h=np.array(both.case.step_h),
        weights=both.case.weights,
        gap=gap,
        time_limit_s=time_limit_s,
    )


def _verified(both: TwoStage, values: Floats) -> tuple[Series, ...]:
    series = both.series(values)
    for one, case, found in zip(both.known.scenarios, both.cases, series, strict=True):
        if problems := replay_case(case, found).problems:
            raise OurFault(f"a plan breaks its case in scenario {one.name}: {'; '.join(problems[:3])}")
    return series


def _worth(
    both: TwoStage, figures: RiskFigures, mean_plan: Outcome | str, *, alone: Alone, gap: float, until: float
) -> RiskFigures:
    """Benchmarks of the plan: the one for the mean scenario in all of them, one that decides nothing later, and
    each scenario known beforehand.
    """
    notes, cost = [mean_plan] if isinstance(mean_plan, str) else [], weighed(figures)
    blind = _blind(both, gap=gap, until=until)
    if isinstance(blind, str):
        notes.append(blind)
    by_mean = None if isinstance(mean_plan, str) else mean_plan.objective
    known = list[float]()
    for one, case in zip(both.known.scenarios, both.cases, strict=True):
        left_s = until - time.perf_counter()
        found = alone(case, left_s) if left_s > 0 else None
        if found is None:
            notes.append(f"time did not suffice to plan scenario {one.name} as if it were known")
            break
        known.append(found)
    perfect = weighed(risk_figures(both.known, known)) if len(known) == len(both.cases) else None
    value = None if by_mean is None else by_mean - cost
    # A bound from above stays one where the gap of the search let it fall below the plan.
    most = None if isinstance(blind, str) else max(blind, cost)
    more = {"mean_plan": by_mean, "value": value, "perfect": perfect, "blind": most, "told": tuple(notes)}
    return figures.model_copy(update=more)


def _blind(both: TwoStage, *, gap: float, until: float) -> float | str:
    """The least cost where every device does the same in all scenarios to the end; why it is not known, in words."""
    left_s = until - time.perf_counter()
    # Fewer columns than the plan had: every device has its own once.
    found = _solved(TwoStage(both.case, blind=True), gap=gap, time_limit_s=left_s) if left_s > 0 else None
    if found is not None and found.status == "infeasible":
        return "no plan serves all scenarios without deciding anything later"
    if found is None or found.objective is None:
        return "time did not suffice to plan without deciding anything later"
    return found.objective


def _by_mean_plan(both: TwoStage, *, gap: float, until: float) -> Outcome | str:
    """The plan that decides first as that for the mean scenario does; why there is none, in words."""
    sure = both.known.model_copy(update={"scenarios": (Scenario(name="mean", weight=1.0),)})
    mean = TwoStage(mean_case(both.case).model_copy(update={"uncertain": sure}))
    left_s = until - time.perf_counter()
    found = _solved(mean, gap=gap, time_limit_s=left_s) if left_s > 0 else None
    if found is None or found.values is None:
        return "time did not suffice to plan for the mean scenario"
    arrays, first = both.arrays, both.problems[0]
    soon = both.soon
    for device in both.cases[0].devices:
        if device.forecast:
            continue
        # Both programs write their first scenario in the same order, so columns have the same names.
        for name, columns in first.variables[device.device_id].items():
            own = mean.problems[0].variables[device.device_id][name].column
            taken = np.arange(columns.size) if device.is_slow else soon[soon < columns.size]
            kept = found.values[own[taken]]
            arrays = arrays.bounded(columns.column[taken], kept, kept)
    left_s = until - time.perf_counter()
    answer = run_highs(arrays, gap=gap, time_limit_s=max(left_s, 0.1))
    if answer.status == "infeasible":
        return "the plan for the mean scenario breaks a limit in another one"
    if answer.objective is None:
        return "time did not suffice to hold the plan for the mean scenario against the others"
    return answer
