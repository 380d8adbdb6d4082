"""Acts on events of demand response in an opened project: call, propose, approve, arm, stop, classes.

Who may act is asked of the permissions, keys are the caller's (`sign`); refusals of approvals are written down.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, tzinfo
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from assets.stores.ledgers.dr_events import DrEvents
from assets.stores.sign import key_needed
from assets.stores.transactions import site_transaction
from controls.agent.context import devices_of, limits_by_key
from controls.agent.planned import planned_check
from controls.demand_response import event_life
from controls.demand_response.load_programmes import programme_named
from controls.ledger.approvals import Kind, audited
from controls.ledger.by_hand import end_sent
from data_quality.contracts.access.permissions import Permission, expect, may
from data_quality.contracts.control.curtailment import CurtailmentPlan, Preference
from data_quality.contracts.control.dr_event import ClassVote, DrEvent, EventCommand
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.people import Person
from data_quality.contracts.sentence import Numeral, Sentence, sentences
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock, zone

if TYPE_CHECKING:
    from controls.demand_response.curtailment import Event
    from orchestration.open_project import OpenProject

# A plan and the exact commands that an approval is for.
Planned = tuple[CurtailmentPlan, tuple[EventCommand, ...]]
# Signs what the transaction did: kind of the act, subject, facts.
Sign = Callable[..., Any]


def _unsigned(*_: Any, **__: Any) -> bool:
    return False


def create_event(
    project: "OpenProject",
    site_id: str,
    programme: str,
    span: tuple[datetime, datetime],
    target_kw: float,
    *,
    clock: Clock,
    source: str = "",
    person: Person | None = None,
    reason: str = "",
) -> tuple[DrEvent, bool]:
    """The event that a programme calls, and whether it is new: one source has one event, however often it comes.

    person: None for a call that a machine took; then source names it, and its event stands whatever the signal's span
    is by now. Raises BadInput: an event in the past, one that the programme's terms do not allow (not_in_programme),
    one over another that is open (overlapping_events), or one of a source whose event has other terms (other_terms);
    of a person also one that could not be settled (`expect_settled`), which a machine's call sheds unpaid.
    """
    from controls.demand_response.curtailment import Event, check_event
    from orchestration.demand_response.settle import expect_settled

    site, terms, now_utc = project.site(site_id), programme_named(project.project.root, programme), clock.now_utc()
    if person is not None:
        expect(person, Permission.DR_EXECUTE)
    events, (start_utc, end_utc) = DrEvents(project.store), span
    with project.store.together():
        known = events.current(site_id)
        if source and (stands := next((each for each in known if each.source == source), None)):
            called = {"programme": programme, "start_utc": start_utc, "end_utc": end_utc, "target_kw": target_kw}
            if person is not None:
                _check_terms(stands, stands.model_copy(update=called), zone(site.time_zone))
            return stands, False
        check_event(Event(start_utc, end_utc, target_kw), now_utc=now_utc)
        if person is not None:
            expect_settled(span, site)
        calls = [each for each in known if each.programme == programme and each.state != "opted_out"]
        year = start_utc.astimezone(zone(site.time_zone)).year
        before = sum(each.start_utc.astimezone(zone(site.time_zone)).year == year for each in calls)
        notice: dict[str, Any] = {"told_utc": now_utc, "time_zone": site.time_zone, "calls": before}
        if fault := terms.fault_of(start_utc, end_utc, **notice):
            raise BadInput(f"programme {programme}: {fault}", reason="not_in_programme")
        over = [each for each in known if each.is_open and each.start_utc < end_utc and start_utc < each.end_utc]
        if over:
            raise BadInput(f"event {over[0].event_id} is open at that time", reason="overlapping_events")
        words = f"{site_id}:{programme}:{source}:{start_utc.isoformat()}:{end_utc.isoformat()}:{target_kw}:{len(known)}"
        return events.create(
            DrEvent(
                event_id=f"d{start_utc:%Y%m%dT%H%M}-{sha256(words.encode()).hexdigest()[:8]}", site_id=site_id,
                programme=programme, state="created", start_utc=start_utc, end_utc=end_utc, target_kw=target_kw,
                source=source, told_utc=now_utc, person_id=person.person_id if person else "", reason=reason,
            ), clock,
        )  # fmt: skip


def propose_event(
    project: "OpenProject",
    event_id: str,
    *,
    clock: Clock,
    person: Person | None = None,
    reason: str = "",
    prefer: Preference | None = None,
    sign: Sign = _unsigned,
) -> DrEvent | Finding:
    """The event with a plan of its programme's template and the exact commands; approved at once within a class, and
    armed where the class says so.

    person: None for a machine, behind whose plan two people must stand. Answers the planner's finding where the loads
    do not give the target; a machine's call keeps it (`unplanned`). Raises BadInput as the planner, `commands_of` and
    `check_rebound` do, but to a machine.
    """
    if person is not None:
        expect(person, Permission.DR_EXECUTE)
    events, now_utc = DrEvents(project.store), clock.now_utc()
    event = events.named(event_id)
    try:
        made = _planned(project, event, prefer, now_utc)
    except BadInput as fault:
        if person is not None:
            raise
        made = Finding(code=fault.reason, severity="blocking", message=str(fault), scope=f"site:{event.site_id}")
    if isinstance(made, Finding):
        why = made
        if person is None:
            events.move(event, lambda now: event_life.unplanned(now, why), clock)
        return made
    return propose_plan(project, event, made, clock=clock, person=person, reason=reason, sign=sign)


def propose_plan(
    project: "OpenProject", event: DrEvent, planned: Planned, *, clock: Clock, person: Person | None = None,
    reason: str = "", sign: Sign = _unsigned,
) -> DrEvent:  # fmt: skip
    """The event with a plan that was made before, as `propose_event`."""
    events, now_utc, (plan, commands) = DrEvents(project.store), clock.now_utc(), planned
    name, votes, keys = person.person_id if person else "", events.votes(event.site_id), project.people.public_keys
    doers = [each.person_id for each in project.people.people if may(each, Permission.DR_EXECUTE)]

    def act(now: DrEvent) -> DrEvent:
        if person is None and now.state != "created":
            # Of two who planned the call at once, or of a person and a machine, the first stands.
            return now
        after = event_life.proposed(now, plan, commands, person_id=name, reason=reason, now_utc=now_utc)
        return event_life.approved_by_class(after, votes, keys, now_utc)

    with _written_down(project, event, person, clock), project.store.together():
        after = events.move(event, act, clock)
        after = events.move(after, lambda now: event_life.armed_by_class(now, votes, keys, doers, now_utc), clock)
        sign("dr event propose", event.event_id, digest=after.digest, reason=reason)
    return after


def _planned(project: "OpenProject", event: DrEvent, prefer: Preference | None, now_utc: datetime) -> Planned | Finding:
    from controls.demand_response.curtailment import Event, check_event
    from orchestration.views.usual_load import proposed_curtailment

    site = project.site(event.site_id)
    wanted = Event(event.start_utc, event.end_utc, event.target_kw)
    check_event(wanted, now_utc=now_utc)
    terms = programme_named(project.project.root, event.programme)
    plan, _, usual_kw = proposed_curtailment(project, site, wanted, now_utc, preference=prefer or terms.template)
    if isinstance(plan, Finding):
        return plan
    return with_commands(project, site, wanted, plan, usual_kw, now_utc)


def with_commands(
    project: "OpenProject", site: Site, wanted: "Event", plan: CurtailmentPlan,
    usual_kw: Mapping[str, Sequence[float]], now_utc: datetime,
) -> Planned:  # fmt: skip
    """The plan with its exact commands. Raises BadInput as `commands_of` and `check_rebound`, and rebound_unknown."""
    from controls.demand_response.event_commands import check_rebound, commands_of
    from orchestration.views.usual_load import usual_peak_kw

    if plan.rebound_kwh:
        before_kw = usual_peak_kw(project.lake, site, wanted.steps(), now_utc=now_utc)
        if before_kw <= 0:
            raise BadInput(
                f"what {site.name} usually draws is not known, so the peak when loads come back is not known",
                reason="rebound_unknown", mend="ingest readings of its main meter, or ask for loads without a rebound",
            )  # fmt: skip
        check_rebound(plan, before_kw)
    return plan, commands_of(plan, site.sheddable_loads, limits_by_key(devices_of(site)), usual_kw)


def approve_event(
    project: "OpenProject", event_id: str, digest: str, *, clock: Clock, person: Person, reason: str,
    sign: Sign = _unsigned,
) -> DrEvent:  # fmt: skip
    """The event with a second person's yes to that digest, or how it starts. Raises BadInput; it is written down."""
    events, now_utc = DrEvents(project.store), clock.now_utc()
    event = events.named(event_id)
    with _written_down(project, event, person, clock):
        expect(person, Permission.DR_APPROVE)
        _expect_reason(reason)
        key = key_needed(person, project.people)
        # Of twelve letters people can see that it is the list that they looked at.
        whole = event.digest if len(digest) >= 12 and event.digest.startswith(digest) else digest
        by: dict[str, Any] = {"person_id": person.person_id, "public_key": key, "reason": reason, "now_utc": now_utc}
        with project.store.together():
            after = events.move(event, lambda now: event_life.approved(now, digest=whole, **by), clock)
            sign("dr event approve", event.event_id, digest=whole, reason=reason)
    return after


def arm_event(
    project: "OpenProject", event_id: str, *, clock: Clock, person: Person, reason: str, sign: Sign = _unsigned
) -> DrEvent:
    """The event that begins at its start. Raises BadInput where no valid approval stands; it is written down."""
    events = DrEvents(project.store)
    event = events.named(event_id)
    act: dict[str, Any] = {"person_id": person.person_id, "reason": reason, "now_utc": clock.now_utc()}
    with _written_down(project, event, person, clock):
        expect(person, Permission.DR_EXECUTE)
        _expect_reason(reason)
        with project.store.together():
            after = events.move(event, lambda now: event_life.armed(now, project.people.public_keys, **act), clock)
            sign("dr event arm", event.event_id, digest=after.digest, reason=reason)
    return after


def stop_event(
    project: "OpenProject", event_id: str, *, clock: Clock, person: Person, reason: str, is_opt_out: bool = False
) -> DrEvent:
    """The event stopped by one person: all devices are given back at once, and no command follows.

    is_opt_out: the programme is told no, before it has begun. Needs no key and no yes. Raises BadInput.
    """
    expect(person, Permission.DISPATCH_STOP)
    _expect_reason(reason)
    events = DrEvents(project.store)
    event = events.named(event_id)
    state: Any = "opted_out" if is_opt_out else "stopped"
    with project.store.together():
        after = events.move(
            event, lambda now: event_life.moved(now, state, person_id=person.person_id, reason=reason), clock
        )
        sent = [each.sent for each in after.commands if each.sent]
        back(project, project.site(event.site_id), sent, reason=f"{person.person_id}: {reason}", clock=clock)
    return after


def back(project: "OpenProject", site: Site, sent: Collection[str], *, reason: str, clock: Clock) -> None:
    """End the set-points of an event that still stand. sent: ids of its commands."""
    with site_transaction(project.store, site.site_id) as connection:
        end_sent(
            project.store, connection, site.site_id, sent, reason=reason, at_utc=clock.now_utc(),
            check=planned_check(site),
        )  # fmt: skip


def vote_class(
    project: "OpenProject", vote: ClassVote, *, clock: Clock, person: Person, sign: Sign = _unsigned
) -> list[str]:
    """Record a person's vote on a class and return its signers; two people make it valid. Raises BadInput."""
    events = DrEvents(project.store)
    programme_named(project.project.root, vote.programme)
    project.site(vote.site_id)
    with audited(project.store, vote.site_id, Kind.DR_CLASS, vote.class_id, person=person, clock=clock):
        expect(person, Permission.DR_APPROVE)
        _expect_reason(vote.reason)
        keys = project.people.public_keys
        signature = {"person_id": person.person_id, "public_key": key_needed(person, project.people)}
        with project.store.together():
            standing = event_life.class_signers(vote.class_id, events.votes(vote.site_id), keys, clock.now_utc())
            if vote.is_yes and person.person_id in standing:
                raise BadInput(f"{person.name} approved it already: a class needs two people", reason="same_person")
            behind = [person, *(project.people.known(name) for name in standing)]
            if vote.is_yes and vote.is_armed and standing and not any(may(x, Permission.DR_EXECUTE) for x in behind):
                raise BadInput(
                    "none of the two may carry out events, so nothing could begin in their name", reason="no_operator",
                    mend="one of them has the role operator or engineer too; or leave out --arm",
                )  # fmt: skip
            events.vote(vote.model_copy(update=signature), clock)
            sign("dr event class", vote.class_id, is_yes=vote.is_yes, reason=vote.reason)
    return sorted(event_life.class_signers(vote.class_id, events.votes(vote.site_id), keys, clock.now_utc()))


def _check_terms(event: DrEvent, sent: DrEvent, local: tzinfo) -> None:
    """Raises BadInput (other_terms) that names the terms in which the call differs from the event of its source.

    sent: the event with the terms of the call; local: the site's time zone.
    """
    terms: dict[str, Callable[[DrEvent], Any]] = {
        "programme {0}, not {1}": lambda each: each.programme,
        "from {0}, not {1}": lambda each: f"{each.start_utc.astimezone(local):%Y-%m-%d %H:%M %Z}",
        "until {0}, not {1}": lambda each: f"{each.end_utc.astimezone(local):%Y-%m-%d %H:%M %Z}",
        "target {0} kW, not {1} kW": lambda each: Numeral(f"{each.target_kw:g}"),
    }
    differing = [Sentence(words, term(event), term(sent)) for words, term in terms.items() if term(event) != term(sent)]
    if differing:
        message = Sentence(
            "source {0} has event {1} already, with other terms: {2}", event.source, event.event_id,
            sentences(differing),
        )  # fmt: skip
        mend = "stop that event or opt out of it, and record this call under another source"
        raise BadInput(message, reason="other_terms", mend=mend)


@contextmanager
def _written_down(project: "OpenProject", event: DrEvent, person: Person | None, clock: Clock) -> Iterator[None]:
    if person is None:
        yield
        return
    with audited(project.store, event.site_id, Kind.DR_EVENT, event.event_id, person=person, clock=clock):
        yield


def _expect_reason(reason: str) -> None:
    if not reason.strip():
        raise BadInput("an act on an event needs a reason", reason="missing_reason")
