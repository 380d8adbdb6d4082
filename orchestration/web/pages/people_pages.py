"""/people: who is known and can sign in, invitations by link, and the end of somebody's sign-ins."""

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from assets.stores.sign import fingerprint
from assets.stores.web.credentials import CredentialStore
from assets.stores.web.logins import LoginStore
from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person
from orchestration.web.draw import draw
from orchestration.web.people.invite import invitation_link
from orchestration.web.request_context import Ask, Nav
from orchestration.web.route_rights import asked
from reports.pages.people_list import PATH, Invitation, KnownPerson, people_page

router = APIRouter(include_in_schema=False)
NAV = Nav(80, PATH, "People", Permission.PEOPLE_ADMIN, "user-round", "Assure", ("home", "ops", "exec", "audit", "site"))
_SHARED = ("locale",)


@router.get(PATH, response_class=HTMLResponse)
def people(ask: Ask = asked(Permission.PEOPLE_ADMIN, shared=_SHARED)) -> Response:
    """Everybody whom the person may let in."""
    return draw(ask, people_page(_known(ask), ask.address))


@router.post(PATH + "/invite", response_class=HTMLResponse)
def invite(ask: Ask = asked(Permission.PEOPLE_ADMIN, shared=_SHARED)) -> Response:
    """Make an invitation as `meterloom web invite` does, and show its link this once."""
    return _linked(ask, is_reset=False)


@router.post(PATH + "/reset", response_class=HTMLResponse)
def reset(ask: Ask = asked(Permission.PEOPLE_ADMIN, shared=_SHARED)) -> Response:
    """End a person's password and sign-ins as `meterloom web reset` does, and show the link to another this once."""
    return _linked(ask, is_reset=True)


def _linked(ask: Ask, *, is_reset: bool) -> Response:
    person = _wanted(ask)
    link, until_utc = invitation_link(ask.project, person, ask.clock, by=ask.person.person_id, is_reset=is_reset)
    page = people_page(_known(ask), ask.address, invited=Invitation(person.name, link, until_utc))
    drawn = draw(ask, page)
    drawn.headers["Cache-Control"] = "no-store"
    return drawn


@router.post(PATH + "/out")
def end_sign_ins(request: Request, ask: Ask = asked(Permission.PEOPLE_ADMIN, shared=_SHARED)) -> Response:
    """End every sign-in of a person, on all devices."""
    person = _wanted(ask)
    request.state.subject = person.person_id
    LoginStore(ask.project.store).end(ask.now_utc, person_id=person.person_id)
    return RedirectResponse(ask.address.href(PATH), 303)


def _of(ask: Ask) -> list[Person]:
    """Whom the person may let in: everybody, or those of their own sites alone."""
    mine = set(ask.person.sites)
    return [each for each in ask.project.people.people if not mine or (each.sites and mine.issuperset(each.sites))]


def _wanted(ask: Ask) -> Person:
    """The person of the form. Raises BadInput, in the same words for one that is not there and one of other sites."""
    wanted = ask.form.get("person", "")
    found = next((each for each in _of(ask) if each.person_id == wanted), None)
    if found is None:
        raise BadInput(f"there is no person {wanted[:40]!r}", reason="unknown_person")
    return found


def _known(ask: Ask) -> list[KnownPerson]:
    credentials, logins = CredentialStore(ask.project.store), LoginStore(ask.project.store)
    return [
        KnownPerson(
            each, fingerprint(each.public_key), bool(credentials.password_of(each.person_id)),
            len(logins.of_person(each.person_id)),
        )
        for each in _of(ask)
    ]  # fmt: skip
