"""Execution of a plan by quarter hour: planned, released, issued, proven, and the values of meter or device.
Pure: plans, ledger rows and readings in, rows out.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

import numpy as np

from assets.stores.lake.lake import Lake
from assets.stores.ledgers.plans import PlanStore
from controls.ledger.device_holds import Hold
from controls.ledger.rows import LedgerRow
from controls.optimiser.case import case_of
from controls.optimiser.devices.device import Device, Numbers, numbers
from controls.optimiser.devices.kinds import devices_of
from controls.planning.plan_inputs import STEP, quarter_start
from controls.planning.replay.day_readings import day_readings, stored_plans, sun_kw
from controls.planning.replay.day_scenario import Readings, Slot, commanded_step, governed
from controls.planning.triggers import OFF_KW, OFF_PLAN_INTERVAL, Since
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.control.command import EvidenceGrade
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import parse_instant

# Ended, or never sent: what the plan counted on did not happen by our hand.
FAILED = frozenset({S.BLOCKED, S.REJECTED, S.EXPIRED, S.UNVERIFIED, S.REVERTED, S.OVERRIDDEN})
# Short of the release: nobody was to follow them.
_NOT_RELEASED = frozenset({S.PROPOSED, S.ADVISED, S.REJECTED})
_PROVEN = frozenset({S.VERIFIED, S.COMPLETED})
# Off by this much and by this share of what was planned: less is an inverter's losses and a meter's class.
OFF_PLAN_KWH, OFF_PLAN_SHARE = 0.25, 0.2
# Of the sun so many quarter hours are held against the plan: the last, and one that may be read late.
_LATELY = 2
# Set-points are whole watts.
_SAME = 1e-3


class Executed(Model):
    """One device in one quarter hour. Energies in kWh, drawn from the site positive.

    set_points, read_back: by capability, as planned and as the device said. states: of its commands, none where it has
    none. evidence: the lowest grade of them; None where one has none. executed_kwh: None where nothing shows it.
    is_weather: what it gives is the sun's doing, and a difference is one of the forecast.
    """

    plan_id: str
    device_id: str
    start_utc: datetime
    set_points: dict[str, float]
    read_back: dict[str, float] = {}
    states: tuple[S, ...] = ()
    is_released: bool = False
    is_issued: bool = False
    evidence: EvidenceGrade | None = None
    planned_kwh: float
    executed_kwh: float | None = None
    shown_by: Literal["meter", "read-back", "nothing"] = "nothing"
    is_weather: bool = False

    @property
    def deviation_kwh(self) -> float | None:
        """Executed less planned; None where nothing shows it."""
        return None if self.executed_kwh is None else self.executed_kwh - self.planned_kwh

    @property
    def lacking_kwh(self) -> float:
        """The deviation; of a failed command without a meter, all of the planned energy; else 0."""
        if self.deviation_kwh is not None:
            return self.deviation_kwh
        return -self.planned_kwh if FAILED.intersection(self.states) else 0.0


def execution_of(
    site: Site, *, lake: Lake, plans: PlanStore, ledger: Sequence[LedgerRow], start_utc: datetime, until_utc: datetime
) -> tuple[Executed, ...]:
    """All devices in the quarter hours that ended within [start, until], each by the plan that governed it."""
    stored = stored_plans(plans, site, start_utc, until_utc)
    readings = day_readings(site, lake, stored, ledger, start_utc)
    # To the last one that is over, and no further.
    slots = governed([each.plan for each in stored], start_utc, start_utc + (until_utc - start_utc) // STEP * STEP)
    return executed(slots, ledger, readings)


def executed(
    slots: Iterable[Slot], ledger: Iterable[LedgerRow], readings: Readings | None = None
) -> tuple[Executed, ...]:
    """Execution of these quarter hours by device. readings: of the meters; None: not read."""
    rows: dict[tuple[str, str, datetime], list[LedgerRow]] = {}
    for row in ledger:
        key = (row.command.plan_id, row.command.device_id, row.command.valid_from_utc)
        rows.setdefault(key, []).append(row)
    devices, found = dict[str, list[tuple[Device, Numbers]]](), list[Executed]()
    for slot in slots:
        if slot.plan.plan_id not in devices:
            devices[slot.plan.plan_id] = _devices(slot.plan)
        for device, columns in devices[slot.plan.plan_id]:
            mine = rows.get((slot.plan.plan_id, device.device_id, slot.start_utc), [])
            found.append(_executed(slot, device, columns, mine, readings))
    return tuple(found)


def _devices(plan: Plan) -> list[tuple[Device, Numbers]]:
    return [
        (one, numbers({name: [step.devices[one.device_id][name] for step in plan.steps] for name in columns}))
        for one in case_of(plan.request).devices
        if (columns := plan.steps[0].devices.get(one.device_id)) is not None
    ]


def _executed(
    slot: Slot, device: Device, columns: Numbers, rows: Sequence[LedgerRow], readings: Readings | None
) -> Executed:
    t, hours = slot.step, STEP.total_seconds() / 3600
    set_points = device.commands(slot.plan.steps[t].devices[device.device_id], t)
    grades = [row.evidence_grade for row in rows]
    read = {row.command.capability: _read(row) for row in rows if row.state in _PROVEN}
    power_kw, shown_by = _shown(device, columns, t, set_points, read, readings, slot.start_utc)
    return Executed(
        plan_id=slot.plan.plan_id,
        device_id=device.device_id,
        start_utc=slot.start_utc,
        set_points=set_points,
        read_back=read,
        states=tuple(row.state for row in rows),
        is_released=bool(rows) and all(row.state not in _NOT_RELEASED for row in rows),
        is_issued=bool(rows) and all(row.mode_at_issue is not None for row in rows),
        evidence=min((grade for grade in grades if grade is not None), default=None) if None not in grades else None,
        planned_kwh=_drawn(device, columns, t) * hours,
        executed_kwh=None if power_kw is None else power_kw * hours,
        shown_by=shown_by,
        is_weather=bool(device.forecast),
    )


def _shown(
    device: Device,
    columns: Numbers,
    t: int,
    set_points: Mapping[str, float],
    read: Mapping[str, float],
    readings: Readings | None,
    at_utc: datetime,
) -> tuple[float | None, Literal["meter", "read-back", "nothing"]]:
    """Mean power drawn, kW, and its source: the device's own meter before its own report."""
    if readings is not None:
        given_kw = readings.generated_kw.get(device.device_id, {}).get(at_utc)
        if given_kw is not None:
            return -given_kw, "meter"
        metered = readings.done_kw.get(device.device_id, {})
        if metered and all(at_utc in known for known in metered.values()):
            return _drawn(device, columns, t, {name: known[at_utc] for name, known in metered.items()}), "meter"
    if not set_points or set(set_points) - set(read) or device.forecast:
        return None, "nothing"
    if all(abs(read[name] - value) <= _SAME for name, value in set_points.items()):
        return _drawn(device, columns, t), "read-back"
    # Not every kind has a way back from its set-points.
    if type(device).acted is Device.acted:
        return None, "nothing"
    return _drawn(device, columns, t, device.acted(read, t)), "read-back"


def _drawn(device: Device, columns: Numbers, t: int, instead: Mapping[str, float] | None = None) -> float:
    """Power drawn in step t, kW, with other decisions where they are given."""
    series = dict(columns)
    for name, value in (instead or {}).items():
        series[name] = columns[name].copy()
        series[name][t] = value
    return float(np.asarray(device.drawn_kw(series), np.float64)[t])


def _read(row: LedgerRow) -> float:
    value = row.facts.get("readback_value")
    return float(value) if isinstance(value, int | float) else row.command.value


def since_plan(
    plan: Plan, site: Site, *, lake: Lake, ledger: Iterable[LedgerRow], holds: Iterable[Hold], now_utc: datetime
) -> Since:
    """Deviations from a plan until now. ledger: of its commands; holds: open ones.

    A meter of the sun is read once the plan is old enough for what it shows to count: who looks often reads it seldom.
    """
    is_old = now_utc - plan.created_at_utc >= OFF_PLAN_INTERVAL
    sun, finding = _sun_lately(plan, site, lake, now_utc) if is_old else ({}, None)
    # What the agent or a person took before the plan was made, the plan began with.
    taken = {hold.device_id for hold in holds if hold.since_utc and parse_instant(hold.since_utc) > plan.created_at_utc}
    every = {one.device_id for one in devices_of(plan.request)}
    return Since(
        off_plan_kwh=off_plan_since(plan, ledger, now_utc),
        sun_kw=sun,
        by_hand=frozenset(every if "" in taken else taken),
        finding=finding,
    )


def commands_until(plan: Plan) -> datetime:
    """End of the last quarter hour of a plan that is commanded."""
    return max(
        (step.end_utc for step in plan.steps if commanded_step(plan, step.start_utc) is not None),
        default=plan.steps[0].start_utc,
    )


def not_renewed(plan: Plan, now_utc: datetime) -> Finding | None:
    """That a plan tells its devices nothing any more since no other took its place; None: it does, or may yet."""
    until = commands_until(plan)
    if now_utc < until:
        return None
    message = (
        f"plan {plan.version} of {plan.created_at_utc:%Y-%m-%d %H:%M}Z sets no device since {until:%H:%M}Z and no plan"
        " took its place: devices are at their safe values"
    )
    return Finding(code="plan_not_renewed", message=message, severity="warning", scope=plan.site_id)


def _sun_lately(
    plan: Plan, site: Site, lake: Lake, now_utc: datetime
) -> tuple[dict[str, tuple[float, float]], Finding | None]:
    """Planned and shown mean power of the last quarter hours that are over, and the meters that show none of them."""
    end_utc, hours = quarter_start(now_utc), STEP / timedelta(hours=1)
    starts = [end_utc - n * STEP for n in range(_LATELY, 0, -1)]
    slots = [Slot(at, plan, n) for at in starts if (n := commanded_step(plan, at)) is not None]
    if not slots:
        return {}, None
    shown = Readings(load_kw={}, import_price={}, generated_kw=sun_kw(site, lake, plan, slots[0].start_utc, end_utc))
    found, silent = dict[str, tuple[float, float]](), list[str]()
    for name in shown.generated_kw:
        mine = [one for one in executed(slots, (), shown) if one.device_id == name]
        read = [(-one.planned_kwh, -one.executed_kwh) for one in mine if one.executed_kwh is not None]
        if read:
            planned_kw, given_kw = (np.array(read).mean(axis=0) / hours).tolist()
            found[name] = planned_kw, given_kw
        elif max(-one.planned_kwh for one in mine) / hours > OFF_KW:
            silent.append(name)
    if not silent:
        return found, None
    message = f"what {' and '.join(silent)} gave is not known: no reading of the last {_LATELY * hours * 60:g} min"
    return found, Finding(code="no_pv_reading", message=message, severity="warning", scope=site.site_id)


def off_plan_since(plan: Plan, ledger: Iterable[LedgerRow], now_utc: datetime) -> dict[str, float]:
    """By device: how far it is off this plan, kWh, by what the ledger proves of its quarter hours that are over."""
    over = [step.start_utc for step in plan.steps if step.end_utc <= now_utc]
    slots = [Slot(at, plan, n) for at in over if (n := commanded_step(plan, at)) is not None]
    return off_plan(executed(slots, ledger))


def off_plan(slots: Iterable[Executed]) -> dict[str, float]:
    """By device: by how many kWh it is off its plan over these quarter hours, where that is more than a little.

    The sun is left out: what it does otherwise asks for a forecast, not for a plan.
    """
    lacking, planned = dict[str, float](), dict[str, float]()
    for slot in slots:
        if not slot.is_weather:
            name = slot.device_id
            lacking[name] = lacking.get(name, 0.0) + slot.lacking_kwh
            planned[name] = planned.get(name, 0.0) + abs(slot.planned_kwh)
    return {name: kwh for name, kwh in lacking.items() if abs(kwh) > max(OFF_PLAN_KWH, OFF_PLAN_SHARE * planned[name])}
