"""Acts on events of demand response for pages and programs: the operations of the commands, each done once."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from assets.stores.ledgers.dr_events import DrEvents
from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.control.dr_event import DrEvent
from data_quality.contracts.errors import BadInput
from orchestration.operations.answer import Answer
from orchestration.operations.demand_response import dr_event
from orchestration.operations.operation import Call
from orchestration.web.problems import led_on
from orchestration.web.request_context import Ask
from orchestration.web.web_call import WebCall
from reports.pages.dr_event_acts import stamp_of

# What a person does about a refusal, by its reason; a refusal that says so itself keeps its own.
WAY_ON = {
    "same_person": "Another approver signs in and approves it.",
    "altered_plan": "Open the event again, look at the plan that stands now, and approve that one.",
    "approval_expired": "Propose it again, and have it approved within 24 hours.",
    "key_revoked": "Propose it again, and have it approved with the key of today.",
    "not_approved": "Have it approved by a second person first.",
    "wrong_state": "Open the event again: it shows the act that comes next.",
    "event_past": "Have the next event called, planned and approved before its start.",
    "missing_reason": "Go back and write a reason.",
    "changed_since": "Go back, open the page again, look at what changed, and decide then.",
    "overlapping_events": "Stop the other event, or opt out of it, first.",
}


class Kind(NamedTuple):
    """One act: who may do it, its operation, and when a person has done it already."""

    needs: Permission
    run: Callable[[Call, str, Mapping[str, Any]], Answer]
    is_done: Callable[[DrEvent, str], bool]


def _approved_by(event: DrEvent, me: str) -> bool:
    return any(each.person_id == me and not each.class_id for each in event.approvals)


ACTS: Mapping[str, Kind] = {
    "propose": Kind(
        Permission.DR_EXECUTE, lambda call, event, said: dr_event.dr_event_propose(call, event, **said),
        lambda _event, _me: False,
    ),
    "approve": Kind(
        Permission.DR_APPROVE, lambda call, event, said: dr_event.dr_event_approve(call, event, **said),
        lambda event, me: event.state in ("approved", "armed", "active") and _approved_by(event, me),
    ),
    "arm": Kind(
        Permission.DR_EXECUTE, lambda call, event, said: dr_event.dr_event_arm(call, event, **said),
        lambda event, me: event.state in ("armed", "active") and event.armed_by == me,
    ),
    "opt-out": Kind(
        Permission.DISPATCH_STOP, lambda call, event, said: dr_event.dr_event_stop(call, event, **said, opt_out=True),
        lambda event, _me: event.state == "opted_out",
    ),
    "stop": Kind(
        Permission.DISPATCH_STOP, lambda call, event, said: dr_event.dr_event_stop(call, event, **said),
        lambda event, _me: event.state == "stopped",
    ),
    "settle": Kind(
        Permission.DR_EXECUTE, lambda call, event, _said: dr_event.dr_event_settle(call, event),
        lambda _event, _me: False,
    ),
}  # fmt: skip


def act(
    ask: Ask, site_id: str, event_id: str, name: str, said: Mapping[str, Any], *, seen: str | None = None
) -> Answer:
    """Answer of the act's operation; of one that the person has done already, the event as it stands.

    said: arguments of the operation beside the event. seen: stamp of the event that its form was made of; None: a
    program, which says the digest. Raises BadInput (changed_since) where somebody else came between.
    """
    kind = ACTS[name]
    with led_on(WAY_ON):
        event = DrEvents(ask.project.store).named(event_id, site_id)
        me, is_newer = ask.person.person_id, seen is not None and seen != stamp_of(event)
        is_mine = is_newer and event.person_id == me and event.state == _LEADS_TO.get(name)
        if is_mine or kind.is_done(event, me):
            return dr_event.told(WebCall(ask), event)
        if is_newer and name not in ("stop", "opt-out"):
            raise BadInput("this event has changed since you opened the page", reason="changed_since")
        return kind.run(WebCall(ask), event.event_id, said)


# A second click finds its own act: the same person, and the state that it leads to.
_LEADS_TO = {"propose": "proposed", "approve": "proposed", "arm": "armed"}
