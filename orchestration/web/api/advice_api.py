"""Acts on recommendations, over pages and API: the operation of the command, each once."""

from collections.abc import Callable

import orjson
from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from assets.stores.ledgers.recommendations import Recommendations
from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model, plain
from data_quality.contracts.reporting.recommendation import Recommendation
from data_quality.contracts.site_file.site import Site
from orchestration.operations.project import advise
from orchestration.views import advice
from orchestration.web.api.jobs_api import answer_of
from orchestration.web.cache import BASE, JSON
from orchestration.web.problems import with_remedies
from orchestration.web.queries import whole_site
from orchestration.web.request_context import Context, requires
from orchestration.web.web_call import WebCall
from orchestration.web.work import Job, work_of
from reports.pages.advice import ACTS

router = APIRouter()
NEEDS = {
    "acknowledge": Permission.ANOMALY_UPDATE, "schedule": Permission.ANOMALY_UPDATE,
    "dismiss": Permission.ANOMALY_UPDATE, "accept": Permission.AI_ACCEPT, "measure": Permission.MV_RUN,
}  # fmt: skip
REMEDIES = {
    "bad_state": "Open the recommendation again: it shows what can be done now.",
    "changed_since": "Go back, open the page again, look at what changed, and decide then.",
    "no_reason": "Go back and write a reason.",
    "not_done": "Close its task first.",
}


class SentAct(Model):
    """Why, and of one that is put off the local day on which it is decided."""

    reason: str = Field(max_length=1000)
    due: str = ""


def _endpoint(act: str) -> Callable[..., Response]:
    def answer(
        recommendation_id: str, sent: SentAct, ctx: Context = requires(NEEDS[act], shared=("site",))
    ) -> Response:
        site = whole_site(ctx)
        of = of_site(ctx, site, recommendation_id)
        with with_remedies(REMEDIES):
            job = None if is_done(ctx, act, of) else acted(ctx, act, of, sent.reason, sent.due)
        if job is not None:
            return answer_of(job, lambda outcome: outcome.result)
        row = advice.row(site, of_site(ctx, site, recommendation_id), site.locale)
        return Response(orjson.dumps(plain({"recommendations": [row]})), media_type=JSON)

    answer.__doc__ = f"{act.capitalize()} a recommendation; twice is once. A fit may answer with the place of its job."
    return answer


for _act in NEEDS:
    router.add_api_route(
        f"{BASE}/recommendations/{{recommendation_id}}/{_act}", _endpoint(_act), methods=["POST"], name=f"advise {_act}"
    )


def acted(ctx: Context, act: str, of: Recommendation, reason: str, due: str = "") -> Job | None:
    """The act of who stands behind the request; a job where a fit is behind it. Raises BadInput, as the command."""
    if not reason.strip():
        raise BadInput("a recommendation is acted on with a reason", reason="no_reason")
    call = WebCall(ctx)
    if act == "acknowledge":
        advise.advise_acknowledge(call, of.recommendation_id, reason)
    elif act == "schedule":
        advise.advise_schedule(call, of.recommendation_id, reason, due)
    elif act == "dismiss":
        advise.advise_dismiss(call, of.recommendation_id, reason)
    else:
        # A fit pulls in libraries that this process stays free of.
        words = (*words_of(act, of), "--as", ctx.person.person_id, "--reason", reason)
        return work_of(ctx.project).ask(words, person_id=ctx.person.person_id, now_utc=ctx.now_utc)
    return None


def is_done(ctx: Context, act: str, of: Recommendation) -> bool:
    """True where the same person has done it already; what was saved can be measured again."""
    return (of.status, of.person_id) == (ACTS[act][0], ctx.person.person_id) and act != "measure"


def words_of(act: str, of: Recommendation) -> tuple[str, ...]:
    """The command of an act that takes longer."""
    return ("advise", act, of.recommendation_id)


def of_site(ctx: Context, site: Site, recommendation_id: str) -> Recommendation:
    """The recommendation of exactly that id at the site. Raises BadInput (no_recommendation)."""
    known = Recommendations(ctx.project.store).current(site.site_id, as_of_utc=ctx.address.as_of_utc)
    found = next((each for each in known if each.recommendation_id == recommendation_id), None)
    if found is None:
        message = f"site {site.site_id} has no recommendation {recommendation_id[:20]!r}"
        raise BadInput(message, reason="no_recommendation")
    return found
