"""Requests as they come over the wire, byte by byte: also those that no well-behaved client would send."""

import atexit
import json
import re
from collections.abc import Sequence
from functools import cache, partial
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_to_bytes, urlencode

from anyio.from_thread import BlockingPortal, start_blocking_portal
from starlette.types import ASGIApp, Message

HOST = "127.0.0.1:8600"
PAGE = ("accept", "text/html")
Headers = Sequence[tuple[str, str]]


class Answer(NamedTuple):
    """An answer. status 0: nothing came back."""

    status: int
    headers: dict[str, str]
    body: bytes
    cookies: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The body as text, as it reads: a space is a space, whether a line may break there or not."""
        return self.body.decode().replace("\xa0", " ")

    @property
    def said(self) -> dict[str, Any]:
        """The body as JSON."""
        return dict(json.loads(self.body))


async def send(
    app: ASGIApp,
    method: str,
    target: str | bytes,
    headers: Headers = (),
    body: bytes = b"",
    *,
    is_cut: bool = False,
    address: str = "192.0.2.7",
) -> Answer:
    """One request. target: path and query as they stand in the first line. is_cut: the connection ends in the body."""
    raw = target if isinstance(target, bytes) else target.encode()
    path, _, query = raw.partition(b"?")
    known = {name.lower() for name, _ in headers}
    given = [*headers, *([] if "host" in known else [("host", HOST)])]
    given += (
        [("content-length", str(len(body)))] if body and not known & {"content-length", "transfer-encoding"} else []
    )
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "server": ("127.0.0.1", 8600),
        "client": (address, 50000),
        "root_path": "",
        # As uvicorn decodes it.
        "path": unquote_to_bytes(path).decode("utf-8", errors="replace"),
        "raw_path": path,
        "query_string": query,
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in given],
    }
    incoming: list[Message] = [{"type": "http.request", "body": body, "more_body": is_cut}, {"type": "http.disconnect"}]
    sent: list[Message] = []

    async def receive() -> Message:
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    async def take(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, take)
    if not sent:
        return Answer(0, {}, b"")
    pairs = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in sent[0]["headers"]]
    cookies = tuple(value for name, value in pairs if name == "set-cookie")
    return Answer(sent[0]["status"], dict(pairs), b"".join(each.get("body", b"") for each in sent[1:]), cookies)


@cache
def _loop() -> BlockingPortal:
    """The loop of all requests, as a server has one: a loop for each costs a thread and its connections, 1 to 5 ms."""
    running = start_blocking_portal()
    atexit.register(running.__exit__, None, None, None)
    return running.__enter__()


def answer_of(
    app: ASGIApp, method: str, target: str | bytes, headers: Headers = (), body: bytes = b"", **more: Any
) -> Answer:
    """Answer to one request, by `send`."""
    found: Answer = _loop().call(partial(send, app, method, target, headers, body, **more))
    return found


class Browser:
    """A browser of one person: it keeps its cookies and says where a form comes from. cookie: of the sign-in; kept: of
    the browser.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app, self.cookie, self.kept = app, "", ""
        self.address = "192.0.2.7"

    def ask(self, target: str | bytes, method: str = "GET", headers: Headers = (), body: bytes = b"") -> Answer:
        """One request with what the browser has."""
        sent = "; ".join(filter(None, (self.cookie, self.kept)))
        own = [("cookie", sent)] if sent else []
        known = {name.lower() for name, _ in headers}
        given = [*(each for each in own if "cookie" not in known), *headers]
        answer = answer_of(self.app, method, target, given, body, address=self.address)
        for each in answer.cookies:
            pair, _, rest = each.partition(";")
            if pair.partition("=")[0].endswith("-browser"):
                self.kept = pair
            else:
                self.cookie = "" if "Max-Age=0" in rest else pair
        return answer

    def act(self, target: str, headers: Headers = (), **form: str) -> Answer:
        """Send a form of the same origin."""
        kind = [("content-type", "application/x-www-form-urlencoded"), ("origin", f"http://{HOST}"), PAGE]
        known = {name.lower() for name, _ in headers}
        own = [each for each in kind if each[0] not in known]
        return self.ask(target, "POST", [*own, *headers], urlencode(form, quote_via=quote).encode())

    def token(self, target: str) -> str:
        """The token of the forms of a page."""
        found = re.search(r'name="csrf"[^>]*value="(\w+)"', self.ask(target, headers=[PAGE]).text)
        return found[1] if found else ""
