"""Decisions of a past day: commands of the devices, their proven effects, and the stored amounts that they left."""

from collections.abc import Mapping

import numpy as np

from controls.optimiser.backends.expressions import Floats
from controls.optimiser.devices.device import Device, Numbers
from controls.planning.replay.day_scenario import DayScenario, Slot


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
            device, [device.acted(_told(day, device, slot), t) for t, slot in enumerate(day.slots)]
        )
        for device in day.case.devices
    }


def executed_decisions(day: DayScenario) -> tuple[dict[str, Numbers], int, int]:
    """What every device is proven to have done, as planned where nothing is proven; and of how many decisions there
    were how many are proven.
    """
    proven = asked = 0
    found = {}
    for device in day.case.devices:
        steps = []
        for t, slot in enumerate(day.slots):
            did, told = _done(day, device, slot, t), _told(day, device, slot)
            # That PV gave what it gave says nothing of the devices that a plan moves.
            is_moved = bool(told) and not device.forecast
            asked, proven = asked + is_moved, proven + (is_moved and did is not None)
            steps.append(did or device.acted(told, t))
        found[device.device_id] = by_slot(device, steps)
    return found, proven, asked


def measured_ends(day: DayScenario, decisions: Mapping[str, Numbers]) -> dict[str, float]:
    """What each store held at the end, from its last measurement within the day on; only where there is one."""
    ends = {}
    for device in day.case.devices:
        if device.device_id in day.measured and device.state:
            at_utc, amount = day.measured[device.device_id]
            rest = [t for t, slot in enumerate(day.slots) if slot.start_utc >= at_utc]
            if rest and (again := device.over([(device, t) for t in rest]).with_state(start=amount)):
                columns = {name: values[rest] for name, values in decisions[device.device_id].items()}
                amount = float(done(again, columns, day.step_h[rest])[device.state.column][-1])
            ends[device.device_id] = amount
    return ends


def _done(day: DayScenario, device: Device, slot: Slot, t: int) -> dict[str, float] | None:
    """What a device is proven to have done: by its meter, else by what was read back from it."""
    name, at = device.device_id, slot.start_utc
    if device.forecast:
        # What it gave less than it could have given.
        given_kw = day.readings.generated_kw.get(name, {}).get(at)
        return None if given_kw is None else {device.columns[0]: day.could_give(name, slot) - given_kw}
    metered = day.readings.done_kw.get(name, {})
    if metered and all(at in known for known in metered.values()):
        return {column: known[at] for column, known in metered.items()}
    told = day.readings.set_points.get(name, {}).get(at)
    return None if told is None else device.acted(told, t)


def _told(day: DayScenario, device: Device, slot: Slot) -> dict[str, float]:
    """Its set-points; none where no decision was to be taken, as without a car."""
    then = day.device_then(slot, device.device_id)
    return then.commands(slot.plan.steps[slot.step].devices[device.device_id], slot.step) if then else {}


def by_slot(device: Device, steps: list[dict[str, float]]) -> Numbers:
    """Decisions of each quarter hour as series."""
    return {column: np.array([step.get(column, 0.0) for step in steps]) for column in device.columns}
