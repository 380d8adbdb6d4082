"""Modes: how far commands may go, for a site, a device and a capability. The effective mode is the lowest of the three;
lowering is immediate, raising needs a person with the role and a ledger without doubt, FULL needs two people
(two_people.py).

And holidays: a person says until when nobody is at home; it ends by itself, or by a person before. A holiday sends
nothing and needs no key: it changes what plans keep to, and every guard stays as it is. A row that nobody can prove
counts as none: then the usual comfort is kept.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from assets.stores.column_types import UtcDateTime
from assets.stores.schema.tables_control import holiday_events, mode_events, mode_requests
from assets.stores.seals import append_row, raw_select
from assets.stores.transactions import Connection, Store, read_rows, select_rows, site_transaction
from assets.stores.trust import proven, proven_of_site
from controls.ledger.blockers import check_no_doubt
from controls.ledger.chain_marks import mark_chain
from controls.ledger.device_holds import must_act
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.holiday import LONGEST, Holiday
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import Clock, parse_instant

# Device and capability; both empty for the whole site, the second alone for the whole device.
Scope = tuple[str, str]
SITE: Scope = ("", "")
# What an entry of FULL must share with the request that it answers.
SIGNED_TWICE = ("site_id", "device_id", "capability", "mode", "person_id", "reason", "expires_utc")


class ModeEvent(Model):
    """One recorded change. device_id: empty for the whole site; capability: empty or None for the whole device.

    expires_utc: when it ends. approved_by and request_id: the second person of FULL, and what both signed.
    """

    site_id: str
    device_id: str
    mode: Mode
    person_id: str
    reason: str
    recorded_at_utc: datetime
    capability: str | None = None
    expires_utc: datetime | None = None
    approved_by: str | None = None
    request_id: int | None = None


class EffectiveMode(Model):
    """The mode that an entry gives now, and until when; None: until another entry."""

    mode: Mode
    until_utc: datetime | None = None


_NOTHING, _FOLLOWS = EffectiveMode(mode=Mode.SIMULATION), EffectiveMode(mode=Mode.FULL)


class Modes:
    """Modes of a site at one instant. doubts: what is wrong with those that do not count."""

    def __init__(self, standings: Mapping[Scope, EffectiveMode], doubts: list[str], newest: int) -> None:
        self.standings, self.doubts, self.newest = standings, doubts, newest

    def of(self, device_id: str = "", capability: str = "") -> Mode:
        """The effective mode: the lowest of site, device and capability. Without an entry the site is in SIMULATION,
        and what lies below it follows.
        """
        # Written out: an agent asks for five hundred devices several times a second.
        return min(self.own(SITE).mode, self.own((device_id, "")).mode, self.own((device_id, capability)).mode)

    def own(self, scope: Scope) -> EffectiveMode:
        """Mode of the scope itself, before the lowest of the three is taken."""
        return self.standings.get(scope) or (_NOTHING if scope == SITE else _FOLLOWS)


def read_modes(
    store: Store,
    site_id: str,
    *,
    now_utc: datetime | None,
    connection: Connection | None = None,
    as_of_utc: datetime | None = None,
) -> Modes:
    """Every mode of a site at `now_utc`; None: whatever has an end counts as ended. Raises Unreachable.

    connection: read in that transaction. as_of_utc: only what was recorded by then.

    An entry whose end has come counts no longer: what stood before it holds again, where that has not ended too and is
    not higher; where nothing stood before, SIMULATION. So FULL that ran out falls to the PARTIAL that an engineer
    gave without an end, and else to SIMULATION: nobody says any more that commands may go.
    """
    found = proven_of_site(store, mode_events, site_id, connection=connection, as_of_utc=as_of_utc)
    return _believed(store, found, now_utc if as_of_utc is None else min(now_utc or as_of_utc, as_of_utc), connection)


def current_mode(
    store: Store,
    site_id: str,
    device_id: str = "",
    capability: str = "",
    *,
    now_utc: datetime | None = None,
    as_of_utc: datetime | None = None,
) -> Mode:
    """Effective mode of a site, device or capability; missing, unreadable or ended: SIMULATION. Raises Unreachable.

    now_utc: None takes every entry with an end as ended. as_of_utc: as it was recorded by then.
    """
    return read_modes(store, site_id, now_utc=now_utc, as_of_utc=as_of_utc).of(device_id, capability)


def modes_and_faults(
    store: Store, site_id: str, scopes: Iterable[Scope], *, now_utc: datetime | None = None
) -> tuple[dict[Scope, Mode], list[str]]:
    """Effective mode of each device and capability, from one read, and what is wrong with entries that do not count;
    nothing where all do. Raises Unreachable.
    """
    modes = read_modes(store, site_id, now_utc=now_utc)
    return {scope: modes.of(*scope) for scope in scopes}, modes.doubts


def set_mode(
    store: Store,
    site_id: str,
    *,
    mode: Mode,
    person: Person,
    reason: str,
    clock: Clock,
    device_id: str = "",
    capability: str = "",
    expires_utc: datetime | None = None,
) -> ModeEvent:
    """Record a mode for a site, one of its devices, or one capability of a device; expires_utc: when it ends.

    Lowering needs operator or engineer. Raising, and prolonging, needs a reason, no latched fault, no command and no
    clock in doubt; to ADVISORY an operator, to PARTIAL an engineer; FULL is refused here. Raises BadInput; the refusal
    changes nothing.
    """
    now_utc = clock.now_utc()
    with site_transaction(store, site_id) as connection:
        modes = read_modes(store, site_id, now_utc=now_utc, connection=connection)
        present = modes.own((device_id, capability))
        if capability and not device_id:
            raise BadInput("a capability belongs to a device: name it too", reason="no_device")
        if mode >= Mode.FULL:
            raise BadInput("mode FULL needs two people: a request, and an approval", reason="needs_two_people")
        if mode > present.mode or _is_longer(mode, expires_utc, present):
            _check_raise(mode, person, reason)
            check_no_doubt(store, connection, site_id, now_utc)
        # Who may raise may lower, without holding the operator's role as well.
        elif Role.ENGINEER not in person.roles:
            person.must_be(Role.OPERATOR)
        check_end(expires_utc, now_utc)
        # Its end would raise nothing again, whatever the person thinks: a hold keeps off for a while (device_holds.py).
        if expires_utc is not None and mode < present.mode and (device_id, capability) in modes.standings:
            raise BadInput("a mode that is lowered has no end", reason="end_of_lowering")
        event = ModeEvent(
            site_id=site_id,
            device_id=device_id,
            mode=mode,
            person_id=person.person_id,
            reason=reason,
            recorded_at_utc=now_utc,
            capability=capability or None,
            expires_utc=expires_utc,
        )
        append_mode(connection, event)
    return event


def append_mode(connection: Connection, event: ModeEvent) -> None:
    """Write a mode event, with a mark on the chain of commands: one signature for both."""
    append_row(connection, mode_events, **{**event.model_dump(), "mode": event.mode.name})
    mark_chain(connection, event.site_id, event.recorded_at_utc)


def simulate_only(store: Store, *, reason: str, clock: Clock) -> Mode:
    """Lower every site that has a mode to SIMULATION, as after a restore: no person did it, and one must raise it.

    Returns the highest mode of any site afterwards. Raises Unreachable.
    """
    found = Mode.SIMULATION
    for row in read_rows(store, sa.select(mode_events.c.site_id).distinct()):
        site_id, now_utc = str(row["site_id"]), clock.now_utc()
        with site_transaction(store, site_id) as connection:
            if read_modes(store, site_id, now_utc=now_utc, connection=connection).own(SITE).mode > Mode.SIMULATION:
                entry = {"site_id": site_id, "device_id": "", "mode": Mode.SIMULATION, "person_id": "restore"}
                append_mode(connection, ModeEvent(**entry, reason=reason, recorded_at_utc=now_utc))
        found = max(found, current_mode(store, site_id, now_utc=clock.now_utc()))
    return found


def check_end(expires_utc: datetime | None, now_utc: datetime) -> None:
    """Raises BadInput for an end that has passed."""
    if expires_utc is not None and expires_utc <= now_utc:
        raise BadInput(f"the end {expires_utc:%Y-%m-%d %H:%M}Z has passed", reason="end_has_passed")


def mode_history(store: Store, site_id: str, *, as_of_utc: datetime | None = None) -> list[dict[str, Any]]:
    """Every change of a site and its devices recorded by then, oldest first. Raises Unreachable."""
    query = mode_events.select().where(mode_events.c.site_id == site_id).order_by(mode_events.c.id)
    return read_rows(store, query if as_of_utc is None else query.where(mode_events.c.recorded_at_utc <= as_of_utc))


def _is_longer(mode: Mode, expires_utc: datetime | None, present: EffectiveMode) -> bool:
    """True where the same mode would hold for longer: that is a raising too."""
    if mode != present.mode or present.until_utc is None:
        return False
    return expires_utc is None or expires_utc > present.until_utc


def _check_raise(mode: Mode, person: Person, reason: str) -> None:
    person.must_be(Role.ENGINEER if mode is Mode.PARTIAL else Role.OPERATOR)
    if not reason.strip():
        raise BadInput(f"raising the mode to {mode.name} needs a reason", reason="missing_reason")


def _believed(
    store: Store,
    found: tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]],
    now_utc: datetime | None,
    connection: Connection | None,
) -> Modes:
    """The modes after these entries, as the database holds them: one that nobody can read must lower the mode, and not
    stop the agent.

    An entry that lowers always counts: to stop needs neither key nor seal. One that raises must be proven, and FULL
    must say what two people signed.
    """
    rows, good, problems = found
    ids = {row["id"] for row in good}
    requested = {row["request_id"] for row in good if row["mode"] == Mode.FULL.name}
    requests = _requests(store, requested, connection, problems) if requested else {}
    standings: dict[Scope, EffectiveMode] = {}
    for row in rows:
        # A word that is no mode counts as the lowest, which is always believed.
        wanted, scope = Mode.__members__.get(row["mode"], Mode.SIMULATION), (row["device_id"], row["capability"] or "")
        present = standings.get(scope, EffectiveMode(mode=Mode.FULL if scope[0] else Mode.SIMULATION))
        is_believed = row["id"] in ids
        if is_believed and wanted is Mode.FULL and not is_two_peoples(row, requests.get(row["request_id"])):
            problems.append(f"mode_events {row['id']}: two people did not sign the same request for FULL")
            is_believed = False
        if not is_believed and wanted > present.mode:
            continue
        until_utc = _instant(row["expires_utc"])
        if row["expires_utc"] is not None and (now_utc is None or until_utc is None or until_utc <= now_utc):
            before = standings.get(scope, EffectiveMode(mode=Mode.SIMULATION))
            standings[scope] = before if before.mode <= wanted else EffectiveMode(mode=wanted)
        else:
            standings[scope] = EffectiveMode(mode=wanted, until_utc=until_utc)
    return Modes(standings, problems, max((row["id"] for row in rows), default=0))


def is_two_peoples(row: Mapping[str, Any], request: Mapping[str, Any] | None) -> bool:
    """True where an entry of FULL (raw) matches its request, and another person approved it."""
    if request is None or row["approved_by"] in (None, row["person_id"]) or row["expires_utc"] is None:
        return False
    return all((row[name] or "") == (request[name] or "") for name in SIGNED_TWICE)


def _requests(
    store: Store, ids: Iterable[int], connection: Connection | None, problems: list[str]
) -> dict[int, dict[str, Any]]:
    query = raw_select(mode_requests).where(mode_requests.c.id.in_(list(ids)))
    rows = read_rows(store, query) if connection is None else select_rows(connection, query)
    good, doubts = proven(store, mode_requests, rows, connection=connection)
    problems += doubts
    return {row["id"]: row for row in good}


def _instant(text: Any) -> datetime | None:
    """An instant as the database holds it; None where there is none, or nobody can read it."""
    try:
        found = UtcDateTime().process_result_value(text, None)
    except BadInput:
        return None
    return found if found is not None and found.tzinfo is not None else None


def open_holiday(
    store: Store,
    site_id: str,
    now_utc: datetime,
    *,
    connection: Connection | None = None,
    as_of_utc: datetime | None = None,
) -> Holiday | None:
    """The holiday that holds at a site, as recorded by then; None for none. Raises Unreachable.

    connection: read in that transaction.
    """
    rows, good, _ = proven_of_site(store, holiday_events, site_id, connection=connection, as_of_utc=as_of_utc)
    # Only where the newest is good: one that was changed may have ended what stands before it.
    if not good or good[-1]["id"] != rows[-1]["id"] or not good[-1]["is_set"]:
        return None
    last = good[-1]
    until_utc = parse_instant(str(last["until_utc"]))
    if until_utc <= now_utc:
        return None
    names = ("site_id", "person_id", "reason")
    since_utc = parse_instant(str(last["recorded_at_utc"]))
    return Holiday(**{name: last[name] for name in names}, until_utc=until_utc, since_utc=since_utc)


def set_holiday(
    connection: Connection, site_id: str, *, until_utc: datetime, person: Person, reason: str, at_utc: datetime
) -> None:
    """Record until when nobody is at home, in the caller's transaction; a later row moves the end of one before.

    Raises BadInput for an end that has passed or is too far, without a reason, or without the role operator or
    engineer.
    """
    must_act(person, reason, "a holiday is set and ended with a reason")
    if until_utc <= at_utc:
        raise BadInput(f"the end {until_utc:%Y-%m-%d %H:%M}Z has passed", reason="end_has_passed")
    if until_utc > at_utc + LONGEST:
        raise BadInput(f"a holiday lasts {LONGEST.days} days at most", reason="end_too_far")
    _append(connection, site_id, person, reason, at_utc, is_set=True, until_utc=until_utc)


def end_holiday(
    store: Store, connection: Connection, site_id: str, *, person: Person, reason: str, at_utc: datetime
) -> Holiday:
    """End the holiday that holds, in the caller's transaction; what it was. Raises BadInput as set_holiday, and where
    none holds.
    """
    must_act(person, reason, "a holiday is set and ended with a reason")
    found = open_holiday(store, site_id, at_utc, connection=connection)
    if found is None:
        raise BadInput(f"no holiday holds at {site_id}", reason="no_holiday")
    _append(connection, site_id, person, reason, at_utc, is_set=False)
    return found


def holiday_history(store: Store, site_id: str, *, as_of_utc: datetime | None = None) -> list[dict[str, Any]]:
    """Every holiday that was set or ended by then, oldest first. Raises Unreachable."""
    return events_of_site(store, holiday_events, site_id, as_of_utc=as_of_utc)


def events_of_site(
    store: Store, table: sa.Table, site_id: str, *, as_of_utc: datetime | None = None
) -> list[dict[str, Any]]:  # fmt: skip
    """Rows of a table of events of a site, recorded by then, oldest first. Raises Unreachable."""
    query = table.select().where(table.c.site_id == site_id).order_by(table.c.id)
    return read_rows(store, query if as_of_utc is None else query.where(table.c.recorded_at_utc <= as_of_utc))


def _append(
    connection: Connection, site_id: str, person: Person, reason: str, at_utc: datetime, **fields: Any
) -> None:  # fmt: skip
    append_row(
        connection, holiday_events, site_id=site_id, person_id=person.person_id, reason=reason.strip(),
        recorded_at_utc=at_utc, **fields,
    )  # fmt: skip
