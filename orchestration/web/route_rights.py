"""Who may ask what: every route names the permission that it needs, and is given an Ask or is refused here."""

import hmac
from collections.abc import Callable
from typing import Any

from fastapi import Depends, Request

from controls.gateways.access.http_server import recognised
from data_quality.contracts.access.permissions import OF_ROLE, Permission, may
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person
from orchestration.web.request_context import CHANGED, LOOKS, Ask
from reports.pages.address import KNOWN, read_address

# Of the application (`app.state`): who stands behind a request, and the token that their acts carry; None: nobody.
SignedIn = Callable[[Request], tuple[Person, str] | None]
SAFE = ("GET", "HEAD")


class NotSignedIn(Exception):
    """Nobody stands behind the request: a page leads to the sign-in, the API answers 401."""


class NotAllowed(Exception):
    """The person lacks the permission; the sentence names the roles that have it. None: a key, and not the person."""

    def __init__(self, permission: Permission | None) -> None:
        self.permission = permission
        if permission is None:
            super().__init__("this is for people who are signed in: a key acts on nobody's sign-ins and pages")
            return
        roles = ", ".join(role.value for role, has in OF_ROLE.items() if permission in has)
        super().__init__(f"this needs {permission.value}, which these roles have: {roles}")


def looks_of(request: Request) -> dict[str, str]:
    """What the browser keeps of LOOKS, empty for anything else; and of a change a moment ago what was before."""
    found = {name: request.cookies.get(name, "") for name in LOOKS}
    looks = {name: value if value in LOOKS[name] else "" for name, value in found.items()}
    name, _, value = request.cookies.get(CHANGED, "").partition(".")
    is_change = name in LOOKS and value in ("", *LOOKS[name]) and value != looks[name]
    return looks | ({CHANGED: f"{name}.{value}"} if is_change else {})


def asked(permission: Permission | None, *, takes: tuple[str, ...] = (), shared: tuple[str, ...] = KNOWN) -> Any:
    """What a route depends on: its Ask is of somebody who has the permission; with None, of anybody who is signed
    in. takes: parameters that the route knows beside `shared`; shared: those of every page. An endpoint names the ones
    that change its answer; any other is refused.

    Raises NotSignedIn, NotAllowed, and BadInput for an address that cannot be read or a form that is not ours.
    """

    def ask(request: Request) -> Ask:
        state, told = request.app.state, request.state
        found = state.signed_in(request)
        if found is None:
            raise NotSignedIn
        person, csrf = found
        if not hasattr(told, "key_id"):
            told.headers = state.allowances.take("requests of a person", person.person_id)
        recognised(request.scope, told.key_id if hasattr(told, "key_id") else person.person_id)
        told.person, told.csrf, told.permission = person, csrf, permission.value if permission else ""
        scopes = getattr(told, "scopes", None)
        if permission is not None and not (may(person, permission) and (scopes is None or permission in scopes)):
            raise NotAllowed(permission)
        if permission is None and scopes is not None and request.method not in SAFE:
            raise NotAllowed(None)
        address = read_address(request.url.path, list(request.query_params.multi_items()), takes=takes, shared=shared)
        told.subject = f"{address.site} {address.scope}".strip()
        fault = state.people_fault()
        if request.method not in SAFE:
            if fault:
                raise BadInput(fault, reason="people_file")
            # A machine sends its key with intent; a browser sends a cookie with whatever page it is on.
            if scopes is None and not hmac.compare_digest(getattr(told, "token", "").encode(), csrf.encode()):
                raise BadInput("this form is not of your sign-in: open the page again", reason="foreign_form")
        form = getattr(told, "form", {})
        looks = looks_of(request)
        if "locale" in shared and "locale" not in request.query_params and not request.url.path.startswith("/api/"):
            address = address.model_copy(update={"locale": looks["locale"] or "en"})
        sent = {"form": form, "files": getattr(told, "files", ())}
        kept = {"csrf": csrf, **sent, "banner": fault, "looks": looks, "nav": state.nav}
        return Ask(state.project, person, address, state.clock, **kept)

    # What the test of the table of routes, and the description of the API, read.
    ask.permission, ask.takes = permission, (*shared, *takes)  # type: ignore[attr-defined]
    return Depends(ask)
