"""A virtual top node (VTN) of OpenADR 3 on the loopback, for tests and `meterloom up`.

It is a simulator: programmes, events and reports stand in memory alone, and whatever follows from it is synthetic.
"""

import json
import logging
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from controls.gateways.access.own_process import own_parser, run_to_end, until_asked
from controls.programmes.openadr3 import Body, Event, Programme, Report, Ven, read_body
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import load_project
from data_quality.contracts.site_file.find_site import find_site

MOST_BYTES, TOKEN_S = 2**18, 3600.0
_KINDS: dict[str, type[Body]] = {"programs": Programme, "events": Event, "reports": Report, "vens": Ven}
logger = logging.getLogger("meterloom.vtn")


class LocalVtn:
    """A VTN with one client. Use it in `with`; `publish` and `withdraw` are what its operator does."""

    def __init__(
        self, client_id: str, secret: str, programmes: Sequence[str], *, port: int = 0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._client, self._monotonic = (client_id, secret), monotonic
        self._tokens: dict[str, float] = {}
        self._lock, self._numbers = threading.Lock(), count(1)
        self.objects: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in _KINDS}
        for name in programmes:
            self.add("programs", {"programName": name})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="vtn", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def publish(self, event: dict[str, Any]) -> str:
        """Add an event, or change the one of that id; returns its id. Raises BadInput for a body that is no event."""
        return str(self.add("events", {"programID": next(iter(self.objects["programs"]))} | event)["id"])

    def withdraw(self, event_id: str) -> None:
        """Take an event away."""
        with self._lock:
            del self.objects["events"][event_id]

    def add(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """Keep an object, checked. Raises BadInput."""
        with self._lock:
            kept = {"id": f"{kind}-{next(self._numbers)}"} | body
            read_body(_KINDS[kind], kept, kind)
            self.objects[kind][kept["id"]] = kept
        return kept

    def token_for(self, form: dict[str, list[str]]) -> dict[str, Any] | None:
        """A token where id and secret are the client's; None else."""
        given = (*form.get("client_id", [""]), *form.get("client_secret", [""]))
        if form.get("grant_type") != ["client_credentials"] or given != self._client:
            return None
        token = secrets.token_urlsafe(24)
        self._tokens[token] = self._monotonic() + TOKEN_S
        return {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_S}

    def forget_tokens(self) -> None:
        """Every token that was given counts no longer."""
        self._tokens.clear()

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


def _handler(vtn: LocalVtn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            path = urlsplit(self.path)
            if not vtn.is_known(self.headers.get("Authorization", "")):
                self._answer(HTTPStatus.UNAUTHORIZED, _problem(401, "the token is missing, wrong or over"))
            elif (kind := path.path.strip("/")) in vtn.objects:
                self._answer(HTTPStatus.OK, vtn.listed(kind, parse_qs(path.query)))
            else:
                self._answer(HTTPStatus.NOT_FOUND, _problem(404, "no such collection"))

        def do_POST(self) -> None:
            size, kind = int(self.headers.get("Content-Length") or 0), self.path.strip("/")
            if size > MOST_BYTES:
                self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _problem(413, "too long"))
                return
            body = self.rfile.read(size)
            if kind == "auth/token":
                token = vtn.token_for(parse_qs(body.decode("utf-8", "replace")))
                refused = _problem(401, "client id or secret is wrong")
                self._answer(HTTPStatus.OK if token else HTTPStatus.UNAUTHORIZED, token or refused)
            elif not vtn.is_known(self.headers.get("Authorization", "")):
                self._answer(HTTPStatus.UNAUTHORIZED, _problem(401, "the token is missing, wrong or over"))
            else:
                self._add(kind, body)

        def _add(self, kind: str, body: bytes) -> None:
            try:
                self._answer(HTTPStatus.CREATED, vtn.add(kind, json.loads(body)))
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

    return Handler


def _problem(status: int, detail: str) -> dict[str, Any]:
    # RFC 7807, as the published schema has it.
    return {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the synthetic source of a site until asked to end. Returns the exit code."""
    parser = own_parser("meterloom-vtn", "A simulated OpenADR 3 server on the loopback")
    parser.add_argument("--site", required=True)
    parser.add_argument("--source", required=True)
    options = parser.parse_args(arguments)
    stop = until_asked()

    def work() -> None:
        site = find_site(load_project(options.project, os.environ), options.site)
        source = next((each for each in site.signal_sources if each.source_id == options.source), None)
        if source is None or not source.is_synthetic:
            raise BadInput(f"site {site.site_id} has no synthetic signal source {options.source!r}", reason="no_source")
        secret, port = os.environ.get(source.secret_env, ""), urlsplit(source.url).port or 0
        with LocalVtn(source.client_id, secret, [source.programme], port=port) as vtn:
            logger.info("simulated VTN at %s", vtn.url)
            stop.wait()

    return run_to_end(work, logger)


if __name__ == "__main__":
    sys.exit(main())
