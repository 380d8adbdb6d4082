"""The clock's part in events: they lapse, begin, send what was approved, trip, and come back.

Each command is a set-point by hand of the person who armed the event (controls/ledger/by_hand.py), so that every guard,
the mode and the agent stand before the device, and an end that was approved stands in the ledger with it.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from assets.stores.ledgers.dr_events import DrEvents
from assets.stores.live.live_store import LiveReader
from assets.stores.transactions import site_transaction
from controls.agent.planned import planned_check
from controls.demand_response.event_commands import EventObservation, staggered, tripped
from controls.demand_response.event_life import by_clock, due, ended_early
from controls.ledger.by_hand import set_manually
from controls.ledger.rows import read_commands
from controls.safety.live_meters import live_meters
from data_quality.contracts.control.dr_event import DrEvent, EventCommand
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person
from data_quality.contracts.time import Clock
from orchestration.demand_response.acts import back

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject

# In the place of a command's id where the ledger took none.
REFUSED = "refused"


def advance(project: "OpenProject", clock: Clock) -> list[DrEvent]:
    """Every open event moved on to now; those that changed. Doing it again changes nothing. Raises Unreachable."""
    events = DrEvents(project.store)
    found = []
    for event in events.current():
        if event.is_open:
            with project.store.together():
                after = events.move(event, lambda now: _step(project, now, clock), clock)
            if after.state != event.state or after.commands != event.commands:
                found.append(after)
    return found


def unfinished(project: "OpenProject", now_utc: datetime) -> list[DrEvent]:
    """Events that the clock has something to do with now: begun, or to begin, and not all given back yet."""
    return [
        each
        for each in DrEvents(project.store).current()
        if each.is_open
        and each.start_utc <= now_utc
        and (each.state != "restore" or any(one.until_utc > now_utc for one in each.commands))
    ]


def _step(project: "OpenProject", event: DrEvent, clock: Clock) -> DrEvent:
    now_utc, keys = clock.now_utc(), project.people.public_keys
    votes = DrEvents(project.store).votes(event.site_id) if any(each.class_id for each in event.approvals) else None
    after = by_clock(event, keys, now_utc, votes)
    if after.state == "active":
        commands = list(after.commands)
        person = project.people.known(after.armed_by)
        for n in due(after, keys, now_utc):
            commands[n] = _send(project, after, commands[n], person, now_utc)
        after = after.model_copy(update={"commands": tuple(commands)})
        if why := tripped(after, _seen(project, after, now_utc)):
            after = ended_early(after, back_utc=staggered(after, now_utc), reason=why)
    over = [
        each.sent
        for each in after.commands
        if each.sent and each.back_utc is not None and each.back_utc <= now_utc < each.until_utc
    ]
    if over and after.state == "restore":
        back(project, project.site(after.site_id), over, reason=after.reason, clock=clock)
    return after


def _send(
    project: "OpenProject", event: DrEvent, command: EventCommand, person: Person, now_utc: datetime
) -> EventCommand:
    store, site = project.store, project.site(event.site_id)
    place = (site.site_id, command.device_id, command.capability)
    try:
        with site_transaction(store, site.site_id) as connection:
            row, why = set_manually(
                store, connection, place, command.value, command.unit, until_utc=command.until_utc, person=person,
                reason=f"event {event.event_id}", at_utc=now_utc, check=planned_check(site),
            )  # fmt: skip
    except BadInput as fault:
        return command.model_copy(update={"sent": REFUSED, "outcome": str(fault)})
    return command.model_copy(update={"sent": row.command.command_id, "outcome": f"{row.state}: {why}"})


def _seen(project: "OpenProject", event: DrEvent, now_utc: datetime) -> EventObservation:
    places = {each.sent: n for n, each in enumerate(event.commands) if each.sent}
    rows = read_commands(project.store, event.site_id, command_ids=places)
    outcomes = {
        places[row.command.command_id]: (row.state, str(row.facts.get("reason", "see the ledger"))) for row in rows
    }
    # Power shed and promised, kW, and seconds since the last word, of the loads whose meter a live source tells.
    site = project.site(event.site_id)
    meters = {load.load_id: load.meter for load in site.sheddable_loads}
    points = {asset.meter: live_meters(site).get(asset.asset_id, {}) for asset in site.assets if not asset.template}
    values = {(each.source_id, each.point): each for each in LiveReader(project.project.live_dir).values(site.site_id)}
    shed_kw = promised_kw = silent_s = 0.0
    is_measured = False
    for each in event.commands:
        of_load = points.get(meters.get(each.load), {})
        if not of_load or each.unit != "kw" or not each.from_utc <= now_utc < each.ends_utc:
            continue
        is_measured, promised_kw = True, promised_kw + each.kw
        known = [(values[point], factor) for point, factor in of_load.items() if point in values]
        if len(known) < len(of_load):
            silent_s = max(silent_s, (now_utc - event.start_utc).total_seconds())
            continue
        silent_s = max(silent_s, *(value.age_s(now_utc) for value, _ in known))
        # A limit is what the load usually draws less what it sheds.
        shed_kw += each.value + each.kw - sum(value.value * factor for value, factor in known)
    return EventObservation(
        now_utc, outcomes, *((shed_kw, promised_kw, silent_s) if is_measured else (None, None, None))
    )
