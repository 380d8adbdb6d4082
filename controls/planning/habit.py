"""The former habit of a site as a plan, by rule and within every limit, and days of an experiment that follow it."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime

import numpy as np

from assets.stores.ledgers.experiments import ExperimentStore
from controls.optimiser.case import DispatchCase, case_of, without_control
from controls.optimiser.devices.components.heat_store import HeatStore
from controls.optimiser.devices.device import Columns, Numbers, numbers
from controls.optimiser.devices.ev_charger import EvCharger
from controls.optimiser.devices.room import Room
from controls.optimiser.objective import measures_of
from controls.optimiser.solution import TOLERANCE, Series, Solution, costs_of, replay_case
from controls.optimiser.solve import solve
from controls.planning.replay.decisions import closed_series, done
from data_quality.contracts.control.experiment import Arm, Experiment, FollowedDay
from data_quality.contracts.control.plan import Plan, PlanRequest
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding

# A thermostat answers only once its room is colder than wanted; what a person feels is more than that.
_FELT_K = 1.0
# The amount that a plan is to leave is a wish of the planner, no limit.
_WISHED = "the end: "


def solved_request(
    request: PlanRequest, *, time_zone: str = "UTC", time_limit_s: float | None = None
) -> Solution | Finding:
    """The schedule of a request: optimal or, where requested, by habit; the same each time."""
    if request.follows == "habit":
        return by_habit(case_of(request))
    if time_limit_s is None:
        return solve(request, time_zone=time_zone)
    return solve(request, time_zone=time_zone, time_limit_s=time_limit_s)


Habit = tuple[DispatchCase, dict[str, Numbers]]


def habit_of(case: DispatchCase, planned: Mapping[str, Columns] | None = None) -> Habit | Finding:
    """The devices as nobody plans them, and their series: a car charges when it comes, thermostats heat, batteries
    store the surplus and cover the need.

    planned: series of a plan by device; heat stores then end with the heat that it leaves in them.
    """
    alone = without_control(case, planned)
    rest = solve(alone)
    if isinstance(rest, Finding):
        return rest
    step_h, columns = np.array(case.step_h), {name: numbers(found) for name, found in rest.series.devices.items()}
    devices = list(alone.devices)
    # Stores that nobody plans, which follow the meter by a rule of their own.
    nothing = np.zeros(step_h.size)
    for device in case.devices:
        if device.without_control() is not None or device.by_rule(nothing, step_h) is None:
            continue
        decisions = device.by_rule(alone.model_copy(update={"devices": tuple(devices)}).net_kw(columns), step_h) or {}
        columns[device.device_id] = done(device, decisions, step_h)
        devices.append(device)
    return alone.model_copy(update={"devices": tuple(devices)}), columns


def by_habit(case: DispatchCase) -> Solution | Finding:
    """The schedule by habit, or why it is not to be followed: it would break a limit."""
    found = habit_of(case.model_copy(update={"uncertain": None}))
    if isinstance(found, Finding):
        return found
    ruled, columns = found
    # The connection carries no more than it is rated, whoever decides.
    ruled = ruled.model_copy(update={"connection": case.connection})
    series = closed_series(ruled, columns)
    if broken := next(_broken(case, ruled, series), None):
        message = f"the former habit is not followed: {broken}"
        return Finding(code="habit_breaks_limit", message=message, scope=case.case_id)
    costs, step_h = costs_of(ruled, series), np.array(case.step_h)
    # A load that nobody sheds does nothing, and has a place in the plan all the same.
    idle = {
        one.device_id: dict.fromkeys(one.columns, (0.0,) * step_h.size)
        for one in case.devices
        if one.device_id not in columns
    }
    cost = sum(costs.values())
    return Solution(
        status="ruled", objective=cost, bound=cost, gap=0.0, build_seconds=0.0, solve_seconds=0.0, solver="habit",
        costs=costs, measures=measures_of(numbers(series.connection), step_h, case.carbon_kgco2e_per_kwh),
        series=series.model_copy(update={"devices": series.devices | idle}),
    )  # fmt: skip


def _broken(case: DispatchCase, ruled: DispatchCase, series: Series) -> Iterator[str]:
    """Limits of the case that its devices, as nobody plans them, would not keep."""
    yield from (text for text in replay_case(ruled, series).problems if _WISHED not in text)
    step_h = np.array(case.step_h)
    for device in case.devices:
        columns = numbers(series.devices.get(device.device_id, {}))
        if isinstance(device, Room):
            missing_k = float(np.max(np.array(device.low_degc) - columns["room_degc"]))
            if missing_k > _FELT_K:
                yield f"{device.device_id} would be {missing_k:.1f} K below its comfort"
        elif isinstance(device, HeatStore):
            if float(columns[device.level_column].min()) < device.min_kwh - TOLERANCE:
                yield f"{device.device_id} would fall below its floor"
        elif isinstance(device, EvCharger):
            late = (text for text, error in device.unconstrained().errors(columns, step_h) if np.max(error) > TOLERANCE)
            yield from (f"{device.device_id}, {text}" for text in late)


def arm_of(
    experiments: ExperimentStore | None, request: PlanRequest, now_utc: datetime
) -> tuple[Experiment, FollowedDay] | None:
    """The experiment that runs, and how a plan made now follows its day; None where none does. Decided here alone.

    Whether the habit keeps every limit is asked on days of either arm; where it does not, the plan is followed.
    """
    running = _running(experiments, request.site_id)
    drawn = None if running is None else running.at(now_utc)
    if running is None or drawn is None:
        return None
    habit = by_habit(case_of(request))
    why = habit.message if isinstance(habit, Finding) else ""
    followed: Arm = "habit" if drawn.arm == "habit" and not why else "plan"
    return running, FollowedDay(
        start_utc=drawn.start_utc, arm=drawn.arm, followed=followed, is_comparable=not why, why=why
    )  # fmt: skip


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
