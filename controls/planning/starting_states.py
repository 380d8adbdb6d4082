"""Starting states of a plan: reported by devices, else stored, else assumed, each named with its source.

Where commands follow the plan (PARTIAL, FULL) only what was just measured counts: another device is left out of it.
Where a room's thermometer is silent or frozen, its model gives the temperature for a limited time: it goes on from the
last plan that began with a believed reading, heated as the plans since then foresaw. Its standard error grows with the
hours; after a day nothing stands in any more, and the room is a finding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isfinite

import numpy as np

from assets.stores.lake.lake import Lake
from controls.optimiser.devices.device import AssetState, Device
from controls.optimiser.devices.kinds import device_assets, devices_of
from controls.optimiser.devices.room import Room
from controls.planning.plan_inputs import (
    ASSUMED,
    LEFT_OUT,
    MAX_STATE_AGE_S,
    STEP,
    STORED,
    Measured,
    quarter_start,
    role_of,
    state_findings,
)
from controls.planning.replay.day_scenario import governed
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Asset, Site

# What a store held a day ago says no more of it than an assumption.
STORED_FOR = timedelta(hours=24)
# Without a reading for so long, a prediction is none.
LOST = timedelta(hours=24)
# A thermometer that says the same for so long while its heater switches says nothing (as ml/rooms has it).
STUCK = timedelta(hours=12)
# Standard deviations: of a reading, K; of what a room's model leaves out, K in an hour.
_SENSOR_K, _DISTURBANCE_K = 0.1, 0.1
# So far a thermometer that stands still is looked after: then nothing stands in for it, and it is not believed either.
LOOKED_BACK = LOST + STUCK
_LABEL = "_by_model"
# A state, the ending of its label, the sentence, and its age in seconds where it was read.
Begun = tuple[float | None, str, str, float | None]


@dataclass(frozen=True)
class Starting:
    """site: with the devices that are planned. labels: for the inputs of the plan; findings: of those left out."""

    site: Site
    states: dict[str, Measured]
    labels: dict[str, str]
    findings: tuple[Finding, ...] = ()


def starting_states(
    site: Site,
    states: Mapping[str, Measured],
    *,
    faults: Mapping[str, str],
    lake: Lake,
    mode: Mode,
    now_utc: datetime,
) -> Starting:
    """The states that a plan begins with. states, faults: what the devices said, and why others did not."""
    unknown = state_findings(site, states, faults)
    known, labels = {name: state for name, state in states.items() if name not in unknown}, dict[str, str]()
    if mode >= Mode.PARTIAL:
        labels = {name + LEFT_OUT: each.message for name, each in unknown.items()}
        kept = site.model_copy(update={"assets": tuple(one for one in site.assets if one.asset_id not in unknown)})
        return Starting(kept, known, labels, tuple(unknown.values()))
    for asset, kind in device_assets(site):
        if (why := unknown.get(asset.asset_id)) is None:
            continue
        state, key, note, age_s = _stored(site, asset, kind, lake, now_utc) or assumption(
            site, asset, kind, quarter_start(now_utc)
        )
        known[asset.asset_id] = state, 0.0
        if kind.measure:
            labels[f"{role_of(kind.measure.code, asset, site)}_age_s"] = "unknown" if age_s is None else f"{age_s:g}"
        # Of a device that could be queried, the outcome.
        labels[asset.asset_id + key] = f"{note}; {why.message}" if asset.template else note
    return Starting(site, known, labels)


def assumption(site: Site, asset: Asset, kind: type[Device], start_utc: datetime | None = None) -> Begun:
    """The assumed state of a device, told as an assumption. start_utc: of the plan; None: of one at any hour."""
    given = AssetState(site.site_id, start_utc=start_utc, time_zone=site.time_zone)
    state, words = kind.assumed_at(asset, given)
    return state, ASSUMED, f"{asset.asset_id} is assumed to be {words}: nothing says its state", None


def _stored(site: Site, asset: Asset, kind: type[Device], lake: Lake, now_utc: datetime) -> Begun | None:
    if asset.state_meter is None or kind.measure is None:
        return None
    since_utc = now_utc - STORED_FOR
    rows = lake.current(site.site_id, start_utc=since_utc, end_utc=now_utc, meters=[asset.state_meter])
    rows = rows.drop_nulls("value")
    if rows.is_empty():
        return None
    start_utc, minutes, value = (
        rows.sort("interval_start_utc").select("interval_start_utc", "interval_minutes", "value").row(-1)
    )
    # The instant and not its age: the same reading is the same plan.
    read_utc = min(start_utc + timedelta(minutes=minutes), now_utc)
    state, unit = kind.measured(asset, site.site_id, float(value)), {"percent": "%", "degc": "°C"}[kind.measure.unit]
    if state_findings(site, {asset.asset_id: (state, 0.0)}).get(asset.asset_id):
        return None
    amount, read = f"{value:.3g} {unit}", f"{read_utc:%Y-%m-%d %H:%M}Z"
    words = f"{asset.asset_id} begins with {amount}, {asset.state_meter} of {read}"
    return state, STORED, words, (now_utc - read_utc).total_seconds()


def sensor_fallback(
    site: Site, states: Mapping[str, Measured], plans: Sequence[Plan], *, now_utc: datetime
) -> Starting:
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
            unchanged = now_utc - same[0].request.start_utc if same else timedelta()
            if unchanged < STUCK or len(set(_heating_kw(followed, name, same[0], now_utc))) < 2:
                continue
            why = f"its thermometer is stuck at {reading:g} degC while its heater switches"
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
    return Starting(site, found, labels)


def _reading(measured: Measured | None) -> float | None:
    """Reading of a thermometer where it is plausible and recent enough; else None."""
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
    """Planned heating power in each quarter hour from the start of one of the plans on, kW."""
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
