"""The live stream over a WebSocket, which programs of the first generation ask for: the same request, gate and events.

The handshake goes as a GET through everything that a request passes; of its answer each event is one message of JSON.
"""

import json
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Its address, the one that answers, and what that one calls the parameters of this one.
PATH, ASKED = "/api/realtime/stream", "/api/v1/ems/live/stream"
NAMES = {"siteId": "site"}
# Of headers that are about the connection or the packing of an answer the request knows nothing.
_LEFT_OUT = (b"connection", b"upgrade", b"accept", b"accept-encoding", b"content-length", b"transfer-encoding")
GOING_AWAY, NOT_ALLOWED = 1001, 1008


async def over_socket(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Have the application answer a socket. app: what takes the request as HTTP."""
    if scope["path"] != PATH:
        await send({"type": "websocket.close", "code": NOT_ALLOWED})
        return
    await receive()
    try:
        await app(_request(scope), _Inward(receive), _Outward(send))
    except OSError:
        # The other side is gone, and so is what it would have been told.
        return


def _request(scope: Scope) -> Scope:
    named = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    headers = [
        each for each in scope["headers"] if each[0] not in _LEFT_OUT and not each[0].startswith(b"sec-websocket")
    ]
    return {
        **scope,
        "type": "http",
        # Of this version who is gone is told by what comes in, and not by the next event that is sent.
        "asgi": {"version": "3.0"},
        "method": "GET",
        "scheme": {"ws": "http", "wss": "https"}[scope["scheme"]],
        "path": ASKED,
        "raw_path": ASKED.encode(),
        "query_string": urlencode([(NAMES.get(name, name), value) for name, value in named]).encode(),
        "headers": [*headers, (b"accept", b"text/event-stream")],
        # No page of another site may read what this browser's cookie opens: of a GET nobody asks that.
        "is_socket": True,
    }


class _Inward:
    """Incoming side: nothing is asked over it, so that a message is waited past until the other side is gone."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._is_asked = receive, False

    async def __call__(self) -> Message:
        if not self._is_asked:
            self._is_asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        while (await self._receive())["type"] != "websocket.disconnect":
            pass
        return {"type": "http.disconnect"}


class _Outward:
    """Outgoing side: a stream as messages, anything else as the refusal of the handshake."""

    def __init__(self, send: Send) -> None:
        self._send, self._is_open, self._begun, self._code = send, False, b"", GOING_AWAY

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._is_open = message["status"] == 200
            if self._is_open:
                await self._send({"type": "websocket.accept"})
            else:
                await self._send({**message, "type": "websocket.http.response.start"})
        elif not self._is_open:
            await self._send({**message, "type": "websocket.http.response.body"})
        else:
            *whole, self._begun = (self._begun + message.get("body", b"")).split(b"\n\n")
            for event in filter(None, map(_event, whole)):
                if event["event"] == "bye" and event["data"]["reason"] == "no_permission":
                    self._code = NOT_ALLOWED
                await self._send({"type": "websocket.send", "text": json.dumps(event, separators=(",", ":"))})
            if not message.get("more_body"):
                await self._send({"type": "websocket.close", "code": self._code})


def _event(block: bytes) -> dict[str, Any] | None:
    """One event; None for what is about the connection alone."""
    fields = dict(line.split(": ", 1) for line in block.decode().splitlines())
    if "event" not in fields:
        return None
    number = {"id": int(fields["id"])} if "id" in fields else {}
    return {"event": fields["event"], **number, "data": json.loads(fields["data"])}
