"""Modes: how far commands may go. The effective mode is the lower one of site and device; lowering is immediate,
raising needs a person with the role and a ledger without doubt.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from assets.stores.access import Connection, read_rows, select_rows, site_transaction
from assets.stores.tables import mode_events
from assets.stores.transactions import Store
from controls.ledger.faults import select_faults
from controls.ledger.rows import select_commands
from controls.ledger.states import DOUBTFUL
from data_quality.contracts.command import Mode
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import Clock


class ModeEvent(Model):
    """One recorded change. device_id: empty for the whole site."""

    site_id: str
    device_id: str
    mode: Mode
    person_id: str
    reason: str
    recorded_at_utc: datetime


def current_mode(store: Store, site_id: str, device_id: str = "", *, as_of_utc: datetime | None = None) -> Mode:
    """Effective mode of a device, or of the site; missing or unreadable means SIMULATION. Raises Unreachable.

    as_of_utc: as it was recorded by then.
    """
    return _effective(mode_history(store, site_id, as_of_utc=as_of_utc), device_id)


def current_modes(store: Store, site_id: str, device_ids: Iterable[str]) -> dict[str, Mode]:
    """Effective mode of each device, from one read. Raises Unreachable."""
    rows = read_rows(store, _events(site_id))
    return {device_id: _effective(rows, device_id) for device_id in device_ids}


def select_mode(connection: Connection, site_id: str, device_id: str = "") -> Mode:
    """The same inside a transaction: what is read holds until it commits, if the site's lock is taken."""
    return _effective(select_rows(connection, _events(site_id)), device_id)


def set_mode(
    store: Store, site_id: str, *, mode: Mode, person: Person, reason: str, clock: Clock, device_id: str = ""
) -> ModeEvent:
    """Record a mode for a site or one of its devices.

    Lowering needs operator or engineer. Raising needs a reason, no latched fault and no command in doubt; to ADVISORY
    an operator, to PARTIAL an engineer; FULL is refused. Raises BadInput; the refusal changes nothing.
    """
    with site_transaction(store, site_id) as connection:
        present = _latest(select_rows(connection, _events(site_id)), device_id)
        # A device without an entry of its own follows the site, so its first entry never raises anything.
        if mode >= Mode.FULL:
            raise BadInput("mode FULL needs two people; not available yet", reason="needs_two_people")
        if mode > (Mode.FULL if present is None and device_id else present or Mode.SIMULATION):
            _check_raise(mode, person, reason)
            _check_no_doubt(connection, site_id)
        elif not {Role.OPERATOR, Role.ENGINEER} & set(person.roles):
            raise _missing(person, "operator")
        event = ModeEvent(
            site_id=site_id,
            device_id=device_id,
            mode=mode,
            person_id=person.person_id,
            reason=reason,
            recorded_at_utc=clock.now_utc(),
        )
        connection.execute(mode_events.insert().values(**{**event.model_dump(), "mode": mode.name}))
    return event


def mode_history(store: Store, site_id: str, *, as_of_utc: datetime | None = None) -> list[dict[str, Any]]:
    """Every change of a site and its devices recorded by then, oldest first. Raises Unreachable."""
    query = _events(site_id)
    return read_rows(store, query if as_of_utc is None else query.where(mode_events.c.recorded_at_utc <= as_of_utc))


def _check_raise(mode: Mode, person: Person, reason: str) -> None:
    role = Role.ENGINEER if mode is Mode.PARTIAL else Role.OPERATOR
    if role not in person.roles:
        raise _missing(person, role)
    if not reason.strip():
        raise BadInput(f"raising the mode to {mode.name} needs a reason", reason="missing_reason")


def _check_no_doubt(connection: Connection, site_id: str) -> None:
    faults = select_faults(connection, site_id)
    if faults:
        names = ", ".join(fault.device_id or site_id for fault in faults)
        raise BadInput(
            f"the mode is not raised while a fault is latched ({names})",
            reason="fault_latched",
            mend="acknowledge the fault first",
        )
    doubtful = select_commands(connection, site_id, states=DOUBTFUL)
    if doubtful:
        command = doubtful[0].command
        raise BadInput(
            f"the mode is not raised while command {command.command_id} for {command.device_id} is "
            f"{doubtful[0].state}, so not proven",
            reason="command_in_doubt",
        )


def _missing(person: Person, role: str) -> BadInput:
    return BadInput(f"{person.name} has not the role {str(role)!r}", reason="missing_role")


def _events(site_id: str) -> Any:
    return mode_events.select().where(mode_events.c.site_id == site_id).order_by(mode_events.c.id)


def _latest(rows: list[dict[str, Any]], device_id: str) -> Mode | None:
    mine = [row["mode"] for row in rows if row["device_id"] == device_id]
    if not mine:
        return None
    return Mode.__members__.get(mine[-1], Mode.SIMULATION)


def _effective(rows: list[dict[str, Any]], device_id: str) -> Mode:
    site = _latest(rows, "")
    device = _latest(rows, device_id) if device_id else None
    return min(Mode.SIMULATION if site is None else site, Mode.FULL if device is None else device)
