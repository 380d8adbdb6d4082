"""Decisions of a past day: commands of the devices, their proven effects and what they left in stores; and its plans as
they would have been asked for, had load, sun and prices been foreseen as they came.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from statistics import fmean
from typing import TypeVar

import numpy as np

from controls.optimiser.backends.expressions import Floats
from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.device import DECIMALS, Columns, Device, Numbers, Part
from controls.optimiser.solution import Series
from controls.planning.plan_inputs import STEP
from controls.planning.replay.day_scenario import DayScenario, Slot
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.finding import Finding

P = TypeVar("P", bound=Part)


def decided(day: DayScenario, decisions: Mapping[str, Numbers]) -> dict[str, Numbers]:
    """All series of the day's devices from their decisions, by the model's own physics."""
    return {one.device_id: done(one, decisions[one.device_id], day.step_h) for one in day.case.devices}


def done(device: Device, decisions: Numbers, step_h: Floats) -> Numbers:
    """The series of a device from its commands, where it has the last word."""
    return device.solved(device.kept(decisions, step_h), step_h)


def planned_decisions(day: DayScenario) -> dict[str, Numbers]:
    """Commands of every device in each quarter hour by the governing plan, and what it does on the measured day."""
    return {
        device.device_id: by_slot(
            device, [device.acted(_issued(day, device, slot), t) for t, slot in enumerate(day.slots)]
        )
        for device in day.case.devices
    }


def executed_decisions(day: DayScenario) -> tuple[dict[str, Numbers], int, int]:
    """Executed decisions of every device, as planned where nothing is proven; the number of proven decisions, and of
    all.
    """
    proven = total = 0
    found = {}
    for device in day.case.devices:
        steps = []
        for t, slot in enumerate(day.slots):
            did, set_points = _done(day, device, slot, t), _issued(day, device, slot)
            # That PV gave what it gave says nothing of the devices that a plan moves.
            is_moved = bool(set_points) and not device.forecast
            total, proven = total + is_moved, proven + (is_moved and did is not None)
            steps.append(did or device.acted(set_points, t))
        found[device.device_id] = by_slot(device, steps)
    return found, proven, total


def measured_ends(day: DayScenario, decisions: Mapping[str, Numbers]) -> dict[str, float]:
    """Amount in each store at the end, from its last measurement within the day on; only where there is one."""
    ends = {}
    for device in day.case.devices:
        if device.device_id in day.measured and device.state:
            at_utc, amount = day.measured[device.device_id]
            rest = [t for t, slot in enumerate(day.slots) if slot.start_utc >= at_utc]
            if rest and (joined := device.over([(device, t) for t in rest]).with_state(start=amount)):
                columns = {name: values[rest] for name, values in decisions[device.device_id].items()}
                amount = float(done(joined, columns, day.step_h[rest])[device.state.column][-1])
            ends[device.device_id] = amount
    return ends


def _done(day: DayScenario, device: Device, slot: Slot, t: int) -> dict[str, float] | None:
    """Proven decisions of a device: by its meter, else by read-back; None where neither exists."""
    name, at = device.device_id, slot.start_utc
    if device.forecast:
        # Curtailment: available less metered power.
        given_kw = day.readings.generated_kw.get(name, {}).get(at)
        return None if given_kw is None else {device.columns[0]: day.could_give(name, slot) - given_kw}
    metered = day.readings.done_kw.get(name, {})
    if metered and all(at in known for known in metered.values()):
        return {column: known[at] for column, known in metered.items()}
    set_points = day.readings.set_points.get(name, {}).get(at)
    return None if set_points is None else device.acted(set_points, t)


def _issued(day: DayScenario, device: Device, slot: Slot) -> dict[str, float]:
    """Its set-points; none where no decision was to be taken, as without a car."""
    then = day.device_then(slot, device.device_id)
    return then.commands(slot.plan.steps[slot.step].devices[device.device_id], slot.step) if then else {}


def by_slot(device: Device, steps: list[dict[str, float]]) -> Numbers:
    """Decisions of each quarter hour as series."""
    return {column: np.array([step.get(column, 0.0) for step in steps]) for column in device.columns}


def tuples(found: Numbers) -> Columns:
    """Series of a part as they are stored."""
    return {name: tuple(np.asarray(values, np.float64).tolist()) for name, values in found.items()}


def closed_series(case: DispatchCase, columns: Mapping[str, Numbers]) -> Series:
    """All series of a case from those of its devices; the grid closes the balance."""
    closing = case.connection.closing(np.round(case.net_kw(columns), DECIMALS))
    return Series(
        connection=tuples(closing), devices={one.device_id: tuples(columns[one.device_id]) for one in case.devices}
    )


class Followed:
    """A past day's devices, as they were, that follow one plan after another."""

    def __init__(self, devices: Iterable[Device]) -> None:
        self._steps = {one.device_id: (one, list[dict[str, float]]()) for one in devices}

    def follow(self, plan: DispatchCase, series: Series, count: int) -> None:
        """The first steps of a plan, on from what was followed before."""
        for planned in plan.devices:
            device, steps = self._steps[planned.device_id]
            columns = series.devices[planned.device_id]
            for t in range(count):
                commands = planned.commands({name: values[t] for name, values in columns.items()}, t)
                steps.append(device.acted(commands, len(steps)))

    def done(self, step_h: Floats) -> dict[str, Numbers]:
        """The series of every device; nothing is decided in steps that no plan was followed in yet."""
        return {
            name: done(device, by_slot(device, [*steps, *[dict[str, float]()] * (step_h.size - len(steps))]), step_h)
            for name, (device, steps) in self._steps.items()
        }


def governed_by(day: DayScenario) -> list[tuple[Plan, list[Slot]]]:
    """The plans that governed the day, each with its quarter hours. A plan never takes over again from a newer one."""
    found = dict[str, tuple[Plan, list[Slot]]]()
    for slot in day.slots:
        found.setdefault(slot.plan.plan_id, (slot.plan, []))[1].append(slot)
    return list(found.values())


def cut_from(day: DayScenario, plan: Plan, step: int, states: Mapping[str, float]) -> DispatchCase:
    """The problem of a plan from one of its steps on, as of then. states: what each store holds by then.

    A plan that began before the day keeps the end that it asked for: its own begin is not in the day.
    """
    case = day.planned[plan.plan_id]

    def cut(part: P) -> P:
        return part.over([(part, t) for t in range(step, len(case.step_h))])

    devices = []
    for device in (one for one in case.devices if one.device_id in day.replayed):
        end = device.state.end if device.state and step and not device.is_taken_away else None
        step_h = np.array(case.step_h[step:])
        devices.append(cut(device).with_state(start=states.get(device.device_id), end=end, step_h=step_h))
    held_kw = day.drawn_as_planned(plan, day.held)
    return case.model_copy(
        update={
            "start_utc": plan.steps[step].start_utc,
            "step_h": case.step_h[step:],
            "load_kw": tuple((np.array(case.load_kw) + held_kw)[step:].tolist()),
            # A bill cannot be cut: from within a plan on its prices stand for it.
            "connection": cut(case.connection).model_copy(update={"bills": () if step else case.connection.bills}),
            "devices": tuple(devices),
            "carbon_kgco2e_per_kwh": case.carbon_kgco2e_per_kwh and case.carbon_kgco2e_per_kwh[step:],
        }
    )


def with_actual_inputs(day: DayScenario, plan: Plan, step: int, states: Mapping[str, float]) -> DispatchCase | Finding:
    """The same with load, sun and prices as they came, where that is known by now."""
    case, readings = cut_from(day, plan, step, states), day.readings
    steps = [
        [Slot(each.start_utc + n * STEP, plan, t) for n in range(round((each.end_utc - each.start_utc) / STEP))]
        for t, each in enumerate(plan.steps)
    ][step:]
    held_kw = day.drawn_as_planned(plan, day.held)[step:]

    def came(known: Mapping[datetime, float], foreseen: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(
            fmean(known.get(slot.start_utc, value) for slot in slots)
            for slots, value in zip(steps, foreseen, strict=True)
        )

    def could_give(name: str) -> Floats:
        return np.array([fmean(day.could_give(name, slot) for slot in slots) for slots in steps])

    load_kw = np.array(came(readings.load_kw, plan.request.load_kw[step:])) + held_kw
    devices = [
        device.with_state(forecast_kw=could_give(device.device_id)) if device.forecast else device
        for device in case.devices
    ]
    prices = {
        "import_price_per_kwh": came(readings.import_price, case.connection.import_price_per_kwh),
        "export_price_per_kwh": came(readings.export_price, case.connection.export_price_per_kwh),
    }
    right = case.model_copy(
        update={
            "load_kw": tuple(load_kw.tolist()),
            "connection": case.connection.model_copy(update=prices),
            "devices": tuple(devices),
        }
    )
    billed = readings.billed(right)
    # Where not all prices of the bill are known yet, those stay that the plan had, but only whole.
    return right if isinstance(billed, Finding) and not step else billed
