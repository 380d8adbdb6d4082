"""The life of an event of demand response, pure: what each act makes of it, and why an act does not fit.

create → propose → approve → arm → active → restore → settled; lapsed, stopped and opted_out end it early. Source:
dispatch.md, B.6. Whoever may act and with which key is asked by the caller; here stands what an act needs of the event,
and the income and penalty of a settled one.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from data_quality.contracts.baselines.event_baseline import SettledEvent
from data_quality.contracts.control.curtailment import CurtailmentPlan
from data_quality.contracts.control.dr_event import (
    ClassVote,
    DrEvent,
    EventApproval,
    EventCommand,
    EventState,
    digest_of,
)
from data_quality.contracts.control.dr_programme import Programme
from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.finding import Finding

# Who approved looked at the plant of that day.
APPROVAL_LASTS = timedelta(hours=24)
CLASS_LASTS = timedelta(days=90)
NEXT: dict[EventState, frozenset[EventState]] = {
    "created": frozenset({"proposed", "approved", "lapsed", "stopped", "opted_out"}),
    "proposed": frozenset({"proposed", "approved", "lapsed", "stopped", "opted_out"}),
    "approved": frozenset({"proposed", "approved", "armed", "lapsed", "stopped", "opted_out"}),
    "armed": frozenset({"proposed", "approved", "active", "lapsed", "stopped", "opted_out"}),
    "active": frozenset({"restore", "stopped"}),
    "restore": frozenset({"stopped", "settled"}),
    "settled": frozenset({"settled"}),
    "stopped": frozenset({"settled"}),
    "lapsed": frozenset(),
    "opted_out": frozenset(),
}


def moved(event: DrEvent, state: EventState, **changes: object) -> DrEvent:
    """The event in another state. Raises BadInput (wrong_state) for a step that its life does not have."""
    if state not in NEXT[event.state]:
        raise BadInput(f"event {event.event_id} is {event.state}: it cannot become {state}", reason="wrong_state")
    return event.model_copy(update={"state": state, **changes})


def proposed(
    event: DrEvent,
    plan: CurtailmentPlan,
    commands: Sequence[EventCommand],
    *,
    person_id: str,
    reason: str,
    now_utc: datetime,
) -> DrEvent:
    """The event with a plan and its exact commands; every approval of another list is void. Raises BadInput."""
    _before_start(event, now_utc)
    if plan.site != event.site_id or any(not each.from_utc < each.until_utc for each in commands):
        raise OurFault(f"the plan {plan.id} is none of event {event.event_id}")
    fields = {"plan": plan, "commands": tuple(commands), "digest": digest_of(event, plan, commands), "approvals": (),
            "unplanned": None}  # fmt: skip
    return moved(event, "proposed", **fields, armed_by="", proposed_by=person_id, person_id=person_id, reason=reason)


def unplanned(event: DrEvent, why: Finding) -> DrEvent:
    """The call of a machine with what its plan failed of; as it is, where that is known or somebody planned or ended it
    meanwhile.
    """
    if event.state != "created" or (event.unplanned is not None and event.unplanned.code == why.code):
        return event
    return event.model_copy(update={"unplanned": why, "person_id": "", "reason": f"no plan: {why.message}"})


def approved(
    event: DrEvent, *, digest: str, person_id: str, public_key: str, reason: str, now_utc: datetime
) -> DrEvent:
    """The event with another person's yes to exactly that digest. Raises BadInput: nothing proposed, the same person,
    another digest than the event's, or a yes that stands already.
    """
    if event.state != "proposed":
        raise BadInput(f"event {event.event_id} is {event.state}: nothing waits for a yes", reason="wrong_state")
    _before_start(event, now_utc)
    if person_id in _people(event):
        outcome = "proposed" if person_id == event.proposed_by else "approved"
        raise BadInput(f"{person_id} {outcome} it already: an event needs two people", reason="same_person")
    if digest != event.digest or not _is_whole(event):
        raise BadInput("the commands are not those that were looked at: the yes is to another digest",
                       reason="altered_plan")  # fmt: skip
    yes = EventApproval(
        person_id=person_id, digest=digest, public_key=public_key, at_utc=now_utc,
        expires_utc=min(now_utc + APPROVAL_LASTS, event.end_utc),
    )  # fmt: skip
    made = moved(event, "proposed", approvals=(*event.approvals, yes), person_id=person_id, reason=reason)
    # A call that a machine proposed has no author: then two people say yes.
    return moved(made, "approved") if len(_people(made)) > 1 else made


def approved_by_class(
    event: DrEvent, votes: Sequence[ClassVote], keys: Mapping[str, str], now_utc: datetime
) -> DrEvent:
    """The event approved where a class of its programme that two people signed holds it; else as it is."""
    if event.state != "proposed" or event.plan is None:
        return event
    most_kw, minutes = event.target_kw, (event.end_utc - event.start_utc) / timedelta(minutes=1)
    known = {vote.class_id: vote for vote in votes}.values()
    for each in sorted(known, key=lambda vote: not vote.is_armed):
        is_held = each.programme == event.programme and most_kw <= each.max_kw and minutes <= each.max_minutes
        standing = class_signers(each.class_id, votes, keys, now_utc)
        if is_held and len(standing) > 1:
            ends = sorted(vote.recorded_at_utc + CLASS_LASTS for vote in standing.values() if vote.recorded_at_utc)[-2]
            made = tuple(
                EventApproval(
                    person_id=name, digest=event.digest, public_key=vote.public_key, class_id=each.class_id,
                    at_utc=now_utc, expires_utc=min(ends, event.end_utc),
                )
                for name, vote in standing.items()
            )  # fmt: skip
            return moved(event, "approved", approvals=made, reason=f"within the pre-approved class {each.class_id}")
    return event


def armed_by_class(
    event: DrEvent, votes: Sequence[ClassVote], keys: Mapping[str, str], doers: Collection[str], now_utc: datetime
) -> DrEvent:
    """The approved event armed where its class says so, in the name of one of its signers who may carry out events;
    else as it is. doers: who may.
    """
    arms = {each.class_id for each in votes if each.is_armed}
    names = sorted(each.person_id for each in event.approvals if each.class_id in arms and each.person_id in doers)
    if event.state != "approved" or not names:
        return event
    words = f"the pre-approved class {event.approvals[0].class_id} needs no person"
    return armed(event, keys, person_id=names[0], reason=words, now_utc=now_utc)


def class_signers(
    class_id: str, votes: Sequence[ClassVote], keys: Mapping[str, str], now_utc: datetime
) -> dict[str, ClassVote]:
    """Valid approvals of a class, by person: a yes of the last 90 days, signed with the person's present key."""
    found: dict[str, ClassVote] = {}
    for vote in votes:
        if vote.class_id != class_id:
            continue
        if not vote.is_yes:
            found = {}
        elif vote.recorded_at_utc is None or vote.recorded_at_utc + CLASS_LASTS <= now_utc:
            continue
        elif keys.get(vote.person_id) == vote.public_key:
            found[vote.person_id] = vote
    return found


def fault_of(
    event: DrEvent, keys: Mapping[str, str], now_utc: datetime, votes: Sequence[ClassVote] | None = None
) -> tuple[str, str] | None:
    """Why the event may not command now, as a code and words; None where a valid yes to exactly this list stands.

    keys: public keys by person_id of those in the people file; a key that was changed or taken out revokes a yes.
    votes: on classes; with them, a class that was taken back revokes it too.
    """
    if not event.approvals:
        return "not_approved", "nobody approved it"
    if not _is_whole(event) or any(each.digest != event.digest for each in event.approvals):
        return "altered_plan", "its commands are not those that were approved"
    if any(now_utc >= each.expires_utc for each in event.approvals):
        return "approval_expired", "its approval has expired"
    if gone := [each.person_id for each in event.approvals if keys.get(each.person_id) != each.public_key]:
        return "key_revoked", f"the key of {gone[0]} is not the one that approved it"
    classes = {each.class_id for each in event.approvals} - {""}
    if votes is not None and any(len(class_signers(each, votes, keys, now_utc)) < 2 for each in classes):
        return "class_revoked", "its pre-approved class was taken back"
    if event.armed_by and event.armed_by not in keys:
        return "key_revoked", f"{event.armed_by}, who armed it, is not in the people file"
    if len(_people(event)) < 2:
        return "same_person", "two people are needed"
    return None


def armed(event: DrEvent, keys: Mapping[str, str], *, person_id: str, reason: str, now_utc: datetime) -> DrEvent:
    """The event that begins by itself at its start. Raises BadInput where no valid yes stands."""
    if event.state != "approved":
        raise BadInput(f"event {event.event_id} is {event.state}: only an approved one is armed", reason="wrong_state")
    if now_utc >= event.end_utc:
        raise BadInput(f"event {event.event_id} is over", reason="event_past")
    if fault := fault_of(event, keys, now_utc):
        raise BadInput(f"event {event.event_id} cannot be armed: {fault[1]}", reason=fault[0])
    return moved(event, "armed", armed_by=person_id, person_id=person_id, reason=reason)


def by_clock(
    event: DrEvent, keys: Mapping[str, str], now_utc: datetime, votes: Sequence[ClassVote] | None = None
) -> DrEvent:
    """The event as the clock makes it: lapsed without a yes or without being armed, active at its start, over at its
    end. It never becomes active without a valid yes, nor once its end has passed. votes: as in fault_of.
    """
    if event.state in ("created", "proposed", "approved") and now_utc >= event.start_utc:
        return moved(event, "lapsed", person_id="", reason=f"its start came while it was {event.state}")
    if event.state == "armed" and now_utc >= event.start_utc:
        fault = (
            ("end_passed", "its end has passed") if now_utc >= event.end_utc else fault_of(event, keys, now_utc, votes)
        )
        if fault:
            return moved(event, "lapsed", person_id="", reason=f"not begun: {fault[1]}")
        return moved(event, "active", person_id="", reason="its start came")
    if event.state == "active" and now_utc >= event.end_utc:
        return moved(event, "restore", person_id="", reason="its end came")
    if event.state == "active" and (fault := fault_of(event, keys, now_utc, votes)):
        return ended_early(event, back_utc=dict.fromkeys(range(len(event.commands)), now_utc), reason=fault[1])
    return event


def ended_early(event: DrEvent, *, back_utc: Mapping[int, datetime], reason: str) -> DrEvent:
    """The event after the circuit breaker: each command that was sent goes back at its time, the others never start.

    back_utc: by place in the list.
    """
    kept = tuple(
        each.model_copy(update={"back_utc": back_utc[n]}) if n in back_utc else each
        for n, each in enumerate(event.commands)
    )
    return moved(event, "restore", commands=kept, person_id="", reason=reason)


def due(event: DrEvent, keys: Mapping[str, str], now_utc: datetime) -> list[int]:
    """Places of the commands to be sent now: of an active event with a valid yes alone, each once, in its own time."""
    if event.state != "active" or now_utc >= event.end_utc or fault_of(event, keys, now_utc):
        return []
    return [n for n, each in enumerate(event.commands) if not each.sent and each.from_utc <= now_utc < each.ends_utc]


def _people(event: DrEvent) -> set[str]:
    """Persons responsible for the event: its author, where a person proposed it, and all its approvers."""
    return {event.proposed_by, *(each.person_id for each in event.approvals)} - {""}


def _is_whole(event: DrEvent) -> bool:
    return event.plan is not None and digest_of(event, event.plan, event.commands) == event.digest


def _before_start(event: DrEvent, now_utc: datetime) -> None:
    if now_utc >= event.start_utc:
        raise BadInput(f"event {event.event_id} has begun: nothing more can be changed", reason="event_past")


def least_kw(settled: SettledEvent) -> float | None:
    """Least power shed in any step, kW; None where a step has no baseline or no reading."""
    hour = timedelta(hours=1)
    found = [
        None if each.shed_kwh is None else each.shed_kwh / ((each.end_utc - each.start_utc) / hour)
        for each in settled.intervals
    ]
    known = [each for each in found if each is not None]
    return min(known) if known and len(known) == len(found) else None


def income_and_penalty(terms: Programme, target_kw: float, settled: SettledEvent) -> tuple[float, float] | None:
    """Income and penalty, in the site's currency to the cent; None where the shed of a step is not known.

    Paid is the energy shed, and the least power shed, each from nothing up to the target. A penalty is on the energy
    that is short of the terms' least share of the target.
    """
    least = least_kw(settled)
    # What was not read is neither paid as shed nor fined as not shed.
    if settled.shed_kwh is None or least is None:
        return None
    target_kwh = target_kw * ((settled.end_utc - settled.start_utc) / timedelta(hours=1))
    shed_kwh = min(max(settled.shed_kwh, 0.0), target_kwh)
    shed_kw = min(max(least, 0.0), target_kw)
    short_kwh = max(terms.least_share * target_kwh - shed_kwh, 0.0)
    income = terms.price_per_kwh * shed_kwh + terms.price_per_kw * shed_kw
    return round(income, 2), round(terms.penalty_per_kwh * short_kwh, 2)
