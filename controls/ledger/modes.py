"""Modes: how far commands may go. The effective mode is the lower one of site and device; lowering is immediate,
raising needs a person with the role and a ledger without doubt.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from assets.stores.access import Connection, read_rows, select_rows, site_transaction
from assets.stores.schema.tables_control import mode_events
from assets.stores.seals import append_row, raw_select
from assets.stores.transactions import Store
from assets.stores.trust import proven
from controls.ledger.device_faults import select_faults
from controls.ledger.rows import select_commands
from controls.ledger.states import DOUBTFUL
from data_quality.contracts.control.command import Mode
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
    query = _raw_events(site_id)
    if as_of_utc is not None:
        query = query.where(mode_events.c.recorded_at_utc <= as_of_utc)
    return _effective(_believed(store, read_rows(store, query))[0], device_id)


def modes_and_doubts(store: Store, site_id: str, device_ids: Iterable[str]) -> tuple[dict[str, Mode], list[str]]:
    """Effective mode of each device, from one read, and what is wrong with entries that do not count; nothing where
    all do. Raises Unreachable.
    """
    modes, doubts = _believed(store, read_rows(store, _raw_events(site_id)))
    return {device_id: _effective(modes, device_id) for device_id in device_ids}, doubts


def select_mode(store: Store, connection: Connection, site_id: str, device_id: str = "") -> Mode:
    """The same inside a transaction: what is read holds until it commits, if the site's lock is taken."""
    return _effective(_believed(store, select_rows(connection, _raw_events(site_id)), connection)[0], device_id)


def set_mode(
    store: Store, site_id: str, *, mode: Mode, person: Person, reason: str, clock: Clock, device_id: str = ""
) -> ModeEvent:
    """Record a mode for a site or one of its devices.

    Lowering needs operator or engineer. Raising needs a reason, no latched fault and no command in doubt; to ADVISORY
    an operator, to PARTIAL an engineer; FULL is refused. Raises BadInput; the refusal changes nothing.
    """
    with site_transaction(store, site_id) as connection:
        present = _believed(store, select_rows(connection, _raw_events(site_id)), connection)[0].get(device_id)
        # A device without an entry of its own follows the site, so its first entry never raises anything.
        if mode >= Mode.FULL:
            raise BadInput("mode FULL needs two people; not available yet", reason="needs_two_people")
        # SIMULATION is 0 and so falsy: "or" gives the same answer for it as for none.
        if mode > (Mode.FULL if present is None and device_id else present or Mode.SIMULATION):
            _check_raise(mode, person, reason)
            _check_no_doubt(store, connection, site_id)
        # Who may raise may lower, without holding the operator's role as well.
        elif Role.ENGINEER not in person.roles:
            person.must_be(Role.OPERATOR)
        event = ModeEvent(
            site_id=site_id,
            device_id=device_id,
            mode=mode,
            person_id=person.person_id,
            reason=reason,
            recorded_at_utc=clock.now_utc(),
        )
        append_row(connection, mode_events, **{**event.model_dump(), "mode": mode.name})
    return event


def mode_history(store: Store, site_id: str, *, as_of_utc: datetime | None = None) -> list[dict[str, Any]]:
    """Every change of a site and its devices recorded by then, oldest first. Raises Unreachable."""
    query = _events(site_id)
    return read_rows(store, query if as_of_utc is None else query.where(mode_events.c.recorded_at_utc <= as_of_utc))


def _check_raise(mode: Mode, person: Person, reason: str) -> None:
    person.must_be(Role.ENGINEER if mode is Mode.PARTIAL else Role.OPERATOR)
    if not reason.strip():
        raise BadInput(f"raising the mode to {mode.name} needs a reason", reason="missing_reason")


def _check_no_doubt(store: Store, connection: Connection, site_id: str) -> None:
    faults = select_faults(store, connection, site_id)
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


def _events(site_id: str) -> Any:
    return mode_events.select().where(mode_events.c.site_id == site_id).order_by(mode_events.c.id)


def _raw_events(site_id: str) -> Any:
    # As the database holds them: an entry that nobody can read must lower the mode, not stop the agent.
    return raw_select(mode_events).where(mode_events.c.site_id == site_id).order_by(mode_events.c.id)


def _believed(
    store: Store, rows: list[dict[str, Any]], connection: Connection | None = None
) -> tuple[dict[str, Mode], list[str]]:
    """Mode by device (empty: the site) after these entries, and what is wrong with those that do not count.

    An entry that lowers always counts: to stop needs neither key nor seal. One that raises must be proven.
    """
    good, problems = proven(store, mode_events, rows, connection=connection)
    ids = {row["id"] for row in good}
    modes: dict[str, Mode] = {}
    for row in rows:
        # A word that is no mode counts as the lowest, which is always believed.
        wanted, device_id = Mode.__members__.get(row["mode"], Mode.SIMULATION), row["device_id"]
        present = modes.get(device_id, Mode.FULL if device_id else Mode.SIMULATION)
        if row["id"] in ids or wanted <= present:
            modes[device_id] = wanted
    return modes, problems


def _effective(modes: Mapping[str, Mode], device_id: str) -> Mode:
    return min(modes.get("", Mode.SIMULATION), modes.get(device_id, Mode.FULL) if device_id else Mode.FULL)
