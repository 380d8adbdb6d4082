"""What a plan's steps would cost by habit: every device as it does by itself, with nobody planning."""

from collections.abc import Mapping

import numpy as np

from controls.optimiser.backends.expressions import Floats
from controls.optimiser.case import DispatchCase, case_of, without_control
from controls.optimiser.devices.device import DECIMALS, MONEY, Columns, Device, Numbers, numbers
from controls.optimiser.solution import Series, Solution, costs_of
from controls.optimiser.solve import solve
from controls.planning.frozen_plan import series_of
from controls.planning.replay.decisions import done
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.finding import Finding

# Stored amounts that differ by less are the same.
_HAIR = 1e-6


def habit_cost(plan: Plan) -> float | Finding:
    """Cost of the plan's steps by habit, in its currency: a car charges when it comes, thermostats heat, batteries
    store the surplus and cover the need.

    What a battery is left with is valued by what the plan would pay for it; heat stores end with the heat that the plan
    leaves in them. Of a plan over scenarios: on the P50 of its forecasts. Finding: it cannot be compared.
    """
    case = case_of(plan.request).model_copy(update={"uncertain": None})
    alone = without_control(case, series_of(plan).devices)
    rest = solve(alone)
    if isinstance(rest, Finding):
        return rest
    step_h, columns = np.array(case.step_h), {name: numbers(found) for name, found in rest.series.devices.items()}
    devices = list(alone.devices)
    for device in _by_themselves(case, step_h):
        decisions = device.by_rule(alone.model_copy(update={"devices": tuple(devices)}).net_kw(columns), step_h) or {}
        columns[device.device_id] = done(device, decisions, step_h)
        devices.append(device)
    ruled = alone.model_copy(update={"devices": tuple(devices)})
    costs = costs_of(ruled, _series(ruled, columns))
    paid = sum(cost for kind, cost in costs.items() if kind in MONEY)
    if "stored" in costs:
        # What is left has a price of its own.
        return paid
    mine = (one for one in devices[len(alone.devices) :] if one.state)
    left = {one.device_id: float(columns[one.device_id][one.state.column][-1]) for one in mine if one.state}
    more = _worth(case, series_of(plan), left)
    return more if isinstance(more, Finding) else paid + more


def _by_themselves(case: DispatchCase, step_h: Floats) -> list[Device]:
    """What nobody plans is not gone: stores that follow the meter by a rule of their own."""
    nothing = np.zeros(step_h.size)
    return [one for one in case.devices if one.without_control() is None and one.by_rule(nothing, step_h) is not None]


def _worth(case: DispatchCase, series: Series, left: Mapping[str, float]) -> float | Finding:
    """What the plan would save by leaving no more in these stores than habit does; below zero where that leaves more.

    series: of the plan, which everything but these stores and the sun keeps to.
    """
    moved = {one.device_id: one for one in case.devices if one.state and one.device_id in left}
    moved = {name: one for name, one in moved.items() if one.state and abs(left[name] - one.state.end) > _HAIR}
    if not moved:
        return 0.0
    free = tuple(one for one in case.devices if one.device_id in moved or one.forecast)
    load_kw = np.array(case.load_kw)
    for one in case.devices:
        if one not in free:
            load_kw = load_kw + one.drawn_kw(numbers(series.devices[one.device_id]))
    kept = case.model_copy(update={"devices": free, "load_kw": tuple(load_kw.tolist())})
    others = tuple((one.with_state(end=left[one.device_id]) or one) if one.device_id in moved else one for one in free)
    as_planned, as_left = solve(kept), solve(kept.model_copy(update={"devices": others}))
    if isinstance(as_planned, Solution) and isinstance(as_left, Solution):
        return as_planned.money - as_left.money
    said = "what habit leaves in the stores cannot be compared with the plan"
    return Finding(code="no_habit_cost", message=said, scope=case.case_id)


def _series(case: DispatchCase, columns: dict[str, Numbers]) -> Series:
    closing = case.connection.closing(np.round(case.net_kw(columns), DECIMALS))
    return Series(connection=_tuples(closing), devices={name: _tuples(found) for name, found in columns.items()})


def _tuples(found: Numbers) -> Columns:
    return {name: tuple(values.tolist()) for name, values in found.items()}
