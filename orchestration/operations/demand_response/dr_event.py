"""`meterloom dr event`: events of demand response from the call to the settlement, each act by a named person."""

from datetime import datetime
from typing import Annotated, Any

from assets.stores.ledgers.dr_events import DrEvents
from data_quality.contracts.control.curtailment import Preference
from data_quality.contracts.control.dr_event import ClassVote, DrEvent, Settlement
from data_quality.contracts.finding import Finding
from orchestration.operations.answer import CHECK_FAILED, Answer, Table, finding_lines
from orchestration.operations.demand_response.dr_plan import plan_parts
from orchestration.operations.operation import ACTS, PROJECT, READS, Argument, Call, Option, operation
from orchestration.operations.options import AnySiteOption, ReasonOption, SiteOption, event_span
from orchestration.operations.signing import actor

EVENTS = Table(
    "events",
    "id | site | programme | state | from: {start_utc:%Y-%m-%d %H:%M}Z | to: {end_utc:%H:%M}Z | kW: {target_kw:g} "
    "| digest: {digest:.12}",
    empty="no event was called",
)
SETTLED = (
    "as: {as} | method | baseline kWh: {baseline_kwh:,.1f} | measured kWh: {actual_kwh:,.1f} "
    "| shed kWh: {shed_kwh:,.1f} | 90 %: {interval_kwh} | rebound kWh: {rebound_kwh:,.1f} | ramp: {ramp_flag}"
)
COMMANDS = "load | device | value: {value:g} {unit} | from: {from_utc:%H:%M}Z | to: {until_utc:%H:%M:%S}Z | {outcome}"
HISTORY = Table("history", "act: {state} | by: {person_id:|the clock} | at: {recorded_at_utc} | why: {reason:|-}")
APPROVALS = "approved by: {person_id} | at: {at_utc} | until: {expires_utc} | digest: {digest:.12}"
IdArgument = Annotated[str, Argument("Of an event, or how its id starts.", metavar="ID")]


@operation("dr event list", takes=READS, example="--site tower")
def dr_event_list(call: Call, site: AnySiteOption = None) -> Answer:
    """List events of a site, or of all, with their states."""
    found = DrEvents(call.project.store).current(site, as_of_utc=call.as_of_utc)
    return Answer({"site": site, "events": [_row(call, each, call.as_of_utc) for each in found]}, EVENTS)


@operation("dr event show", takes=READS, example="d20261201")
def dr_event_show(call: Call, event: IdArgument, site: AnySiteOption = None) -> Answer:
    """Show an event with its exact commands, approvals, settlement, and the acts that led there."""
    events = DrEvents(call.project.store)
    found = events.named(event, site, as_of_utc=call.as_of_utc)
    answer = detailed(call, found, call.as_of_utc)
    keys = ("state", "person_id", "reason", "recorded_at_utc")
    history = [{key: getattr(each, key) for key in keys} for each in events.history(found, as_of_utc=call.as_of_utc)]
    return Answer(dict(answer.result) | {"history": history}, [*answer.parts, HISTORY])


@operation(
    "dr event create",
    takes=ACTS,
    example="--site tower --programme own_peak --event 2026-12-01T14:00/2026-12-01T16:00 --target-kw 20 --as carla",
)
def dr_event_create(
    call: Call,
    site: SiteOption,
    programme: Annotated[str, Option("Whose terms it is called by.")],
    event: Annotated[str, Option("START/END, ISO 8601; without offset by the site's clock.")],
    target_kw: Annotated[float, Option("Power to be shed over the whole event, kW.")],
    source: Annotated[str, Option("Where the call came from; it has one event for ever.")] = "",
    reason: Annotated[str, Option("Why.")] = "",
) -> Answer:
    """Record an event that a programme calls; nothing is planned and nothing is commanded."""
    from orchestration.demand_response.acts import create_event

    span = event_span(event, call.project.site(site).time_zone)
    act: dict[str, Any] = {"source": source, "person": call.known_person(), "reason": reason}
    made, _ = create_event(call.project, site, programme, span, target_kw, clock=call.clock, **act)
    return event_answer(call, made)


@operation("dr event propose", takes=ACTS, example='d20261201 --as carla --reason "called"')
def dr_event_propose(
    call: Call,
    event: IdArgument,
    reason: ReasonOption,
    prefer: Annotated[Preference | None, Option("Instead of the programme's: cost, order or comfort.")] = None,
) -> Answer:
    """Plan an event and propose its exact commands; another plan voids every approval of the one before."""
    from orchestration.demand_response.acts import propose_event

    who = actor(call)
    act: dict[str, Any] = {"person": who.person, "reason": reason, "prefer": prefer, "sign": who.sign}
    made = propose_event(call.project, event, clock=call.clock, **act)
    if isinstance(made, Finding):
        return Answer({"event": None, "findings": [made]}, text=f"no plan: {made.message}", exit_code=CHECK_FAILED)
    return detailed(call, made)


@operation("dr event approve", takes=ACTS, example='d20261201 --digest 3f2a9c81b0d4 --as anna --reason "seen"')
def dr_event_approve(
    call: Call,
    event: IdArgument,
    digest: Annotated[str, Option("Digest of the commands that you looked at, 12 letters at least.")],
    reason: ReasonOption,
) -> Answer:
    """Approve exactly these commands as another person than who proposed them; it expires after 24 hours."""
    from orchestration.demand_response.acts import approve_event

    who = actor(call)
    act: dict[str, Any] = {"person": who.person, "reason": reason, "sign": who.sign}
    return event_answer(call, approve_event(call.project, event, digest, clock=call.clock, **act))


@operation("dr event arm", takes=ACTS, example='d20261201 --as carla --reason "crew is on site"')
def dr_event_arm(call: Call, event: IdArgument, reason: ReasonOption) -> Answer:
    """Arm an approved event: at its start its commands go to the ledger, in the name of who armed it."""
    from orchestration.demand_response.acts import arm_event

    who = actor(call)
    act: dict[str, Any] = {"person": who.person, "reason": reason, "sign": who.sign}
    return event_answer(call, arm_event(call.project, event, clock=call.clock, **act))


@operation("dr event stop", takes=ACTS, example='d20261201 --as carla --reason "rooms are warm"')
def dr_event_stop(
    call: Call,
    event: IdArgument,
    reason: ReasonOption,
    opt_out: Annotated[bool, Option("Before it began: the programme is notified.")] = False,
) -> Answer:
    """Stop an event: every device is given back at once. It needs no key and no second person."""
    from orchestration.demand_response.acts import stop_event

    act: dict[str, Any] = {"person": call.known_person(), "reason": reason, "is_opt_out": opt_out}
    return event_answer(call, stop_event(call.project, event, clock=call.clock, **act))


@operation("dr event advance", takes=PROJECT, example="--project demo")
def dr_event_advance(call: Call) -> Answer:
    """Move open events on by the clock: they lapse, begin, send what was approved, trip, and come back."""
    from orchestration.demand_response.run import advance

    found = advance(call.project, call.clock)
    return Answer({"events": [_row(call, each) for each in found]}, EVENTS if found else None, f"{len(found)} moved")


@operation(
    "dr event class",
    takes=ACTS,
    example='--site tower --programme own_peak --max-kw 20 --max-minutes 60 --as anna --reason "fans alone"',
)
def dr_event_class(
    call: Call,
    site: SiteOption,
    programme: Annotated[str, Option("Whose events.")],
    max_kw: Annotated[float, Option("Up to this target.", min=0)],
    max_minutes: Annotated[int, Option("Up to this length.", min=1, max=1440)],
    reason: ReasonOption,
    arm: Annotated[bool, Option("Its events begin without a person, too.")] = False,
    revoke: Annotated[bool, Option("Take it back.")] = False,
) -> Answer:
    """Say yes to a class of events that need no second person each; valid with two people, for 90 days.

    With --arm its events are armed with their plan and begin by themselves; else an operator arms each.
    """
    from orchestration.demand_response.acts import vote_class

    who = actor(call)
    vote = ClassVote(
        site_id=site, programme=programme, max_kw=max_kw, max_minutes=max_minutes, is_armed=arm,
        is_yes=not revoke, person_id=who.person.person_id, reason=reason,
    )  # fmt: skip
    standing = vote_class(call.project, vote, clock=call.clock, person=who.person, sign=who.sign)
    text = f"class {vote.class_id}: {', '.join(standing) or 'nobody'} of two people"
    return Answer({"class": vote.class_id, "people": standing, "is_valid": len(standing) > 1}, text=text)


@operation("dr event settle", takes=ACTS, example="d20261201 --as carla")
def dr_event_settle(call: Call, event: IdArgument) -> Answer:
    """Settle an event by its programme's rule as written, with the best method for the meter beside it."""
    from orchestration.demand_response.settle import settle_event

    call.doing("settling the event")
    made, settled = settle_event(call.project, event, clock=call.clock, person=call.known_person())
    answer = event_answer(call, made)
    return Answer(
        answer.result, Table(_rows(settled), SETTLED), "\n".join([answer.text, *finding_lines(settled.findings)])
    )


def _rows(settled: Settlement) -> list[dict[str, Any]]:
    """The rule and the best method, as people see them side by side."""
    named = (("the programme's rule", settled.rule), ("best for this meter", settled.best))
    return [{"as": text, **each.model_dump(exclude={"intervals"})} for text, each in named if each is not None]


def event_answer(call: Call, event: DrEvent, as_of_utc: datetime | None = None) -> Answer:
    """The answer of every act: the event as it stands, with its settlement."""
    row = _row(call, event, as_of_utc)
    lines = [
        f"{event.event_id} {event.state}: {event.programme}, {event.target_kw:g} kW, "
        f"digest {event.digest or 'none yet'}"
    ]
    if event.unplanned is not None:
        lines.append(f"no plan: {event.unplanned.message}")
    settled: Settlement | None = row["settlement"]
    if settled is not None and settled.rule is not None:
        lines.append(
            f"settled: {settled.rule.shed_kwh or 0:,.1f} kWh by {settled.rule.method}, income {settled.income}"
        )
    return Answer(
        {"event": row, "findings": []}, Table(event.commands, COMMANDS) if event.commands else None, "\n".join(lines)
    )


def detailed(call: Call, event: DrEvent, as_of_utc: datetime | None = None) -> Answer:
    """The same with what a person looks at before a yes: plan, exact commands, approvals."""
    answer = event_answer(call, event, as_of_utc)
    parts: list[Table | str] = [answer.text]
    if event.plan is not None:
        parts += plan_parts(event.plan, call.project.site(event.site_id).time_zone)
    parts += [answer.table] if isinstance(answer.table, Table) else []
    parts += [Table(event.approvals, APPROVALS)] if event.approvals else []
    return Answer(answer.result, parts)


def _row(call: Call, event: DrEvent, as_of_utc: datetime | None = None) -> dict[str, Any]:
    """An event in JSON."""
    kept = event.model_dump(exclude={"event_id", "site_id", "recorded_at_utc"})
    settled = DrEvents(call.project.store).settlement(event.event_id, as_of_utc=as_of_utc)
    return {"id": event.event_id, "site": event.site_id, **kept, "settlement": settled}
