"""/demand-response: events of a site, one with its course, and the acts that move and end it."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, time, timedelta

from fastapi import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse, Response

from assets.stores.ledgers.dr_events import DrEvents
from controls.demand_response.event_life import fault_of
from controls.demand_response.load_programmes import programmes_of
from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.control.dr_event import DrEvent
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Role
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.time import parse_day
from orchestration.operations.demand_response.dr_event import dr_event_create
from orchestration.operations.options import event_span, number
from orchestration.views.dr_event_view import event_detail, programme_titles
from orchestration.web.api.dr_events_api import ACTS, REMEDIES, act
from orchestration.web.draw import draw
from orchestration.web.pages.job_pages import lack
from orchestration.web.problems import with_remedies
from orchestration.web.queries import whole_site
from orchestration.web.request_context import MORE, Context, Nav, requires
from orchestration.web.web_call import WebCall, others_with_role, signer_of
from reports.pages.dr_event_acts import PATH, EventActor, record_form
from reports.pages.dr_events import event_href, event_page, events_page

router = APIRouter()
NAV = Nav(43, PATH, "Demand response", Permission.DR_READ, "utility-pole", MORE, ("ops",))


@router.get(PATH, response_class=HTMLResponse)
def events(ctx: Context = requires(Permission.DR_READ)) -> Response:
    """The list of a site."""
    site, as_of_utc = whole_site(ctx), ctx.address.as_of_utc
    known = DrEvents(ctx.project.store)
    found = known.current(site.site_id, as_of_utc=as_of_utc)
    settled = {each.event_id: made for each in found if (made := known.settlement(each.event_id, as_of_utc=as_of_utc))}
    address = ctx.address.model_copy(update={"site": site.site_id})
    lacks = lack(ctx, site, "" if site.sheddable_loads else "load")
    titles, record = programme_titles(ctx.project, found), None
    if may(ctx.person, Permission.DR_EXECUTE) and as_of_utc is None and site.sheddable_loads:
        # A programme file that cannot be read takes the form away, and not the list.
        with suppress(BadInput):
            programmes = {name: each.title for name, each in programmes_of(ctx.project.project.root).items()}
            record = record_form(site.site_id, programmes, found[-1].programme if found else "own_peak", address)
    return draw(ctx, events_page(site, found, settled, titles, address, lacks=lacks, record=record))


@router.post(PATH)
def record(ctx: Context = requires(Permission.DR_EXECUTE)) -> Response:
    """Record an event as `meterloom dr event create` does; the same one again by the same person is that event."""
    site, form = whole_site(ctx), ctx.form
    day = parse_day(form.get("day", ""), Sentence("Day"))
    times: list[time] = []
    for name, label in {"from": "From", "to": "Until"}.items():
        try:
            times.append(datetime.strptime(form.get(name, "").strip(), "%H:%M").time())  # noqa: DTZ007 - has no zone
        except ValueError as error:
            sent = repr(form.get(name, "")[:20])
            message = Sentence("{0}: expected a time of day as 14:00, got {1}", Sentence(label), sent)
            raise BadInput(message, reason="bad_time") from error
    start, end = times
    span = f"{day}T{start}/{day + timedelta(days=end <= start)}T{end}"
    target, programme = float(number(form.get("target_kw", ""), Sentence("Target, kW"))), form.get("programme", "")
    source = form.get("source", "").strip()
    start_utc, end_utc = event_span(span, site.time_zone)
    with with_remedies(REMEDIES), ctx.project.store.together():
        same = (programme, start_utc, end_utc, target, source, ctx.person.person_id)
        found = next((each for each in DrEvents(ctx.project.store).current(site.site_id) if each.is_open and same == (
            each.programme, each.start_utc, each.end_utc, each.target_kw, each.source, each.person_id
        )), None)  # fmt: skip
        if found is None:
            if not (reason := form.get("reason", "").strip()):
                raise BadInput("an event is recorded with a reason", reason="missing_reason")
            answer = dr_event_create(WebCall(ctx), site.site_id, programme, span, target, source, reason)
            found = _event(ctx, site.site_id, dict(answer.result)["event"]["id"])
    return RedirectResponse(event_href(found, ctx.address), 303)


@router.get(PATH + "/{event_id}", response_class=HTMLResponse)
def event(event_id: str, ctx: Context = requires(Permission.DR_READ)) -> Response:
    """One of them."""
    site = whole_site(ctx)
    found = _event(ctx, site.site_id, event_id)
    detail = event_detail(
        ctx.project, site, found, now_utc=ctx.now_utc, as_of_utc=ctx.address.as_of_utc, actor=_actor(ctx, found)
    )
    return draw(ctx, event_page(detail, ctx.address))


def _acted(name: str) -> Callable[..., Response]:
    """The function behind the form of an act."""

    def answer(event_id: str, ctx: Context = requires(ACTS[name].needs)) -> Response:
        site, form = whole_site(ctx), ctx.form
        found = _event(ctx, site.site_id, event_id)
        # One button ends an event: before it began the programme is notified.
        action = "opt-out" if name == "stop" and not found.has_begun else name
        if action != "stop" or found.is_open:
            arguments = {} if name == "settle" else {"reason": form.get("reason", "")}
            arguments |= {"digest": form.get("digest", "")} if name == "approve" else {}
            answer = act(ctx, site.site_id, found.event_id, action, arguments, stamp=form.get("seen", ""))
            if answer.exit_code:
                raise BadInput(answer.text, reason="no_plan")
        return RedirectResponse(event_href(found, ctx.address), 303)

    answer.__doc__ = f"{name.capitalize()} an event; twice is once."
    return answer


for _name in ("propose", "approve", "arm", "stop", "settle"):
    router.add_api_route(f"{PATH}/{{event_id}}/{_name}", _acted(_name), methods=["POST"], name=f"dr event {_name}")


def _actor(ctx: Context, event: DrEvent) -> EventActor:
    """The viewer's rights on the event, and whether its approval still holds."""
    people = ctx.project.people
    signers = {event.proposed_by, ctx.person.person_id, *(each.person_id for each in event.approvals)}
    fault = fault_of(event, people.public_keys, ctx.now_utc) if event.state == "approved" else None
    return EventActor(
        **dict(signer_of(ctx)), may_stop=may(ctx.person, Permission.DISPATCH_STOP),
        may_run=may(ctx.person, Permission.DR_EXECUTE), may_approve=may(ctx.person, Permission.DR_APPROVE),
        others=others_with_role(people, Role.APPROVER, signers), fault=fault[1] if fault else "",
    )  # fmt: skip


def _event(ctx: Context, site_id: str, event_id: str) -> DrEvent:
    """The event of exactly that id at the site. Raises BadInput (no_event)."""
    known = DrEvents(ctx.project.store).current(site_id, as_of_utc=ctx.address.as_of_utc)
    found = next((each for each in known if each.event_id == event_id), None)
    if found is None:
        raise BadInput(f"site {site_id} has no event {event_id[:40]!r}", reason="no_event")
    return found
