"""/people: who is known and can sign in, invitations by link, roles, and the end of somebody's sign-ins."""

from functools import partial
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from assets.sites.edit_people import expect_admin, with_roles
from assets.sites.edit_site import as_in_file, keep_text, one_writer, site_text, text_tag
from assets.sites.load_sites import load_people, replaced
from assets.stores.web.logins import LoginStore
from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person, Role
from orchestration.operations.project.check import problems_in
from orchestration.web.draw import draw
from orchestration.web.people.invite import invitation_link
from orchestration.web.people.seen import known_people, people_of
from orchestration.web.request_context import MORE, Ask, Nav, requires
from orchestration.web.web_call import WebCall
from reports.pages.people_list import CHANGES, GIVE, PATH, Invitation, people_page

router = APIRouter(include_in_schema=False)
NAV = Nav(80, PATH, "People", Permission.PEOPLE_ADMIN, "user-round", MORE, ("home", "ops", "exec", "audit", "site"))
_SHARED = ("locale",)


@router.get(PATH, response_class=HTMLResponse)
def people(ask: Ask = requires(Permission.PEOPLE_ADMIN, shared=_SHARED)) -> Response:
    """Everybody whom the person may let in."""
    return draw(ask, people_page(known_people(ask), ask.address, me=ask.person.person_id, seen=_file_tag(ask)))


@router.post(PATH + "/invite", response_class=HTMLResponse)
def invite(ask: Ask = requires(Permission.PEOPLE_ADMIN, shared=_SHARED)) -> Response:
    """Make an invitation as `meterloom web invite` does, and show its link this once."""
    return _linked(ask, is_reset=False)


@router.post(PATH + "/reset", response_class=HTMLResponse)
def reset(ask: Ask = requires(Permission.PEOPLE_ADMIN, shared=_SHARED)) -> Response:
    """End a person's password and sign-ins as `meterloom web reset` does, and show the link to another this once."""
    return _linked(ask, is_reset=True)


def _linked(ask: Ask, *, is_reset: bool) -> Response:
    person = _person(ask)
    link, until_utc = invitation_link(ask.project, person, ask.clock, by=ask.person.person_id, is_reset=is_reset)
    page = people_page(
        known_people(ask),
        ask.address,
        me=ask.person.person_id,
        seen=_file_tag(ask),
        invited=Invitation(person.name, link, until_utc),
    )
    drawn = draw(ask, page)
    drawn.headers["Cache-Control"] = "no-store"
    return drawn


@router.post(PATH + "/roles")
def change_roles(request: Request, ask: Ask = requires(Permission.PEOPLE_ADMIN, shared=_SHARED)) -> Response:
    """Give a person a role, or take one away, in the people file; their sign-ins end with the roles they had."""
    person, form, path = _person(ask), ask.form, ask.project.project.people_file
    if person.person_id == ask.person.person_id:
        raise BadInput("nobody changes their own roles: ask another admin", reason="own_work")
    if form.get("role") not in list(Role) or form.get("change") not in CHANGES:
        raise BadInput("name a role, and whether it is given or taken away", reason="bad_request")
    role, is_given = Role(form["role"]), form["change"] == GIVE
    with one_writer(path, form.get("seen", "")):
        people = load_people(path)
        # As the file has them now: of two admins who take the role from each other, one comes too late.
        people.acting(ask.person.person_id, Role.ADMIN)
        held = people.known(person.person_id)
        roles = (*(each for each in held.roles if each is not role), *((role,) if is_given else ()))
        expect_admin(people, held.model_copy(update={"roles": roles}))
        text = as_in_file(with_roles(site_text(path), person.person_id, roles, file=path.name), path)
        with replaced(path, text, partial(_checked, ask)):
            keep_text(path, ask.project.project.data_dir / "people_texts", ask.person.person_id, ask.now_utc)
    request.state.subject = f"{person.person_id} {'+' if is_given else '−'}{role.value}"
    return RedirectResponse(ask.address.href(PATH), 303)


def _checked(ask: Ask, copy: Path) -> None:
    if problems := problems_in(copy, WebCall(ask), is_people=True):
        raise BadInput(f"not changed: {problems[0].message}", reason="bad_roles", mend=problems[0].mend)


@router.post(PATH + "/out")
def end_sign_ins(request: Request, ask: Ask = requires(Permission.PEOPLE_ADMIN, shared=_SHARED)) -> Response:
    """End every sign-in of a person, on all devices."""
    person = _person(ask)
    request.state.subject = person.person_id
    LoginStore(ask.project.store).end(ask.now_utc, person_id=person.person_id)
    return RedirectResponse(ask.address.href(PATH), 303)


def _file_tag(ask: Ask) -> str:
    return text_tag(ask.project.project.people_file)


def _person(ask: Ask) -> Person:
    """The person of the form. Raises BadInput, in the same words for one that is not there and one of other sites."""
    person_id = ask.form.get("person", "")
    found = next((each for each in people_of(ask) if each.person_id == person_id), None)
    if found is None:
        raise BadInput(f"there is no person {person_id[:40]!r}", reason="unknown_person")
    return found
