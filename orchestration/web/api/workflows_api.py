"""Answers of programs to workflows that ask for an approval."""

import orjson
from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.model import Model, plain
from orchestration.operations.project.workflows import instance_row
from orchestration.web.approvals import answered
from orchestration.web.cache import BASE, JSON
from orchestration.web.request_context import Context, requires

router = APIRouter(prefix=BASE + "/workflows/instances")


class SentAnswer(Model):
    """A yes, or with refuse a no, and why."""

    reason: str = Field(max_length=1000)
    refuse: bool = False


@router.post("/{instance_id}/approve", name="workflows approve")
def approve(
    instance_id: str, sent: SentAnswer, ctx: Context = requires(Permission.WORKFLOW_DECIDE, shared=("site",))
) -> Response:
    """Answer an instance that asks for an approval, by who stands behind the request; done again it is done.

    Whose yes counts is a question of the role that the workflow asks for.
    """
    made = answered(ctx, instance_id, reason=sent.reason, is_approved=not sent.refuse)
    return Response(orjson.dumps(plain({"instances": [instance_row(made)]})), media_type=JSON)
