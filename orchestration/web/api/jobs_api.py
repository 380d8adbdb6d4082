"""Jobs: work that went on after its answer was due."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import plain
from orchestration.operations.answer import CHECK_FAILED, DONE
from orchestration.web.request_context import Context, requires
from orchestration.web.work import JOBS, WAIT_S, Job, Outcome, work_of

router = APIRouter()


@router.get(JOBS + "/{job_id}")
def job(job_id: str, ctx: Context = requires(None, shared=())) -> Response:
    """Where a job of one's own stands, and what its command answered."""
    found = work_of(ctx.project).job(job_id, ctx.person.person_id)
    outcome = found.wait(0)
    document: dict[str, Any] = {"id": found.job_id, "state": found.state, "asked_at": found.asked_at_utc}
    if outcome is not None:
        name, value = ("result", outcome.result) if found.state == "done" else ("problem", outcome.message)
        document[name] = value
    return JSONResponse(plain(document))


def answer_of(job: Job, document_of: Callable[[Outcome], dict[str, Any]]) -> Response:
    """The answer of a job that ends in time, or where it is to be asked for. Raises BadInput for one that failed."""
    outcome = job.wait(WAIT_S)
    if outcome is None:
        place = f"{JOBS}/{job.job_id}"
        headers = {"Location": place, "Retry-After": "5"}
        return JSONResponse({"success": True, "job": job.job_id, "state": job.state, "location": place}, 202, headers)
    if outcome.exit_code not in (DONE, CHECK_FAILED):
        raise BadInput(outcome.message or "the command printed nothing", reason="refused")
    return JSONResponse(plain(document_of(outcome)))
