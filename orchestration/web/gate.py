"""Who may ask what: every route names the permission that it needs, and is given an Ask or is refused here."""

from collections.abc import Callable
from typing import Any

from fastapi import Depends, Request

from data_quality.contracts.people import Person
from data_quality.contracts.permissions import Permission, may
from orchestration.web.ask import Ask
from reports.pages.address import read_address

# Of the application (`app.state`): who stands behind a request, and the token that their acts carry; None: nobody.
SignedIn = Callable[[Request], tuple[Person, str] | None]


class NotSignedIn(Exception):
    """Nobody stands behind the request: a page leads to the sign-in, the API answers 401."""


class NotAllowed(Exception):
    """The person lacks the permission."""

    def __init__(self, permission: Permission) -> None:
        super().__init__(permission.value)
        self.permission = permission


def asked(permission: Permission, *, takes: tuple[str, ...] = ()) -> Any:
    """The dependency of a route, `ask: Ask = asked(READ)`: an Ask of somebody who has the permission. takes: parameters that it knows beside
    those of every page. Raises NotSignedIn, NotAllowed, and BadInput for an address that cannot be read.
    """

    def ask(request: Request) -> Ask:
        state = request.app.state
        found = state.signed_in(request)
        if found is None:
            raise NotSignedIn
        person, csrf = found
        if not may(person, permission):
            raise NotAllowed(permission)
        address = read_address(request.url.path, list(request.query_params.multi_items()), takes=takes)
        return Ask(project=state.project, person=person, address=address, clock=state.clock, csrf=csrf)

    # What a test of the whole table of routes reads.
    ask.permission = permission  # type: ignore[attr-defined]
    return Depends(ask)
