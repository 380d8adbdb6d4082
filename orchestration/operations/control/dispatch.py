"""`meterloom dispatch`: the modes, the commands and their proof, and what people say about them."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Any

from assets.stores.anchors import expect_anchored
from assets.stores.transactions import Store, site_transaction
from controls.agent.planned import planned_check
from controls.ledger.approvals import Kind, Outcome, audited, record
from controls.ledger.by_hand import give_back as give_back_to_plan
from controls.ledger.chain import verify_chain
from controls.ledger.chain_marks import anchors_of
from controls.ledger.device_faults import acknowledge_fault, open_faults
from controls.ledger.device_holds import HOLD, open_holds, set_hold
from controls.ledger.modes import current_mode, mode_history, set_mode
from controls.ledger.two_people import ModeRequest, approve_full, open_requests, request_full, revoke_request
from data_quality.contracts.control.command import Mode
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person, Role
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import parse_instant
from orchestration.operations.answer import CHECK_FAILED, DONE, Answer, Table
from orchestration.operations.operation import ACTS, PROJECT, READS_AND_ACTS, Argument, Call, Option, operation
from orchestration.operations.signing import Actor, actor
from orchestration.views.agent_record import agent_record, record_line
from orchestration.views.finding_sources import failures, not_working, nothing_runs
from orchestration.views.ledger_view import commands_of_store, proof_of
from orchestration.views.site_control import expect_scope, expect_value, lines, site_control, without_ttl
from reports.texts.locales import unit_text

SiteOption = Annotated[str, Option("Site of the devices.")]
CapabilityOption = Annotated[str, Option("Only this capability of the device.")]
# A day's plan has 96 a device: people ask for the last, --json has them all.
SHOWN_COMMANDS = 20
STATUS = (
    "device | capability | value: {value:g} {in_units} | from: {valid_from:%Y-%m-%d %H:%M}Z | state | proof: {proof}"
)
LEDGER = Table(
    "commands",
    f"id: {{id:.12}} | {STATUS}",
    in_units=lambda each: unit_text(each["unit"]),
    proof=proof_of,
)
MODES = Table(
    "modes", "device: {device:|whole site} | capability: {capability:|all} | mode | until: {until_utc:|another entry}"
)
HISTORY = Table(
    "history",
    "when: {recorded_at_utc:%Y-%m-%d %H:%M:%S}Z | what: {device_id:|site} | capability: {capability:|all} | mode | "
    "until: {expires_utc} | who: {person_id} | with: {approved_by} | why: {reason}",
)
# 45m, 12h, 30d.
_SPAN = re.compile(r"(0*[1-9]\d{0,3})([mhd])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


@operation("dispatch status", example="--site home")
def status(call: Call, site: SiteOption) -> Answer:
    """Show how far each device may be commanded, what stands in the way, and the commands that were acted on."""
    known, store = call.project.site(site), call.project.store
    control = site_control(store, known, now_utc=call.clock.now_utc(), as_of_utc=call.as_of_utc)
    # A whole day lies in the ledger beforehand: proposed ones are plan, not action.
    commands = [
        each
        for each in commands_of_store(store, known.site_id, as_of_utc=call.as_of_utc)
        if each["state"] != "PROPOSED"
    ]
    table = Table(commands[-SHOWN_COMMANDS:], STATUS, in_units=lambda each: unit_text(each["unit"]), proof=proof_of)
    now_utc = call.clock.now_utc()
    failing = []
    if call.as_of_utc is None:
        failing = [*nothing_runs(call.project, now_utc), *not_working(call.project, known, now_utc)]
    record = agent_record(call.project.sources(), known, call.as_of_utc or now_utc)
    lines_shown = [*failures(failing), *lines(control), record_line(record)]
    document = {**control, "agent": record, "commands": commands, "findings": failing}
    return Answer(document, (MODES, table), "\n".join(lines_shown))


@operation("dispatch mode", takes=READS_AND_ACTS, example='PARTIAL --site home --as carla --reason "commissioning"')
def mode(
    call: Call,
    wanted: Annotated[
        str | None, Argument("SIMULATION, ADVISORY, PARTIAL, FULL (by two people).", metavar="[MODE]")
    ] = None,
    site: SiteOption = "",
    device: Annotated[str, Option("Only this device.")] = "",
    capability: CapabilityOption = "",
    reason: Annotated[str, Option("Why; needed to raise.")] = "",
    expires: Annotated[str, Option("When it ends: 45m, 12h, 30d, or a time.")] = "",
) -> Answer:
    """Show the mode of a site, or record a change by a named person with a reason; FULL waits for a second person."""
    known, store, text = call.project.site(site), call.project.store, ""
    expect_scope(known, device, capability)
    if wanted is not None:
        # Checked before anybody is asked for a key: a slip of the pen needs no signature.
        if wanted.upper() not in Mode.__members__:
            raise BadInput(f"unknown mode {wanted!r}; expected {', '.join(Mode.__members__)}", reason="unknown_mode")
        who = actor_of(call)
        act: dict[str, Any] = {"person": who.person, "reason": reason, "clock": call.clock}
        act |= {"device_id": device, "capability": capability, "expires_utc": end_of(call, expires, "--expires")}
        name: ModeRequest | None = None
        with store.together():
            if Mode[wanted.upper()] is Mode.FULL:
                risks = without_ttl(known, device)
                name = request_full(store, known.site_id, **act, without_ttl=risks)
            else:
                set_mode(store, known.site_id, mode=Mode[wanted.upper()], **act)
            facts = {"mode": wanted.upper(), "device": device, "capability": capability, "reason": reason}
            who.sign("dispatch mode", known.site_id, **facts, expires=expires)
        if name is not None:
            words = f"meterloom dispatch approve {name.request_id} --site {known.site_id}{call.option} --as PERSON"
            text = f"request {name.request_id} is recorded; a second engineer says: {words}\n"
    history = mode_history(store, known.site_id, as_of_utc=call.as_of_utc)
    now_utc = call.clock.now_utc()
    now = current_mode(store, known.site_id, device, capability, now_utc=now_utc, as_of_utc=call.as_of_utc).name
    data = {"mode": now, "commands": [], "history": history}
    return Answer({**data, "requests": open_requests(store, known.site_id, now_utc)}, HISTORY, f"{text}mode {now}")


@operation("dispatch approve", takes=ACTS, example='7 --site home --as anna --reason "four weeks without a fault"')
def approve(
    call: Call,
    subject: Annotated[
        str, Argument("A request's number, DEVICE/CAPABILITY, or with --risk a device.", metavar="WHAT")
    ],
    site: SiteOption,
    reason: Annotated[str, Option("Why; a request has its own.")] = "",
    risk: Annotated[bool, Option("Sign for a device that ends no set-point by itself.")] = False,
    revoke: Annotated[bool, Option("Take it back instead.")] = False,
) -> Answer:
    """Approve as a second person what another requested, a class of plans, or a device's residual risk."""
    known, store, person = call.project.site(site), call.project.store, call.known_person()
    kind = Kind.RESIDUAL_RISK if risk else Kind.MODE_REQUEST if subject.isdecimal() else Kind.PLAN_CLASS
    what = f"request {subject}" if kind is Kind.MODE_REQUEST else subject
    with audited(store, known.site_id, kind, subject, person=person, clock=call.clock):
        if kind is not Kind.MODE_REQUEST:
            expect_scope(known, *(subject.split("/", 1) if kind is Kind.PLAN_CLASS else (subject,)))
        # To take back needs no key, as to stop.
        who = Actor(call, person_of(call), None) if revoke else actor(call, Role.ENGINEER)
        with store.together():
            _approve(call, known, kind, subject, who.person, reason, is_revoked=revoke)
            who.sign("dispatch approve", known.site_id, of=str(kind), what=subject, reason=reason)
    now_utc = call.clock.now_utc()
    now = current_mode(store, known.site_id, now_utc=now_utc).name
    data = {"mode": now, "commands": [], "requests": open_requests(store, known.site_id, now_utc)}
    return Answer(data, text=f"{what} is {'taken back' if revoke else 'approved'}\nmode {now}")


def _approve(
    call: Call, site: Site, kind: Kind, subject: str, person: Person, reason: str, *, is_revoked: bool
) -> None:
    store, clock = call.project.store, call.clock
    if not is_revoked:
        expect_anchored(store)
    if kind is not Kind.MODE_REQUEST:
        outcome = Outcome.REVOKED if is_revoked else Outcome.APPROVED
        with site_transaction(store, site.site_id) as connection:
            now_utc = clock.now_utc()
            record(connection, site.site_id, kind, subject, outcome, person=person, reason=reason, at_utc=now_utc)
    elif is_revoked:
        revoke_request(store, site.site_id, int(subject), person=person, reason=reason, clock=clock)
    else:
        requests = open_requests(store, site.site_id, clock.now_utc())
        # Of the whole site where none is open under that number: it is refused anyway.
        risks = without_ttl(site, next((each.device_id for each in requests if each.request_id == int(subject)), ""))
        approve_full(store, site.site_id, int(subject), person=person, clock=clock, without_ttl=risks)


@operation(
    "dispatch override", takes=ACTS, example='--site home --device battery --for 4h --as carla --reason "guests charge"'
)
def override(
    call: Call,
    site: SiteOption,
    reason: Annotated[str, Option("Why.")],
    device: Annotated[str, Option("Which device; all of the site without it.")] = "",
    capability: CapabilityOption = "",
    until: Annotated[str, Option("How long: 45m, 2h, 1d, or until a time.", "--for")] = "2h",
    value: Annotated[float | None, Option("What you set, in its unit, for the record.")] = None,
    give_back: Annotated[bool, Option("Give the device back now.")] = False,
) -> Answer:
    """Take a device, or all of a site, by hand: no command of ours reaches it until then; or give it back."""
    known, store = call.project.site(site), call.project.store
    expect_scope(known, device, capability)
    if value is not None and not device:
        raise BadInput("a value is of a device: name it with --device", reason="no_device")
    if value is not None and capability:
        expect_value(known, device, capability, value)
    now_utc, place = call.clock.now_utc(), (known.site_id, device, capability)
    # Hands off needs no key, as to stop; to let commands in again does.
    is_own_end = call.is_signed_in and _all_sent_by_hand(store, *place, now_utc)
    who = actor_of(call) if give_back and not is_own_end else Actor(call, person_of(call), None)
    end_utc = end_of(call, until, "--for") or now_utc + HOLD
    act: dict[str, Any] = {"person": who.person, "reason": reason, "at_utc": now_utc}
    with store.together():
        with site_transaction(store, known.site_id) as connection:
            if give_back:
                give_back_to_plan(store, connection, *place, **act, check=planned_check(known))
            else:
                set_hold(connection, *place, until_utc=end_utc, value=value, **act)
        who.sign("dispatch override", known.site_id, device=device, capability=capability, reason=reason)
    holds = open_holds(store, known.site_id, now_utc)
    now = current_mode(store, known.site_id, device, capability, now_utc=now_utc).name
    what = device or f"every device of {known.site_id}"
    text = f"{what} is given back" if give_back else f"{what} is yours until {end_utc:%Y-%m-%d %H:%M}Z"
    return Answer({"mode": now, "commands": [], "holds": holds}, text=text)


@operation("dispatch ledger", example="--site home --json")
def ledger(call: Call, site: SiteOption) -> Answer:
    """Show every command of a site with its state and evidence."""
    known, store = call.project.site(site), call.project.store
    commands = commands_of_store(store, known.site_id, as_of_utc=call.as_of_utc)
    now = current_mode(store, known.site_id, now_utc=call.clock.now_utc(), as_of_utc=call.as_of_utc).name
    return Answer({"mode": now, "commands": commands}, LEDGER)


@operation("dispatch verify", takes=PROJECT, example="--site home")
def verify(call: Call, site: SiteOption) -> Answer:
    """Recompute the hash chain of the ledger; the first event that is broken is named, and how many more are."""
    known, store = call.project.site(site), call.project.store
    anchors = call.project.project.anchors_dir
    problems = verify_chain(store, known.site_id, anchors)
    now = current_mode(store, known.site_id, now_utc=call.clock.now_utc()).name
    data = {"mode": now, "commands": [], "problems": problems, "first": next(iter(problems), None)}
    last = next(reversed(anchors_of(anchors, known.site_id)[0]), None)
    anchor = "nothing yet" if last is None else f"event {last.position}, at {last.at_utc:%Y-%m-%d %H:%M}Z"
    text = f"the ledger's chain is whole; last noted outside the database: {anchor}"
    if problems:
        text = problems[0] + (f"\nand {len(problems) - 1} more: --json has them all" if len(problems) > 1 else "")
    return Answer({**data, "verified": not problems}, text=text, exit_code=CHECK_FAILED if problems else DONE)


@operation("dispatch ack", takes=ACTS, example='battery --site home --as carla --reason "cable mended"')
def ack(
    call: Call,
    fault: Annotated[str, Argument("The latched device, or: site.", metavar="FAULT")],
    site: SiteOption,
    reason: Annotated[str, Option("What was found and repaired.")],
) -> Answer:
    """Take a fault latch back as a named engineer: commands may reach the device again."""
    known, store = call.project.site(site), call.project.store
    device = "" if fault in ("site", known.site_id) else fault
    who = actor(call, Role.ENGINEER)
    with store.together():
        acknowledge_fault(store, known.site_id, device, person=who.person, reason=reason, clock=call.clock)
        who.sign("dispatch ack", known.site_id, device=device, reason=reason)
    left = open_faults(store, known.site_id)
    named = ", ".join(each.device_id or known.site_id for each in left)
    now = current_mode(store, known.site_id, device, now_utc=call.clock.now_utc()).name
    return Answer(
        {"mode": now, "commands": [], "fault": {"device": device or None, "reason": reason}, "faults": left},
        text=f"the latch of {device or known.site_id} is taken back; "
        + (f"still latched: {named}" if left else "no fault is latched"),
    )


@operation("dispatch stop", takes=ACTS, example='--site home --as carla --reason "smell of smoke"', writes=False)
def stop(call: Call, site: SiteOption, reason: Annotated[str, Option("Why.")] = "stopped by hand") -> Answer:
    """Go back to SIMULATION at once: the agent returns every device to its safe default."""
    known = call.project.site(site)
    # To stop needs no key: nothing may stand between a person and the safe default.
    person = person_of(call)
    set_mode(call.project.store, known.site_id, mode=Mode.SIMULATION, person=person, reason=reason, clock=call.clock)
    return Answer({"mode": Mode.SIMULATION.name, "commands": []}, text="mode SIMULATION")


def _all_sent_by_hand(store: Store, site_id: str, device_id: str, capability: str, now_utc: datetime) -> bool:
    """True where all that a person would give back are set-points by hand: to end one lets nothing new in."""
    held = [each for each in open_holds(store, site_id, now_utc) if each.device_id == device_id]
    return all(each.sends for each in held if capability in ("", each.capability))


def end_of(call: Call, text: str, option: str) -> datetime | None:
    """The instant that an option names, as a time or as a span from now; None where it is empty. Raises BadInput."""
    if not text:
        return None
    span = _SPAN.fullmatch(text)
    if span is None:
        try:
            return parse_instant(text)
        except BadInput as fault:
            message = f"{option}: expected 45m, 12h, 30d or a time with its offset, got {text!r}"
            raise BadInput(message, reason="bad_time") from fault
    return call.clock.now_utc() + int(span[1]) * _UNITS[span[2]]


def actor_of(call: Call) -> Actor:
    """The acting engineer or operator, with their key; set_mode decides what they may do."""
    person = person_of(call)
    return actor(call, Role.ENGINEER if Role.ENGINEER in person.roles else Role.OPERATOR)


def person_of(call: Call) -> Person:
    """The acting engineer or operator."""
    try:
        return call.acting(Role.ENGINEER)
    except BadInput as fault:
        # An unknown person stays unknown: only the missing role is tried again with the other one.
        if fault.reason != "missing_role":
            raise
        return call.acting(Role.OPERATOR)
