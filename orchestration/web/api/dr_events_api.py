"""Acts on events of demand response for programs: create, propose, approve, arm, opt out, stop and settle."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import orjson
from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from assets.stores.ledgers.dr_events import DrEvents
from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.control.curtailment import Preference
from data_quality.contracts.control.dr_event import DrEvent
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model, plain
from orchestration.operations.answer import Answer
from orchestration.operations.demand_response import dr_event
from orchestration.operations.demand_response.dr_event import dr_event_create
from orchestration.web.cache import BASE, JSON
from orchestration.web.problems import with_remedies
from orchestration.web.queries import whole_site
from orchestration.web.request_context import Context, requires
from orchestration.web.signing import SentSignature
from orchestration.web.web_call import WebCall
from reports.pages.dr_event_acts import stamp_of

router = APIRouter(prefix=BASE + "/dr/events")
_SHARED = ("site",)
# What a person does about a refusal, by its reason; a refusal that says so itself keeps its own.
REMEDIES = {
    "same_person": "Another approver signs in and approves it.",
    "altered_plan": "Open the event again, review the current plan, and approve it.",
    "approval_expired": "Propose it again, and have it approved within 24 hours.",
    "key_revoked": "Propose it again, and have it approved with the key of today.",
    "not_approved": "Have it approved by a second person first.",
    "wrong_state": "Open the event again: it shows the act that comes next.",
    "event_past": "Have the next event called, planned and approved before its start.",
    "missing_reason": "Go back and write a reason.",
    "changed_since": "Go back, open the page again, look at what changed, and decide then.",
    "overlapping_events": "Stop the other event, or opt out of it, first.",
}
# A second click finds its own act: the same person, and the state that it leads to.
_LEADS_TO = {"propose": "proposed", "approve": "proposed", "arm": "armed"}


class Kind(NamedTuple):
    """One act: who may do it, its operation, and when a person has done it already."""

    needs: Permission
    run: Callable[..., Answer]
    is_done: Callable[[DrEvent, str], bool] = lambda _event, _me: False


def _has_approved(event: DrEvent, me: str) -> bool:
    is_mine = any(each.person_id == me and not each.class_id for each in event.approvals)
    return event.state in ("approved", "armed", "active") and is_mine


ACTS: Mapping[str, Kind] = {
    "propose": Kind(Permission.DR_EXECUTE, dr_event.dr_event_propose),
    "approve": Kind(Permission.DR_APPROVE, dr_event.dr_event_approve, _has_approved),
    "arm": Kind(
        Permission.DR_EXECUTE, dr_event.dr_event_arm,
        lambda event, me: event.state in ("armed", "active") and event.armed_by == me,
    ),
    "opt-out": Kind(
        Permission.DISPATCH_STOP, partial(dr_event.dr_event_stop, opt_out=True),
        lambda event, _me: event.state == "opted_out",
    ),
    "stop": Kind(Permission.DISPATCH_STOP, dr_event.dr_event_stop, lambda event, _me: event.state == "stopped"),
    "settle": Kind(Permission.DR_EXECUTE, dr_event.dr_event_settle),
}  # fmt: skip


def act(
    ctx: Context, site_id: str, event_id: str, name: str, arguments: Mapping[str, Any], *, stamp: str | None = None
) -> Answer:
    """Answer of the act's operation; of one that the person has done already, the event as it stands.

    arguments: those of the operation besides the event. stamp: that of the event that its form was made of; None: a
    program, which says the digest. Raises BadInput (changed_since) where somebody else came between.
    """
    kind = ACTS[name]
    with with_remedies(REMEDIES):
        event = DrEvents(ctx.project.store).named(event_id, site_id)
        me, is_newer = ctx.person.person_id, stamp is not None and stamp != stamp_of(event)
        is_mine = is_newer and event.person_id == me and event.state == _LEADS_TO.get(name)
        if is_mine or kind.is_done(event, me):
            return dr_event.event_answer(WebCall(ctx), event)
        if is_newer and name not in ("stop", "opt-out"):
            raise BadInput("this event has changed since you opened the page", reason="changed_since")
        return kind.run(WebCall(ctx), event.event_id, **arguments)


class SentEvent(Model):
    """An event that a programme calls. event: START/END; source: where the call came from, one event for ever."""

    programme: str = Field(max_length=64)
    event: str = Field(max_length=100)
    target_kw: float
    source: str = Field(default="", max_length=160)
    reason: str = Field(default="", max_length=1000)


class SentReason(Model):
    """An act that needs a reason alone."""

    reason: str = Field(max_length=1000)


class SentSigned(SentReason, SentSignature):
    """An act with a reason that people sign where the project has keys."""


class SentProposal(SentSigned):
    """A plan by what is preferred; without it by the programme's template."""

    prefer: Preference | None = None


class SentYes(SentSigned):
    """A yes to exactly that digest, of which twelve letters at least are named."""

    digest: str = Field(max_length=64)


class SentNothing(Model):
    """An act that asks nothing."""


_SENT: dict[str, type[Model]] = {
    "propose": SentProposal, "approve": SentYes, "arm": SentSigned, "opt-out": SentReason, "stop": SentReason,
    "settle": SentNothing,
}  # fmt: skip


@router.post("", name="dr event create")
def create(sent: SentEvent, ctx: Context = requires(Permission.DR_EXECUTE, shared=_SHARED)) -> Response:
    """Record an event that a programme calls; the same call of a source again answers the event that stands."""
    with with_remedies(REMEDIES):
        return _json(dr_event_create(WebCall(ctx), whole_site(ctx).site_id, **sent.model_dump()))


def _endpoint(name: str) -> Callable[..., Response]:
    """The function behind the route of one act. Its body is typed, so that the description of the API has it."""

    def answer(event_id: str, sent: Any, ctx: Context = requires(ACTS[name].needs, shared=_SHARED)) -> Response:
        signed = sent.model_dump(include=set(SentSignature.model_fields), exclude_defaults=True)
        arguments = sent.model_dump(exclude=set(SentSignature.model_fields), exclude_none=True)
        return _json(act(replace(ctx, form=signed), whole_site(ctx).site_id, event_id, name, arguments))

    answer.__annotations__["sent"] = _SENT[name]
    answer.__doc__ = f"{name.capitalize()}: as the command, by who stands behind the request; done again it is done."
    return answer


def _json(found: Answer) -> Response:
    return Response(orjson.dumps(plain(found.result)), media_type=JSON)


for _name in ACTS:
    router.add_api_route(f"/{{event_id}}/{_name}", _endpoint(_name), methods=["POST"], name=f"dr event {_name}")
