"""The gate before Dagster's and MLflow's own applications: who asks by which name, from which page, and signed in how.

Neither has a sign-in. Both take acts from any page that a browser has open: Dagster as a GET or as plain text, MLflow
from whatever is served on this machine. docs/adr/0034.
"""

import logging
from collections.abc import Callable

from anyio import to_thread
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.settings import Project
from data_quality.contracts.time import Clock
from orchestration.web.own_origin import Refused, check_host, check_origin, own_hosts
from orchestration.web.tools.passes import ENTER, SIGN_IN_FOR, Passes

COOKIE = "meterloom_tools"
SAFE = ("GET", "HEAD")
# Types that a page of another site can send without asking first.
FORMS = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data")
NOT_SIGNED_IN = (
    "Sign in first: open the link that 'meterloom up' prints (once, within 15 minutes), make another with "
    "'meterloom web tools', or sign in on the pages of this host name as an engineer of all sites.\n"
)
logger = logging.getLogger("meterloom.web")


class Gate:
    """Around an ASGI application that is reached on this machine alone. health: addresses that answer without a
    sign-in, and tell which version runs and no more.
    """

    def __init__(self, app: ASGIApp, project: Project, clock: Clock, *, health: tuple[str, ...]) -> None:
        self._app, self._project, self._clock, self._health = app, project, clock, health
        self._passes = Passes(project)
        self._engineer: Callable[[HTTPConnection], bool] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or socket, or the beginning and end of the process."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        try:
            _check(request)
            if scope["type"] == "http" and scope["path"].startswith(ENTER):
                answer = await to_thread.run_sync(self._entered, scope["path"].removeprefix(ENTER))
            elif scope["path"] not in self._health and not await to_thread.run_sync(self._lets_in, request):
                raise Refused(401, "not_signed_in", NOT_SIGNED_IN)
            else:
                await self._app(scope, receive, _unframed(send))
                return
        except Refused as refused:
            answer = PlainTextResponse(refused.detail, refused.status)
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        await answer(scope, receive, send)

    def _entered(self, code: str) -> Response:
        secret = self._passes.enter(code, self._clock.now_utc())
        if secret is None:
            raise Refused(401, "invitation_over", f"This link was used, or is older than 15 minutes. {NOT_SIGNED_IN}")
        # Not a redirect: a browser that follows one from elsewhere leaves out a strict cookie.
        answer = HTMLResponse("<!doctype html><title>Signed in</title><a href='/'>Signed in: go on</a>")
        answer.headers.update({"Refresh": "0; url=/", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
        age_s = int(SIGN_IN_FOR.total_seconds())
        answer.set_cookie(COOKIE, secret, max_age=age_s, path="/", httponly=True, samesite="strict")
        return answer

    def _lets_in(self, request: HTTPConnection) -> bool:
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if scheme:
            return scheme.lower() == "bearer" and self._passes.is_token(text.strip())
        if self._passes.is_signed_in(request.cookies.get(COOKIE, ""), self._clock.now_utc()):
            return True
        if not request.cookies:
            # Nobody: what reads people and store is not loaded for them.
            return False
        self._engineer = self._engineer or _engineers(self._project, self._clock)
        return self._engineer(request)


def _check(request: HTTPConnection) -> None:
    """Raises Refused for another name than this machine's, another page's request, and what no page of theirs sends."""
    scope, headers = request.scope, request.headers
    check_host(request, own_hosts(f"http://127.0.0.1:{scope['server'][1]}"))
    is_read = scope["type"] == "http" and scope["method"] in SAFE
    is_opened = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    # Who follows a link or types an address opens a page and changes nothing by it.
    if not (is_read and is_opened):
        check_origin(request, is_read=is_read)
    is_query = scope["path"].rstrip("/") == "/graphql"
    if is_read and is_query and "query" in request.query_params:
        raise Refused(405, "wrong_method", "a query is sent as POST, with application/json")
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if scope["type"] == "http" and not is_read and (kind != "application/json" if is_query else kind in FORMS):
        raise Refused(415, "wrong_format", "expected application/json")


def _engineers(project: Project, clock: Clock) -> Callable[[HTTPConnection], bool]:
    """True where somebody signed in on the pages may see and change everything. Of a store or a people file that
    cannot be read nobody is.
    """
    from starlette.requests import Request

    from orchestration.open_project import OpenProject
    from orchestration.web.people.sign_in import SignIn

    sign_in = SignIn(OpenProject(str(project.root)), clock)

    def is_engineer(request: HTTPConnection) -> bool:
        try:
            # It asks for cookies alone, which a socket has too.
            found = sign_in.signed_in(Request({**request.scope, "type": "http"}))
            return bool(
                found and may(found[0], Permission.WRITE) and not found[0].sites and not sign_in.people.current_fault()
            )
        except (BadInput, Unreachable) as fault:
            logger.warning("nobody is let in by a sign-in on the pages: %s", fault)
            return False

    return is_engineer


def _unframed(send: Send) -> Send:
    """No page of another origin shows this one in a frame."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).setdefault("X-Frame-Options", "SAMEORIGIN")
        await send(message)

    return sent
