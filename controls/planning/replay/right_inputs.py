"""The plans of a past day as they would have been asked for, had load, sun and prices been foreseen as they came."""

from collections.abc import Mapping
from datetime import datetime

import numpy as np

from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.device import Device
from controls.planning.plan_inputs import STEP
from controls.planning.replay.past_day import PastDay, Slot
from data_quality.contracts.control.plan import Plan


def governed_by(day: PastDay) -> list[tuple[Plan, list[Slot]]]:
    """The plans that governed the day, each with its quarter hours. A plan never takes over again from a newer one."""
    found = dict[str, tuple[Plan, list[Slot]]]()
    for slot in day.slots:
        found.setdefault(slot.plan.plan_id, (slot.plan, []))[1].append(slot)
    return list(found.values())


def with_actual_inputs(day: PastDay, plan: Plan, first: Slot, states: Mapping[str, float]) -> DispatchCase:
    """The problem of a plan from a quarter hour on, with what came where it is known.

    states: what each store holds by then.
    """
    case, readings = day.planned[plan.plan_id], day.readings
    starts = [plan.request.start_utc + k * STEP for k in range(first.step, len(plan.steps))]

    def came(known: Mapping[datetime, float], foreseen: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(known.get(at, value) for at, value in zip(starts, foreseen[first.step :], strict=True))

    def cut(part: Device) -> Device:
        return part.model_copy(update={name: getattr(part, name)[first.step :] for name in part.per_step})

    devices = []
    for device in (one for one in case.devices if one.device_id in day.replayed):
        begun = states.get(device.device_id)
        # A plan that began before the day keeps the end that it asked for; its own begin is not in the day.
        end = device.state.end if device.state and first.step else None
        sun_kw = None
        if device.forecast:
            slots = [Slot(at, plan, first.step + k) for k, at in enumerate(starts)]
            sun_kw = np.array([day.could_give(device.device_id, slot) for slot in slots])
        devices.append(cut(device).relived(start=begun, end=end, forecast_kw=sun_kw))
    load_kw = np.array(came(readings.load_kw, case.load_kw)) + day.drawn_as_planned(plan, day.held)[first.step :]
    connection = case.connection.model_copy(
        update={name: getattr(case.connection, name)[first.step :] for name in case.connection.per_step}
        | {
            "import_price_per_kwh": came(readings.import_price, case.connection.import_price_per_kwh),
            "export_price_per_kwh": came(readings.export_price, case.connection.export_price_per_kwh),
        }
    )
    return case.model_copy(
        update={
            "start_utc": starts[0],
            "step_h": case.step_h[first.step :],
            "load_kw": tuple(load_kw.tolist()),
            "connection": connection,
            "devices": tuple(devices),
        }
    )
