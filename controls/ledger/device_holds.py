"""Holds: a person took a device by hand, and nobody of ours writes to it until the hold ends or a person gives it back.

Set by the agent where it finds another value than its own, or by a person beforehand; kept in the ledger, so that they
survive every restart. A hold sends nothing and needs no key; to end one early is a person's act.
"""

from datetime import datetime, timedelta
from math import isfinite
from typing import Any

from assets.stores.column_types import sha256_of
from assets.stores.schema.tables_control import hold_events
from assets.stores.seals import append_row, raw_of_site
from assets.stores.transactions import Connection, Store, read_rows
from assets.stores.trust import proven_of_site
from data_quality.contracts.control.command import Command
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import parse_instant

# dispatch.md B.5, I08: how long hands stay off where nobody says how long.
HOLD = timedelta(hours=2)


class Hold(Model):
    """A hold that is open. capability: empty for the whole device; device_id: empty for the whole site.

    until_utc: None where nobody can tell it. value: what the person set, in the capability's unit. person_id: who took
    it; None where the agent found it. since_utc: when it was recorded, as the store says it.
    """

    site_id: str
    device_id: str
    capability: str
    until_utc: datetime | None
    value: float | None
    reason: str
    command_id: str | None
    person_id: str | None
    since_utc: str

    @property
    def sends(self) -> str:
        """The command that a person sends under it; empty where it only keeps hands off."""
        return self.command_id if self.person_id and self.command_id else ""

    @property
    def digest(self) -> str:
        """Its content, which the command that is sent under it carries in the place of a plan's digest."""
        until = "" if self.until_utc is None else self.until_utc.isoformat()
        place = [self.site_id, self.device_id, self.capability]
        return sha256_of([*place, self.value, until, self.command_id, self.person_id])

    def covers(self, device_id: str, capability: str) -> bool:
        """True where commands of this capability of the device must wait."""
        return self.device_id in ("", device_id) and self.capability in ("", capability)


def open_holds(store: Store, site_id: str, now_utc: datetime) -> list[Hold]:
    """Holds that have not ended and were not given back, by device. Raises Unreachable."""
    return _open(store, site_id, now_utc, None)


def select_holds(store: Store, connection: Connection, site_id: str, now_utc: datetime) -> list[Hold]:
    """The same inside a transaction."""
    return _open(store, site_id, now_utc, connection)


def manual_settings(store: Store, site_id: str) -> list[tuple[str, str, datetime, float]]:
    """Device, capability, time and value of reported manual settings, ended holds included. Raises Unreachable."""
    rows = read_rows(store, raw_of_site(hold_events, site_id))
    return [
        (row["device_id"], row["capability"], instant, float(row["value"]))
        for row in rows
        # What the agent found stands in the ledger, with the command that it overrode.
        if row["is_set"] and row["value"] is not None and row["capability"]
        if row["command_id"] is None or row["person_id"] is not None
        for instant in [_instant(row["recorded_at_utc"])]
    ]


def _instant(value: Any) -> datetime:
    return value if isinstance(value, datetime) else parse_instant(str(value))


def is_held(holds: list[Hold], device_id: str, capability: str) -> bool:
    """True where hands are kept off the capability of the device."""
    return any(hold.covers(device_id, capability) and not hold.sends for hold in holds)


def manual_command_id(holds: list[Hold], device_id: str, capability: str) -> str:
    """The command by hand that the capability of the device is held for; empty for none."""
    return next((hold.sends for hold in holds if hold.sends and hold.covers(device_id, capability)), "")


def end_manual_hold(store: Store, connection: Connection, command: Command, *, reason: str, at_utc: datetime) -> None:
    """End the hold that a command by hand is sent under, where it is still that command's."""
    for hold in select_holds(store, connection, command.site_id, at_utc):
        if hold.sends == command.command_id:
            place = {"site_id": hold.site_id, "device_id": hold.device_id, "capability": hold.capability}
            facts = {"reason": reason, "command_id": command.command_id, "recorded_at_utc": at_utc}
            append_row(connection, hold_events, **place, is_set=False, **facts)


def set_hold(
    connection: Connection,
    site_id: str,
    device_id: str,
    capability: str,
    *,
    until_utc: datetime,
    reason: str,
    at_utc: datetime,
    value: float | None = None,
    command_id: str | None = None,
    person: Person | None = None,
) -> None:
    """Keep hands off until then, in the caller's transaction; a second one for the same place only prolongs it.

    By the agent (command_id: what it found overridden) or by a person, operator or engineer. Raises BadInput for a
    person without the role or reason, for an end that has passed, and for a value of a person that is no number: one
    that an agent found is kept without it.
    """
    is_number = value is None or isfinite(value)
    if person is not None:
        must_act(person, reason)
        if not is_number:
            raise BadInput(f"a device holds a number, got {value:g}", reason="out_of_range")
    if until_utc <= at_utc:
        raise BadInput(f"the end {until_utc:%Y-%m-%d %H:%M}Z has passed", reason="end_has_passed")
    if capability and not device_id:
        raise BadInput("a capability belongs to a device: name it too", reason="no_device")
    append_row(
        connection,
        hold_events,
        site_id=site_id,
        device_id=device_id,
        capability=capability,
        is_set=True,
        until_utc=until_utc,
        value=value if is_number else None,
        reason=reason,
        command_id=command_id,
        person_id=None if person is None else person.person_id,
        recorded_at_utc=at_utc,
    )


def release_hold(
    store: Store,
    connection: Connection,
    site_id: str,
    device_id: str,
    capability: str = "",
    *,
    person: Person,
    reason: str,
    at_utc: datetime,
) -> list[Hold]:
    """Give back what is held in exactly this place, or, without a capability, everywhere on the device; what it was.

    Raises BadInput where nothing is held, without a reason, or without the role operator or engineer.
    """
    must_act(person, reason)
    found = [
        hold
        for hold in select_holds(store, connection, site_id, at_utc)
        # Exactly this device: giving one back must never end what is held for the whole site.
        if hold.device_id == device_id and capability in ("", hold.capability)
    ]
    if not found:
        raise BadInput(f"nothing of {device_id or site_id!r} is held", reason="no_hold")
    for hold in found:
        append_row(
            connection,
            hold_events,
            site_id=site_id,
            device_id=hold.device_id,
            capability=hold.capability,
            is_set=False,
            reason=reason,
            person_id=person.person_id,
            recorded_at_utc=at_utc,
        )
    return found


def must_act(
    person: Person, reason: str, need: str = "a hold needs a reason, to be taken and to be given back"
) -> None:
    """Raises BadInput without the role operator or engineer, and, with the sentence `need`, without a reason."""
    if Role.ENGINEER not in person.roles:
        person.must_be(Role.OPERATOR)
    if not reason.strip():
        raise BadInput(need, reason="missing_reason")


def _open(store: Store, site_id: str, now_utc: datetime, connection: Connection | None) -> list[Hold]:
    _, good, problems = proven_of_site(store, hold_events, site_id, connection=connection)
    if problems:
        # What was given back by whom can no longer be told: hands stay off the whole site.
        return [_hold({"site_id": site_id, "device_id": "", "capability": "", "reason": problems[0]}, None)]
    held: dict[tuple[str, str], Hold] = {}
    for row in good:
        place = (row["device_id"], row["capability"])
        former = held.pop(place, None)
        # What no person ends, as an agent does and an event: nothing but the set-point that it names.
        if not row["is_set"] and row["person_id"] is None and former and former.sends != row["command_id"]:
            held[place] = former
        if row["is_set"]:
            hold = _hold(row, parse_instant(row["until_utc"]))
            # The later end: what the agent finds overridden must not shorten what a person took until tomorrow.
            is_later = former is not None and former.until_utc > hold.until_utc  # type: ignore[operator]
            # A set-point by hand has the end of its command, and what comes after it an end of its own.
            is_later = is_later and former is not None and not (former.sends or hold.sends)
            held[place] = hold.model_copy(update={"until_utc": former.until_utc}) if former and is_later else hold
    return [hold for hold in held.values() if hold.until_utc is not None and hold.until_utc > now_utc]


def _hold(row: dict[str, Any], until_utc: datetime | None) -> Hold:
    names = ("value", "command_id", "person_id")
    place = {name: row[name] for name in ("site_id", "device_id", "capability", "reason")}
    return Hold(
        **place, **{name: row.get(name) for name in names}, until_utc=until_utc,
        since_utc=str(row.get("recorded_at_utc", "")),
    )  # fmt: skip
