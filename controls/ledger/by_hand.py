"""A set-point by hand: a command of no plan that a person's hold sends, within every guard, and that is over with it.

The plan's command for the same place is replaced at once. What is left of its quarter hour is written once more, so
that the device has a plan again from the moment on at which the person's set-point ends.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import uuid4

from assets.stores.ledgers.plans import propose
from assets.stores.schema.tables_control import plans
from assets.stores.transactions import Connection, Store, select_rows
from controls.ledger.device_holds import Hold, end_manual_hold, release_hold, select_holds, set_hold
from controls.ledger.modes import read_modes
from controls.ledger.outbox import PlannedCheck, released
from controls.ledger.rows import LedgerRow, select_commands, transition
from controls.ledger.states import IN_HAND
from data_quality.contracts.control.command import BY_HAND, Command, CommandState, Mode
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person

# A car that needs longer is planned for.
LONGEST = timedelta(hours=8)
TTL_S = 45.0
# Devices take whole seconds, and a command needs a few to be proven.
_LEAST = timedelta(minutes=1)


def set_manually(
    store: Store,
    connection: Connection,
    place: tuple[str, str, str],
    value: float,
    unit: str,
    *,
    until_utc: datetime,
    person: Person,
    reason: str,
    at_utc: datetime,
    check: PlannedCheck,
) -> tuple[LedgerRow, str]:
    """Set a device by hand until then, in the caller's transaction: the command's row, released or refused as a plan's
    would be, and why. place: site, device and capability.

    Below PARTIAL it ends as ADVISED and holds nothing. Raises BadInput where somebody keeps hands off the device, for
    an end that has passed or is too far, and as set_hold does.
    """
    site_id, device_id, capability = place
    _expect_end(until_utc, at_utc)
    standing = select_holds(store, connection, site_id, at_utc)
    if other := next((each for each in standing if not each.sends and each.covers(device_id, capability)), None):
        end = "acknowledged by a person" if other.until_utc is None else f"{other.until_utc:%Y-%m-%d %H:%M}Z"
        raise BadInput(f"{device_id} is held until {end}: {other.reason}", reason="is_held")
    name = f"hand-{uuid4().hex}"
    hold = {
        "site_id": site_id,
        "device_id": device_id,
        "capability": capability,
        "until_utc": until_utc,
        "value": value,
    }
    facts = {"reason": reason, "command_id": name, "person_id": person.person_id}
    command = Command(
        command_id=name, idempotency_key=f"{BY_HAND}:{device_id}:{capability}:{name}", plan_id=BY_HAND,
        plan_hash=Hold.model_validate({**hold, **facts, "since_utc": ""}).digest, site_id=site_id, device_id=device_id,
        capability=capability, value=value, unit=unit, seq=0, epoch=0, valid_from_utc=at_utc,
        valid_until_utc=until_utc, ttl_s=TTL_S,
    )  # fmt: skip
    mode = read_modes(store, site_id, now_utc=at_utc, connection=connection).of(device_id, capability)
    state, why = released(command, mode, check)
    if state is CommandState.RELEASED:
        set_hold(
            connection, *place, until_utc=until_utc, value=value, reason=reason, command_id=name, person=person,
            at_utc=at_utc,
        )  # fmt: skip
        _reissue_planned(connection, place, until_utc, check, mode, at_utc=at_utc, is_begun=True)
    propose(connection, site_id, [command], at_utc=at_utc, reason=f"set by hand by {person.person_id}: {reason}")
    return _step(connection, site_id, name, state, why, at_utc), why


def give_back(
    store: Store,
    connection: Connection,
    site_id: str,
    device_id: str,
    capability: str,
    *,
    person: Person,
    reason: str,
    at_utc: datetime,
    check: PlannedCheck,
) -> list[Hold]:
    """Give a device back to the plan: release_hold, and the plan's command of now for what was set by hand.

    What was not sent yet never is; what stands is ended by the agent, which takes the plan's instead.
    """
    found = release_hold(store, connection, site_id, device_id, capability, person=person, reason=reason, at_utc=at_utc)
    _to_plan(store, connection, site_id, [each for each in found if each.sends], at_utc=at_utc, check=check)
    return found


def end_sent(
    store: Store,
    connection: Connection,
    site_id: str,
    command_ids: Collection[str],
    *,
    reason: str,
    at_utc: datetime,
    check: PlannedCheck,
) -> None:
    """End these set-points before their time, where they still stand, as give_back does but as nobody's act: to end
    one lets nothing new in.
    """
    found = [each for each in select_holds(store, connection, site_id, at_utc) if each.sends in set(command_ids)]
    for row in select_commands(connection, site_id, command_ids=[each.sends for each in found]):
        end_manual_hold(store, connection, row.command, reason=reason, at_utc=at_utc)
    _to_plan(store, connection, site_id, found, at_utc=at_utc, check=check)


def _to_plan(
    store: Store, connection: Connection, site_id: str, holds: Sequence[Hold], *, at_utc: datetime, check: PlannedCheck
) -> None:
    """The plan's commands of now for what was set by hand under these holds."""
    modes = read_modes(store, site_id, now_utc=at_utc, connection=connection)
    for hold in holds:
        for row in select_commands(connection, site_id, command_ids=[hold.sends]):
            if row.state is CommandState.RELEASED:
                reason = "given back to the plan before it was sent"
                transition(connection, row, CommandState.SUPERSEDED, at_utc=at_utc, reason=reason)
        place = (site_id, hold.device_id, hold.capability)
        mode = modes.of(hold.device_id, hold.capability)
        _reissue_planned(connection, place, at_utc, check, mode, at_utc=at_utc, is_begun=False)


def _expect_end(until_utc: datetime, at_utc: datetime) -> None:
    if until_utc < at_utc + _LEAST:
        raise BadInput("a set-point by hand holds for a minute at least", reason="end_has_passed")
    if until_utc > at_utc + LONGEST:
        hours = LONGEST / timedelta(hours=1)
        raise BadInput(f"a set-point by hand holds for {hours:g} h at most", reason="end_too_far")


def _reissue_planned(
    connection: Connection, place: tuple[str, str, str], from_utc: datetime, check: PlannedCheck, mode: Mode, *,
    at_utc: datetime, is_begun: bool,
) -> None:  # fmt: skip
    """Write the plan's command of that instant once more from then on, where the person's replaces it or has done so.

    is_begun: only one that runs already; a later one is released in its own time.
    """
    row = _of_plan(connection, place, from_utc)
    if row is None or row.command.valid_until_utc < from_utc + _LEAST:
        return
    replaced = (*IN_HAND, CommandState.SUPERSEDED)
    if row.state not in replaced or (is_begun and row.command.valid_from_utc > at_utc):
        return
    name = f"again-{uuid4().hex}"
    key = ":".join((row.command.plan_id, *place[1:], from_utc.isoformat(), name))
    changed = {"command_id": name, "idempotency_key": key, "valid_from_utc": from_utc, "seq": 0, "epoch": 0}
    command = row.command.model_copy(update=changed)
    reason = f"again after a set-point by hand: {row.command.command_id}"
    propose(connection, place[0], [command], at_utc=at_utc, reason=reason)
    _step(connection, place[0], name, *released(command, mode, check), at_utc)


def _of_plan(connection: Connection, place: tuple[str, str, str], at_utc: datetime) -> LedgerRow | None:
    """The command of the newest plan for a place at an instant, the latest where it was written more than once."""
    found = [
        row
        for row in select_commands(connection, place[0], ended_after_utc=at_utc)
        if (row.command.device_id, row.command.capability) == place[1:] and row.command.valid_from_utc <= at_utc
    ]
    ids = {row.command.plan_id for row in found}
    versions = {
        row["plan_id"]: row["version"]
        for row in select_rows(connection, plans.select().where(plans.c.plan_id.in_(ids)))
    }
    found = [row for row in found if row.command.plan_id in versions]
    return max(found, key=lambda row: (versions[row.command.plan_id], row.command.valid_from_utc), default=None)


def _step(
    connection: Connection, site_id: str, name: str, state: CommandState, why: str, at_utc: datetime
) -> LedgerRow:
    [row] = select_commands(connection, site_id, command_ids=[name])
    moved = transition(connection, row, state, at_utc=at_utc, reason=why)
    assert moved is not None, "a row of this transaction is nobody else's"  # noqa: S101 - narrows the type
    return moved
