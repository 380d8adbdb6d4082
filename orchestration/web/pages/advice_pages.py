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
from orchestration.views.advice_wording import approved_wordings, recommendation_sentences, worded
from orchestration.web.api.advice_api import NEEDS, REMEDIES, acted, is_done, of_site, words_of
from orchestration.web.draw import draw
from orchestration.web.pages.job_pages import job_form, lack, looked_at
from orchestration.web.problems import with_remedies
from orchestration.web.queries import whole_site
from orchestration.web.request_context import MORE, Context, Nav, requires
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
def recommendations(ctx: Context = requires(Permission.ANOMALY_READ, takes=TAKES)) -> Response:
    """The list of a site: open ones, or those of a state."""
    site, address = whole_site(ctx), ctx.address
    status, search, page = (address.part(each) for each in TAKES)
    if status not in ("", *STATES):
        raise BadInput(f"status is one of {', '.join(STATES)}, not {status[:20]!r}", reason="bad_address")
    if page and not (page.isdecimal() and 1 <= int(page) <= 10_000):
        raise BadInput(f"page is a number from 1, not {page[:20]!r}", reason="bad_address")
    known = Recommendations(ctx.project.store).current(site.site_id, as_of_utc=address.as_of_utc)
    shown = [
        each
        for each in known
        if (each.status == status if status else each.is_open) and _has(site, each, search, address.locale)
    ]
    shown = ordered(
        ctx.project.store, shown, person_id=ctx.person.person_id, now_utc=ctx.now_utc, as_of_utc=address.as_of_utc
    )
    scopes = {each.recommendation_id: scope_name(site, each.scope) for each in known}
    here, looked = address.model_copy(update={"site": site.site_id}), looked_at(ctx, site) or ""
    run = job_form(ctx, site, PATH, looked)
    return draw(ctx, advice_page(site, known, shown, scopes, here, run=run, looked=looked, lacks=lack(ctx, site)))


@router.get(PATH + "/{recommendation_id}", response_class=HTMLResponse)
def recommendation(recommendation_id: str, ctx: Context = requires(Permission.ANOMALY_READ)) -> Response:
    """One of them."""
    site, ledger, as_of_utc = whole_site(ctx), Recommendations(ctx.project.store), ctx.address.as_of_utc
    of = of_site(ctx, site, recommendation_id)
    row = advice.row(site, of, ctx.address.locale)
    detail = AdviceDetail(
        site=site, of=of, scope=scope_name(site, of.scope),
        reasons=[_reason(each) for each, _ in recommendation_sentences(site, of, ctx.address.locale)],
        history=ledger.history(of, as_of_utc=as_of_utc), people=ctx.project.names,
        may=frozenset() if as_of_utc else frozenset(act for act, needs in NEEDS.items() if may(ctx.person, needs)),
        wording=" ".join(approved_wordings(ctx.project, site, of, ctx.address.locale, as_of_utc=as_of_utc).values()),
        estimated_kwh=row["measured"] and row["measured"]["estimated_kwh"], is_running=_is_running(ctx, of),
    )  # fmt: skip
    return draw(ctx, detail_page(detail, ctx.address))


def _acted(act: str) -> Callable[..., Response]:
    """The function behind the form of an act."""

    def answer(recommendation_id: str, ctx: Context = requires(NEEDS[act])) -> Response:
        site = whole_site(ctx)
        of = of_site(ctx, site, recommendation_id)
        with with_remedies(REMEDIES):
            # The second click of the same person finds its own act.
            if not is_done(ctx, act, of):
                if ctx.form.get("seen", "") != stamp_of(of):
                    message = "this recommendation has changed since you opened the page"
                    raise BadInput(message, reason="changed_since")
                job = acted(ctx, act, of, ctx.form.get("reason", ""), ctx.form.get("due", ""))
                outcome = None if job is None else job.wait(WAIT_S)
                if outcome is not None and outcome.exit_code != DONE:
                    raise BadInput(outcome.message, reason="not_done")
        return RedirectResponse(advice_href(of, ctx.address), 303)

    answer.__doc__ = f"{act.capitalize()} a recommendation; twice is once."
    return answer


for _name in NEEDS:
    router.add_api_route(
        f"{PATH}/{{recommendation_id}}/{_name}", _acted(_name), methods=["POST"], name=f"advise {_name}"
    )


def _is_running(ctx: Context, of: Recommendation) -> bool:
    jobs = [work_of(ctx.project).newest(words_of(act, of)) for act in ("accept", "measure")]
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
