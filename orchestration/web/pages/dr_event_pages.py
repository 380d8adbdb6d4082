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
from orchestration.web.api.dr_events_api import ACTS, WAY_ON, act
from orchestration.web.draw import draw
from orchestration.web.pages.job_pages import lack
from orchestration.web.problems import led_on
from orchestration.web.queries import whole_site
from orchestration.web.request_context import MORE, Ask, Nav, requires
from orchestration.web.web_call import WebCall, signer_of, who_else
from reports.pages.dr_event_acts import PATH, EventActor, record_form
from reports.pages.dr_events import event_href, event_page, events_page

router = APIRouter()
NAV = Nav(43, PATH, "Demand response", Permission.DR_READ, "utility-pole", MORE, ("ops",))


@router.get(PATH, response_class=HTMLResponse)
def events(ask: Ask = requires(Permission.DR_READ)) -> Response:
    """The list of a site."""
    site, as_of_utc = whole_site(ask), ask.address.as_of_utc
    known = DrEvents(ask.project.store)
    found = known.standing(site.site_id, as_of_utc=as_of_utc)
    settled = {each.event_id: made for each in found if (made := known.settlement(each.event_id, as_of_utc=as_of_utc))}
    address = ask.address.model_copy(update={"site": site.site_id})
    lacks = lack(ask, site, "" if site.sheddable_loads else "load")
    titles, record = programme_titles(ask.project, found), None
    if may(ask.person, Permission.DR_EXECUTE) and as_of_utc is None and site.sheddable_loads:
        # A programme file that cannot be read takes the form away, and not the list.
        with suppress(BadInput):
            programmes = {name: each.title for name, each in programmes_of(ask.project.project.root).items()}
            record = record_form(site.site_id, programmes, found[-1].programme if found else "own_peak", address)
    return draw(ask, events_page(site, found, settled, titles, address, lacks=lacks, record=record))


@router.post(PATH)
def record(ask: Ask = requires(Permission.DR_EXECUTE)) -> Response:
    """Record an event as `meterloom dr event create` does; the same one again by the same person is that event."""
    site, form = whole_site(ask), ask.form
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
    with led_on(WAY_ON), ask.project.store.together():
        same = (programme, start_utc, end_utc, target, source, ask.person.person_id)
        found = next((each for each in DrEvents(ask.project.store).standing(site.site_id) if each.is_open and same == (
            each.programme, each.start_utc, each.end_utc, each.target_kw, each.source, each.person_id
        )), None)  # fmt: skip
        if found is None:
            if not (reason := form.get("reason", "").strip()):
                raise BadInput("an event is recorded with a reason", reason="missing_reason")
            answer = dr_event_create(WebCall(ask), site.site_id, programme, span, target, source, reason)
            found = _event(ask, site.site_id, dict(answer.result)["event"]["id"])
    return RedirectResponse(event_href(found, ask.address), 303)


@router.get(PATH + "/{event_id}", response_class=HTMLResponse)
def event(event_id: str, ask: Ask = requires(Permission.DR_READ)) -> Response:
    """One of them."""
    site = whole_site(ask)
    found = _event(ask, site.site_id, event_id)
    detail = event_detail(
        ask.project, site, found, now_utc=ask.now_utc, as_of_utc=ask.address.as_of_utc, actor=_actor(ask, found)
    )
    return draw(ask, event_page(detail, ask.address))


def _acted(name: str) -> Callable[..., Response]:
    """The function behind the form of an act."""

    def answer(event_id: str, ask: Ask = requires(ACTS[name].needs)) -> Response:
        site, form = whole_site(ask), ask.form
        found = _event(ask, site.site_id, event_id)
        # One button ends an event: before it began the programme is notified.
        action = "opt-out" if name == "stop" and not found.has_begun else name
        if action != "stop" or found.is_open:
            arguments = {} if name == "settle" else {"reason": form.get("reason", "")}
            arguments |= {"digest": form.get("digest", "")} if name == "approve" else {}
            answer = act(ask, site.site_id, found.event_id, action, arguments, stamp=form.get("seen", ""))
            if answer.exit_code:
                raise BadInput(answer.text, reason="no_plan")
        return RedirectResponse(event_href(found, ask.address), 303)

    answer.__doc__ = f"{name.capitalize()} an event; twice is once."
    return answer


for _name in ("propose", "approve", "arm", "stop", "settle"):
    router.add_api_route(f"{PATH}/{{event_id}}/{_name}", _acted(_name), methods=["POST"], name=f"dr event {_name}")


def _actor(ask: Ask, event: DrEvent) -> EventActor:
    """The viewer's rights on the event, and whether its approval still holds."""
    people = ask.project.people
    signers = {event.proposed_by, ask.person.person_id, *(each.person_id for each in event.approvals)}
    fault = fault_of(event, people.public_keys, ask.now_utc) if event.state == "approved" else None
    return EventActor(
        **dict(signer_of(ask)), may_stop=may(ask.person, Permission.DISPATCH_STOP),
        may_run=may(ask.person, Permission.DR_EXECUTE), may_approve=may(ask.person, Permission.DR_APPROVE),
        others=who_else(people, Role.APPROVER, signers), fault=fault[1] if fault else "",
    )  # fmt: skip


def _event(ask: Ask, site_id: str, event_id: str) -> DrEvent:
    """The event of exactly that id at the site. Raises BadInput (no_event)."""
    known = DrEvents(ask.project.store).standing(site_id, as_of_utc=ask.address.as_of_utc)
    found = next((each for each in known if each.event_id == event_id), None)
    if found is None:
        raise BadInput(f"site {site_id} has no event {event_id[:40]!r}", reason="no_event")
    return found
