"""Faults as answers: a problem document (RFC 9457) for programs, a page for people; neither shows the machine."""

import logging
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from data_quality.contracts.access.permissions import Permission, lets_in, may, sees_whole_site
from data_quality.contracts.errors import BadInput, Busy, MeterloomError, Unreachable
from data_quality.contracts.model import Model
from data_quality.contracts.model_faults import sentence_of
from data_quality.contracts.people import Person
from data_quality.contracts.sentence import Sentence, Text, sentences
from orchestration.open_project import OpenProject
from orchestration.web.own_origin import Refused
from orchestration.web.request_context import SAFE, Context, Nav, NotAllowed, NotSignedIn, TooMany, display_settings
from orchestration.web.work import JOBS, BeingBuilt
from reports.pages.address import Address
from reports.pages.page import Form, Input
from reports.texts.locales import languages, named

# Reasons of BadInput by status; every other is 422.
REASONS: dict[int, frozenset[str]] = {
    status: frozenset(words.split())
    for status, words in {
        400: "bad_address bad_period bad_timestamp bad_date bad_time no_zone bad_as_of bad_request two_credentials",
        403: "missing_role own_work foreign_form same_person wrong_signature admin_first",
        404: "nothing_known unknown_site unknown_scope no_site no_figure no_number no_baseline no_job unknown_report "
        "unknown_revision unknown_seu unknown_baseline unknown_project unknown_plan unknown_forecast unknown_key "
        "unknown_source no_upload unknown_item unknown_meter unknown_bill unknown_device unknown_person no_finding "
        "invitation_over no_event no_order no_instance no_recommendation no_workflow unknown_disaggregation "
        "unknown_adjustment",
        409: "already_approved already_rejected newer_approved already_running decided decided_already closed_period "
        "exists mart_missing stale_marts no_key_here edited_file against_publication "
        "has_password last_admin same_key key_used wrong_state overlapping_events altered_plan approval_expired "
        "key_exists event_past not_asked id_used other_terms",
        412: "changed_since signed_other signed_late",
        413: "too_large pack_too_large",
        415: "unknown_format wrong_format",
        428: "no_if_match",
        429: "busy",
        501: "not_installed not_built",
        503: "bad_configuration people_file no_such_folder row_not_proven",
    }.items()
}
# Where a person asks for a permission that they lack.
ACCESS = "/profile/access"
# What is not there for a person, whether it is there or not.
HIDDEN = frozenset({"unknown_site", "unknown_scope"})
logger = logging.getLogger("meterloom.web")
# A key of a machine, wherever somebody put it.
_KEY = re.compile(r"mlk_\w+[\w-]*")
# An address of the file system; nobody outside needs to know where things lie.
_PATH = re.compile(r"(?<![\w.:/])/(?:[\w.@-]+/)+[\w.@-]*")


class Problem(Model):
    """A refusal. code: the reason. mend: what to do. errors: one for each wrong part of what was sent."""

    status: int
    code: str
    detail: Text
    mend: Text = ""
    errors: tuple[dict[str, str], ...] = ()
    headers: dict[str, str] = {}

    @property
    def title(self) -> str:
        """The status in words."""
        return "Being built" if self.status == HTTPStatus.ACCEPTED else HTTPStatus(self.status).phrase


def problem_of(fault: Exception) -> Problem:
    """The problem document of a fault. A bug shows an incident number alone, under which the log holds the rest."""
    if isinstance(fault, Refused):
        return Problem(status=fault.status, code=fault.code, detail=fault.detail, headers=fault.headers)
    if isinstance(fault, NotSignedIn):
        return Problem(status=401, code="not_signed_in", detail="sign in first, or send a key that holds today")
    if isinstance(fault, NotAllowed):
        return Problem(status=403, code="missing_role", detail=fault.args[0])
    if isinstance(fault, TooMany):
        headers = {"Retry-After": str(fault.wait_s), **fault.headers}
        return Problem(status=429, code="too_many", detail=str(fault), headers=headers)
    if isinstance(fault, BeingBuilt):
        place, wait = f"{JOBS}/{fault.job.job_id}", f"{max(fault.about_s / 4, 2):.0f}"
        # A browser opens the page again by itself, without a script.
        headers = {"Location": place, "Retry-After": wait, "Refresh": wait}
        return Problem(status=202, code="being_built", detail=fault.message, headers=headers)
    if isinstance(fault, BadInput):
        status = next((each for each, reasons in REASONS.items() if fault.reason in reasons), 422)
        headers = {"Retry-After": "60"} if status in (429, 503) else {}
        return Problem(
            status=status,
            code=fault.reason,
            detail=_without_paths(fault.message),
            mend=_without_paths(fault.mend),
            headers=headers,
        )
    if isinstance(fault, RequestValidationError):
        return Problem(status=422, code="wrong_shape", detail="the body is not as expected", errors=_errors(fault))
    if isinstance(fault, HTTPException):
        return _plain(fault)
    if isinstance(fault, Unreachable):
        logger.warning("%s", fault)
        message = "a part that this needs does not answer; ask again"
        if isinstance(fault, Busy):
            message = _without_paths(str(fault))
        return Problem(status=503, code="unreachable", detail=message, headers={"Retry-After": "5"})
    incident = secrets.token_hex(6)
    logger.error("incident %s: %s", incident, type(fault).__name__, exc_info=fault)
    return Problem(status=500, code="bug", detail=f"a fault of ours, kept in the log as incident {incident}")


@contextmanager
def with_remedies(ways: Mapping[str, str]) -> Iterator[None]:
    """A refusal inside says what to do about it. ways: by its reason; one that says so itself keeps its own."""
    try:
        yield
    except BadInput as fault:
        if fault.mend or fault.reason not in ways:
            raise
        raise BadInput(fault.message, reason=fault.reason, mend=ways[fault.reason]) from fault


def answer(request: Request, problem: Problem) -> Response:
    """The problem as a program or a person reads it. A lacking role without a way on names who gives roles."""
    if problem.code == "missing_role" and not problem.mend and (asker := getattr(request.state, "person", None)):
        problem = problem.model_copy(update={"mend": role_givers(request.app.state.project, asker)})
    if is_for_programs(request) and problem.status == HTTPStatus.ACCEPTED:
        place = problem.headers["Location"]
        document = {"success": True, "job": place.rpartition("/")[2], "detail": problem.detail, "location": place}
        return Response(orjson.dumps(document), problem.status, problem.headers, "application/json")
    if is_for_programs(request):
        problem_document: dict[str, Any] = {
            "type": f"/api/docs#{problem.code}",
            "title": problem.title,
            "status": problem.status,
            "detail": problem.detail,
            "instance": _printable(quote(request.url.path))[:200],
            "code": problem.code,
        }
        mend = problem.mend or (banner_of(request) if problem.status == 401 else "")
        problem_document |= {"mend": mend} if mend else {}
        problem_document |= {"errors": problem.errors} if problem.errors else {}
        # The older paths promise this field with every refusal.
        problem_document |= {"success": False} if not request.url.path.startswith("/api/v1/ems") else {}
        return Response(orjson.dumps(problem_document), problem.status, problem.headers, "application/problem+json")
    if problem.status == 401 and request.method in SAFE:
        return RedirectResponse(Address(path="/login").href(next=_here(request)), 303)
    from orchestration.web.draw import draw_problem

    person, csrf = _asker(request)
    app, banner = request.app.state, banner_of(request)
    looks = display_settings(request)
    address = Address(path=request.url.path, locale=_locale(request) or looks["locale"] or "en")
    kept = {"csrf": csrf, "banner": banner, "looks": looks, "nav": app.nav}
    ctx = person and Context(app.project, person, address, app.clock, **kept)
    drawn = draw_problem(
        ctx or None,
        status=problem.status,
        title=problem.title,
        detail=problem.detail,
        mend=problem.mend,
        links=(*_way_back(request, app.nav), ("First page", "/")) if person else (("Sign in", "/login"),),
        path=request.url.path,
        banner=banner,
        form=access_form(request, person) if person else None,
    )
    drawn.headers.update(problem.headers)
    return drawn


def role_givers(project: OpenProject, person: Person) -> str:
    """Sentence of those who may give that person a role, without names for a tenant; empty where no file says them."""
    try:
        people = project.people.people
    except BadInput:
        return ""
    names = [named(each.name) for each in people if may(each, Permission.PEOPLE_ADMIN) and lets_in(each, person)]
    if not names:
        return Sentence("Nobody here gives roles: whoever runs this project makes somebody an admin in people.yaml.")
    if not sees_whole_site(person):
        return Sentence("Roles are given by the administrators of these pages ({0}).", f"{len(names)}")
    return Sentence("Roles are given by {0}.", sentences(names, ", "))


def access_form(request: Request, person: Person) -> Form | None:
    """The button that asks for the permission that the address needs and the person lacks; None where that is none."""
    lacking = getattr(request.state, "permission", "")
    if not lacking or may(person, Permission(lacking)):
        return None
    field = Input(name="permission", kind="hidden", value=lacking)
    note = "Whoever gives roles sees it under People, with your name."
    return Form(title="Request access", action=ACCESS, fields=(field,), note=note)


def _way_back(request: Request, nav: Sequence[Nav]) -> Iterator[tuple[str, str]]:
    """The place whose act was refused, of the same site."""
    of = next((each for each in nav if request.url.path.startswith(f"{each.path}/")), None)
    if of is not None and request.method not in SAFE:
        kept = {name: value for name in ("site", "locale") if (value := request.query_params.get(name))}
        yield Sentence("Back to {0}", Sentence(of.text)), f"{of.path}{'?' if kept else ''}{urlencode(kept)}"


def _locale(request: Request) -> str:
    locale = request.query_params.get("locale", "")
    return locale if locale in languages() else ""


def _asker(request: Request) -> tuple[Person | None, str]:
    """Person who is refused, and the token of their acts; also where no route asked who it is."""
    if person := getattr(request.state, "person", None):
        return person, request.state.csrf
    with suppress(MeterloomError, TooMany):
        return request.app.state.signed_in(request) or (None, "")
    return None, ""


def banner_of(request: Request) -> str:
    """Fault of the people file; a stranger is not told where in it."""
    fault: str = request.app.state.people_fault()
    return fault if getattr(request.state, "person", None) else fault.partition(": ")[0]


def is_for_programs(request: Request) -> bool:
    """True where a problem document is understood better than a page."""
    accepts = request.headers.get("accept", "")
    path = request.url.path
    # A script of a page asks for JSON; whoever names nothing is no browser.
    return (path.startswith("/api/") and path != "/api/docs") or "text/html" not in accepts


def _here(request: Request) -> str:
    return f"{request.url.path}{'?' if request.url.query else ''}{request.url.query}"[:1000]


def _without_paths(text: str) -> str:
    found = _PATH.sub("…", _printable(text))
    # A sentence that holds none is worded yet.
    return text if found == text else found


def _printable(text: str) -> str:
    return _KEY.sub("mlk_…", "".join(each if each.isprintable() else " " for each in text))


def _plain(fault: HTTPException) -> Problem:
    codes = {404: "no_such_page", 405: "wrong_method"}
    messages = {404: "there is nothing at this address", 405: "this address does not take that method"}
    status = fault.status_code
    return Problem(
        status=status,
        code=codes.get(status, "bad_request"),
        detail=messages.get(status, HTTPStatus(status).phrase),
        headers=dict(fault.headers or {}),
    )


def _errors(fault: RequestValidationError) -> tuple[dict[str, str], ...]:
    # What was expected and where, never what was sent: it may be a secret at the wrong place.
    return tuple(
        {
            "pointer": "/" + "/".join(str(part) for part in each["loc"]),
            "detail": _without_paths(sentence_of(each))[:200],
        }
        for each in fault.errors()[:20]
    )
