"""`meterloom readings`: what a person says about readings: edits of values, events of meters."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import ValidationError

from assets.readings.ingest.amounts_again import Recomputed, recompute_registers
from assets.readings.ingest.edits import EDITOR, edit_reading, stream_named
from assets.stores.ledgers.meter_events import MeterEventStore
from assets.stores.ledgers.reading_edits import edits
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model_faults import sentence_of
from data_quality.contracts.reading_edit import ReadingEdit
from data_quality.contracts.site_file.meter_event import EventKind, MeterEvent
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, only_instant
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import ACTS, PROJECT, Argument, Call, Option, operation
from orchestration.operations.options import DryOption, SiteOption, number, number_or_none
from orchestration.operations.signing import actor

MeterOption = Annotated[str, Option("Which meter or driver.")]
RegisterOption = Annotated[str | None, Option("Which register; the meter's own if left out.")]
WhyOption = Annotated[str, Option("Why, for everybody who reads the figure later.")]
EDITS = Table(
    "edits",
    "recorded: {recorded_at_utc} | person: {person_id} | register: {meter_id}.{register_id} | from: {start_utc} | "
    "to: {end_utc} | value: {edit.value} {edit.unit} | reason: {why}",
    why=lambda each: each.reason if each.batch_id else f"{each.reason} (never written)",
)
EVENTS = Table(
    "events",
    "id: {event_id:.12} | at: {at_utc} | register: {meter_id}.{event.register_id} | kind: {event.kind} | "
    "final: {event.final_read:f|} | initial: {event.initial_read:f|} | serial: {event.serial} | from: {by} | "
    "person: {event.person} | reason: {event.reason}",
    by=lambda each: each.origin.replace("_", " "),
)


@operation(
    "readings edit",
    takes=ACTS,
    example='--site factory --meter main --at 2025-03-01T10:00 --value 12.5 --as carla --reason "read"',
)
def edit(
    call: Call,
    site: SiteOption,
    meter: MeterOption,
    value: Annotated[str, Option("Whole amount of the span, or the level throughout.")],
    reason: WhyOption,
    at: Annotated[str | None, Option("One quarter hour, by its start (local, or with offset).")] = None,
    start: Annotated[str | None, Option("Start of a span.", "--from")] = None,
    end: Annotated[str | None, Option("End of the span, exclusive.", "--to")] = None,
    register: RegisterOption = None,
    unit: Annotated[str | None, Option("Unit of the value; the register's if left out.")] = None,
    reopen: Annotated[bool, Option("Even where a report is published.")] = False,
    dry_run: DryOption = False,
) -> Answer:
    """Put a value in place of a reading, as a named person with a reason; what was there stays on record."""
    who = actor(call, EDITOR)
    person = who.person
    known = call.project.site(site)
    name, own = stream_named(known, meter, register)
    first, last = _span(at, start, end, known)
    wanted = _model(
        ReadingEdit,
        {
            "meter_id": meter,
            "register_id": name,
            "start_utc": first,
            "end_utc": last,
            "value": number(value, "--value"),
            "unit": unit or own,
            "person_id": person.person_id,
            "role": EDITOR,
            "reason": reason,
        },
    )

    # Called inside the edit's own transaction: what is signed is the batch, whose hash is known only there.
    def sign(sha256: str) -> None:
        who.sign("readings edit", sha256, reason=wanted.reason)

    report = edit_reading(
        wanted, site=known, lake=call.project.lake, clock=call.clock, reopen=reopen, dry_run=dry_run, sign=sign
    )
    word = "would become" if dry_run else "is now"
    was = "nothing" if report.before is None else f"{report.before:f}"
    text = f"{meter}.{name}: {was} {word} {report.after:f} {report.unit}, by {person.name}: {wanted.reason}"
    return Answer({"edits": [report]}, text=text)


@operation("readings edits", example="--site factory")
def edits_list(call: Call, site: SiteOption) -> Answer:
    """List the edits of persons, with name and reason."""
    found = edits(call.project.store, call.project.site(site).site_id, as_of_utc=call.as_of_utc)
    return Answer({"edits": found}, EDITS)


@operation(
    "readings event",
    takes=ACTS,
    example="--site factory --meter main --kind exchange --at 2025-03-01T10:20 --final 48213.5 --initial 0 "
    '--serial N2 --as carla --reason "work order 17"',
)
def event(
    call: Call,
    site: SiteOption,
    meter: MeterOption,
    kind: Annotated[EventKind, Option("What happened.")],
    at: Annotated[str, Option("When (local time of the site, or with offset).")],
    reason: WhyOption,
    register: RegisterOption = None,
    final: Annotated[str | None, Option("Display just before it.")] = None,
    initial: Annotated[str | None, Option("Display just after it.")] = None,
    serial: Annotated[str, Option("Serial number after it.")] = "",
    multiplier: Annotated[str | None, Option("OLD/NEW, where it changed.")] = None,
    wraps_at: Annotated[str | None, Option("Rollover: first value that is not shown.")] = None,
    dry_run: DryOption = False,
) -> Answer:
    """Record what happened to a meter, and make the amounts of its register anew."""
    who = actor(call, EDITOR)
    person = who.person
    known = call.project.site(site)
    name, _ = stream_named(known, meter, register)
    if known.meter(meter) is None:
        raise BadInput(f"{meter!r} is a driver; events happen to meters", reason="unknown_meter")
    old, new = _multipliers(multiplier)
    body = {
        "kind": kind,
        "register_id": name,
        "at": _instant(at, known),
        "final_read": number_or_none(final, "--final"),
        "initial_read": number_or_none(initial, "--initial"),
        "serial": serial,
        "multiplier_old": old,
        "multiplier_new": new,
        "wraps_at": number_or_none(wraps_at, "--wraps-at"),
        "person": person.person_id,
        "reason": reason,
    }
    stated = _model(MeterEvent, body)
    if dry_run:
        return Answer({"events": [stated], "registers": []}, text=f"{meter}.{name}: {kind.value}")
    with call.project.store.together():
        recorded, is_new = MeterEventStore(call.project.store).record(known, meter, stated, call.clock)
        if is_new:
            who.sign("readings event", recorded.event_id, reason=reason)
    # Apart from the record: where it breaks off, the event stands and `readings recompute` does the rest.
    changed = _recompute(call, known, [meter], f"{kind.value} recorded by {person.person_id}")
    text = [
        f"{recorded.event_id[:12]} {'recorded' if is_new else 'was recorded already'}",
        *map(_recompute_text, changed),
    ]
    return Answer({"events": [recorded], "registers": changed}, text="\n".join(text))


@operation("readings events", example="--site factory")
def events_list(call: Call, site: SiteOption) -> Answer:
    """List the events of meters that apply, as known at --as-of."""
    known = call.project.site(site)
    store = MeterEventStore(call.project.store)
    if call.as_of_utc is None:
        # Takes events of the site file on record; a question about the past must write nothing.
        store.know_site_file(known, call.clock)
    return Answer({"events": store.current(known.site_id, as_of_utc=call.as_of_utc)}, EVENTS)


@operation("readings withdraw", takes=ACTS, example='4f1c2ab09d3e --site factory --as carla --reason "wrong meter"')
def withdraw(
    call: Call,
    site: SiteOption,
    event_id: Annotated[str, Argument("From `readings events`.", metavar="ID")],
    reason: WhyOption,
) -> Answer:
    """Let a recorded event no longer apply, and make the amounts of its register anew."""
    who, known = actor(call, EDITOR), call.project.site(site)
    store, person = MeterEventStore(call.project.store), who.person
    with call.project.store.together():
        gone = store.withdraw(known.site_id, event_id, person_id=person.person_id, reason=reason, clock=call.clock)
        who.sign("readings withdraw", gone.event_id, reason=reason)
    changed = _recompute(call, known, [gone.meter_id], f"{gone.event.kind.value} withdrawn by {person.person_id}")
    text = [f"{gone.event_id[:12]} withdrawn", *map(_recompute_text, changed)]
    return Answer({"events": [gone], "registers": changed}, text="\n".join(text))


@operation("readings recompute", takes=PROJECT, example="--site factory --dry-run", writes=True)
def recompute(
    call: Call,
    site: SiteOption,
    meter: Annotated[list[str] | None, Option("Only these meters.")] = None,
    dry_run: DryOption = False,
) -> Answer:
    """Make the amounts of cumulative registers anew from all reads, after the site file's events changed."""
    found = _recompute(call, call.project.site(site), meter, "site file", dry_run=dry_run)
    text = "\n".join(map(_recompute_text, found)) or "no reads of cumulative registers are kept"
    return Answer({"registers": found}, text=text)


def _recompute(
    call: Call, site: Site, meters: list[str] | None, why: str, *, dry_run: bool = False
) -> list[Recomputed]:
    return recompute_registers(site, lake=call.project.lake, clock=call.clock, meters=meters, why=why, dry_run=dry_run)


def _span(at: str | None, start: str | None, end: str | None, site: Site) -> tuple[datetime, datetime]:
    if (at is None) == (start is None) or (start is None) != (end is None):
        raise BadInput("give --at, or --from and --to", reason="bad_time")
    first = _instant(at or start or "", site)
    return first, _instant(end, site) if end else first + timedelta(minutes=CANONICAL_MINUTES)


def _instant(text: str, site: Site) -> datetime:
    """A time with offset, or a local one that the site's zone has once. Raises BadInput."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"cannot read time {text!r}; expected ISO 8601", reason="bad_time") from error
    try:
        return only_instant(moment, site.time_zone)
    except ValueError as error:
        raise BadInput(str(error), reason="bad_time") from error


def _multipliers(text: str | None) -> tuple[Decimal | None, Decimal | None]:
    if text is None:
        return None, None
    old, _, new = text.partition("/")
    return number(old, "--multiplier"), number(new, "--multiplier")


def _model(kind: Any, body: dict[str, Any]) -> Any:
    """A contract from options. Raises BadInput with its first complaint."""
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = sentence_of(first)
        raise BadInput(f"{where}: {message}" if where else message, reason="bad_request") from error


def _recompute_text(found: Recomputed) -> str:
    """One register for people."""
    name = f"{found.meter_id}.{found.register_id}"
    extra = f", {found.questionable_rows} of them questionable now" if found.questionable_rows else ""
    kept = f"; {found.kept_edits} edited quarter hours stand" if found.kept_edits else ""
    return f"{name}: {found.new_rows} new, {found.corrected_rows} corrected{extra}{kept}"
