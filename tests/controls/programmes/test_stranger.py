"""A stranger between both sides of OpenADR 3: a plain HTTP client that publishes events, and hears every body pass.

It shares nothing with our client and server but the standard's published fields (`published.py`).
"""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from assets.stores.ledgers.grid_signals import GridSignals
from assets.stores.transactions import Store
from controls.programmes.listener import Listener
from controls.programmes.vtn_client import VtnClient
from controls.simulator.vtn import LocalVtn
from data_quality.contracts.control.grid_signal import EXPORT_LIMIT, IMPORT_LIMIT, ceiling_kw
from tests.controls.agent.plant import Time
from tests.controls.programmes.published import faults
from tests.controls.programmes.test_openadr3 import NAME, SECRET, source

NOW = Time().wall
ENDPOINTS = {"programs": "program", "events": "event", "reports": "report", "vens": "ven"}


def kind_of(path: str, *, is_answer: bool, status: int) -> str:
    """The kind of body that the standard has at that address."""
    place = urlsplit(path).path.strip("/")
    if is_answer and status >= 400:
        return "problem"
    if place == "auth/token":
        return "token" if is_answer else "form"
    if place.startswith("notifiers"):
        return "notifiers" if place == "notifiers" else "topics"
    name = ENDPOINTS[place.partition("/")[0]]
    return f"served {name}" if is_answer else name


@dataclass
class Stranger:
    """Stands before a VTN, passes on what comes, and judges every body of either side by the published fields."""

    vtn: LocalVtn
    version: str
    heard: list[tuple[str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    token: str = ""

    def passed(self, method: str, path: str, headers: dict[str, str], body: bytes | None) -> tuple[int, bytes]:
        """One exchange with the VTN, judged."""
        request = urllib.request.Request(f"{self.vtn.url}{path}", body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                status, content = answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            status, content = refusal.code, refusal.read()
        for is_answer, each in ((False, body), (True, content)):
            kind = kind_of(path, is_answer=is_answer, status=status)
            if each and kind != "form":
                self.heard.append((method, kind))
                self.faults += faults(self.version, kind, json.loads(each))
        return status, content

    def act(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Request of the grid's business side, judged like every other."""
        if not self.token:
            form = {"grant_type": "client_credentials", "client_id": "ven-1", "client_secret": SECRET}
            self.token = json.loads(self.passed("POST", "/auth/token", {}, urlencode(form).encode())[1])["access_token"]
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        status, content = self.passed(method, path, headers, None if body is None else json.dumps(body).encode())
        assert status in (200, 201), content
        found: dict[str, Any] = json.loads(content)
        return found


@pytest.fixture(params=["3.1", "3.0"])
def stranger(request: pytest.FixtureRequest) -> Iterator[tuple[Stranger, str]]:
    """The stranger, and the address at which our client asks it."""
    with LocalVtn("ven-1", SECRET, [NAME], version=request.param) as vtn:
        between = Stranger(vtn, request.param)

        class Handler(BaseHTTPRequestHandler):
            def _pass(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                names = ("Authorization", "Content-Type")
                headers = {name: self.headers[name] for name in names if name in self.headers}
                status, content = between.passed(self.command, self.path, headers, self.rfile.read(size) or None)
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = _pass  # noqa: N815 - names of the library

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield between, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        server.server_close()


def envelope(*pairs: tuple[float, float], version: str) -> dict[str, Any]:
    """Half hours of ceilings of import and export, as a network operator sends them to a site."""
    units = [{"payloadType": kind, "units": "KW"} for kind in (IMPORT_LIMIT, EXPORT_LIMIT)]
    types = {"objectType": "EVENT_PAYLOAD_DESCRIPTOR"} if version == "3.1" else {}
    return {
        "programID": "programs-1",
        "eventName": "envelope",
        "intervalPeriod": {"start": NOW.isoformat(), "duration": "PT30M"},
        "payloadDescriptors": [each | types for each in units],
        "intervals": [
            {
                "id": number,
                "payloads": [{"type": IMPORT_LIMIT, "values": [ours]}, {"type": EXPORT_LIMIT, "values": [theirs]}],
            }
            for number, (ours, theirs) in enumerate(pairs)
        ],
    }


def test_every_body_of_both_sides_is_as_published_while_a_stranger_publishes_changes_and_deletes(
    stranger: tuple[Stranger, str], store: Store
) -> None:
    between, url = stranger
    heard = Listener("home", VtnClient(source(url), SECRET), GridSignals(store), Time())
    made = between.act("POST", "/events", envelope((10, 4), (8, 6), version=between.version))
    poll = heard.poll()
    assert (poll.n_events, poll.unsent) == (1, "")
    ledger = GridSignals(store)

    def ceilings(hours: float) -> tuple[float | None, float | None]:
        at, standing = NOW + timedelta(hours=hours), ledger.open("home", NOW)
        return ceiling_kw(standing, IMPORT_LIMIT, at), ceiling_kw(standing, EXPORT_LIMIT, at)

    assert (ceilings(0.1), ceilings(0.6)) == ((10, 4), (8, 6))
    between.act("PUT", f"/events/{made['id']}", envelope((3, 4), version=between.version))
    heard.poll()
    assert ceilings(0.1) == (3, 4)
    between.act("DELETE", f"/events/{made['id']}")
    heard.poll()
    assert ceilings(0.1) == (None, None)
    assert between.faults == []
    kinds = {kind for _, kind in between.heard}
    assert {"event", "report", "ven", "served event", "served report", "served ven", "served program", "token"} <= kinds
    # 3.0 has no such address: a problem, and our client asks once.
    assert [kind for _, kind in between.heard].count("problem") == (between.version == "3.0")


def test_the_stranger_sees_a_body_that_is_not_as_published(store: Store) -> None:
    assert faults("3.1", "ven", {"objectType": "VEN", "venName": "home"}) != [], "as 3.0 has it, and as we once sent it"
    assert faults("3.0", "ven", {"objectType": "VEN", "venName": "home"}) == []
    assert faults("3.0", "report", {"eventID": "e", "clientName": "c", "resources": []}) != []
    assert faults("3.1", "served event", {"programID": "p", "id": "e"}) != []
