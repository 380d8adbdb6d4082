"""Exact set-points of an event out of its plan, the peak that its return makes, and the circuit breaker, pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from controls.demand_response.curtailment import RETURN_SPREAD_S, STEP
from controls.safety.limits import DeviceLimits
from controls.safety.restore import restore_delay_s
from data_quality.contracts.control.command import CommandState
from data_quality.contracts.control.curtailment import CurtailmentPlan, ShedStep
from data_quality.contracts.control.dr_event import DrEvent, EventCommand
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.sheddable_load import SheddableLoad

# Rebound after an event against the peak before it (F81).
MOST_REBOUND = 1.1
# A meter needs some minutes to show a shed, and a device some to reach it.
SETTLES = timedelta(minutes=5)
# Below this share of what was promised the event is no use and people bear it for nothing.
LEAST_SHED = 0.5
SILENT = timedelta(minutes=5)
# A hold by hand, which carries an event's set-points, lasts so long at most (controls/ledger/by_hand.py).
LONGEST = timedelta(hours=8)


def commands_of(
    plan: CurtailmentPlan,
    loads: Sequence[SheddableLoad],
    limits: Mapping[tuple[str, str], DeviceLimits],
    usual_kw: Mapping[str, Sequence[float]],
) -> tuple[EventCommand, ...]:
    """A set-point for each step of a plan whose load has a device: a power limit below what it usually draws, or a
    contact that is opened. usual_kw: of meters, by quarter hours of the event; without a meter the device's rating.

    Loads without a device have none: people switch them. Raises BadInput for a device that takes no power limit, and
    for a step that is longer than a set-point may hold.
    """
    known = {load.load_id: load for load in loads}
    returns = {each.load: each.at_utc for each in plan.returns}
    found = []
    for step in plan.steps:
        load = known[step.load]
        if step.asset is None:
            continue
        capability, limit = _power_of(step.asset, limits)
        until = returns[step.load] if step.end_utc == plan.end_utc else step.end_utc
        if until - step.start_utc > LONGEST:
            message = f"{load.title}: a set-point of an event holds {LONGEST / timedelta(hours=1):g} h at most"
            raise BadInput(message, reason="end_too_far")
        found.append(
            EventCommand(
                load=step.load, device_id=step.asset, capability=capability, unit=limit.unit, kw=step.kw,
                value=_value(step, limit, usual_kw.get(load.meter or "", ()), plan.start_utc),
                from_utc=step.start_utc, until_utc=until, rebounds=load.rebound_share > 0,
            )
        )  # fmt: skip
    return tuple(found)


def _power_of(device_id: str, limits: Mapping[tuple[str, str], DeviceLimits]) -> tuple[str, DeviceLimits]:
    for (name, capability), limit in limits.items():
        if name == device_id and (limit.is_limit or limit.switched_kw is not None):
            return capability, limit
    raise BadInput(f"{device_id} takes no power limit and has no contact: no event can command it",
                   reason="unknown_capability")  # fmt: skip


def _value(step: ShedStep, limit: DeviceLimits, usual_kw: Sequence[float], start_utc: datetime) -> float:
    if limit.switched_kw is not None and not limit.is_limit:
        return limit.min_value
    factor = limit.kw_per_unit or 1.0
    first, after = (step.start_utc - start_utc) // STEP, -(-(step.end_utc - start_utc) // STEP)
    draws_kw = min(usual_kw[first:after], default=limit.max_value * factor)
    return round(min(max((draws_kw - step.kw) / factor, limit.min_value), limit.max_value), 2)


def rebound_peak(plan: CurtailmentPlan, before_kw: float) -> float:
    """Expected highest power after an event over that before it, 1 and above.

    What a load draws again is taken as even over as many hours as the event had, from its return on: the span over
    which `dr baseline` measures a rebound.
    """
    hours = (plan.end_utc - plan.start_utc) / timedelta(hours=1)
    return 1 + sum(each.rebound_kwh for each in plan.returns) / hours / before_kw


def check_rebound(plan: CurtailmentPlan, before_kw: float) -> None:
    """Raises BadInput (rebound_above_peak) where the return would make more than 110 % of the peak before the event."""
    if (peak := rebound_peak(plan, before_kw)) > MOST_REBOUND:
        raise BadInput(
            f"its loads would draw {peak:.0%} of the peak before the event when they come back; {MOST_REBOUND:.0%} at "
            "most is allowed", reason="rebound_above_peak", mend="ask for less, or for loads that rebound less",
        )  # fmt: skip


class EventObservation(NamedTuple):
    """A look at an active event. outcomes: states of its commands in the ledger, with the reason of each, by place.

    shed_kw: measured against what the meters usually draw, and promised_kw at that time; None: no meter tells.
    silent_s: since the last word of the meter that has been silent longest; None: no meter was expected to speak.
    """

    now_utc: datetime
    outcomes: Mapping[int, tuple[CommandState, str]]
    shed_kw: float | None = None
    promised_kw: float | None = None
    silent_s: float | None = None


def tripped(event: DrEvent, seen: EventObservation) -> str:
    """Why an active event must end now; empty while it may go on.

    Trips on a device taken by hand, a comfort limit or another guard that ended a set-point, a device that does not do
    what it was told, a silent meter, and a shed below half of the promise once devices had five minutes.
    """
    for n, (state, why) in seen.outcomes.items():
        device = event.commands[n].device_id
        if state is CommandState.OVERRIDDEN:
            return f"{device} was taken by hand"
        if state is CommandState.REVERTED:
            return f"a guard ended the set-point of {device}: {why}"
        if state is CommandState.UNVERIFIED:
            return f"{device} does not follow its command"
    if seen.silent_s is not None and seen.silent_s > SILENT.total_seconds():
        return f"its meter has been silent for {seen.silent_s / 60:.0f} min"
    is_early = seen.now_utc < event.start_utc + SETTLES
    if not is_early and seen.shed_kw is not None and seen.promised_kw and seen.shed_kw < LEAST_SHED * seen.promised_kw:
        return f"{seen.shed_kw:.1f} kW are shed of {seen.promised_kw:.1f} kW promised"
    return ""


def staggered(event: DrEvent, now_utc: datetime) -> dict[int, datetime]:
    """When each command that runs goes back, by place: loads that rebound one after the other within ten minutes, the
    others at once, and none later than it was to.
    """
    running = {n: each for n, each in enumerate(event.commands) if each.sent and now_utc < each.until_utc}
    names = [each.device_id for each in running.values() if each.rebounds]
    turn = event.start_utc.toordinal()
    waits = {
        n: restore_delay_s(each.device_id, names, epoch=turn, spread_s=RETURN_SPREAD_S) if each.rebounds else 0.0
        for n, each in running.items()
    }
    return {n: min(now_utc + timedelta(seconds=wait), running[n].until_utc) for n, wait in waits.items()}
