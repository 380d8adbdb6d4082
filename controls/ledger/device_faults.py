"""Fault latches: set by the agent in the transaction that found the fault, taken back only by a named person."""

from datetime import datetime

from assets.stores.journal import fields_of
from assets.stores.schema.tables_control import fault_events
from assets.stores.seals import append_row, raw_of_site
from assets.stores.transactions import Connection, Store, read_rows, site_transaction
from assets.stores.trust import proven_of_site
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import Clock


class Fault(Model):
    """A latch that is set. device_id: empty for the whole site. set_at_utc: as the store says it; may be empty."""

    site_id: str
    device_id: str
    reason: str
    command_id: str | None
    set_at_utc: str


def latch_fault(
    connection: Connection, site_id: str, device_id: str, *, reason: str, command_id: str | None, at_utc: datetime
) -> None:
    """Set the latch of a device; setting it again adds a line and changes nothing else."""
    append_row(
        connection,
        fault_events,
        site_id=site_id,
        device_id=device_id,
        is_set=True,
        reason=reason,
        command_id=command_id,
        recorded_at_utc=at_utc,
    )


def open_faults(store: Store, site_id: str) -> list[Fault]:
    """Latches that are set now, by device. Raises Unreachable."""
    return _open(store, site_id)


def fault_spans(store: Store, site_id: str) -> list[tuple[str, datetime, datetime | None]]:
    """Every latch that was set, with its device, since when, and until when a person took it back. Raises
    Unreachable.
    """
    spans, since = list[tuple[str, datetime, datetime | None]](), dict[str, datetime]()
    for row in read_rows(store, raw_of_site(fault_events, site_id)):
        device, at_utc = row["device_id"], datetime.fromisoformat(row["recorded_at_utc"])
        if row["is_set"]:
            since.setdefault(device, at_utc)
        elif device in since:
            spans.append((device, since.pop(device), at_utc))
    return spans + [(device, at_utc, None) for device, at_utc in since.items()]


def select_faults(store: Store, connection: Connection, site_id: str) -> list[Fault]:
    """The same inside a transaction."""
    return _open(store, site_id, connection)


def is_latched(faults: list[Fault], device_id: str) -> bool:
    """True where the device, or the whole site, is latched."""
    return any(fault.device_id in ("", device_id) for fault in faults)


def acknowledge_fault(store: Store, site_id: str, device_id: str, *, person: Person, reason: str, clock: Clock) -> None:
    """Take a latch back. Raises BadInput where none is set, without a reason, or without the role engineer."""
    person.must_be(Role.ENGINEER)
    if not reason.strip():
        raise BadInput("acknowledging a fault needs a reason", reason="missing_reason")
    with site_transaction(store, site_id) as connection:
        # Exactly this device: acknowledging one must never take back the latch of the whole site.
        if not any(fault.device_id == device_id for fault in select_faults(store, connection, site_id)):
            raise BadInput(f"no fault of {device_id or site_id!r} is latched", reason="no_fault")
        append_row(
            connection,
            fault_events,
            site_id=site_id,
            device_id=device_id,
            is_set=False,
            reason=reason,
            person_id=person.person_id,
            recorded_at_utc=clock.now_utc(),
        )


def _open(store: Store, site_id: str, connection: Connection | None = None) -> list[Fault]:
    _, good, problems = proven_of_site(store, fault_events, site_id, connection=connection)
    if problems:
        # Which latch was taken back by whom can no longer be told: the whole site stays where it is.
        return [Fault(site_id=site_id, device_id="", reason=problems[0], command_id=None, set_at_utc="")]
    # Rows come by id, so the last of each device stands.
    latest = {row["device_id"]: row for row in good}
    fault = fields_of(Fault)
    return [fault({**row, "set_at_utc": row["recorded_at_utc"]}) for row in latest.values() if row["is_set"]]
