"""Acts of programs on recommendations."""

from collections.abc import Callable

import orjson
from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from data_quality.contracts.model import Model
from orchestration.operations.answer import plain
from orchestration.views import advice
from orchestration.web.advice_acts import NEEDS, WAY_ON, acted, is_done, of_site
from orchestration.web.api.jobs_api import answer_of
from orchestration.web.cache import BASE, JSON
from orchestration.web.problems import led_on
from orchestration.web.queries import whole_site
from orchestration.web.request_context import Ask, asked

router = APIRouter()


class SentAct(Model):
    """Why, and of one that is put off the local day on which it is decided."""

    reason: str = Field(max_length=1000)
    due: str = ""


def _endpoint(act: str) -> Callable[..., Response]:
    def answer(recommendation_id: str, sent: SentAct, ask: Ask = asked(NEEDS[act], shared=("site",))) -> Response:
        site = whole_site(ask)
        of = of_site(ask, site, recommendation_id)
        with led_on(WAY_ON):
            job = None if is_done(ask, act, of) else acted(ask, act, of, sent.reason, sent.due)
        if job is not None:
            return answer_of(job, lambda outcome: outcome.result)
        row = advice.row(site, of_site(ask, site, recommendation_id), site.locale)
        return Response(orjson.dumps(plain({"recommendations": [row]})), media_type=JSON)

    answer.__doc__ = f"{act.capitalize()} a recommendation; twice is once. A fit may answer with the place of its job."
    return answer


for _act in NEEDS:
    router.add_api_route(
        f"{BASE}/recommendations/{{recommendation_id}}/{_act}", _endpoint(_act), methods=["POST"], name=f"advise {_act}"
    )
