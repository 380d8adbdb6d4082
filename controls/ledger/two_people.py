"""Mode FULL by two people: one requests it with a reason, another approves exactly that within a day. What was asked
for ends after 30 days at the latest; a change of any mode in between, a stop above all, voids the request.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from assets.stores.schema.tables_control import approval_events, mode_events, mode_requests
from assets.stores.seals import append_row, raw_of_site
from assets.stores.transactions import Connection, Store, read_rows, select_rows, site_transaction
from assets.stores.trust import proven, proven_of_site
from controls.ledger.approvals import Kind, Outcome, read_approvals, record
from controls.ledger.blockers import check_no_doubt
from controls.ledger.modes import SIGNED_TWICE, ModeEvent, append_mode, check_end, read_modes
from data_quality.contracts.control.command import Mode
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import Clock

# dispatch.md B.2.
LONGEST = timedelta(days=30)
# A second person who looks later than this looks at another plant than the first one saw.
WAITS = timedelta(days=1)


class ModeRequest(Model):
    """A first signature for FULL. seen_event: the site's newest mode event when it was asked for; 0: none."""

    request_id: int
    site_id: str
    device_id: str
    capability: str
    mode: Mode
    person_id: str
    reason: str
    expires_utc: datetime
    seen_event: int
    recorded_at_utc: datetime


def request_full(
    store: Store,
    site_id: str,
    *,
    person: Person,
    reason: str,
    clock: Clock,
    device_id: str = "",
    capability: str = "",
    expires_utc: datetime | None = None,
    without_ttl: Collection[str] = (),
) -> ModeRequest:
    """Record an engineer's wish for FULL until expires_utc (30 days where none is given); nothing else changes yet.

    without_ttl: devices in its scope that keep a set-point for ever; each needs its residual risk signed. Raises
    BadInput: no reason, no role, an end past or too far, a device without own TTL, or whatever stands against raising.
    """
    person.must_be(Role.ENGINEER)
    if not reason.strip():
        raise BadInput("raising the mode to FULL needs a reason", reason="missing_reason")
    if capability and not device_id:
        raise BadInput("a capability belongs to a device: name it too", reason="no_device")
    now_utc = clock.now_utc()
    end_utc = expires_utc or now_utc + LONGEST
    check_end(end_utc, now_utc)
    if end_utc > now_utc + LONGEST:
        raise BadInput(f"mode FULL lasts {LONGEST.days} days at most", reason="too_long")
    with site_transaction(store, site_id) as connection:
        check_full(store, connection, site_id, now_utc, without_ttl)
        newest = read_modes(store, site_id, now_utc=now_utc, connection=connection).newest
        scope = {"site_id": site_id, "device_id": device_id, "capability": capability, "mode": Mode.FULL.name}
        facts = {"person_id": person.person_id, "reason": reason, "expires_utc": end_utc, "recorded_at_utc": now_utc}
        append_row(connection, mode_requests, **scope, **facts, seen_event=newest)
        # The site's lock is held, so that the newest of them is this one.
        (row,) = select_rows(connection, _of(site_id).order_by(mode_requests.c.id.desc()).limit(1))
    return _request(row)


def approve_full(
    store: Store, site_id: str, request_id: int, *, person: Person, clock: Clock, without_ttl: Collection[str] = ()
) -> ModeEvent:
    """The second signature: the mode event that the request asks for, by another engineer.

    Raises BadInput: an unknown, changed, revoked, used, lapsed or voided request; the same person; or whatever stands
    against raising now. The caller writes refusals down (`approvals.audited`).
    """
    person.must_be(Role.ENGINEER)
    now_utc = clock.now_utc()
    with site_transaction(store, site_id) as connection:
        row, request = _believed(store, connection, site_id, request_id)
        if request.person_id == person.person_id:
            raise BadInput(f"{person.name} requested it: FULL needs two people", reason="same_person")
        _check_open(store, connection, request, now_utc)
        check_full(store, connection, site_id, now_utc, without_ttl)
        signed = {name: row[name] for name in SIGNED_TWICE}
        event = ModeEvent(
            **(signed | {"mode": Mode.FULL, "expires_utc": request.expires_utc}),
            recorded_at_utc=now_utc,
            approved_by=person.person_id,
            request_id=request_id,
        )
        append_mode(connection, event)
    return event


def revoke_request(store: Store, site_id: str, request_id: int, *, person: Person, reason: str, clock: Clock) -> None:
    """Withdraw an open request, with the right to lower a mode. Raises BadInput."""
    with site_transaction(store, site_id) as connection:
        _, request = _believed(store, connection, site_id, request_id)
        now_utc = clock.now_utc()
        _check_open(store, connection, request, now_utc)
        subject = str(request_id)
        record(
            connection, site_id, Kind.MODE_REQUEST, subject, Outcome.REVOKED,
            person=person, reason=reason, at_utc=now_utc,
        )  # fmt: skip


def open_requests(store: Store, site_id: str, now_utc: datetime) -> list[ModeRequest]:
    """Requests that somebody may still approve, oldest first. Raises Unreachable."""
    found = []
    for row in proven_of_site(store, mode_requests, site_id)[1]:
        (whole,) = read_rows(store, _of(site_id).where(mode_requests.c.id == row["id"]))
        request = _request(whole)
        with store.reading() as connection:
            if not _void(store, connection, request, now_utc):
                found.append(request)
    return found


def check_full(
    store: Store, connection: Connection, site_id: str, now_utc: datetime, without_ttl: Collection[str]
) -> None:
    """Raises BadInput where a blocker forbids FULL at this site."""
    check_no_doubt(store, connection, site_id, now_utc)
    risks = read_approvals(store, site_id, Kind.RESIDUAL_RISK, connection=connection)
    if unsigned := risks.missing(sorted(without_ttl)):
        raise BadInput(
            f"{', '.join(unsigned)}: the device does not end a set-point by itself, so that it would outlive us; "
            "FULL needs the owner's signature under that risk",
            reason="no_device_ttl",
            mend=f"meterloom dispatch approve {unsigned[0]} --risk --site {site_id} --as PERSON --reason TEXT",
        )


def _believed(
    store: Store, connection: Connection, site_id: str, request_id: int
) -> tuple[dict[str, Any], ModeRequest]:
    rows = select_rows(connection, raw_of_site(mode_requests, site_id).where(mode_requests.c.id == request_id))
    good, problems = proven(store, mode_requests, rows, connection=connection)
    if problems:
        raise BadInput(f"request {request_id} is not what was signed: {problems[0]}", reason="row_not_proven")
    if not good:
        raise BadInput(f"no request {request_id} of {site_id}", reason="no_request")
    (row,) = select_rows(connection, _of(site_id).where(mode_requests.c.id == request_id))
    return row, _request(row)


def _check_open(store: Store, connection: Connection, request: ModeRequest, now_utc: datetime) -> None:
    if void := _void(store, connection, request, now_utc):
        raise BadInput(f"request {request.request_id} {void[1]}", reason=void[0])


def _void(store: Store, connection: Connection, request: ModeRequest, now_utc: datetime) -> tuple[str, str] | None:
    """Why a request cannot be approved any more, as a code and words; None while it can."""
    site_id, name = request.site_id, request.request_id
    used = mode_events.select().where(mode_events.c.request_id == name, mode_events.c.site_id == site_id)
    if select_rows(connection, used):
        return "request_used", "was approved before"
    # A bent row of this kind voids the request as well: it may be the revocation.
    table = approval_events
    query = raw_of_site(table, site_id).where(
        table.c.kind == str(Kind.MODE_REQUEST), table.c.subject == str(name),
        table.c.outcome != str(Outcome.REFUSED),
    )  # fmt: skip
    if select_rows(connection, query) or proven(store, table, [], connection=connection)[1]:
        return "request_revoked", "was revoked"
    if now_utc >= min(request.recorded_at_utc + WAITS, request.expires_utc):
        return "request_lapsed", f"lapsed: nobody approved it within {WAITS.days * 24} h"
    if read_modes(store, site_id, now_utc=now_utc, connection=connection).newest != request.seen_event:
        return "mode_moved", "is void: a mode of the site was changed since"
    return None


def _of(site_id: str) -> Any:
    return mode_requests.select().where(mode_requests.c.site_id == site_id)


def _request(row: dict[str, Any]) -> ModeRequest:
    named = {name: row[name] for name in ModeRequest.model_fields if name not in ("request_id", "mode")}
    return ModeRequest(request_id=row["id"], mode=Mode[row["mode"]], **named)
