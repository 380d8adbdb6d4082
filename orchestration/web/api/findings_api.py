"""Acts on a finding for programs: acknowledge, mute, explain, close, reopen, label, as the commands do."""

from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Body
from pydantic import Field
from starlette.responses import Response

from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.model import Model, plain
from data_quality.contracts.reporting.anomaly_event import Cause
from orchestration.operations.project import findings
from orchestration.operations.readings.anomaly_events import anomalies_label
from orchestration.web.cache import BASE, JSON
from orchestration.web.queries import whole_site
from orchestration.web.request_context import Context, requires
from orchestration.web.web_call import WebCall

router = APIRouter(prefix=BASE)
_ACTS = {
    "acknowledge": findings.findings_acknowledge, "explain": findings.findings_explain,
    "close": findings.findings_close, "reopen": findings.findings_reopen,
}  # fmt: skip


class SentAct(Model):
    """An act that needs a reason alone."""

    act: Literal["acknowledge", "explain", "close", "reopen"]
    reason: str = Field(max_length=1000)


class SentMute(Model):
    """A mute until a local day or time."""

    act: Literal["mute"]
    reason: str = Field(max_length=1000)
    until: str = Field(max_length=40)


class SentLabel(Model):
    """The cause of an anomaly event. replace: take the place of a label with another cause."""

    act: Literal["label"]
    reason: str = Field(max_length=1000)
    cause: Cause
    replace: bool = False


@router.patch("/anomalies/{finding_id}")
def act_on_finding(
    finding_id: str,
    sent: Annotated[SentAct | SentMute | SentLabel, Body(discriminator="act")],
    ctx: Context = requires(Permission.ANOMALY_UPDATE, shared=("site",)),
) -> Response:
    """Write down what the person did with a finding; a row is added, and none is changed."""
    site, call = whole_site(ctx).site_id, WebCall(ctx)
    if isinstance(sent, SentLabel):
        found = anomalies_label(call, finding_id, sent.cause, sent.reason, site, sent.replace)
    elif isinstance(sent, SentMute):
        found = findings.findings_mute(call, finding_id, site, sent.reason, sent.until)
    else:
        found = _ACTS[sent.act](call, finding_id, site, sent.reason)
    return Response(orjson.dumps(plain(found.result)), media_type=JSON)
