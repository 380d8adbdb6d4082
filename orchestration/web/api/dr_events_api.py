"""Acts on events of demand response for programs: create, propose, approve, arm, opt out, stop and settle."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.control.curtailment import Preference
from data_quality.contracts.model import Model
from orchestration.operations.answer import Answer, plain
from orchestration.operations.demand_response.dr_event import dr_event_create
from orchestration.web.cache import BASE, JSON
from orchestration.web.dr_event_acts import ACTS, WAY_ON, act
from orchestration.web.problems import led_on
from orchestration.web.queries import whole_site
from orchestration.web.request_context import Ask, asked
from orchestration.web.signing import SentSignature
from orchestration.web.web_call import WebCall

router = APIRouter(prefix=BASE + "/dr/events")
_SHARED = ("site",)


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
def create(sent: SentEvent, ask: Ask = asked(Permission.DR_EXECUTE, shared=_SHARED)) -> Response:
    """Record an event that a programme calls; the same source again answers the event that stands."""
    with led_on(WAY_ON):
        return _json(dr_event_create(WebCall(ask), whole_site(ask).site_id, **sent.model_dump()))


def _endpoint(name: str) -> Callable[..., Response]:
    """The function behind the route of one act. Its body is typed, so that the description of the API has it."""

    def answer(event_id: str, sent: Any, ask: Ask = asked(ACTS[name].needs, shared=_SHARED)) -> Response:
        signed = sent.model_dump(include=set(SentSignature.model_fields), exclude_defaults=True)
        said = sent.model_dump(exclude=set(SentSignature.model_fields), exclude_none=True)
        return _json(act(replace(ask, form=signed), whole_site(ask).site_id, event_id, name, said))

    answer.__annotations__["sent"] = _SENT[name]
    answer.__doc__ = f"{name.capitalize()}: as the command, by who stands behind the request; done again it is done."
    return answer


def _json(found: Answer) -> Response:
    return Response(orjson.dumps(plain(found.result)), media_type=JSON)


for _name in ACTS:
    router.add_api_route(f"/{{event_id}}/{_name}", _endpoint(_name), methods=["POST"], name=f"dr event {_name}")
