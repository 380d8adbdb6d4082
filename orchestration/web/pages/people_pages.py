"""/people: who is known and can sign in, people added, invitations by link, roles and sites, and the end of access."""

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from assets.sites.edit_site import text_tag
from assets.stores.web.logins import LoginStore
from data_quality.contracts.access.permissions import Permission, sees_site
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person
from data_quality.contracts.sentence import Sentence
from orchestration.operations.project.people import access_withdrawn, person_added, rights_changed, role_of
from orchestration.web.draw import draw
from orchestration.web.people.invite import invitation_link
from orchestration.web.people.seen import access_requests, known_people, people_of
from orchestration.web.request_context import MORE, Context, Nav, requires
from orchestration.web.web_call import WebCall
from reports.pages.people_list import ALL_SITES, CHANGES, GIVE, PATH, Invitation, people_page

router = APIRouter(include_in_schema=False)
NAV = Nav(80, PATH, "People", Permission.PEOPLE_ADMIN, "user-round", MORE, ("home", "ops", "exec", "audit", "site"),
          has_sites=False)  # fmt: skip
_SHARED = ("locale",)


@router.get(PATH, response_class=HTMLResponse)
def people(ctx: Context = requires(Permission.PEOPLE_ADMIN, takes=("person",), shared=_SHARED)) -> Response:
    """Everybody whom the person may let in."""
    return _drawn(ctx, chosen=ctx.address.part("person"))


@router.post(PATH + "/invite", response_class=HTMLResponse)
def invite(ctx: Context = requires(Permission.PEOPLE_ADMIN, shared=_SHARED)) -> Response:
    """Make an invitation as `meterloom web invite` does, and show its link this once."""
    return _linked(ctx, _person(ctx), is_reset=False)


@router.post(PATH + "/reset", response_class=HTMLResponse)
def reset(request: Request, ctx: Context = requires(Permission.PEOPLE_ADMIN, shared=_SHARED)) -> Response:
    """End a person's password and sign-ins as `meterloom web reset` does, and show the link to another this once."""
    if not (reason := ctx.form.get("reason", "").strip()):
        raise BadInput(Sentence("to reset a password needs a reason"), reason="missing_reason")
    request.state.subject = f"{ctx.form.get('person', '')}: {reason}"
    return _linked(ctx, _person(ctx), is_reset=True)


def _linked(ctx: Context, person: Person, *, is_reset: bool) -> Response:
    link, until_utc = invitation_link(ctx.project, person, ctx.clock, by=ctx.person.person_id, is_reset=is_reset)
    drawn = _drawn(ctx, Invitation(person.name, link, until_utc))
    drawn.headers["Cache-Control"] = "no-store"
    return drawn


def _drawn(ctx: Context, invited: Invitation | None = None, *, chosen: str = "") -> Response:
    seen = text_tag(ctx.project.project.people_file)
    sites = [site for each, site in ctx.project.sites.items() if sees_site(ctx.person, each)]
    address = ctx.address.model_copy(update={"path": PATH})
    people, requests = known_people(ctx), access_requests(ctx, people_of(ctx))
    page = people_page(
        people, address, me=ctx.person, seen=seen, sites=sites, requests=requests, invited=invited, chosen=chosen
    )
    return draw(ctx, page)


@router.post(PATH + "/add", response_class=HTMLResponse)
def add(request: Request, ctx: Context = requires(Permission.PEOPLE_ADMIN, shared=_SHARED)) -> Response:
    """Add a person as `meterloom people add` does, and show the link to their password this once."""
    form = {name: text.strip() for name, text in ctx.form.items()}
    person_id = form.get("person_id", "")
    request.state.subject = person_id
    person_added(
        WebCall(ctx), person_id, form.get("name", ""), [role_of(each) for each in _checked(ctx, "role")], _sites(ctx),
        _checked(ctx, "tenant"), seen=_seen(ctx),
    )  # fmt: skip
    return _linked(ctx, ctx.project.people.known(person_id), is_reset=False)


@router.post(PATH + "/roles")
def change_roles(request: Request, ctx: Context = requires(Permission.PEOPLE_ADMIN, shared=_SHARED)) -> Response:
    """Give a person roles, or take them away, as `meterloom people change` does."""
    form = ctx.form
    roles, change = [role_of(each) for each in _checked(ctx, "role")], form.get("change")
    if not roles:
        raise BadInput(Sentence("check a role"), reason="bad_request")
    if change not in CHANGES:
        raise BadInput("name whether the role is given or taken away", reason="bad_request")
    person_id, is_given = form.get("person", ""), change == GIVE
    rights_changed(
        WebCall(ctx), person_id, give=roles if is_given else [], take=[] if is_given else roles, seen=_seen(ctx)
    )
    request.state.subject = " ".join([person_id, *(f"{'+' if is_given else '−'}{each.value}" for each in roles)])
    return RedirectResponse(ctx.address.href(PATH), 303)


@router.post(PATH + "/sites")
def change_sites(request: Request, ctx: Context = requires(Permission.PEOPLE_ADMIN, shared=_SHARED)) -> Response:
    """Name the sites and tenants that a person sees instead of the present ones, as `meterloom people change` does."""
    person_id = ctx.form.get("person", "")
    rights_changed(WebCall(ctx), person_id, sites=_sites(ctx), tenants=_checked(ctx, "tenant"), seen=_seen(ctx))
    request.state.subject = person_id
    return RedirectResponse(ctx.address.href(PATH), 303)


@router.post(PATH + "/withdraw")
def withdraw(request: Request, ctx: Context = requires(Permission.PEOPLE_ADMIN, shared=_SHARED)) -> Response:
    """End a person's access as `meterloom people withdraw` does."""
    person_id, reason = ctx.form.get("person", ""), ctx.form.get("reason", "")
    access_withdrawn(WebCall(ctx), person_id, reason=reason, seen=_seen(ctx))
    request.state.subject = f"{person_id}: {reason.strip()}"
    return RedirectResponse(ctx.address.href(PATH), 303)


def _seen(ctx: Context) -> str:
    """The tag of the people file that the form was made of. Raises BadInput for a form without one."""
    if seen := ctx.form.get("seen", ""):
        return seen
    raise BadInput("this form is not complete: open the page again", reason="bad_request")


def _checked(ctx: Context, name: str) -> list[str]:
    """Options of the form's field of that name that are checked."""
    return [each.removeprefix(f"{name}.") for each in ctx.form if each.startswith(f"{name}.")]


def _sites(ctx: Context) -> tuple[str, ...]:
    """Sites of a form; none for all. Raises BadInput where none is checked: to see all sites is a choice of its own."""
    if not (sites := _checked(ctx, "site")):
        raise BadInput(Sentence("check the sites, or {0}", Sentence("All sites")), reason="bad_request")
    return () if ALL_SITES in sites else tuple(sites)


@router.post(PATH + "/out")
def end_sign_ins(request: Request, ctx: Context = requires(Permission.PEOPLE_ADMIN, shared=_SHARED)) -> Response:
    """End every sign-in of a person, on all devices."""
    person = _person(ctx)
    request.state.subject = person.person_id
    LoginStore(ctx.project.store).end(ctx.now_utc, person_id=person.person_id)
    return RedirectResponse(ctx.address.href(PATH), 303)


def _person(ctx: Context) -> Person:
    """The person of the form. Raises BadInput, in the same words for one that is not there and one of other sites."""
    person_id = ctx.form.get("person", "")
    found = next((each for each in people_of(ctx) if each.person_id == person_id), None)
    if found is None:
        raise BadInput(f"there is no person {person_id[:40]!r}", reason="unknown_person")
    return found
