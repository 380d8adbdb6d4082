"""A virtual top node (VTN) of OpenADR 3 (3.1.0, or 3.0.1) on the loopback, for tests and `meterloom up`.

It is a simulator: programmes, events and reports stand in memory alone, and whatever follows from it is synthetic.
"""

import json
import logging
import os
import secrets
import sys
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, Literal, Self
from urllib.parse import parse_qs, unquote_plus, urlsplit

from controls.gateways.access.own_process import own_parser, run_to_end, stop_signal
from controls.gateways.capabilities import DeviceRefused, DeviceSilent
from controls.gateways.mqtt_line import BrokerAddress, MqttLine
from controls.gateways.open import broker_address
from controls.programmes.openadr3 import Body, Event, Programme, Report, Ven, read_body
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import load_project
from data_quality.contracts.site_file.find_site import find_site
from data_quality.contracts.site_file.live_source import SignalSource
from data_quality.contracts.time import Clock, SystemClock

# A report of a year of quarter hours is some 6 MB.
MOST_BYTES, TOKEN_S = 2**23, 3600
_CLOCK = SystemClock()
_KINDS: dict[str, type[Body]] = {"programs": Programme, "events": Event, "reports": Report, "vens": Ven}
# Given by the server alone: what a client says of them is not heard.
_METADATA = ("id", "createdDateTime", "modificationDateTime", "objectType")
logger = logging.getLogger("meterloom.vtn")


class LocalVtn:
    """A VTN with one client. Use it in `with`; `publish` and `withdraw` are what its operator does.

    broker: where it tells of changes of events over MQTT, by 3.1. version: 3.0 has neither that nor its address.
    """

    def __init__(
        self, client_id: str, secret: str, programmes: Sequence[str], *, port: int = 0,
        monotonic: Callable[[], float] = time.monotonic, clock: Clock = _CLOCK,
        broker: BrokerAddress | None = None, version: Literal["3.0", "3.1"] = "3.1",
    ) -> None:  # fmt: skip
        self._clock, self.version, self.broker, self._line = (
            clock, version, broker, None if broker is None else _line_to(broker)
        )  # fmt: skip
        self._client, self._monotonic = (client_id, secret), monotonic
        self._tokens: dict[str, float] = {}
        self._lock, self._numbers = threading.Lock(), count(1)
        self.objects: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in _KINDS}
        for name in programmes:
            self.add("programs", {"programName": name})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"vtn": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="vtn", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        if self._line is not None:
            self._line.close()

    def publish(self, event: dict[str, Any]) -> str:
        """Add an event, or change the one of that id; returns its id. Raises BadInput for a body that is no event."""
        return str(
            self.add("events", {"programID": next(iter(self.objects["programs"]))} | event, event.get("id"))["id"]
        )

    def withdraw(self, event_id: str) -> None:
        """Take an event away."""
        self.remove("events", event_id)

    def add(self, kind: str, body: dict[str, Any], object_id: str | None = None) -> dict[str, Any]:
        """Keep an object, checked; in place of the one of that id. Raises BadInput."""
        with self._lock:
            object_id = object_id or f"{kind}-{next(self._numbers)}"
            before, now = self.objects[kind].get(object_id), self._clock.now_utc().isoformat()
            created = now if before is None else before["createdDateTime"]
            given = {name: value for name, value in body.items() if name not in _METADATA}
            own = {"clientID": self._client[0]} if kind in ("reports", "vens") and self.version == "3.1" else {}
            values = (object_id, created, now, kind[:-1].upper())
            kept = dict(zip(_METADATA, values, strict=True)) | given | own
            read_body(_KINDS[kind], kept, kind)
            self.objects[kind][object_id] = kept
        self._notify(kind, "CREATE" if before is None else "UPDATE", kept)
        return kept

    def remove(self, kind: str, object_id: str) -> dict[str, Any]:
        """Take an object away. Raises KeyError."""
        with self._lock:
            gone = self.objects[kind].pop(object_id)
        self._notify(kind, "DELETE", gone)
        return gone

    def _notify(self, kind: str, operation: str, about: dict[str, Any]) -> None:
        """Notify over MQTT: of an event with targets each node alone, of any other who hears its programme."""
        if self._line is None or kind != "events":
            return
        nodes = [f"vens/{name}" for name in self.objects["vens"]]
        body = json.dumps({"objectType": "EVENT", "operation": operation, "object": about}).encode()
        for place in nodes if about.get("targets") else [f"programs/{about['programID']}"]:
            # Who is not told by it asks by itself: a broker that is away keeps no event from being served.
            with suppress(DeviceSilent, DeviceRefused):
                if not self._line.is_open and self.broker is not None:
                    self._line = _line_to(self.broker)
                self._line.publish(f"openadr/{place}/events/{operation.lower()}", body)

    def notifiers(self, path: str) -> dict[str, Any] | None:
        """Body served at /notifiers and below; None where nothing is there."""
        if self.version == "3.0" or (self.broker is None and path != "notifiers"):
            return None
        if path == "notifiers":
            if self.broker is None:
                return {"WEBHOOK": True}
            by_token = {"method": "OAUTH2_BEARER_TOKEN", "username": "{clientID}"}
            entry = by_token if self.broker.username else {"method": "ANONYMOUS"}
            return {"WEBHOOK": True, "MQTT": {
                "URIS": [self.broker.url], "serialization": "JSON", "authentication": entry,
            }}  # fmt: skip
        topic = path.removeprefix("notifiers/mqtt/topics/")
        return {"topics": {name: f"openadr/{topic}/{name.lower()}" for name in ("CREATE", "UPDATE", "DELETE")}}

    def token_for(self, form: dict[str, list[str]]) -> dict[str, Any] | None:
        """A token where id and secret are the client's; None else."""
        given = (*form.get("client_id", [""]), *form.get("client_secret", [""]))
        if form.get("grant_type") != ["client_credentials"] or given != self._client:
            return None
        token = secrets.token_urlsafe(24)
        self._tokens[token] = self._monotonic() + TOKEN_S
        return {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_S}

    def is_known(self, authorization: str) -> bool:
        """Whether a request carries a token that holds."""
        return self._monotonic() < self._tokens.get(authorization.removeprefix("Bearer "), 0.0)

    def listed(self, kind: str, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        """A page of objects that meet the conditions."""
        wanted = {name: values[0] for name, values in query.items() if name not in ("skip", "limit")}
        with self._lock:
            rows = [row for row in self.objects[kind].values() if wanted.items() <= row.items()]
        start, size = (int(query.get(name, [usual])[0]) for name, usual in (("skip", "0"), ("limit", "50")))
        return rows[start : start + size]


def _line_to(broker: BrokerAddress) -> MqttLine:
    return MqttLine(broker, client_id=f"vtn-{secrets.token_hex(4)}", subscriptions=())


class _Handler(BaseHTTPRequestHandler):
    vtn: LocalVtn
    timeout = 5

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        if not self.vtn.is_known(self.headers.get("Authorization", "")):
            self._answer(HTTPStatus.UNAUTHORIZED, _problem(401, "the token is missing, wrong or over"))
        elif (kind := path.path.strip("/")) in self.vtn.objects:
            self._answer(HTTPStatus.OK, self.vtn.listed(kind, parse_qs(path.query)))
        elif kind.startswith("notifiers") and (body := self.vtn.notifiers(kind)) is not None:
            self._answer(HTTPStatus.OK, body)
        else:
            self._answer(HTTPStatus.NOT_FOUND, _problem(404, "no such collection"))

    def do_PUT(self) -> None:
        self._change(self.rfile.read(min(int(self.headers.get("Content-Length") or 0), MOST_BYTES)))

    def do_DELETE(self) -> None:
        self._change(None)

    def _change(self, body: bytes | None) -> None:
        """Replace or take away the object that the path names."""
        kind, _, object_id = self.path.strip("/").partition("/")
        if not self.vtn.is_known(self.headers.get("Authorization", "")):
            self._answer(HTTPStatus.UNAUTHORIZED, _problem(401, "the token is missing, wrong or over"))
        elif object_id not in self.vtn.objects.get(kind, {}):
            self._answer(HTTPStatus.NOT_FOUND, _problem(404, "no such object"))
        elif body is None:
            self._answer(HTTPStatus.OK, self.vtn.remove(kind, object_id))
        else:
            self._add(kind, body, object_id)

    def do_POST(self) -> None:
        size, kind = int(self.headers.get("Content-Length") or 0), self.path.strip("/")
        if size > MOST_BYTES:
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _problem(413, "too long"))
            return
        body = self.rfile.read(size)
        if kind == "auth/token":
            form = parse_qs(body.decode("utf-8", "replace")) | _client_of(self.headers.get("Authorization", ""))
            token = self.vtn.token_for(form)
            refused = _problem(401, "client id or secret is wrong")
            self._answer(HTTPStatus.OK if token else HTTPStatus.UNAUTHORIZED, token or refused)
        elif not self.vtn.is_known(self.headers.get("Authorization", "")):
            self._answer(HTTPStatus.UNAUTHORIZED, _problem(401, "the token is missing, wrong or over"))
        else:
            self._add(kind, body)

    def _add(self, kind: str, body: bytes, object_id: str | None = None) -> None:
        try:
            kept = self.vtn.add(kind, json.loads(body), object_id)
            self._answer(HTTPStatus.CREATED if object_id is None else HTTPStatus.OK, kept)
        except (BadInput, ValueError, KeyError, TypeError) as fault:
            self._answer(HTTPStatus.BAD_REQUEST, _problem(400, str(fault)))

    def _answer(self, status: HTTPStatus, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing: a poll every few seconds is no news."""


def _client_of(authorization: str) -> dict[str, list[str]]:
    """Id and secret of a client that says them in the header (RFC 6749, 2.3.1); nothing where it does not."""
    if not authorization.startswith("Basic "):
        return {}
    try:
        words = b64decode(authorization.removeprefix("Basic ")).decode().partition(":")[::2]
    except ValueError:
        return {}
    return {
        name: [unquote_plus(each)] for name, each in zip(("client_id", "client_secret"), words, strict=True) if each
    }


def _problem(status: int, detail: str) -> dict[str, Any]:
    # RFC 7807, as the published schema has it.
    return {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the synthetic source of a site until asked to end. Returns the exit code."""
    parser = own_parser("meterloom-vtn", "A simulated OpenADR 3 server on the loopback")
    parser.add_argument("--site", required=True)
    parser.add_argument("--source", required=True)
    parser.add_argument("--notifies", action="store_true", help="tell of changes over the broker of the settings")
    options = parser.parse_args(arguments)
    stop = stop_signal()

    def work() -> None:
        project = load_project(options.project, os.environ)
        site, broker = find_site(project, options.site), broker_address(project.settings) if options.notifies else None
        source = next((each for each in site.signal_sources if each.source_id == options.source), None)
        if not isinstance(source, SignalSource) or not source.is_synthetic:
            raise BadInput(f"site {site.site_id} has no synthetic signal source {options.source!r}", reason="no_source")
        secret, port = os.environ.get(source.secret_env, ""), urlsplit(source.url).port or 0
        with LocalVtn(source.client_id, secret, [source.programme], port=port, broker=broker) as vtn:
            logger.info("simulated VTN at %s", vtn.url)
            stop.wait()

    return run_to_end(work, logger)


if __name__ == "__main__":
    sys.exit(main())
