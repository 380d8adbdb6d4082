"""/advice: recommendations of a site, one with its reasons, and what people do with them."""

from collections.abc import Callable
from itertools import chain

from fastapi import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse, Response

from assets.advice.wording_gate import ComputedSentence
from assets.stores.ledgers.recommendations import Recommendations
from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.recommendation import Recommendation
from data_quality.contracts.site_file.site import Site
from orchestration.operations.answer import DONE
from orchestration.views import advice
from orchestration.views.advice_order import ordered
from orchestration.views.advice_wording import shown_wordings, told_sentences, worded
from orchestration.web.api.advice_api import NEEDS, WAY_ON, acted, is_done, of_site, words_of
from orchestration.web.draw import draw
from orchestration.web.pages.job_pages import job_form, lack, looked_at
from orchestration.web.problems import led_on
from orchestration.web.queries import whole_site
from orchestration.web.request_context import MORE, Ask, Nav, requires
from orchestration.web.work import WAIT_S, work_of
from reports.advice_words import scope_name
from reports.pages.advice import (
    PATH,
    STATES,
    TAKES,
    AdviceDetail,
    Reason,
    advice_href,
    advice_page,
    detail_page,
    stamp_of,
)

router = APIRouter()
NAV = Nav(44, PATH, "Recommendations", Permission.ANOMALY_READ, "wallet", MORE, ("ops",))


@router.get(PATH, response_class=HTMLResponse)
def recommendations(ask: Ask = requires(Permission.ANOMALY_READ, takes=TAKES)) -> Response:
    """The list of a site: open ones, or those of a state."""
    site, address = whole_site(ask), ask.address
    status, search, page = (address.part(each) for each in TAKES)
    if status not in ("", *STATES):
        raise BadInput(f"status is one of {', '.join(STATES)}, not {status[:20]!r}", reason="bad_address")
    if page and not (page.isdecimal() and 1 <= int(page) <= 10_000):
        raise BadInput(f"page is a number from 1, not {page[:20]!r}", reason="bad_address")
    known = Recommendations(ask.project.store).standing(site.site_id, as_of_utc=address.as_of_utc)
    shown = [
        each
        for each in known
        if (each.status == status if status else each.is_open) and _has(site, each, search, address.locale)
    ]
    shown = ordered(
        ask.project.store, shown, person_id=ask.person.person_id, now_utc=ask.now_utc, as_of_utc=address.as_of_utc
    )
    scopes = {each.recommendation_id: scope_name(site, each.scope) for each in known}
    here, looked = address.model_copy(update={"site": site.site_id}), looked_at(ask, site) or ""
    run = job_form(ask, site, PATH, looked)
    return draw(ask, advice_page(site, known, shown, scopes, here, run=run, looked=looked, lacks=lack(ask, site)))


@router.get(PATH + "/{recommendation_id}", response_class=HTMLResponse)
def recommendation(recommendation_id: str, ask: Ask = requires(Permission.ANOMALY_READ)) -> Response:
    """One of them."""
    site, ledger, as_of_utc = whole_site(ask), Recommendations(ask.project.store), ask.address.as_of_utc
    of = of_site(ask, site, recommendation_id)
    row = advice.row(site, of, ask.address.locale)
    detail = AdviceDetail(
        site=site, of=of, scope=scope_name(site, of.scope),
        reasons=[_reason(each) for each, _ in told_sentences(site, of, ask.address.locale)],
        history=ledger.history(of, as_of_utc=as_of_utc), people=ask.project.names,
        may=frozenset() if as_of_utc else frozenset(act for act, needs in NEEDS.items() if may(ask.person, needs)),
        wording=" ".join(shown_wordings(ask.project, site, of, ask.address.locale, as_of_utc=as_of_utc).values()),
        estimated_kwh=row["measured"] and row["measured"]["estimated_kwh"], is_running=_is_running(ask, of),
    )  # fmt: skip
    return draw(ask, detail_page(detail, ask.address))


def _acted(act: str) -> Callable[..., Response]:
    """The function behind the form of an act."""

    def answer(recommendation_id: str, ask: Ask = requires(NEEDS[act])) -> Response:
        site = whole_site(ask)
        of = of_site(ask, site, recommendation_id)
        with led_on(WAY_ON):
            # The second click of the same person finds its own act.
            if not is_done(ask, act, of):
                if ask.form.get("seen", "") != stamp_of(of):
                    message = "this recommendation has changed since you opened the page"
                    raise BadInput(message, reason="changed_since")
                job = acted(ask, act, of, ask.form.get("reason", ""), ask.form.get("due", ""))
                outcome = None if job is None else job.wait(WAIT_S)
                if outcome is not None and outcome.exit_code != DONE:
                    raise BadInput(outcome.message, reason="not_done")
        return RedirectResponse(advice_href(of, ask.address), 303)

    answer.__doc__ = f"{act.capitalize()} a recommendation; twice is once."
    return answer


for _name in NEEDS:
    router.add_api_route(
        f"{PATH}/{{recommendation_id}}/{_name}", _acted(_name), methods=["POST"], name=f"advise {_name}"
    )


def _is_running(ask: Ask, of: Recommendation) -> bool:
    jobs = [work_of(ask.project).newest(words_of(act, of)) for act in ("accept", "measure")]
    return any(job is not None and not job.future.done() for job in jobs)


def _reason(sentence: ComputedSentence) -> Reason:
    places = [(each.text, each.figure_id) for each in sentence.places]
    around = [(each, "") for each in sentence.pieces]
    return Reason((around[0], *chain.from_iterable(zip(places, around[1:], strict=True))))


def _has(site: Site, of: Recommendation, search: str, locale: str) -> bool:
    if not search:
        return True
    texts = (of.recommendation_id, of.kind, scope_name(site, of.scope),
             *(each["text"] for each in worded(site, of, locale)))  # fmt: skip
    return any(search.lower() in each.lower() for each in texts)
