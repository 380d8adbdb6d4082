"""/demand-response: events of a site, one with its course, and the act that ends it."""

from fastapi import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse, Response

from assets.stores.ledgers.dr_events import DrEvents
from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.control.dr_event import DrEvent
from data_quality.contracts.errors import BadInput
from orchestration.views.dr_event_view import event_detail, programme_titles
from orchestration.web.draw import draw
from orchestration.web.queries import whole_site
from orchestration.web.request_context import Ask, Nav, asked
from reports.pages.dr_events import PATH, event_href, event_page, events_page

router = APIRouter()
NAV = Nav(43, PATH, "Demand response", Permission.DR_READ, "utility-pole", "Analyse", ("ops",))


@router.get(PATH, response_class=HTMLResponse)
def events(ask: Ask = asked(Permission.DR_READ)) -> Response:
    """The list of a site."""
    site, as_of_utc = whole_site(ask), ask.address.as_of_utc
    known = DrEvents(ask.project.store)
    found = known.standing(site.site_id, as_of_utc=as_of_utc)
    settled = {each.event_id: made for each in found if (made := known.settlement(each.event_id, as_of_utc=as_of_utc))}
    address = ask.address.model_copy(update={"site": site.site_id})
    return draw(ask, events_page(site, found, settled, programme_titles(ask.project, found), address))


@router.get(PATH + "/{event_id}", response_class=HTMLResponse)
def event(event_id: str, ask: Ask = asked(Permission.DR_READ)) -> Response:
    """One of them."""
    site = whole_site(ask)
    found = _event(ask, site.site_id, event_id)
    told = event_detail(
        ask.project, site, found, now_utc=ask.now_utc, as_of_utc=ask.address.as_of_utc,
        may_stop=may(ask.person, Permission.DISPATCH_STOP),
    )  # fmt: skip
    return draw(ask, event_page(told, ask.address))


@router.post(PATH + "/{event_id}/stop")
def stop(event_id: str, ask: Ask = asked(Permission.DISPATCH_STOP)) -> Response:
    """Opt out before it began, stop it after; twice is once."""
    from orchestration.demand_response.acts import stop_event

    found = _event(ask, whole_site(ask).site_id, event_id)
    if found.is_open:
        stop_event(
            ask.project, found.event_id, clock=ask.clock, person=ask.person, reason=ask.form.get("reason", ""),
            is_opt_out=not found.has_begun,
        )  # fmt: skip
    return RedirectResponse(event_href(found, ask.address), 303)


def _event(ask: Ask, site_id: str, event_id: str) -> DrEvent:
    """The event of that id at the site. Raises BadInput (no_event)."""
    known = DrEvents(ask.project.store).standing(site_id, as_of_utc=ask.address.as_of_utc)
    found = next((each for each in known if each.event_id == event_id), None)
    if found is None:
        raise BadInput(f"site {site_id} has no event {event_id[:40]!r}", reason="no_event")
    return found
