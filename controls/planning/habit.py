"""The former habit of a site as a plan, by rule and within every limit, and days of an experiment that follow it."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from assets.stores.ledgers.experiments import ExperimentStore
from controls.optimiser.case import DispatchCase, case_of
from controls.optimiser.check_solution import replay_case
from controls.optimiser.devices.device import DECIMALS, numbers
from controls.optimiser.devices.room import Room
from controls.optimiser.objective import measures_of
from controls.optimiser.solution import Series, Solution, cost_of, costs_of
from controls.optimiser.solve import solve
from controls.planning.replay.policies import by_rules
from data_quality.contracts.control.experiment import Arm, Experiment, FollowedDay
from data_quality.contracts.control.plan import Plan, PlanRequest
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding

# A thermostat answers only once its room is colder than wanted; what a person feels is more than that.
_FELT_K = 1.0
# What a plan is asked to leave is a wish of the planner, no limit.
_WISHED = "the end: "


def solved_request(request: PlanRequest, *, time_zone: str = "UTC") -> Solution | Finding:
    """The schedule of a request, optimal or, where it says so, by habit; the same whoever asks again."""
    if request.follows == "habit":
        return by_habit(case_of(request))
    return solve(request, time_zone=time_zone)


def by_habit(case: DispatchCase) -> Solution | Finding:
    """The schedule by rule (the policy `self_consumption`), or why it is not to be followed: it would break a limit."""
    certain = case.model_copy(update={"uncertain": None})
    columns = by_rules(certain, np.array(case.step_h))
    if isinstance(columns, Finding):
        return columns
    closing = case.connection.closing(np.round(certain.net_kw(columns), DECIMALS))
    series = Series(
        connection={name: tuple(np.asarray(values, np.float64).tolist()) for name, values in closing.items()},
        devices={name: {key: tuple(each.tolist()) for key, each in found.items()} for name, found in columns.items()},
    )
    if broken := list(_broken(certain, series)):
        message = f"the former habit is not followed: {broken[0]}"
        return Finding(code="habit_breaks_limit", message=message, scope=case.case_id)
    cost = cost_of(certain, series)
    return Solution(
        status="feasible", objective=cost, bound=cost, gap=0.0, build_seconds=0.0, solve_seconds=0.0, solver="habit",
        costs=costs_of(certain, series), series=series,
        measures=measures_of(closing, np.array(case.step_h), case.carbon_kgco2e_per_kwh),
    )  # fmt: skip


@dataclass(frozen=True)
class ArmToday:
    """The experiment that runs now, and how its present day is followed."""

    experiment: Experiment
    day: FollowedDay


def arm_of(experiments: ExperimentStore | None, request: PlanRequest, now_utc: datetime) -> ArmToday | None:
    """What a plan that is made now follows; None where no experiment runs. The one place that is asked.

    Whether the habit keeps every limit is asked on days of either arm; where it does not, the plan is followed.
    """
    running = _running(experiments, request.site_id)
    drawn = None if running is None else running.at(now_utc)
    if running is None or drawn is None:
        return None
    habit = by_habit(case_of(request))
    why = habit.message if isinstance(habit, Finding) else ""
    followed: Arm = "habit" if drawn.arm == "habit" and not why else "plan"
    day = FollowedDay(
        start_utc=drawn.start_utc, arm=drawn.arm, followed=followed, is_comparable=not why, why=why
    )  # fmt: skip
    return ArmToday(running, day)


def is_new_day(experiments: ExperimentStore | None, last: Plan | None, now_utc: datetime) -> bool:
    """Whether a day of an experiment began since the last plan, or that one follows a habit nobody asks for."""
    if last is None:
        return False
    running = _running(experiments, last.site_id)
    drawn = None if running is None else running.at(now_utc)
    if drawn is None:
        return last.request.follows == "habit"
    return drawn.start_utc > last.created_at_utc


def _running(experiments: ExperimentStore | None, site_id: str) -> Experiment | None:
    """The experiment that runs; a row of it that nobody can prove counts as none, and the plan is followed."""
    with suppress(BadInput):
        return None if experiments is None else experiments.running(site_id)
    return None


def _broken(case: DispatchCase, series: Series) -> Iterator[str]:
    yield from (said for said in replay_case(case, series).problems if _WISHED not in said)
    for device in case.devices:
        if isinstance(device, Room):
            degc = numbers(series.devices[device.device_id])["room_degc"]
            missing_k = float(np.max(np.array(device.low_degc) - degc))
            if missing_k > _FELT_K:
                yield f"{device.device_id} would be {missing_k:.1f} K below its comfort"
