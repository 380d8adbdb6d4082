"""Middleware of every request: host, method, address, body and time limits; and the headers of every response."""

import asyncio
import hashlib
import json
import logging
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from anyio import Semaphore, to_thread
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assets.stores.web.audit_events import AuditEvent, note_event
from controls.gateways.access.http_server import CONNECTION, SHARE
from orchestration.web.live_socket import over_socket
from orchestration.web.own_origin import Refused, check_host, check_origin
from orchestration.web.problems import HIDDEN, Problem, answer, problem_of
from orchestration.web.request_context import SAFE, TooMany
from orchestration.web.upload_store import MULTIPART, UPLOADS, sent_parts

METHODS = (*SAFE, "POST", "PUT", "PATCH", "DELETE")
LONGEST_ADDRESS, LARGEST_BODY = 8 * 2**10, 2**20
REQUEST_S = 30.0
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
# The stream of live values has no end of its own.
ENDLESS = "/live/stream"
OVERRIDES = ("x-http-method-override", "x-method-override", "x-http-method")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
}
EXPORTS = ("text/csv", "application/vnd.", "application/pdf", "application/zip", "application/octet-stream")
logger = logging.getLogger("meterloom.web")


# Of one asker; the threads are four (app.py), so that no asker alone has them all. Together as many as an address has
# connections: where others of it wait, there is room for one more.
AT_ONCE = 3
IN_LINE = SHARE - AT_ONCE
WAIT_S = 5.0


@dataclass
class _Line:
    semaphore: Semaphore = field(default_factory=lambda: Semaphore(AT_ONCE))
    # Of each that is in it: whether whoever asked is gone.
    gone: list[Callable[[], bool]] = field(default_factory=list)


class Turns:
    """The lines of one server, by asker."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}

    @asynccontextmanager
    async def turn(self, asker: str, is_gone: Callable[[], bool]) -> AsyncIterator[None]:
        """Wait for a turn, and have it until the block ends. Raises TooMany, and ClientDisconnect for who is gone."""
        line = self._lines.setdefault(asker, _Line())
        if sum(not each() for each in line.gone) >= AT_ONCE + IN_LINE:
            raise TooMany("requests at once", WAIT_S)
        line.gone.append(is_gone)
        try:
            async with line.semaphore:
                if is_gone():
                    raise ClientDisconnect
                yield
        finally:
            line.gone.remove(is_gone)
            if not line.gone:
                del self._lines[asker]


def sender_of(request: Request, cookie: str) -> str:
    """A sign-in, a key, or of a stranger the address. cookie: the name of that of a sign-in."""
    brought = request.headers.get("authorization") or request.cookies.get(cookie)
    if brought:
        return hashlib.sha256(brought.encode()).hexdigest()
    return request.client.host if request.client else ""


class AccessMiddleware:
    """The layer around the application. hosts: names that this server is reached by; None for one without a network.
    origins: addresses that forms may come from beside the request's own.
    """

    def __init__(
        self, app: ASGIApp, *, state: Any, hosts: Collection[str] | None = None, origins: Collection[str] = ()
    ) -> None:
        self._app, self._state, self._hosts, self._origins = app, state, hosts, origins
        self._late: set[asyncio.Task[None]] = set()
        self._turns, self._cookie = Turns(), state.sign_in.cookie if state.sign_in else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the beginning and end of the process."""
        if scope["type"] == "websocket":
            await over_socket(self, scope, receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        connection = scope.get("state", {}).get(CONNECTION)

        def is_gone() -> bool:
            return connection is not None and connection.is_gone

        # A copy: the server must still see that it was HEAD, which has no body; and nothing of the last request.
        scope = {**scope, "state": {} if connection is None else {CONNECTION: connection}}
        request = Request(scope, receive)
        outward = _Outward(send, self._state.counts)
        try:
            self._check_heads(request)
            scope["method"] = "GET" if scope["method"] == "HEAD" else scope["method"]
            if request.method not in SAFE:
                receive = await self._read(request, receive)
            # As long as a viewer looks: the stream of live values has places of its own.
            is_endless = scope["path"].endswith(ENDLESS)
            turn = nullcontext() if is_endless else self._turns.turn(sender_of(request, self._cookie), is_gone)
            async with turn:
                await self._within(scope, receive, outward, request, None if is_endless else REQUEST_S)
        except ClientDisconnect:
            # Half a body is nothing, and nobody is there to be told.
            return
        except Exception as fault:
            await _say(request, _problem(fault), outward)
        await self._note(request, outward)

    async def _within(
        self, scope: Scope, receive: Receive, outward: "_Outward", request: Request, within_s: float | None
    ) -> None:
        """Let the application answer, within its time."""
        # A thread that works cannot be stopped, only no longer waited for.
        task = asyncio.ensure_future(_app(self._app, scope, receive, outward))
        try:
            await asyncio.wait({task}, timeout=within_s)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if task.done():
            task.result()
            return
        self._late.add(task)
        task.add_done_callback(self._forget)
        detail = f"this took longer than {REQUEST_S:g} s; ask for less, or again"
        late = Problem(status=503, code="too_slow", detail=detail, headers={"Retry-After": "30"})
        await _say(request, late, outward)
        outward.is_closed = True

    def _forget(self, task: "asyncio.Task[None]") -> None:
        self._late.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.warning("a request that was given up ended with %r", task.exception())

    def _check_heads(self, request: Request) -> None:
        """Raises Refused for what no handler need see."""
        scope, headers = request.scope, request.headers
        raw = scope.get("raw_path") or scope["path"].encode()
        query = scope["query_string"]
        if self._hosts is not None:
            check_host(request, self._hosts)
        if request.method not in METHODS or any(name in headers for name in OVERRIDES):
            raise Refused(405, "wrong_method", "this method is not answered here", Allow=", ".join(METHODS))
        if len(raw) + len(query) > LONGEST_ADDRESS:
            raise Refused(414, "address_too_long", f"an address has at most {LONGEST_ADDRESS} bytes")
        if b"mlk_" in raw + query or "mlk_" in scope["path"]:
            message = "a key in an address ends in logs: revoke it, and send another as a header"
            raise Refused(400, "key_in_address", message)
        if not scope["path"].isprintable() or "\\" in scope["path"] or "//" in scope["path"]:
            raise Refused(404, "no_such_page", "there is nothing at this address")
        if any(part in ("..", ".") for part in scope["path"].split("/")):
            raise Refused(404, "no_such_page", "there is nothing at this address")
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdecimal()) or len(length) > 12 or int(length) > _most(request):
            raise _too_large(request)
        if request.method not in SAFE or "is_socket" in scope:
            check_origin(request, self._origins)

    async def _read(self, request: Request, receive: Receive) -> Receive:
        """Take in the whole body, look whether it is what it says, and hand it on. Raises Refused."""
        try:
            body = await asyncio.wait_for(_body(request), REQUEST_S)
        except TimeoutError:
            detail = f"the body was not complete after {REQUEST_S:g} s"
            raise Refused(408, "too_slow", detail, Connection="close") from None
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise Refused(415, "packed", "expected a body that is not packed")
        is_file = request.scope["path"] in UPLOADS
        request.state.body = body if is_file else b""
        if body and kind not in (FORM, JSON) and not is_file:
            raise Refused(415, "wrong_format", f"expected {JSON} or {FORM}")
        request.state.body_sha256 = hashlib.sha256(body).hexdigest() if body else ""
        form = _form(body) if kind == FORM else {}
        request.state.files = ()
        if is_file and kind == MULTIPART:
            fields, request.state.files = sent_parts(body, request.headers["content-type"])
            form = _each_once(fields)
        if body and kind == JSON and not is_file:
            _check_json(body)
        request.state.token = form.pop("csrf", "") or request.headers.get("x-csrf", "")
        request.state.form = form
        handed = False

        async def replayed() -> Message:
            nonlocal handed
            if handed:
                return await receive()
            handed = True
            return {"type": "http.request", "body": body, "more_body": False}

        return replayed

    async def _note(self, request: Request, outward: "_Outward") -> None:
        """Keep what is kept of a request: acts, refusals and exports of people; of strangers the sign-in alone."""
        state, status = request.state, outward.status
        person = getattr(state, "person", None)
        is_act, is_export = request.method not in SAFE, outward.kind.startswith(EXPORTS) and status == 200
        is_refused = status in (403, 429) or getattr(state, "code", "") in HIDDEN
        person_id = person.person_id if person else getattr(state, "person_id", None)
        if person_id is None or not (is_act or is_export or is_refused) or getattr(state, "is_rehearsal", False):
            return
        if status >= 400 and not self._state.allowances.is_left("refusals kept", person_id):
            return
        route = request.scope.get("route")
        event = AuditEvent(
            person_id=person_id,
            key_id=getattr(state, "key_id", ""),
            method=request.method,
            route=getattr(route, "path", "") or "(none)",
            permission=getattr(state, "permission", ""),
            subject=getattr(state, "subject", ""),
            outcome=f"{status} {getattr(state, 'code', '')}".strip(),
            body_sha256=getattr(state, "body_sha256", ""),
        )
        try:
            await to_thread.run_sync(note_event, self._state.project.store, self._state.clock, event)
        except Exception:
            # The act stands in the ledger of its own domain; what is lost is the line about it.
            logger.exception("a line about %s of %s could not be kept", event.route, person_id)


class _Outward:
    """The way out: adds what every answer carries, counts, and says nothing after the end."""

    def __init__(self, send: Send, counts: Counter[str]) -> None:
        self._send, self._counts = send, counts
        self.status, self.kind, self.is_closed = 0, "", False
        self.more: Mapping[str, str] = {}

    async def __call__(self, message: Message) -> None:
        if self.is_closed:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in (HEADERS | dict(self.more)).items():
                headers.setdefault(name, value)
            self.kind = headers.get("content-type", "")
            self._counts[f"{self.status}"] += 1
        await self._send(message)


async def _app(app: ASGIApp, scope: Scope, receive: Receive, outward: _Outward) -> None:
    async def send(message: Message) -> None:
        outward.more = scope["state"].get("headers", {})
        await outward(message)

    await app(scope, receive, send)


async def _say(request: Request, problem: Problem, outward: _Outward) -> None:
    """Answer with a problem, where nothing was answered yet."""
    request.state.code = problem.code
    if outward.status:
        return
    try:
        response = answer(request, problem)
    except Exception as fault:
        # The page of a problem is broken itself.
        request.scope["headers"] = []
        response = answer(request, _problem(fault))
    await response(request.scope, request.receive, outward)


def _problem(fault: Exception) -> Problem:
    from assets.stores.unreachable import world_fault

    return problem_of(world_fault(fault) or fault)


def _most(request: Request) -> int:
    return UPLOADS.get(request.scope["path"], LARGEST_BODY)


def _too_large(request: Request) -> Refused:
    most = f"a body has at most {_most(request)} bytes"
    if request.scope["path"] in UPLOADS:
        most = f"files sent here have at most {_most(request) >> 20} MB together; the command line takes larger ones"
    return Refused(413, "too_large", most, Connection="close")


async def _body(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        # A sender that names no length is stopped here.
        if size > _most(request):
            raise _too_large(request)
        parts.append(part)
    return b"".join(parts)


def _form(body: bytes) -> dict[str, str]:
    """The fields of a form. Raises Refused."""
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=200, errors="strict"
        )
    except ValueError as error:
        raise Refused(400, "bad_form", "this cannot be read as a form of at most 200 fields") from error
    return _each_once(pairs)


def _each_once(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Fields by name. Raises Refused where one appears twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refused(400, "bad_form", "a field appears twice in the form")
    return found


def _check_json(body: bytes) -> None:
    """Raises Refused for what a careful reader would not take for JSON."""
    try:
        found = json.loads(body, parse_constant=_no_number, parse_float=_number, object_pairs_hook=_once)
        if b"\\u" in body:
            json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Refused(422, "not_json", f"this cannot be read as JSON: {_why(error)}") from error


def _why(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "it holds half of a character (\\ud800 to \\udfff), which is no text"
    return "it is too deep" if isinstance(error, RecursionError) else str(error)[:200]


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _number(text: str) -> float:
    found = float(text)
    if math.isinf(found):
        raise ValueError("a number is too large")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice")
    return found
