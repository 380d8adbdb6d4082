"""Acts on an event as its page offers them: propose, approve, arm, stop and settle, each to whom it is for."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from data_quality.contracts.control.dr_event import DrEvent
from data_quality.contracts.sentence import Sentence, Text
from reports.pages.address import Address
from reports.pages.page import REASON, Form, Input, PageBlock
from reports.pages.signers import Signer, signed
from reports.report_content import Paragraph

PATH = "/demand-response"


class EventActor(Signer):
    """Reader of an event's page. may_stop: ends it; may_run: proposes, arms and settles; may_approve: gives a second
    person's yes.

    others: who else approves, in a sentence. fault: why the approval that stands does not hold any more, in a sentence.
    """

    may_stop: bool = False
    may_run: bool = False
    may_approve: bool = False
    others: Text = ""
    fault: Text = ""


def record_form(site_id: str, programmes: Mapping[str, str], last: str, address: Address) -> Form:
    """The form that records an event a programme called by telephone or mail. programmes: titles by name; last: the
    programme of the last event.
    """
    fields = (
        Input(name="programme", label="Programme", kind="select", value=last, options=tuple(programmes.items())),
        Input(name="day", label="Day", kind="date", is_required=True),
        Input(name="from", label="From", is_required=True, hint="14:00, by the site's clock"),
        Input(name="to", label="Until", is_required=True, hint="16:00; a time not after the begin is of the next day"),
        Input(name="target_kw", label="Target, kW", kind="number", is_required=True),
        Input(name="source", label="Source of the call", hint="as a mail or number; a source has one event"),
        REASON,
    )
    note = "It is recorded with your name. Nothing is planned and nothing is commanded yet; opting out ends it."
    action = address.href(PATH, site=site_id, scope=None, period=None)
    return Form(key="record", title="Record event", action=action, fields=fields, note=note)


def stamp_of(event: DrEvent) -> str:
    """Stamp of the event that a form was made of; any act in between changes it."""
    return f"{event.state}:{event.digest[:12]}:{len(event.approvals)}"


def acts_on(event: DrEvent, actor: EventActor, address: Address, now_utc: datetime) -> Iterator[PageBlock]:
    """The act that comes next, for whom it is, and the one that ends the event, which needs no yes."""
    is_before = now_utc < event.start_utc
    if event.state == "created" and is_before:
        yield _operators("propose", event, actor, address, "Propose plan", (
            "Loads are planned by the programme's template. Nothing is commanded before another person approved it."
        ))  # fmt: skip
    elif event.state == "proposed" and is_before:
        yield _approval(event, actor, address)
    elif event.state == "approved" and is_before and actor.fault:
        yield _note("The approval does not hold any more: {0}. Propose the plan again.", actor.fault)
        yield _operators("propose", event, actor, address, "Propose plan", "Another person approves it again.")
    elif event.state == "approved":
        note = "At its start its commands go to the devices, in your name."
        yield _operators("arm", event, actor, address, "Arm event", note)
    elif event.state in ("restore", "stopped", "settled") and now_utc >= event.end_utc:
        note = (
            "By the programme's rule; the best method for this meter is shown for comparison. "
            "Late readings make a new version."
        )
        yield _operators("settle", event, actor, address, "Settle event", note)
    if event.is_open:
        yield _end(event, address) if actor.may_stop else _note("Operators and engineers stop events.")


def _operators(name: str, event: DrEvent, actor: EventActor, address: Address, title: str, note: str) -> PageBlock:
    if not actor.may_run:
        return _note("Operators propose, arm and settle events.")
    form = _form(name, event, address, title, note)
    if name == "settle":
        return form.model_copy(update={"fields": ()})
    return signed(form, f"dr event {name} {event.event_id}", actor)


def _approval(event: DrEvent, actor: EventActor, address: Address) -> PageBlock:
    """The form of the yes; to whom it is not for, who gives it."""
    if event.proposed_by == actor.person_id:
        return _note("You proposed this plan, and do not approve it yourself. {0}", actor.others)
    if any(each.person_id == actor.person_id for each in event.approvals):
        return _note("You approved this plan already: a second person does too. {0}", actor.others)
    if not actor.may_approve:
        return _note("This plan waits for an approver. {0}", actor.others)
    note = "Your approval covers exactly the steps of this plan, and ends after 24 hours. Digest: {0}"
    form = _form("approve", event, address, "Approve plan", Sentence(note, event.digest[:12]))
    digest = Input(name="digest", kind="hidden", value=event.digest)
    form = form.model_copy(update={"fields": (*form.fields, digest)})
    return signed(form, f"dr event approve {event.event_id} --digest {event.digest[:12]}", actor)


def _end(event: DrEvent, address: Address) -> Form:
    if event.has_begun:
        return _form("stop", event, address, "Stop event", "Every device is given back at once.")
    return _form("stop", event, address, "Opt out", "The programme is notified that the site does not take part.")


def _form(name: str, event: DrEvent, address: Address, title: str, note: str) -> Form:
    seen = Input(name="seen", kind="hidden", value=stamp_of(event))
    action = address.href(f"{PATH}/{event.event_id}/{name}", site=event.site_id, scope=None, period=None)
    return Form(title=title, action=action, fields=(seen, REASON), note=note)


def _note(pattern: str, *given: object) -> Paragraph:
    return Paragraph(text=Sentence(pattern, *given), tone="muted")
