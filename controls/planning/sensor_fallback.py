"""Sensor fallback: where a room's thermometer is silent or frozen, its model gives the temperature for a limited time.

The model goes on from the last plan that began with a believed reading, heated as the plans since then foresaw. Its
standard error grows with the hours; after a day nothing stands in any more, and the room is a finding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import isfinite

import numpy as np

from controls.optimiser.devices.kinds import device_assets, devices_of
from controls.optimiser.devices.room import Room
from controls.planning.plan_inputs import MAX_STATE_AGE_S, STEP, Measured, quarter_start
from controls.planning.replay.day_scenario import governed
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.site_file.site import Site

# Without a reading for so long, a prediction is none.
LOST = timedelta(hours=24)
# A thermometer that says the same for so long while its heater switches says nothing (as ml/rooms has it).
STUCK = timedelta(hours=12)
# Standard deviations: of a reading, K; of what a room's model leaves out, K in an hour.
_SENSOR_K, _DISTURBANCE_K = 0.1, 0.1
# So far a thermometer that stands still is looked after: then nothing stands in for it, and it is not believed either.
LOOKED_BACK = LOST + STUCK
_LABEL = "_by_model"


@dataclass(frozen=True)
class SensorFallback:
    """states: what is believed, and what stands in for what is not. labels: for the inputs of a plan."""

    states: dict[str, Measured]
    labels: dict[str, str] = field(default_factory=dict)


def sensor_fallback(
    site: Site, states: Mapping[str, Measured], plans: Sequence[Plan], *, now_utc: datetime
) -> SensorFallback:
    """The states with estimates for rooms without a believed reading. plans: of LOOKED_BACK, oldest first."""
    found, labels = dict(states), dict[str, str]()
    # Where nobody was to follow a plan, its heating did not happen.
    followed = [plan for plan in plans if plan.request.inputs.get("mode") in {Mode.PARTIAL.name, Mode.FULL.name}]
    for asset, kind in device_assets(site):
        if not issubclass(kind, Room):
            continue
        name, reading = asset.asset_id, _reading(states.get(asset.asset_id))
        honest = [plan for plan in followed if name + _LABEL not in plan.request.inputs and _room(plan, name)]
        why = "its thermometer sends no value"
        if reading is not None:
            same = _same(honest, name, reading)
            stood = now_utc - same[0].request.start_utc if same else timedelta()
            if stood < STUCK or len(set(_heating_kw(followed, name, same[0], now_utc))) < 2:
                continue
            why = f"its thermometer stands still at {reading:g} degC while its heater switches"
            del found[name]
            honest = same[:1]
        if not honest or now_utc - honest[-1].request.start_utc > LOST:
            continue
        since = honest[-1].request.start_utc
        degc, hours = _foreseen(followed, name, honest[-1], now_utc), (now_utc - since) / timedelta(hours=1)
        if degc is not None:
            found[name] = degc, 0.0
            sd_k = float(np.hypot(_SENSOR_K, _DISTURBANCE_K * np.sqrt(hours)))
            labels[name + _LABEL] = (
                f"{why}: {degc:.1f} degC by its model from {since:%Y-%m-%dT%H:%MZ} on, standard error {sd_k:.2f} K"
            )
    return SensorFallback(found, labels)


def _reading(measured: Measured | None) -> float | None:
    """What a thermometer says, where that may be believed as far as one reading tells."""
    if measured is None or measured[0] is None or not isfinite(measured[0]):
        return None
    return measured[0] if 0 <= measured[1] <= MAX_STATE_AGE_S else None


def _room(plan: Plan, name: str) -> Room | None:
    found = (one for one in devices_of(plan.request) if one.device_id == name)
    return next((one for one in found if isinstance(one, Room)), None)


def _same(plans: Sequence[Plan], name: str, reading: float) -> list[Plan]:
    """The last plans in a row that began with this very reading."""
    found = list[Plan]()
    for plan in reversed(plans):
        room = _room(plan, name)
        if room is None or room.init_degc != reading:
            break
        found.insert(0, plan)
    return found


def _heating_kw(plans: Sequence[Plan], name: str, since: Plan, now_utc: datetime) -> list[float]:
    """What the plans foresaw in each quarter hour from the start of one of them on."""
    slots = governed(plans, since.request.start_utc, quarter_start(now_utc))
    return [slot.plan.steps[slot.step].devices.get(name, {}).get("heating_kw", 0.0) for slot in slots]


def _foreseen(plans: Sequence[Plan], name: str, since: Plan, now_utc: datetime) -> float | None:
    """The temperature at the start of this quarter hour; None where the plans do not reach it."""
    room, heating = _room(since, name), np.array(_heating_kw(plans, name, since, now_utc))
    wanted = round((quarter_start(now_utc) - since.request.start_utc) / STEP)
    quarters = [since.step_at(since.request.start_utc + n * STEP) for n in range(wanted)]
    if room is None or heating.size < wanted or None in quarters:
        return None
    # By quarter hours, whatever the steps of that plan were.
    room = room.over([(room, step) for step in quarters if step is not None])
    degc = room.temperatures_degc(heating[:wanted] / room.heater_kw, np.full(wanted, STEP / timedelta(hours=1)))
    return float(degc[-1]) if wanted else room.init_degc
